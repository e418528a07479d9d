namespace ConnMgr.Probe;

/// <summary>What the bytes of the peer prove so far.</summary>
internal enum Verdict
{
    /// <summary>More bytes are needed.</summary>
    NotYet,

    /// <summary>The answer is correct, by its content.</summary>
    Content,

    /// <summary>The peer speaks the protocol; no more is proved.</summary>
    Protocol,

    /// <summary>The peer accepts connections; no more is proved.</summary>
    Connection,

    /// <summary>
    /// An answer that the service itself would not give. It comes from a portal or from another service.
    /// </summary>
    Wrong,

    /// <summary>
    /// The service itself reports a failure. This proves nothing about the link, and does not blame it.
    /// </summary>
    Failed,
}

/// <summary>
/// One conversation with a service: bytes in, a verdict out. An implementation does no I/O, stores a bounded
/// number of bytes, does not allocate while reading, and accepts any bytes in pieces of any size.
/// </summary>
internal interface IConversation
{
    /// <summary>The largest request, in bytes.</summary>
    const int MaxRequestSize = 1024;

    /// <summary>Writes the request to send once the connection exists.</summary>
    /// <param name="buffer">At least <see cref="MaxRequestSize"/> bytes.</param>
    /// <returns>The size of the request in bytes; 0 if the connection itself is the answer.</returns>
    int WriteRequest(Span<byte> buffer);

    /// <summary>
    /// Processes the next bytes of a stream, or one whole datagram. A verdict other than <see
    /// cref="Verdict.NotYet"/> is final.
    /// </summary>
    Verdict Read(ReadOnlySpan<byte> bytes);

    /// <summary>Returns the verdict if no more bytes arrive.</summary>
    /// <param name="isClosed">True if the peer has ended its stream; false if it was reset or the time is
    /// up.</param>
    Verdict Conclude(bool isClosed);

    /// <summary>
    /// The verdict as a phrase that follows the peer's name or `answered by PEER`; empty if the verdict needs
    /// no detail.
    /// </summary>
    string Detail { get; }
}
