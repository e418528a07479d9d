using System.Diagnostics.CodeAnalysis;
using System.Runtime.CompilerServices;
using System.Text;

namespace ConnMgr.Dns;

/// <summary>
/// A domain name of any bytes, in wire format and lower case; usable as the key of a table. Only
/// <see cref="ToString"/> allocates. The default value is the root.
/// </summary>
internal struct DnsName : IEquatable<DnsName>
{
    /// <summary>
    /// In bytes, including the length byte of each label and the final zero byte (RFC 1035 section 2.3.4).
    /// </summary>
    public const int MaxWireLength = 255;

    private const int MaxTextLength = 253; // the text of 255 bytes in wire format, without a final dot
    private const int MaxLabelLength = 63;

    private Buffer _wire;
    private byte _length; // without the zero byte of the root, which the buffer always has

    /// <summary>The name in wire format, lower case, 1 to 255 bytes.</summary>
    [UnscopedRef]
    public readonly ReadOnlySpan<byte> Wire => ((ReadOnlySpan<byte>)_wire)[..(_length + 1)];

    /// <summary>
    /// True if <see cref="TryParse"/> accepts the name's text. Such a text is safe in a log and in a shell.
    /// </summary>
    public readonly bool IsHostName
    {
        get
        {
            Span<char> text = stackalloc char[MaxLabelLength];
            ReadOnlySpan<byte> rest = Wire;
            bool isNumber = true;
            while (rest[0] != 0)
            {
                for (int i = 0; i < rest[0]; i++)
                {
                    text[i] = (char)rest[1 + i];
                }
                if (!IsHostLabel(text[..rest[0]]))
                {
                    return false;
                }
                isNumber = IsNumber(text[..rest[0]]);
                rest = rest[(1 + rest[0])..];
            }
            return !isNumber;
        }
    }

    /// <summary>
    /// Parses a host name (RFC 952, RFC 1123 section 2.1): letters, digits, hyphens inside labels, and
    /// underscores, which real services use and resolvers accept. Drops a final dot. Returns false if the
    /// last label has only digits, because the text is then an address or a part of one.
    /// </summary>
    public static bool TryParse(ReadOnlySpan<char> text, out DnsName name)
    {
        name = default;
        text = text.EndsWith('.') ? text[..^1] : text;
        if (text.IsEmpty || text.Length > MaxTextLength)
        {
            return false;
        }
        DnsName parsed = default;
        bool isNumber = false;
        foreach (Range range in text.Split('.'))
        {
            ReadOnlySpan<char> label = text[range];
            if (!IsHostLabel(label))
            {
                return false;
            }
            isNumber = IsNumber(label);
            parsed.Append(label);
        }
        if (isNumber)
        {
            return false;
        }
        name = parsed;
        return true;
    }

    /// <summary>Reads a name from a message.</summary>
    public static bool TryRead(ref DnsReader reader, out DnsName name)
    {
        name = default;
        if (!reader.TryReadName(name._wire, out int length))
        {
            name = default;
            return false;
        }
        name._length = (byte)(length - 1);
        return true;
    }

    /// <summary>Converts an ASCII letter to lower case. Only ASCII has case in a name (RFC 4343).</summary>
    public static byte ToLower(byte letter) =>
        (uint)(letter - 'A') <= 'Z' - 'A' ? (byte)(letter | 0x20) : letter;

    public readonly bool Equals(DnsName other) => Wire.SequenceEqual(other.Wire);

    public override readonly bool Equals(object? obj) => obj is DnsName other && Equals(other);

    public override readonly int GetHashCode()
    {
        HashCode hash = default;
        hash.AddBytes(Wire);
        return hash.ToHashCode();
    }

    /// <summary>
    /// The name without a final dot; unsafe bytes are escaped as \DDD (RFC 1035 section 5.1).
    /// </summary>
    public override readonly string ToString()
    {
        Span<byte> text = stackalloc byte[4 * MaxWireLength];
        return Encoding.ASCII.GetString(text[..WriteText(Wire, text)]);
    }

    /// <summary>
    /// Writes a name as text and returns its length. Bytes other than letters, digits, '-' and '_' are
    /// written as \DDD (RFC 1035 section 5.1).
    /// </summary>
    /// <param name="wire">The whole name in wire format.</param>
    /// <param name="text">A buffer of at least 4 times as many bytes.</param>
    public static int WriteText(ReadOnlySpan<byte> wire, Span<byte> text)
    {
        int length = 0;
        while (wire[0] != 0)
        {
            if (length > 0)
            {
                text[length++] = (byte)'.';
            }
            foreach (byte letter in wire.Slice(1, wire[0]))
            {
                if (IsPlain((char)letter))
                {
                    text[length++] = letter;
                    continue;
                }
                text[length++] = (byte)'\\';
                text[length++] = (byte)('0' + (letter / 100));
                text[length++] = (byte)('0' + (letter / 10 % 10));
                text[length++] = (byte)('0' + (letter % 10));
            }
            wire = wire[(1 + wire[0])..];
        }
        if (length == 0)
        {
            text[length++] = (byte)'.';
        }
        return length;
    }

    private static bool IsHostLabel(ReadOnlySpan<char> label)
    {
        if (label.IsEmpty || label.Length > MaxLabelLength || label[0] == '-' || label[^1] == '-')
        {
            return false;
        }
        foreach (char letter in label)
        {
            if (!IsPlain(letter))
            {
                return false;
            }
        }
        return true;
    }

    // ContainsAnyExceptInRange allocates in code that is not optimised (.NET 10.0).
    private static bool IsNumber(ReadOnlySpan<char> label)
    {
        foreach (char letter in label)
        {
            if (!char.IsAsciiDigit(letter))
            {
                return false;
            }
        }
        return true;
    }

    private static bool IsPlain(char letter) => char.IsAsciiLetterOrDigit(letter) || letter is '-' or '_';

    private void Append(ReadOnlySpan<char> label)
    {
        _wire[_length++] = (byte)label.Length;
        foreach (char letter in label)
        {
            _wire[_length++] = ToLower((byte)letter);
        }
    }

    [InlineArray(MaxWireLength)]
    private struct Buffer
    {
        private byte _first;
    }
}
