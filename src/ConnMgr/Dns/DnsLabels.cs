namespace ConnMgr.Dns;

/// <summary>
/// The labels of one name in a DNS message, compression pointers followed (RFC 1035 section 4.1.4, and the
/// pitfalls of RFC 9267). Ends after 255 bytes and 32 pointers, whatever the bytes are.
/// </summary>
internal ref struct DnsLabels(ReadOnlySpan<byte> message, int start)
{
    // Names share suffixes label by label, so that a real one has fewer pointers than labels.
    private const int MaxPointers = 32;
    private const int KindMask = 0xc0; // of a length byte; of its four values two are reserved
    private const int Pointer = 0xc0;

    private readonly ReadOnlySpan<byte> _message = message;
    private int _position = start;
    private int _runStart = start;
    private int _pointers;
    private int _length;

    /// <summary>
    /// The position after the name, once its first pointer or its root has been met; -1 before.
    /// </summary>
    public int End { get; private set; } = -1;

    /// <summary>
    /// The next label; an empty one is the root, after which there is none. False: malformed.
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
    /// Goes where the pointer leads: before the run of labels that it ends, so never in a circle.
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
