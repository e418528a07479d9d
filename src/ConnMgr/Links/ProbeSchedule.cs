using ConnMgr.Probe;

namespace ConnMgr.Links;

/// <summary>When a link is due for a probe, by the ticks alone (sections 5 and 6 of the contract).</summary>
/// <param name="idleLimit">Silence before it is probed.</param>
internal sealed class ProbeSchedule(TimeSpan idleLimit)
{
    private static readonly TimeSpan FirstRetry = TimeSpan.FromSeconds(2);
    private static readonly TimeSpan LongestRetry = TimeSpan.FromSeconds(30);
    private static readonly TimeSpan UrgentRetry = TimeSpan.FromSeconds(10);
    private static readonly TimeSpan ProofLifetime = TimeSpan.FromSeconds(60);
    private static readonly TimeSpan WatchGap = TimeSpan.FromSeconds(4);
    private static readonly TimeSpan ShortWatchGap = TimeSpan.FromSeconds(3); // at the next tick, mostly
    private static readonly TimeSpan ComparisonGap = TimeSpan.FromSeconds(4);

    private uint _watchPhase;
    private TimeSpan _idle;
    private TimeSpan _retry = FirstRetry;
    private bool _isCompared;

    /// <summary>How the last probe ended, that was not cancelled; null if there was none since the link came up.</summary>
    public ProbeOutcome? LastOutcome { get; private set; }

    public TimeSpan LastEndedAt { get; private set; } = TimeSpan.MinValue;

    /// <summary>The link has come up: it has no past.</summary>
    public void Reset()
    {
        _idle = TimeSpan.Zero;
        _retry = FirstRetry;
        _isCompared = false;
        LastOutcome = null;
    }

    /// <summary>Takes the end of a tick.</summary>
    public void Tick(bool isSilent) => _idle = isSilent ? _idle + Link.TickPeriod : TimeSpan.Zero;

    /// <summary>Takes the end of a probe of a link that was in <paramref name="state"/>.</summary>
    public void End(ProbeOutcome outcome, LinkState state, TimeSpan now)
    {
        _idle = TimeSpan.Zero;
        _retry = state != LinkState.Failed || LastOutcome is null ? FirstRetry
            : _retry * 2 < LongestRetry ? _retry * 2
            : LongestRetry;
        _isCompared = false;
        LastOutcome = outcome;
        LastEndedAt = now;
    }

    /// <summary>The next probe is due in 4 s, since the last one is compared with another link's.</summary>
    public void Compare() => _isCompared = true;

    /// <summary>Why the link is due, or null. To be asked at the end of a tick.</summary>
    public string? DueReason(LinkState state, in Surroundings surroundings, bool isWatchedClosely, TimeSpan now)
    {
        TimeSpan since = LastOutcome is null ? TimeSpan.MaxValue : now - LastEndedAt;
        // Short and long gaps in the order of the golden ratio, which never repeats: an upstream that dies and revives cannot keep
        // step with it, as it can with a fixed period.
        if (isWatchedClosely && IsDueWithin(_watchPhase < 1u << 31 ? ShortWatchGap : WatchGap, since))
        {
            _watchPhase += 0x9E3779B9;
            return "failed of late";
        }
        switch (state)
        {
            case LinkState.Confirmed:
                return _idle >= idleLimit ? $"was silent for {(int)Math.Round(_idle.TotalSeconds)} s"
                    : IsDueWithin(ProofLifetime, since) ? "was not proved for a minute"
                    : _isCompared && since >= ComparisonGap ? "answered ping alone, unlike another link"
                    : LastOutcome == ProbeOutcome.PingOnly && since >= idleLimit ? "answered ping alone"
                    : null;
            case LinkState.Failed:
                bool isUrgent = surroundings.InUse != LinkClass.A;
                return since >= _retry || (isUrgent && IsDueWithin(UrgentRetry, since)) ? "failed before" : null;
            default:
                return since >= idleLimit ? "is not confirmed yet" : null;
        }
    }

    /// <summary>The next tick would be too late.</summary>
    private static bool IsDueWithin(TimeSpan limit, TimeSpan since) => since > limit - Link.TickPeriod;
}
