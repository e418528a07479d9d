using System.Buffers.Binary;

namespace ConnMgr.Dns;

/// <summary>
/// Reads a DNS message of hostile bytes from front to back. It never throws, never reads outside the message,
/// never loops forever, and never allocates. Once a method returns false, the message is malformed and the
/// position is undefined.
/// </summary>
internal ref struct DnsReader(ReadOnlySpan<byte> message)
{
    public const int HeaderSize = 12;

    private readonly ReadOnlySpan<byte> _message = message;

    /// <summary>The position of the next read, in bytes from the start of the message.</summary>
    public int Position { get; private set; }

    /// <summary>A reader of the same message at an earlier position.</summary>
    public readonly DnsReader At(int position)
    {
        DnsReader reader = this;
        reader.Position = Math.Clamp(position, 0, _message.Length);
        return reader;
    }

    /// <summary>Reads a number in network byte order. Returns false if fewer than 2 bytes are left.</summary>
    public bool TryReadUInt16(out ushort value)
    {
        value = 0;
        if (_message.Length - Position < sizeof(ushort))
        {
            return false;
        }
        value = BinaryPrimitives.ReadUInt16BigEndian(_message[Position..]);
        Position += sizeof(ushort);
        return true;
    }

    /// <summary>Reads a number in network byte order. Returns false if fewer than 4 bytes are left.</summary>
    public bool TryReadUInt32(out uint value)
    {
        value = 0;
        if (_message.Length - Position < sizeof(uint))
        {
            return false;
        }
        value = BinaryPrimitives.ReadUInt32BigEndian(_message[Position..]);
        Position += sizeof(uint);
        return true;
    }

    /// <summary>Reads <paramref name="count"/> bytes. Returns false if fewer are left.</summary>
    public bool TryReadBytes(int count, out ReadOnlySpan<byte> bytes)
    {
        bytes = default;
        if ((uint)count > (uint)(_message.Length - Position))
        {
            return false;
        }
        bytes = _message.Slice(Position, count);
        Position += count;
        return true;
    }

    /// <summary>Reads a name, decompressed and in lower case.</summary>
    /// <param name="wire">
    /// Receives the name in wire format; at least <see cref="DnsName.MaxWireLength"/> bytes.
    /// </param>
    /// <param name="length">The number of bytes written: 1 (the root) to 255.</param>
    public bool TryReadName(scoped Span<byte> wire, out int length)
    {
        length = 0;
        DnsLabels labels = new(_message, Position);
        while (labels.TryNext(out ReadOnlySpan<byte> label))
        {
            wire[length++] = (byte)label.Length;
            foreach (byte letter in label)
            {
                wire[length++] = DnsName.ToLower(letter);
            }
            if (label.IsEmpty)
            {
                Position = labels.End;
                return true;
            }
        }
        return false;
    }

    /// <summary>Reads a name and compares it with <paramref name="wire"/>, ignoring case.</summary>
    /// <param name="wire">A name in wire format and lower case.</param>
    /// <param name="isSame">True if they are equal; false for a malformed name.</param>
    public bool TryMatchName(scoped ReadOnlySpan<byte> wire, out bool isSame)
    {
        isSame = true;
        DnsLabels labels = new(_message, Position);
        while (labels.TryNext(out ReadOnlySpan<byte> label))
        {
            // Read to the end even if a label differs: the rest of the name must be well-formed too.
            isSame = isSame && StartsWith(wire, label);
            if (label.IsEmpty)
            {
                Position = labels.End;
                return true;
            }
            wire = isSame ? wire[(1 + label.Length)..] : wire;
        }
        isSame = false;
        return false;
    }

    private static bool StartsWith(scoped ReadOnlySpan<byte> wire, scoped ReadOnlySpan<byte> label)
    {
        if (wire.Length <= label.Length || wire[0] != label.Length)
        {
            return false;
        }
        for (int i = 0; i < label.Length; i++)
        {
            if (wire[1 + i] != DnsName.ToLower(label[i]))
            {
                return false;
            }
        }
        return true;
    }
}
