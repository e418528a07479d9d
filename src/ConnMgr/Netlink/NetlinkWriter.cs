namespace ConnMgr.Netlink;

/// <summary>Builds a request in the caller's buffer, which must be large enough.</summary>
internal ref struct NetlinkWriter(Span<byte> buffer)
{
    private readonly Span<byte> _buffer = buffer;
    private int _length = NetlinkReader.HeaderSize;

    /// <summary>
    /// Appends the header of the family, e.g. struct rtmsg. Its length must be a multiple of 4.
    /// </summary>
    public void Append(scoped ReadOnlySpan<byte> bytes)
    {
        bytes.CopyTo(_buffer[_length..]);
        _length += bytes.Length;
    }

    /// <summary>Appends an attribute and its padding.</summary>
    /// <param name="type">The type, perhaps with NLA_F_NESTED.</param>
    /// <param name="value">The bytes after the header.</param>
    public void Attribute(ushort type, scoped ReadOnlySpan<byte> value)
    {
        Span<byte> attribute = _buffer.Slice(_length, NetlinkWire.Align(4 + value.Length));
        attribute.Clear();
        BitConverter.TryWriteBytes(attribute, (ushort)(4 + value.Length));
        BitConverter.TryWriteBytes(attribute[2..], type);
        value.CopyTo(attribute[4..]);
        _length += attribute.Length;
    }

    /// <summary>
    /// Starts an attribute that contains attributes (NLA_F_NESTED). Pass the result to <see cref="EndNest"/>.
    /// </summary>
    public int BeginNest(ushort type)
    {
        int start = _length;
        Attribute((ushort)(type | NetlinkHeader.NLA_F_NESTED), default);
        return start;
    }

    /// <summary>Ends an attribute that <see cref="BeginNest"/> started.</summary>
    public readonly void EndNest(int start) =>
        BitConverter.TryWriteBytes(_buffer[start..], (ushort)(_length - start));

    /// <summary>Returns the request with sequence number and port zero.</summary>
    public readonly byte[] Finish(ushort type, ushort flags) => Finish(type, flags, sequence: 0).ToArray();

    /// <summary>Returns the request in the caller's buffer.</summary>
    public readonly ReadOnlySpan<byte> Finish(ushort type, ushort flags, uint sequence)
    {
        _buffer[..NetlinkReader.HeaderSize].Clear();
        BitConverter.TryWriteBytes(_buffer, _length);
        BitConverter.TryWriteBytes(_buffer[4..], type);
        BitConverter.TryWriteBytes(_buffer[6..], (ushort)(flags | NetlinkMessage.FlagRequest));
        BitConverter.TryWriteBytes(_buffer[8..], sequence);
        return _buffer[.._length];
    }
}
