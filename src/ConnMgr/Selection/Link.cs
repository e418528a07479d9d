namespace ConnMgr.Selection;

/// <summary>What a <see cref="Link"/> wants done.</summary>
internal enum LinkEffectKind
{
    StateChanged,
    StartProbe,
    CancelProbe,
}

/// <summary>One thing that a <see cref="Link"/> wants done, and why.</summary>
/// <param name="Kind">What.</param>
/// <param name="Reason">Why, in words.</param>
/// <param name="From">The state before, if it changed.</param>
/// <param name="To">The state after.</param>
internal readonly record struct LinkEffect(LinkEffectKind Kind, string Reason, LinkState From, LinkState To);

/// <summary>What a link needs to know of the others.</summary>
/// <param name="IsInUse">This link is in use.</param>
/// <param name="IsGoodLinkInUse">A link of class A, this or another, is in use.</param>
/// <param name="IsNothingLeft">No link is of class A, B or C.</param>
internal readonly record struct Surroundings(bool IsInUse, bool IsGoodLinkInUse, bool IsNothingLeft);

/// <summary>
/// The state machine of one link: takes facts, ticks, evidence and probe results with the time, and says what is to
/// be done. It does no I/O and reads no clock.
/// </summary>
/// <remarks>
/// Down and NoWayOut become Unconfirmed (a metered link: Confirmed, by decree) when the link is connected. Every
/// state becomes Down when it no longer runs, and NoWayOut when it was without address or way out for 1 s. The rest
/// is decided by probes.
/// </remarks>
internal sealed class Link
{
    public static readonly TimeSpan TickPeriod = TimeSpan.FromSeconds(2);

    private static readonly TimeSpan Grace = TimeSpan.FromSeconds(1);
    private static readonly TimeSpan EvidenceProbeGap = TimeSpan.FromSeconds(4);
    private static readonly TimeSpan FirstRetry = TimeSpan.FromSeconds(2);
    private static readonly TimeSpan LongestRetry = TimeSpan.FromSeconds(30);
    private static readonly TimeSpan UrgentRetry = TimeSpan.FromSeconds(10);
    private static readonly TimeSpan ProofLifetime = TimeSpan.FromSeconds(60);
    private static readonly TimeSpan MeteredPardon = TimeSpan.FromMinutes(5);
    private static readonly TimeSpan HoldProbeGap = TimeSpan.FromSeconds(5);

    private readonly TimeSpan _idleLimit;
    private readonly WanProbe _wanProbe;
    private readonly List<LinkEffect> _effects = [];
    private LinkFacts _facts;
    private Surroundings _surroundings;
    private FamilyFacts _judged;
    private TimeSpan? _interruptedSince;
    private bool _wasProbeInterrupted;
    private TimeSpan _idle;
    private TimeSpan _retry = FirstRetry;
    private TimeSpan _evidenceProbeAt = TimeSpan.MinValue;
    private TimeSpan _probeEndedAt = TimeSpan.MinValue;
    private ProbeOutcome? _lastOutcome;

    /// <param name="kind">Which of the links it is.</param>
    /// <param name="name">Its interface name.</param>
    /// <param name="idleLimit">Silence before it is probed.</param>
    /// <param name="wanProbe">When it may be probed, if it is metered.</param>
    public Link(LinkKind kind, string name, TimeSpan idleLimit, WanProbe wanProbe)
    {
        Kind = kind;
        Name = name;
        _idleLimit = idleLimit;
        _wanProbe = wanProbe;
    }

    public LinkKind Kind { get; }

    public string Name { get; }

    public bool IsMetered => Kind == LinkKind.Wan;

    public LinkState State { get; private set; }

    /// <summary>When the state was entered.</summary>
    public TimeSpan Since { get; private set; }

    /// <summary>When it last came up, or its last failure ended.</summary>
    public TimeSpan UnfailedSince { get; private set; }

    /// <summary>The state in words that fit behind the name, e.g. `lost carrier`.</summary>
    public string Words { get; private set; } = "is not there yet";

    public FailureHistory Failures { get; } = new();

    public LinkFacts Facts => _facts;

    /// <summary>It has come up at least once.</summary>
    public bool HasBeenUp { get; private set; }

    public bool IsProbing { get; private set; }

    /// <summary>When the running probe, or else the last one, started.</summary>
    public TimeSpan ProbeStartedAt { get; private set; } = TimeSpan.MinValue;

    /// <summary>True once a probe has ended since the link came up.</summary>
    public bool HasBeenProbed { get; private set; }

    /// <summary>Up, but for less than a second without address or way out: no switch to it is to be tried.</summary>
    public bool IsInterrupted => _interruptedSince is not null;

    /// <summary>When <see cref="Advance"/> is to be called; <see cref="TimeSpan.MaxValue"/> is never.</summary>
    public TimeSpan NextDeadline => _interruptedSince is { } since ? since + Grace : TimeSpan.MaxValue;

    /// <summary>What is to be done since the last <see cref="ClearEffects"/>.</summary>
    public IReadOnlyList<LinkEffect> Effects => _effects;

    public void ClearEffects() => _effects.Clear();

    /// <summary>Takes what the kernel now says of the device.</summary>
    public void SetFacts(in LinkFacts facts, TimeSpan now)
    {
        LinkFacts before = _facts;
        _facts = facts;
        if (State != LinkState.Down && (!facts.Runs || facts.Ifindex != before.Ifindex))
        {
            string words =
                facts.Ifindex == 0 ? "lost its device"
                : facts.Ifindex != before.Ifindex ? "got another device"
                : !facts.IsAdminUp ? "was set down"
                : "lost carrier";
            Fall(LinkState.Down, words, now);
        }
        if (!facts.Runs)
        {
            return;
        }

        if (!facts.IsConnected)
        {
            Interrupt(now);
        }
        else if (!State.IsUp())
        {
            ComeUp(now);
        }
        else if (facts.Judged != _judged || _wasProbeInterrupted)
        {
            _interruptedSince = null;
            Reconsider(now);
        }
        else
        {
            _interruptedSince = null; // all is as it was
        }
    }

    /// <summary>Takes what is known of the other links.</summary>
    public void SetSurroundings(in Surroundings surroundings) => _surroundings = surroundings;

    /// <summary>Does what has become due by time alone.</summary>
    public void Advance(TimeSpan now)
    {
        if (now >= NextDeadline)
        {
            Fall(LinkState.NoWayOut, HasAddress ? "lost its way out" : "lost its address", now);
        }
    }

    /// <summary>Takes the end of a tick: whether the link gave evidence in it.</summary>
    public void Tick(bool hadEvidence, TimeSpan now)
    {
        _idle = hadEvidence || IsProbing ? TimeSpan.Zero : _idle + TickPeriod;
        if (IsProbing || IsInterrupted || !State.IsUp())
        {
            return;
        }

        if (IsMetered && State == LinkState.Failed && now - Since >= MeteredPardon && !MayProbe)
        {
            Enter(LinkState.Confirmed, "is trusted again after 5 minutes", now);
        }
        else if (MayProbe && DueReason(now) is { } reason)
        {
            StartProbe(reason, now);
        }
    }

    /// <summary>Takes the first evidence of a tick. It never confirms; on a link that is not confirmed it starts a probe.</summary>
    public void SeeEvidence(TimeSpan now)
    {
        bool useless = _lastOutcome is ProbeOutcome.PingOnly or ProbeOutcome.WrongContent;
        if (State is LinkState.Unconfirmed or LinkState.Failed && MayProbe && !IsProbing && !IsInterrupted && !useless
            && now - EvidenceProbeGap >= _evidenceProbeAt)
        {
            _evidenceProbeAt = now;
            StartProbe("something was heard from beyond it", now);
        }
    }

    /// <summary>Takes the end of a probe that was not cancelled.</summary>
    public void EndProbe(in ProbeResult result, TimeSpan now)
    {
        if (!IsProbing)
        {
            return;
        }
        IsProbing = false;
        HasBeenProbed = true;
        _idle = TimeSpan.Zero;
        _probeEndedAt = now;
        bool failedBefore = State == LinkState.Failed && _lastOutcome is not null;
        _lastOutcome = result.Outcome;

        switch (result.Outcome)
        {
            case ProbeOutcome.EchoAnswered:
                Enter(LinkState.Confirmed, "confirmed by echo", now, result.Detail);
                break;
            case ProbeOutcome.PingOnly when State == LinkState.Failed:
                Enter(
                    IsMetered ? LinkState.Confirmed : LinkState.Unconfirmed, "answers ping, not echo", now,
                    result.Detail);
                break;
            case ProbeOutcome.WrongContent or ProbeOutcome.NoAnswer:
                _retry = failedBefore ? Min(_retry * 2, LongestRetry) : FirstRetry;
                Fail(now);
                Enter(LinkState.Failed, "failed", now, result.Detail);
                break;
        }
    }

    /// <summary>The metered link may cost a probe only if it was asked for, or if there is nothing left to lose.</summary>
    private bool MayProbe =>
        !IsMetered || _wanProbe == WanProbe.Always || (State == LinkState.Failed && _surroundings.IsNothingLeft);

    private bool HasAddress => _facts.Ipv4.HasAddress || _facts.Ipv6.HasAddress;

    private string? DueReason(TimeSpan now)
    {
        TimeSpan sinceProbe = _lastOutcome is null ? TimeSpan.MaxValue : now - _probeEndedAt;
        switch (State)
        {
            case LinkState.Confirmed:
                return _idle >= _idleLimit ? $"silent for {_idle.TotalSeconds:0} s"
                    : sinceProbe > ProofLifetime - TickPeriod ? "not proved for a minute"
                    : _lastOutcome == ProbeOutcome.PingOnly && sinceProbe >= _idleLimit ? "its echo was not answered"
                    : IsServingHold(now) && sinceProbe >= HoldProbeGap ? "serving its hold"
                    : null;
            case LinkState.Failed:
                TimeSpan retry = _surroundings.IsGoodLinkInUse ? _retry : Min(_retry, UrgentRetry);
                return sinceProbe >= retry ? "failed before" : null;
            default:
                return sinceProbe >= _idleLimit ? "not confirmed yet" : null;
        }
    }

    private bool IsServingHold(TimeSpan now) =>
        _surroundings is { IsGoodLinkInUse: true, IsInUse: false } && now - Since < Failures.Hold(now);

    private void ComeUp(TimeSpan now)
    {
        _judged = _facts.Judged;
        _wasProbeInterrupted = false;
        _idle = TimeSpan.Zero;
        _retry = FirstRetry;
        _lastOutcome = null;
        HasBeenProbed = false;
        HasBeenUp = true;
        UnfailedSince = now;
        if (IsMetered && _wanProbe != WanProbe.Always)
        {
            Enter(LinkState.Confirmed, "is up, trusted unproved", now);
            return;
        }
        Enter(LinkState.Unconfirmed, "is up, not yet confirmed", now);
        StartProbe("came up", now);
    }

    /// <summary>Another address, gateway or family, so that what was proved is old; or a probe is to be made up for.</summary>
    private void Reconsider(TimeSpan now)
    {
        _judged = _facts.Judged;
        _wasProbeInterrupted = false;
        if (IsProbing)
        {
            CancelProbe("address or route changed");
        }
        if (IsMetered && State == LinkState.Failed)
        {
            Enter(LinkState.Confirmed, "has a new address, trusted unproved", now);
        }
        else if (MayProbe)
        {
            StartProbe("address or route changed", now);
        }
    }

    private void Interrupt(TimeSpan now)
    {
        if (!State.IsUp())
        {
            Enter(LinkState.NoWayOut, HasAddress ? "has no way out yet" : "has no address yet", now);
        }
        else if (!IsInterrupted)
        {
            _interruptedSince = now;
            _wasProbeInterrupted = IsProbing;
            CancelProbe("lost address or route");
        }
    }

    private void Fall(LinkState state, string words, TimeSpan now)
    {
        _interruptedSince = null;
        CancelProbe(words);
        if (State.IsUp())
        {
            Fail(now);
        }
        Enter(state, words, now);
    }

    /// <summary>Counts a failure; one outage is one failure: failed and then down is not a second.</summary>
    private void Fail(TimeSpan now)
    {
        if (State is LinkState.Unconfirmed or LinkState.Confirmed)
        {
            Failures.Add(now);
        }
    }

    private void Enter(LinkState state, string words, TimeSpan now, string? detail = null)
    {
        Words = words;
        if (state == State)
        {
            return;
        }
        if (State == LinkState.Failed && state.IsUp())
        {
            UnfailedSince = now;
        }
        _effects.Add(new LinkEffect(LinkEffectKind.StateChanged, detail ?? words, State, state));
        State = state;
        Since = now;
    }

    private void StartProbe(string reason, TimeSpan now)
    {
        IsProbing = true;
        ProbeStartedAt = now;
        _effects.Add(new LinkEffect(LinkEffectKind.StartProbe, reason, State, State));
    }

    private void CancelProbe(string reason)
    {
        if (IsProbing)
        {
            IsProbing = false;
            _effects.Add(new LinkEffect(LinkEffectKind.CancelProbe, reason, State, State));
        }
    }

    private static TimeSpan Min(TimeSpan a, TimeSpan b) => a < b ? a : b;
}
