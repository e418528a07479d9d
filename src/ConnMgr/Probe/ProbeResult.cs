namespace ConnMgr.Probe;

/// <summary>How a probe ended.</summary>
internal enum ProbeOutcome
{
    /// <summary>A service gave the right answer, of strength content or protocol.</summary>
    EchoAnswered,

    /// <summary>Something else answered in its place, e.g. a portal.</summary>
    WrongContent,

    /// <summary>A ping was answered, or a connection accepted, but there was no right answer: the upstream works, the service
    /// does not.</summary>
    PingOnly,

    /// <summary>Nothing answered.</summary>
    NoAnswer,
}

/// <summary>The result of a probe.</summary>
/// <param name="Outcome">How it ended.</param>
/// <param name="Detail">In words, e.g. `echo answered by 198.18.100.10 in 1.3 ms`.</param>
/// <param name="RoundTrip">From the connection's start to the right answer; null if there was none.</param>
/// <param name="Scheme">The protocol of the right answer, e.g. `echo`.</param>
/// <param name="Strength">What the right answer proves: `content` or `protocol`.</param>
/// <param name="Service">The URL of the service that gave the right or the wrong answer; null if none did.</param>
/// <param name="Suspect">The URL of a service whose answer was wrong, but which has not answered rightly over any link, so
/// that its answer counted for nothing; null if there was none.</param>
internal readonly record struct ProbeResult(
    ProbeOutcome Outcome, string Detail, TimeSpan? RoundTrip = null, string Scheme = "echo", string Strength = "content",
    string? Service = null, string? Suspect = null)
{
    /// <summary>Words that fit behind `confirmed by`.</summary>
    public string Proof => Strength == "content" ? Scheme : $"{Scheme}, {Strength} only";
}

/// <summary>How many probes have ended with each <see cref="ProbeOutcome"/>.</summary>
/// <param name="Echo"><see cref="ProbeOutcome.EchoAnswered"/>.</param>
/// <param name="WrongContent"><see cref="ProbeOutcome.WrongContent"/>.</param>
/// <param name="PingOnly"><see cref="ProbeOutcome.PingOnly"/>.</param>
/// <param name="NoAnswer"><see cref="ProbeOutcome.NoAnswer"/>.</param>
internal readonly record struct ProbeTally(int Echo, int WrongContent, int PingOnly, int NoAnswer)
{
    /// <summary>The same with one more.</summary>
    public ProbeTally With(ProbeOutcome outcome) => outcome switch
    {
        ProbeOutcome.EchoAnswered => this with { Echo = Echo + 1 },
        ProbeOutcome.WrongContent => this with { WrongContent = WrongContent + 1 },
        ProbeOutcome.PingOnly => this with { PingOnly = PingOnly + 1 },
        _ => this with { NoAnswer = NoAnswer + 1 },
    };
}
