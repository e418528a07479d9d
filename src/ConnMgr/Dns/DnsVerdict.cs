namespace ConnMgr.Dns;

/// <summary>The result of judging a reply. Each result except <see cref="Unfinished"/> is counted.</summary>
internal enum DnsVerdict
{
    /// <summary>The reply answers a question. Its addresses, if any, were passed on.</summary>
    Answer,

    /// <summary>A TCP segment that completes no message. Not counted, because nothing is refused.</summary>
    Unfinished,

    /// <summary>The packet is malformed, or is not UDP or TCP from port 53.</summary>
    BadPacket,

    /// <summary>A fragment (<see cref="PacketFlaw.Fragment"/>).</summary>
    Fragment,

    /// <summary>No question with this identifier, addresses and ports is open.</summary>
    Unasked,

    /// <summary>
    /// The name, type or class differs from the question, or there is not exactly one question.
    /// </summary>
    WrongQuestion,

    /// <summary>The message is malformed.</summary>
    Malformed,

    /// <summary>A query, or an opcode other than 0.</summary>
    NotAReply,

    /// <summary>
    /// The server reports an error, for example that the name does not exist (RCODE is not 0); or the reply
    /// has too many CNAMEs, or CNAMEs that form a loop.
    /// </summary>
    ErrorCode,

    /// <summary>The server is not trusted for this question.</summary>
    UntrustedServer,

    /// <summary>
    /// The reply belongs to a TCP connection whose SYN was not seen, or whose stream was given up.
    /// </summary>
    LostStream,
}
