namespace ConnMgr.Dns;

/// <summary>
/// Reads the labels of one name in a DNS message and follows compression pointers (RFC 1035 section 4.1.4;
/// RFC 9267 lists the pitfalls). Stops after 255 bytes or 32 pointers.
/// </summary>
internal ref struct DnsLabels(ReadOnlySpan<byte> message, int start)
{
    // Names share suffixes label by label, so a real name has fewer pointers than labels.
    private const int MaxPointers = 32;
    private const int KindMask = 0xc0; // the two high bits of a length byte; two of four values are reserved
    private const int Pointer = 0xc0;

    private readonly ReadOnlySpan<byte> _message = message;
    private int _position = start;
    private int _runStart = start;
    private int _pointers;
    private int _length;

    /// <summary>
    /// The position after the name, once its first pointer or its root has been read; -1 before.
    /// </summary>
    public int End { get; private set; } = -1;

    /// <summary>
    /// Reads the next label; an empty label is the root and the last one. Returns false if the name is
    /// malformed.
    /// </summary>
    public bool TryNext(out ReadOnlySpan<byte> label)
    {
        label = default;
        while (_position < _message.Length)
        {
            int length = _message[_position];
            if ((length & KindMask) == 0)
            {
                _length += 1 + length;
                if (_length > DnsName.MaxWireLength || length >= _message.Length - _position)
                {
                    return false;
                }
                label = _message.Slice(_position + 1, length);
                _position += 1 + length;
                End = End < 0 && length == 0 ? _position : End;
                return true;
            }
            if ((length & KindMask) != Pointer || !TryFollow())
            {
                return false;
            }
        }
        return false;
    }

    /// <summary>
    /// Follows a pointer. Rejects a pointer that does not lead to before the current run of labels: pointers
    /// that only lead backwards cannot form a loop.
    /// </summary>
    private bool TryFollow()
    {
        if (_message.Length - _position < 2)
        {
            return false;
        }
        int target = ((_message[_position] & ~KindMask) << 8) | _message[_position + 1];
        if (target < DnsReader.HeaderSize || target >= _runStart || ++_pointers > MaxPointers)
        {
            return false;
        }
        End = End < 0 ? _position + 2 : End;
        _position = _runStart = target;
        return true;
    }
}
