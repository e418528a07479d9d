using ConnMgr.Config;
using ConnMgr.Probe;

namespace ConnMgr.Links;

/// <content>When the link is probed, and what a probe does to it.</content>
internal sealed partial class Link
{
    private static readonly TimeSpan EvidenceProbeGap = TimeSpan.FromSeconds(4);
    private static readonly TimeSpan FreshProof = TimeSpan.FromSeconds(4);

    private readonly WanProbe _wanProbe;
    private readonly ProbeSchedule _schedule;
    private readonly Suspicion _suspicion = new();
    private TimeSpan _evidenceProbeAt = TimeSpan.MinValue;

    public bool IsProbing { get; private set; }

    /// <summary>An early probe is running because this link is under suspicion.</summary>
    public bool IsUnderSuspicion { get; private set; }

    /// <summary>When the running probe, or else the last one, started; one that was cancelled never did.</summary>
    public TimeSpan ProbeStartedAt { get; private set; } = TimeSpan.MinValue;

    /// <summary>True once a probe has ended since the link came up.</summary>
    public bool HasBeenProbed { get; private set; }

    /// <summary>A metered link that is up and taken for good, though no probe has proved it since it came up.</summary>
    public bool IsAssumed => IsMetered && State == LinkState.Confirmed && LastOutcome != ProbeOutcome.EchoAnswered;

    /// <summary>How the last probe ended since the link came up, and when.</summary>
    public ProbeOutcome? LastOutcome => _schedule.LastOutcome;

    /// <inheritdoc cref="LastOutcome"/>
    public TimeSpan ProbeEndedAt => _schedule.LastEndedAt;

    /// <summary>The result of the last probe that was not cancelled, whatever has become of the link since; null: none.</summary>
    public ProbeResult? LastProbe { get; private set; }

    /// <summary>How many probes have ended with each <see cref="ProbeOutcome"/>.</summary>
    public ProbeTally Tally { get; private set; }

    /// <summary>Something that leaves the link would be news: to be told by <see cref="SeeOutgoing"/>.</summary>
    public bool WantsOutgoing =>
        State == LinkState.Confirmed && MayBeSuspected && !IsProbing && !IsInterrupted && !_suspicion.IsPending;

    /// <summary>Takes the first evidence of a tick. It never confirms; on a link that is not confirmed it starts a probe.</summary>
    public void SeeEvidence(TimeSpan now)
    {
        _suspicion.SeeEvidence();
        bool useless = LastOutcome is ProbeOutcome.PingOnly or ProbeOutcome.WrongContent;
        if (State is LinkState.Unconfirmed or LinkState.Failed && MayProbe && !IsProbing && !IsInterrupted && !useless
            && now - EvidenceProbeGap >= _evidenceProbeAt)
        {
            _evidenceProbeAt = now;
            StartProbe("gave evidence", now);
        }
    }

    /// <summary>
    /// Takes that a TCP segment or a DNS question to an address outside the own subnets has left. 2 s later an early
    /// probe is due, unless evidence comes.
    /// </summary>
    public void SeeOutgoing(TimeSpan now)
    {
        if (WantsOutgoing)
        {
            _suspicion.SeeOutgoing(now);
        }
    }

    /// <summary>
    /// Takes that the link has other name servers than those that its last probe asked. A link that is not
    /// confirmed is probed anew: at boot the first probe may start before the platform has name servers.
    /// </summary>
    public void SeeOtherServers(TimeSpan now)
    {
        if (State is LinkState.Unconfirmed or LinkState.Failed)
        {
            Probe("has other name servers", isEarly: false, now);
        }
    }

    /// <summary>Starts a probe for the sake of another link, if this one may be probed now.</summary>
    public void Probe(string reason, bool isEarly, TimeSpan now)
    {
        if (State.IsUp() && MayProbe && !IsProbing && !IsInterrupted)
        {
            StartProbe(reason, now, isEarly);
        }
    }

    /// <summary>
    /// Starts a probe of a metered link that is only assumed to work, to learn whether a service answers rightly over any
    /// link. False if it is none, or may not be probed at all.
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

    /// <summary>It has been chosen: what was proved of it 4 s ago may be true no longer.</summary>
    public void ProbeAsChosen(TimeSpan now)
    {
        if (LastOutcome != ProbeOutcome.EchoAnswered || now - FreshProof > ProbeEndedAt)
        {
            Probe("was chosen", isEarly: true, now);
        }
    }

    /// <summary>It answered ping alone while another link's echo was answered: it is probed again in 4 s.</summary>
    public void ProbeForComparison() => _schedule.Compare();

    /// <summary>That happened three times in a row: the fault is this link's, and counts as a failure.</summary>
    public void Distrust(TimeSpan now)
    {
        Fail(now);
        UnfailedSince = now;
        Enter(LinkState.Unconfirmed, "answers ping, but no echo, unlike another link", now);
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
        LastProbe = result;
        Tally = Tally.With(result.Outcome);
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

    /// <summary>The metered link may cost a probe only if it was asked for, or if there is nothing left to lose.</summary>
    private bool MayProbe =>
        !IsMetered || _wanProbe == WanProbe.Always || (State == LinkState.Failed && _surroundings.IsNothingLeft);

    /// <summary>`--wan-probe suspect`: only while it is in use.</summary>
    private bool MayBeSuspected => MayProbe || (_wanProbe == WanProbe.Suspect && _surroundings.IsInUse);

    /// <summary>
    /// It failed within the last 10 minutes: what it has proved since is not relied on for long, whatever its traffic, so
    /// that its next silent death is found sooner than by the idle limit.
    /// </summary>
    private bool IsWatchedClosely(TimeSpan now) =>
        IsServingHold(now)
        || (!IsMetered && State == LinkState.Confirmed && LastOutcome == ProbeOutcome.EchoAnswered && Failures.IsRecent(now));

    /// <summary>Rule 4: its class is the one in use, so that it has to stay good for a while before it replaces that link.</summary>
    private bool IsServingHold(TimeSpan now) =>
        !_surroundings.IsInUse
        && _surroundings.InUse is LinkClass.A or LinkClass.B
        && _surroundings.InUse == Selector.ClassOf(this)
        && now - (State == LinkState.Confirmed ? Since : UnfailedSince) < Failures.Hold(now);

    private void StartProbe(string reason, TimeSpan now, bool isEarly = false)
    {
        IsProbing = true;
        ProbeStartedAt = now;
        _suspicion.Clear(); // there will be an answer, one way or the other
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
