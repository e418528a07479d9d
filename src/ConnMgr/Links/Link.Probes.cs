using ConnMgr.Config;
using ConnMgr.Probe;

namespace ConnMgr.Links;

/// <content>When the link is probed, and how a probe's result changes its state.</content>
internal sealed partial class Link
{
    private static readonly TimeSpan EvidenceProbeGap = TimeSpan.FromSeconds(4);
    private static readonly TimeSpan FreshProof = TimeSpan.FromSeconds(4);
    private static readonly TimeSpan LeastPatience = TimeSpan.FromSeconds(0.4);
    private static readonly TimeSpan LeastMeteredPatience = TimeSpan.FromSeconds(1);
    private static readonly TimeSpan LongestPatience = TimeSpan.FromSeconds(2);
    private static readonly TimeSpan LeastEarlyLimit = TimeSpan.FromSeconds(1.2);
    private static readonly TimeSpan LeastLimit = TimeSpan.FromSeconds(1.8);
    private static readonly TimeSpan LongestLimit = TimeSpan.FromSeconds(3);

    private readonly WanProbe _wanProbe;
    private readonly ProbeSchedule _schedule;
    private readonly Suspicion _suspicion = new();
    private readonly RoundTrips _roundTrips = new();
    private TimeSpan _evidenceProbeAt = TimeSpan.MinValue;

    public bool IsProbing { get; private set; }

    /// <summary>True while an early probe runs because this link is under suspicion.</summary>
    public bool IsUnderSuspicion { get; private set; }

    /// <summary>When the running probe started, or else the last one that was not cancelled.</summary>
    public TimeSpan ProbeStartedAt { get; private set; } = TimeSpan.MinValue;

    /// <summary>True once a probe has ended since the link came up.</summary>
    public bool HasBeenProbed { get; private set; }

    /// <summary>
    /// True for a metered link that is assumed good: no probe has confirmed it since it came up.
    /// </summary>
    public bool IsAssumed =>
        IsMetered && State == LinkState.Confirmed && LastOutcome != ProbeOutcome.ServiceAnswered;

    /// <summary>The outcome of the last probe since the link came up; null if there was none.</summary>
    public ProbeOutcome? LastOutcome => _schedule.LastOutcome;

    /// <summary>When the probe of <see cref="LastOutcome"/> ended.</summary>
    public TimeSpan ProbeEndedAt => _schedule.LastEndedAt;

    /// <summary>
    /// The result of the last probe that was not cancelled, even from before the link last came up; null if
    /// none.
    /// </summary>
    public ProbeResult? LastProbe { get; private set; }

    /// <summary>
    /// True if the last probe had no answer because this device drops the packets: the link is not to blame.
    /// </summary>
    public bool IsDroppedHere => LastProbe is { IsDroppedHere: true };

    /// <summary>The number of probes per <see cref="ProbeOutcome"/>.</summary>
    public ProbeTally Tally { get; private set; }

    /// <summary>How long the last ended probe took.</summary>
    public TimeSpan ProbeTook { get; private set; }

    /// <summary>
    /// True if an outgoing packet would arouse suspicion: report it by <see cref="SeeOutgoing"/>.
    /// </summary>
    public bool WantsOutgoing =>
        State == LinkState.Confirmed && MayBeSuspected && !IsProbing && !IsInterrupted
            && !_suspicion.IsPending;

    /// <summary>The smoothed round trip; null if it has not been measured since the link came up.</summary>
    public TimeSpan? RoundTrip => _roundTrips.Smoothed;

    /// <summary>When <see cref="ProbeIdle"/> is due; <see cref="TimeSpan.MaxValue"/> if never.</summary>
    public TimeSpan IdleAt =>
        State == LinkState.Confirmed && MayProbe && !IsProbing && !IsInterrupted
            ? _schedule.IdleAt
            : TimeSpan.MaxValue;

    /// <summary>
    /// How long a packet that leaves now may wait for an answer before a probe is due: from the measured
    /// round trip of the busy link, 0.4 to 2 s, on a metered link 1 to 2 s. Each failure within the hour
    /// doubles the least value. 2 s if nothing has been measured, or after a rest.
    /// </summary>
    public TimeSpan Patience(TimeSpan now) => Patience(_roundTrips.TimeoutAt(now), now);

    /// <summary>Starts a probe if the link has been silent for the idle limit.</summary>
    public void ProbeIdle(TimeSpan now)
    {
        if (now >= IdleAt
            && _schedule.DueReason(State, _surroundings, IsWatchedClosely(now), now) is { } reason)
        {
            StartProbe(reason, now);
        }
    }

    /// <summary>
    /// Handles the first evidence of a tick. Evidence never confirms a link; it starts a probe of an
    /// unconfirmed one.
    /// </summary>
    public void SeeEvidence(TimeSpan now)
    {
        _suspicion.SeeEvidence();
        if (!IsProbing)
        {
            _schedule.SeeEvidence(now);
            _roundTrips.SeeEvidence(now);
        }
        bool useless = LastOutcome is ProbeOutcome.PingOnly or ProbeOutcome.WrongContent;
        if (State is LinkState.Unconfirmed or LinkState.Failed && MayProbe && !IsProbing && !IsInterrupted
            && !useless
            && now - EvidenceProbeGap >= _evidenceProbeAt)
        {
            _evidenceProbeAt = now;
            StartProbe("gave evidence", now);
        }
    }

    /// <summary>
    /// Handles an outgoing TCP segment or DNS question to an address outside the link's own subnets. An early
    /// probe is due after <see cref="Patience(TimeSpan)"/> unless evidence arrives.
    /// </summary>
    public void SeeOutgoing(TimeSpan now)
    {
        if (WantsOutgoing)
        {
            _roundTrips.SeeSent(now);
            _suspicion.SeeOutgoing(now, Patience(_roundTrips.Timeout, now));
        }
    }

    /// <summary>
    /// Handles a change of the link's name servers since its last probe. An unconfirmed link is probed again:
    /// at boot the first probe may start before the platform has name servers.
    /// </summary>
    public void SeeOtherServers(TimeSpan now)
    {
        if (State is LinkState.Unconfirmed or LinkState.Failed)
        {
            Probe("has other name servers", isEarly: false, now);
        }
    }

    /// <summary>Starts a probe for the sake of another link, if this link may be probed now.</summary>
    public void Probe(string reason, bool isEarly, TimeSpan now)
    {
        if (State.IsUp() && MayProbe && !IsProbing && !IsInterrupted)
        {
            StartProbe(reason, now, isEarly);
        }
    }

    /// <summary>
    /// Probes a metered link that is only assumed good, to learn whether a service answers correctly over any
    /// link. False if the link is not such a link, or may not be probed.
    /// </summary>
    public bool ProbeAsArbiter(TimeSpan now)
    {
        if (!IsAssumed || IsProbing || IsInterrupted || _wanProbe == WanProbe.Never
            || Budget != LinkBudget.Within)
        {
            return false;
        }
        StartProbe("a service was wrong over every other link", now);
        return true;
    }

    /// <summary>
    /// Probes a link that has just been chosen, unless a probe has confirmed it within the last 4 s.
    /// </summary>
    public void ProbeAsChosen(TimeSpan now)
    {
        if (LastOutcome != ProbeOutcome.ServiceAnswered || now - FreshProof > ProbeEndedAt)
        {
            Probe("was chosen", isEarly: true, now);
        }
    }

    /// <summary>
    /// Schedules another probe in 4 s: this link answered only ping while another link's echo was answered.
    /// </summary>
    public void ProbeForComparison() => _schedule.Compare();

    /// <summary>Records a failure after three such results in a row: the fault is this link's.</summary>
    public void Distrust(TimeSpan now)
    {
        Fail(now);
        UnfailedSince = now;
        Enter(LinkState.Unconfirmed, "answers ping, but no echo, unlike another link", now);
    }

    /// <summary>Handles the end of a probe that was not cancelled.</summary>
    public void OnProbeEnded(in ProbeResult result, TimeSpan now)
    {
        if (!IsProbing)
        {
            return;
        }
        IsProbing = false;
        HasBeenProbed = true;
        LastProbe = result;
        Tally = Tally.With(result.Outcome);
        ProbeTook = now - ProbeStartedAt;
        _schedule.OnProbeEnded(result.Outcome, State, now);
        _roundTrips.OnProbeEnded(result.Heard, now);
        if (IsUnderSuspicion && result.Outcome is ProbeOutcome.ServiceAnswered or ProbeOutcome.PingOnly)
        {
            _suspicion.WasUnfounded();
        }
        IsUnderSuspicion = false;

        switch (result.Outcome)
        {
            case ProbeOutcome.ServiceAnswered:
                Enter(LinkState.Confirmed, $"confirmed by {result.Proof}", now, result.Detail);
                break;
            case ProbeOutcome.PingOnly when State == LinkState.Failed:
                Enter(
                    IsMetered ? LinkState.Confirmed : LinkState.Unconfirmed, "answers ping, not echo", now,
                    result.Detail);
                break;
            case ProbeOutcome.WrongContent or ProbeOutcome.NoAnswer:
                Fail(now);
                Enter(LinkState.Failed, "failed", now, result.Detail);
                break;
        }
    }

    /// <summary>
    /// True if the link may be probed. Probing a metered link costs money: only on request, or if no usable
    /// link is left.
    /// </summary>
    private bool MayProbe =>
        IsProbedFreely || (State == LinkState.Failed && _surroundings.IsNothingLeft && !IsBlocked);

    /// <summary>
    /// True if the link is probed like any other. One over its budget is not, unless it is in use, since
    /// nothing else works then.
    /// </summary>
    private bool IsProbedFreely => !IsMetered || (_wanProbe == WanProbe.Always
        && (Budget == LinkBudget.Within || (_surroundings.IsInUse && !IsBlocked)));

    /// <summary>
    /// True if suspicion may start a probe. With `--wan-probe suspect`, a metered link is probed only while
    /// in use.
    /// </summary>
    private bool MayBeSuspected =>
        MayProbe || (_wanProbe == WanProbe.Suspect && _surroundings.IsInUse && !IsBlocked);

    /// <summary>
    /// True if the link failed within the last 10 minutes. Probe it often, whatever its traffic, so that the
    /// next silent failure is found sooner than by the idle limit.
    /// </summary>
    private bool IsWatchedClosely(TimeSpan now) =>
        IsServingHold(now)
        || (!IsMetered && State == LinkState.Confirmed
            && LastOutcome == ProbeOutcome.ServiceAnswered && Failures.IsRecent(now));

    /// <summary>
    /// Rule 4: true if the class in use is this link's own, so it has to stay good for a while before it is
    /// chosen.
    /// </summary>
    private bool IsServingHold(TimeSpan now) =>
        !_surroundings.IsInUse
        && _surroundings.InUse is LinkClass.A or LinkClass.B
        && _surroundings.InUse == Selector.ClassOf(this)
        && now - (State == LinkState.Confirmed ? Since : UnfailedSince) < Failures.Hold(now);

    /// <summary>Starts an early probe, because a packet has not been answered in time.</summary>
    private void BeginSuspicion(TimeSpan now)
    {
        TimeSpan waited = now - (_suspicion.SentAt ?? now);
        _suspicion.BeginProbe(now);
        long tenths = (waited.Ticks + (TimeSpan.TicksPerSecond / 20)) / (TimeSpan.TicksPerSecond / 10);
        StartProbe(
            $"sent something and heard nothing for {tenths / 10}.{tenths % 10} s", now, isEarly: true);
        IsUnderSuspicion = true;
    }

    private TimeSpan Patience(TimeSpan? timeout, TimeSpan now)
    {
        if (timeout is not { } measured)
        {
            return LongestPatience;
        }
        TimeSpan least = (IsMetered ? LeastMeteredPatience : LeastPatience) * (1 << Failures.Count(now));
        return measured > LongestPatience || least > LongestPatience ? LongestPatience
            : measured > least ? measured
            : least;
    }

    /// <summary>
    /// Returns after which time a probe of a busy link fails if it has heard nothing: three times the
    /// expected time of an answer, at least 1.8 s (an early probe 1.2 s), at most 3 s. Null for the usual
    /// time: if nothing has been measured, if the link has rested, if only the ping of the last probe was
    /// answered (as over a full uplink), or if the link failed twice within the hour.
    /// </summary>
    private TimeSpan? ProbeLimit(bool isEarly, TimeSpan now) =>
        State == LinkState.Confirmed && LastOutcome != ProbeOutcome.PingOnly && Failures.Count(now) < 2
            && _roundTrips.Timeout is { } timeout
            ? TimeSpan.FromTicks(Math.Clamp(
                3 * timeout.Ticks, (isEarly ? LeastEarlyLimit : LeastLimit).Ticks, LongestLimit.Ticks))
            : null;

    private void StartProbe(string reason, TimeSpan now, bool isEarly = false)
    {
        _roundTrips.SeeSent(now);
        IsProbing = true;
        ProbeStartedAt = now;
        _suspicion.Clear(); // the probe itself gives the answer
        _effects.Add(new LinkEffect(
            LinkEffectKind.StartProbe, reason, State, State, isEarly, ProbeLimit(isEarly, now)));
    }

    private void CancelProbe(string reason)
    {
        if (IsProbing)
        {
            IsProbing = false;
            IsUnderSuspicion = false;
            ProbeStartedAt = TimeSpan.MinValue;
            _effects.Add(new LinkEffect(LinkEffectKind.CancelProbe, reason, State, State));
        }
    }
}
