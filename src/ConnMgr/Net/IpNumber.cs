using System.Buffers.Binary;
using System.Globalization;
using System.Net;

namespace ConnMgr.Net;

/// <summary>
/// An IP address as one number; IPv4 is ::ffff:a.b.c.d (RFC 4291 section 2.5.5.2). Therefore IPv4 over an
/// IPv6 socket needs no special case, and a table of thousands of flows needs no object per address.
/// </summary>
/// <param name="Value">128 bits; all zero means no address.</param>
internal readonly record struct IpNumber(UInt128 Value)
{
    private const uint MappedPrefix = 0xffff;

    public bool IsIpv4 => Value >> 32 == MappedPrefix;

    /// <summary>Parses 4 or 16 bytes in network byte order. Returns false for any other length.</summary>
    public static bool TryRead(ReadOnlySpan<byte> bytes, out IpNumber number)
    {
        number = bytes.Length switch
        {
            4 => new IpNumber(((UInt128)MappedPrefix << 32) | BinaryPrimitives.ReadUInt32BigEndian(bytes)),
            16 => new IpNumber(BinaryPrimitives.ReadUInt128BigEndian(bytes)),
            _ => default,
        };
        return bytes.Length is 4 or 16;
    }

    /// <summary>Converts an address; the scope of an IPv6 address is dropped.</summary>
    public static IpNumber Of(IPAddress address)
    {
        Span<byte> bytes = stackalloc byte[16];
        _ = address.TryWriteBytes(bytes, out int length);
        _ = TryRead(bytes[..length], out IpNumber number);
        return number;
    }

    /// <summary>Writes 4 or 16 bytes in network byte order and returns their number.</summary>
    public int Write(Span<byte> bytes)
    {
        if (IsIpv4)
        {
            BinaryPrimitives.WriteUInt32BigEndian(bytes, (uint)Value);
            return 4;
        }
        BinaryPrimitives.WriteUInt128BigEndian(bytes, Value);
        return 16;
    }

    /// <summary>
    /// Formats the address according to RFC 5952, but never with dots in an IPv6 address: <see
    /// cref="IPAddress"/> writes dots in some, and not every program can parse them.
    /// </summary>
    public override string ToString()
    {
        Span<byte> bytes = stackalloc byte[16];
        if (Write(bytes) == 4)
        {
            return new IPAddress(bytes[..4]).ToString();
        }
        (int zeros, int zerosEnd) = LongestZeros();
        Span<char> text = stackalloc char[39];
        int length = 0;
        for (int group = 0; group < 8; group++)
        {
            if (group == zeros)
            {
                text[length++] = ':';
                text[length++] = ':';
                group = zerosEnd - 1;
                continue;
            }
            if (length > 0 && group != zerosEnd)
            {
                text[length++] = ':';
            }
            _ = Group(group).TryFormat(text[length..], out int written, "x", CultureInfo.InvariantCulture);
            length += written;
        }
        return new string(text[..length]);
    }

    private ushort Group(int index) => (ushort)(Value >> (112 - (16 * index)));

    /// <summary>The first of the longest runs of at least two zero groups.</summary>
    private (int Start, int End) LongestZeros()
    {
        (int start, int end) = (-1, -1);
        for (int i = 0; i < 8; i++)
        {
            int from = i;
            while (i < 8 && Group(i) == 0)
            {
                i++;
            }
            if (i - from > Math.Max(1, end - start))
            {
                (start, end) = (from, i);
            }
        }
        return (start, end);
    }

    /// <summary>
    /// True if the address is in the subnet. A subnet of prefix length 0 counts as empty here.
    /// </summary>
    public bool IsIn(IPNetwork subnet)
    {
        IpNumber first = Of(subnet.BaseAddress);
        int bits = subnet.PrefixLength + (first.IsIpv4 ? 96 : 0);
        return subnet.PrefixLength > 0 && IsIpv4 == first.IsIpv4
            && (Value ^ first.Value) >> (128 - bits) == 0;
    }
}
