namespace ConnMgr.Probe;

/// <summary>The outcome of a probe.</summary>
internal enum ProbeOutcome
{
    /// <summary>A service gave the correct answer, of strength content or protocol.</summary>
    ServiceAnswered,

    /// <summary>Something else answered instead of the service, e.g. a portal.</summary>
    WrongContent,

    /// <summary>
    /// A ping was answered, or a connection was accepted, but no correct answer came: the upstream works, the
    /// service does not.
    /// </summary>
    PingOnly,

    /// <summary>Nothing answered.</summary>
    NoAnswer,
}

/// <summary>The result of a probe.</summary>
/// <param name="Outcome">The outcome.</param>
/// <param name="Detail">A description, e.g. `echo answered by 198.18.100.10 in 1.3 ms`.</param>
/// <param name="RoundTrip">The time from the connection's start to the correct answer; null if there was
/// none.</param>
/// <param name="Scheme">The protocol of the correct answer, e.g. `echo`.</param>
/// <param name="Strength">What the correct answer proves: `content` or `protocol`.</param>
/// <param name="Service">The URL of the service that gave the correct or the wrong answer; null if none
/// did.</param>
/// <param name="Suspect">The URL of a service that answered wrongly, but was ignored because it has not
/// answered correctly over any link; null if there was none.</param>
/// <param name="Heard">The time from the first packet to the first sign of life, including the time that lost
/// packets cost; null if there was none.</param>
/// <param name="Unanswered">With <see cref="ProbeOutcome.PingOnly"/>, the URLs of the services that could
/// have confirmed the link; else null.</param>
/// <param name="IsDroppedHere">True if this device has dropped the packets of the probe, or their
/// answers.</param>
internal readonly record struct ProbeResult(
    ProbeOutcome Outcome, string Detail, TimeSpan? RoundTrip = null, string Scheme = "echo",
    string Strength = "content",
    string? Service = null, string? Suspect = null, TimeSpan? Heard = null,
    IReadOnlyList<string>? Unanswered = null, bool IsDroppedHere = false)
{
    /// <summary>A phrase that follows `confirmed by`.</summary>
    public string Proof => Strength == "content" ? Scheme : $"{Scheme}, {Strength} only";
}

/// <summary>The number of probes per <see cref="ProbeOutcome"/>.</summary>
/// <param name="Echo"><see cref="ProbeOutcome.ServiceAnswered"/>.</param>
/// <param name="WrongContent"><see cref="ProbeOutcome.WrongContent"/>.</param>
/// <param name="PingOnly"><see cref="ProbeOutcome.PingOnly"/>.</param>
/// <param name="NoAnswer"><see cref="ProbeOutcome.NoAnswer"/>.</param>
internal readonly record struct ProbeTally(int Echo, int WrongContent, int PingOnly, int NoAnswer)
{
    /// <summary>Returns the tally with one more probe of this outcome.</summary>
    public ProbeTally With(ProbeOutcome outcome) => outcome switch
    {
        ProbeOutcome.ServiceAnswered => this with { Echo = Echo + 1 },
        ProbeOutcome.WrongContent => this with { WrongContent = WrongContent + 1 },
        ProbeOutcome.PingOnly => this with { PingOnly = PingOnly + 1 },
        _ => this with { NoAnswer = NoAnswer + 1 },
    };
}
