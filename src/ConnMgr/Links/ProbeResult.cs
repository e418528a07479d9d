namespace ConnMgr.Links;

/// <summary>How a probe ended.</summary>
internal enum ProbeOutcome
{
    /// <summary>The echo service sent back what it was sent.</summary>
    EchoAnswered,

    /// <summary>Something else answered in its place, e.g. a portal.</summary>
    WrongContent,

    /// <summary>The ping was answered, the echo was not: the upstream works, the service does not.</summary>
    PingOnly,

    /// <summary>Nothing answered.</summary>
    NoAnswer,
}

/// <summary>The result of a probe.</summary>
/// <param name="Outcome">How it ended.</param>
/// <param name="Detail">In words, e.g. `echo answered by 198.18.100.10 in 1.3 ms`.</param>
/// <param name="RoundTrip">From the connection's start to the echo; null if there was none.</param>
internal readonly record struct ProbeResult(ProbeOutcome Outcome, string Detail, TimeSpan? RoundTrip = null);
