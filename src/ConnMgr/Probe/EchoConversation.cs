namespace ConnMgr.Probe;

/// <summary>RFC 862: the service returns exactly the byte that was sent.</summary>
/// <param name="probeByte">An unpredictable byte.</param>
internal sealed class EchoConversation(byte probeByte) : IConversation
{
    private readonly Excerpt _answer = new(capacity: 40);

    public string Detail => _answer.Bytes.IsEmpty
        ? ""
        : $"answered with something else than the echo (a portal?): {_answer}";

    public int WriteRequest(Span<byte> buffer)
    {
        buffer[0] = probeByte;
        return 1;
    }

    public Verdict Read(ReadOnlySpan<byte> bytes)
    {
        if (bytes.IsEmpty)
        {
            return Verdict.NotYet;
        }
        if (bytes.Length == 1 && bytes[0] == probeByte)
        {
            return Verdict.Content;
        }
        _answer.Add(bytes);
        return Verdict.Wrong;
    }

    public Verdict Conclude(bool isClosed) => Verdict.NotYet;
}
