namespace ConnMgr.Probe;

/// <summary>
/// CoAP over UDP (RFC 7252 section 4.3): the service answers an empty confirmable message with a reset that
/// has the same message id. Ignores any other datagram, since anyone can send one.
/// </summary>
internal sealed class CoapConversation(ReadOnlySpan<byte> entropy) : IConversation
{
    // Version 1 in the upper two bits, the type in the next two, then a token length of 0 (section 3).
    private const byte Confirmable = 0x40;
    private const byte Reset = 0x70;
    private const byte Empty = 0x00; // code 0.00
    private const int HeaderSize = 4;

    private readonly byte _idHigh = entropy[0];
    private readonly byte _idLow = entropy[1];

    public string Detail => "";

    public int WriteRequest(Span<byte> buffer)
    {
        buffer[0] = Confirmable;
        buffer[1] = Empty;
        buffer[2] = _idHigh;
        buffer[3] = _idLow;
        return HeaderSize;
    }

    public Verdict Read(ReadOnlySpan<byte> bytes) =>
        bytes.Length == HeaderSize && bytes[0] == Reset && bytes[1] == Empty
            && bytes[2] == _idHigh && bytes[3] == _idLow
            ? Verdict.Protocol
            : Verdict.NotYet;

    public Verdict Conclude(bool isClosed) => Verdict.NotYet;
}
