namespace ConnMgr.Probe;

/// <summary>What the bytes of a peer prove, so far.</summary>
internal enum Verdict
{
    /// <summary>Not enough has come.</summary>
    NotYet,

    /// <summary>The right answer, by its content.</summary>
    Content,

    /// <summary>A peer that speaks the protocol, no more.</summary>
    Protocol,

    /// <summary>A peer that accepts connections, no more.</summary>
    Connection,

    /// <summary>An answer that the service would not give: a portal, or another service.</summary>
    Wrong,

    /// <summary>The service itself says that it has failed: it proves nothing, nor does it accuse the link.</summary>
    Failed,
}

/// <summary>
/// One conversation with a service: bytes in, a verdict out. An implementation does no I/O, keeps a bounded number of
/// bytes, allocates nothing while it reads, and accepts any bytes in pieces of any size.
/// </summary>
internal interface IConversation
{
    /// <summary>The largest request, in bytes.</summary>
    const int MaxRequestSize = 1024;

    /// <summary>Writes what is sent once the connection exists.</summary>
    /// <param name="buffer">At least <see cref="MaxRequestSize"/> bytes.</param>
    /// <returns>Its size in bytes; 0 if the connection itself is the answer.</returns>
    int WriteRequest(Span<byte> buffer);

    /// <summary>
    /// Takes the next bytes of a stream, or one whole datagram. A verdict other than <see cref="Verdict.NotYet"/> is
    /// final.
    /// </summary>
    Verdict Read(ReadOnlySpan<byte> bytes);

    /// <summary>The verdict if nothing more comes.</summary>
    /// <param name="isClosed">The peer has ended its stream; false if it was reset or the time is up.</param>
    Verdict Conclude(bool isClosed);

    /// <summary>
    /// The verdict in words that fit behind the peer's name or behind `answered by PEER`; empty if the verdict says all.
    /// </summary>
    string Detail { get; }
}
