using ConnMgr.Probe;

namespace ConnMgr.Links;

/// <summary>
/// Decides when the passing of ticks makes a probe of a link due (sections 5 and 6 of the contract).
/// </summary>
/// <param name="idleLimit">How long the link may be silent before it is probed.</param>
/// <param name="isMetered">The link's bytes cost money.</param>
internal sealed class ProbeSchedule(TimeSpan idleLimit, bool isMetered)
{
    private static readonly TimeSpan FirstRetry = TimeSpan.FromSeconds(2);
    private static readonly TimeSpan LongestRetry = TimeSpan.FromSeconds(30);
    private static readonly TimeSpan UrgentRetry = TimeSpan.FromSeconds(10);
    private static readonly TimeSpan ProofLifetime = TimeSpan.FromSeconds(60);
    private static readonly TimeSpan WatchGap = TimeSpan.FromSeconds(4);
    private static readonly TimeSpan ShortWatchGap = TimeSpan.FromSeconds(3); // mostly the next tick
    private static readonly TimeSpan ComparisonGap = TimeSpan.FromSeconds(4);

    /// <summary>
    /// How long before the end of the idle limit a probe starts: a probe takes up to 3 s and must end
    /// within 2 s after the limit; 0.1 s is left for the switch.
    /// </summary>
    private static readonly TimeSpan IdleLead = TimeSpan.FromSeconds(1.1);

    private uint _watchPhase;
    private TimeSpan _idleSince;
    private TimeSpan _retry = FirstRetry;
    private bool _isCompared;

    /// <summary>
    /// The outcome of the last probe that was not cancelled; null if there was none since the link came up.
    /// </summary>
    public ProbeOutcome? LastOutcome { get; private set; }

    /// <summary>
    /// When the probe of <see cref="LastOutcome"/> ended; <see cref="TimeSpan.MinValue"/> if there was none.
    /// </summary>
    public TimeSpan LastEndedAt { get; private set; } = TimeSpan.MinValue;

    /// <summary>
    /// When to probe a silent link: so early that a probe of 3 s ends within 2 s after the idle limit. A
    /// metered link is probed only at the idle limit. The end of a probe counts like evidence.
    /// </summary>
    public TimeSpan IdleAt => _idleSince + idleLimit
        - (isMetered ? TimeSpan.Zero : idleLimit / 4 < IdleLead ? idleLimit / 4 : IdleLead);

    /// <summary>Forgets everything: the link has come up.</summary>
    public void Reset(TimeSpan now)
    {
        _idleSince = now;
        _retry = FirstRetry;
        _isCompared = false;
        LastOutcome = null;
    }

    /// <summary>Records that the link was not silent.</summary>
    public void SeeEvidence(TimeSpan now) => _idleSince = now;

    /// <summary>Ends a tick in which the link gave evidence, perhaps at a time that is not known.</summary>
    public void OnTickEndedWithEvidence(TimeSpan now) =>
        _idleSince = _idleSince > now - Link.TickPeriod ? _idleSince : now;

    /// <summary>Handles the end of a probe of a link that was in <paramref name="state"/>.</summary>
    public void OnProbeEnded(ProbeOutcome outcome, LinkState state, TimeSpan now)
    {
        _idleSince = now;
        _retry = state != LinkState.Failed || LastOutcome is null ? FirstRetry
            : _retry * 2 < LongestRetry ? _retry * 2
            : LongestRetry;
        _isCompared = false;
        LastOutcome = outcome;
        LastEndedAt = now;
    }

    /// <summary>Makes the next probe due in 4 s, to compare it with another link's.</summary>
    public void Compare() => _isCompared = true;

    /// <summary>Returns why a probe is due, as a phrase, or null. Call it at the end of a tick.</summary>
    public string? DueReason(
        LinkState state, in Surroundings surroundings, bool isWatchedClosely, TimeSpan now)
    {
        TimeSpan since = LastOutcome is null ? TimeSpan.MaxValue : now - LastEndedAt;
        // Choose short and long gaps by the golden ratio. The sequence never repeats, so an upstream that
        // dies and revives periodically cannot stay in step with it.
        if (isWatchedClosely && IsDueWithin(_watchPhase < 1u << 31 ? ShortWatchGap : WatchGap, since))
        {
            _watchPhase += 0x9E3779B9;
            return "failed recently";
        }
        switch (state)
        {
            case LinkState.Confirmed:
                return now >= IdleAt ? $"was silent for {(int)Math.Round((now - _idleSince).TotalSeconds)} s"
                    : IsDueWithin(ProofLifetime, since) ? "was not confirmed for a minute"
                    : _isCompared && since >= ComparisonGap ? "answered only ping, unlike another link"
                    : LastOutcome == ProbeOutcome.PingOnly && since >= idleLimit ? "answered only ping"
                    : null;
            case LinkState.Failed:
                bool isUrgent = surroundings.InUse != LinkClass.A;
                return since >= _retry || (isUrgent && IsDueWithin(UrgentRetry, since))
                    ? "failed before" : null;
            default:
                return since >= idleLimit ? "is not confirmed yet" : null;
        }
    }

    /// <summary>True if the limit would pass before the next tick.</summary>
    private static bool IsDueWithin(TimeSpan limit, TimeSpan since) => since > limit - Link.TickPeriod;
}
