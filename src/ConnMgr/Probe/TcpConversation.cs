namespace ConnMgr.Probe;

/// <summary>TCP: sends nothing, because the connection itself is the answer.</summary>
internal sealed class TcpConversation : IConversation
{
    public string Detail => "";

    public int WriteRequest(Span<byte> buffer) => 0;

    public Verdict Read(ReadOnlySpan<byte> bytes) => Verdict.Connection;

    public Verdict Conclude(bool isClosed) => Verdict.Connection;
}
