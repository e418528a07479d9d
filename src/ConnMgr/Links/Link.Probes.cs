using ConnMgr.Config;
using ConnMgr.Probe;

namespace ConnMgr.Links;

/// <content>When the link is probed, and how a probe's result changes its state.</content>
internal sealed partial class Link
{
    private static readonly TimeSpan EvidenceProbeGap = TimeSpan.FromSeconds(4);
    private static readonly TimeSpan FreshProof = TimeSpan.FromSeconds(4);

    private readonly WanProbe _wanProbe;
    private readonly ProbeSchedule _schedule;
    private readonly Suspicion _suspicion = new();
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
        IsMetered && State == LinkState.Confirmed && LastOutcome != ProbeOutcome.EchoAnswered;

    /// <summary>The outcome of the last probe since the link came up; null if there was none.</summary>
    public ProbeOutcome? LastOutcome => _schedule.LastOutcome;

    /// <summary>When the probe of <see cref="LastOutcome"/> ended.</summary>
    public TimeSpan ProbeEndedAt => _schedule.LastEndedAt;

    /// <summary>
    /// The result of the last probe that was not cancelled, even from before the link last came up; null if
    /// none.
    /// </summary>
    public ProbeResult? LastProbe { get; private set; }

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

    /// <summary>
    /// Handles the first evidence of a tick. Evidence never confirms a link; it starts a probe of an
    /// unconfirmed one.
    /// </summary>
    public void SeeEvidence(TimeSpan now)
    {
        _suspicion.SeeEvidence();
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
    /// probe is due 2 s later unless evidence arrives.
    /// </summary>
    public void SeeOutgoing(TimeSpan now)
    {
        if (WantsOutgoing)
        {
            _suspicion.SeeOutgoing(now);
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
        if (!IsAssumed || IsProbing || IsInterrupted || _wanProbe == WanProbe.Never)
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
        if (LastOutcome != ProbeOutcome.EchoAnswered || now - FreshProof > ProbeEndedAt)
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
    public void EndProbe(in ProbeResult result, TimeSpan now)
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
        _schedule.End(result.Outcome, State, now);
        if (IsUnderSuspicion && result.Outcome is ProbeOutcome.EchoAnswered or ProbeOutcome.PingOnly)
        {
            _suspicion.WasUnfounded();
        }
        IsUnderSuspicion = false;

        switch (result.Outcome)
        {
            case ProbeOutcome.EchoAnswered:
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
        !IsMetered || _wanProbe == WanProbe.Always
            || (State == LinkState.Failed && _surroundings.IsNothingLeft);

    /// <summary>
    /// True if suspicion may start a probe. With `--wan-probe suspect`, a metered link is probed only while
    /// in use.
    /// </summary>
    private bool MayBeSuspected => MayProbe || (_wanProbe == WanProbe.Suspect && _surroundings.IsInUse);

    /// <summary>
    /// True if the link failed within the last 10 minutes. Probe it often, whatever its traffic, so that the
    /// next silent failure is found sooner than by the idle limit.
    /// </summary>
    private bool IsWatchedClosely(TimeSpan now) =>
        IsServingHold(now)
        || (!IsMetered && State == LinkState.Confirmed
            && LastOutcome == ProbeOutcome.EchoAnswered && Failures.IsRecent(now));

    /// <summary>
    /// Rule 4: true if the class in use is this link's own, so it has to stay good for a while before it is
    /// chosen.
    /// </summary>
    private bool IsServingHold(TimeSpan now) =>
        !_surroundings.IsInUse
        && _surroundings.InUse is LinkClass.A or LinkClass.B
        && _surroundings.InUse == Selector.ClassOf(this)
        && now - (State == LinkState.Confirmed ? Since : UnfailedSince) < Failures.Hold(now);

    private void StartProbe(string reason, TimeSpan now, bool isEarly = false)
    {
        IsProbing = true;
        ProbeStartedAt = now;
        _suspicion.Clear(); // the probe itself gives the answer
        _effects.Add(new LinkEffect(LinkEffectKind.StartProbe, reason, State, State, isEarly));
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
