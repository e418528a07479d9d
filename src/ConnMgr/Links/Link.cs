using ConnMgr.Config;
using ConnMgr.Net;

namespace ConnMgr.Links;

/// <summary>
/// The state machine of one link. It receives facts, ticks, evidence and probe results with their time, and
/// returns effects. It does no I/O and reads no clock.
/// </summary>
/// <remarks>
/// Down and NoWayOut become Unconfirmed when the link is connected (a metered link becomes Confirmed without
/// a probe). Every state becomes Down when the device no longer runs, and NoWayOut after 1 s without an
/// address or default route. Probes decide the other transitions.
/// </remarks>
internal sealed partial class Link
{
    /// <summary>The time between two ticks: 2 s.</summary>
    public static readonly TimeSpan TickPeriod = TimeSpan.FromSeconds(2);

    private static readonly TimeSpan Grace = TimeSpan.FromSeconds(1);
    private static readonly TimeSpan MeteredPardon = TimeSpan.FromMinutes(5);

    private readonly List<LinkEffect> _effects = [];
    private LinkFacts _facts;
    private Surroundings _surroundings = new(IsInUse: false, LinkClass.None, IsNothingLeft: false);
    private FamilyFacts _judged;
    private bool _isJudgedByIpv6;
    private TimeSpan? _interruptedSince;
    private bool _wasProbeInterrupted;

    /// <param name="kind">Ethernet, Wi-Fi or LTE.</param>
    /// <param name="name">The interface name.</param>
    /// <param name="idleLimit">How long the link may be silent before it is probed.</param>
    /// <param name="wanProbe">When a metered link may be probed.</param>
    /// <param name="index">The number of the link among those of its kind, from 0.</param>
    /// <param name="isMetered">Each byte costs money; null if the kind decides.</param>
    public Link(
        LinkKind kind, string name, TimeSpan idleLimit, WanProbe wanProbe, int index = 0,
        bool? isMetered = null)
    {
        Index = index;
        IsMetered = isMetered ?? kind == LinkKind.Wan;
        Kind = kind;
        Name = name;
        _schedule = new ProbeSchedule(idleLimit, IsMetered);
        _wanProbe = wanProbe;
    }

    public LinkKind Kind { get; }

    public string Name { get; }

    /// <summary>The number of the link among those of its kind, from 0.</summary>
    public int Index { get; }

    /// <summary>The position among all links, 0 for the most preferred. The selector sets it.</summary>
    public int Rank { get; set; }

    /// <summary>True if the link's bytes cost money, as those of LTE.</summary>
    public bool IsMetered { get; }

    /// <summary>How the link's budget of bytes affects its use.</summary>
    public LinkBudget Budget { get; private set; }

    /// <summary>
    /// True if the link has used up its budget and must not send anything: it is never chosen or probed.
    /// </summary>
    public bool IsBlocked => Budget == LinkBudget.Blocked;

    public LinkState State { get; private set; }

    /// <summary>When the link entered the state, in the loop's time.</summary>
    public TimeSpan Since { get; private set; }

    /// <summary>When the link came up; null while it is down.</summary>
    public TimeSpan? UpSince { get; private set; }

    /// <summary>When the link last came up or its last failure ended.</summary>
    public TimeSpan UnfailedSince { get; private set; }

    /// <summary>The state as a phrase that follows the name, e.g. `lost carrier`.</summary>
    public string Words { get; private set; } = "is not there yet";

    public FailureHistory Failures { get; } = new();

    public LinkFacts Facts => _facts;

    /// <summary>True if the link has come up at least once.</summary>
    public bool HasBeenUp { get; private set; }

    /// <summary>
    /// True while an up link has lacked an address or default route, or lost IPv4 that it was judged by, for
    /// less than 1 s. Do not switch to it.
    /// </summary>
    public bool IsInterrupted => _interruptedSince is not null;

    /// <summary>When to call <see cref="Advance"/>; <see cref="TimeSpan.MaxValue"/> if never.</summary>
    public TimeSpan NextDeadline => _interruptedSince is { } since ? since + Grace : _suspicion.DueAt;

    /// <summary>The effects since the last <see cref="ClearEffects"/>.</summary>
    public IReadOnlyList<LinkEffect> Effects => _effects;

    public void ClearEffects() => _effects.Clear();

    /// <summary>Handles what the kernel now reports about the device.</summary>
    public void SetFacts(in LinkFacts facts, TimeSpan now)
    {
        LinkFacts before = _facts;
        _facts = facts;
        if (State != LinkState.Down && (!facts.Runs || facts.Ifindex != before.Ifindex))
        {
            string words =
                facts.Ifindex == 0 ? "lost its device"
                : facts.Ifindex != before.Ifindex ? "got another device"
                : !facts.IsAdminUp ? "is administratively down"
                : "lost carrier";
            Fall(LinkState.Down, words, now);
        }
        if (!facts.Runs)
        {
            return;
        }

        if (!facts.IsConnected || (State.IsUp() && !_isJudgedByIpv6 && !facts.Ipv4.IsConnected))
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
            _interruptedSince = null; // the interruption is over and nothing has changed
        }
    }

    /// <summary>Stores what this link needs to know about the other links.</summary>
    public void SetSurroundings(in Surroundings surroundings) => _surroundings = surroundings;

    /// <summary>Takes another state of the link's budget. A blocked link is not probed any more.</summary>
    public void SetBudget(LinkBudget budget)
    {
        Budget = budget;
        if (IsBlocked)
        {
            _suspicion.Clear();
            _roundTrips.Forget();
            CancelProbe("is over its budget");
        }
    }

    /// <summary>Does what is due at this time.</summary>
    public void Advance(TimeSpan now)
    {
        if (now < NextDeadline)
        {
            return;
        }
        if (IsInterrupted && _facts.IsConnected)
        {
            _interruptedSince = null;
            Reconsider(now); // judge by IPv6 from now on
        }
        else if (IsInterrupted)
        {
            Fall(LinkState.NoWayOut, HasAddress ? "lost its way out" : "lost its address", now);
        }
        else if (MayBeSuspected)
        {
            BeginSuspicion(now);
        }
        else
        {
            _suspicion.Clear();
            _roundTrips.Forget();
        }
    }

    /// <summary>
    /// Ends a tick; <paramref name="hadEvidence"/> tells whether the link gave evidence in it.
    /// </summary>
    public void Tick(bool hadEvidence, TimeSpan now)
    {
        if (hadEvidence)
        {
            _schedule.OnTickEndedWithEvidence(now);
        }
        if (IsProbing || IsInterrupted || !State.IsUp())
        {
            return;
        }

        if (IsMetered && State == LinkState.Failed && now - Since >= MeteredPardon && !MayProbe)
        {
            Enter(LinkState.Confirmed, "is trusted again after 5 minutes", now);
        }
        else if (MayProbe && _schedule.DueReason(State, _surroundings, IsWatchedClosely(now), now)
            is { } reason)
        {
            StartProbe(reason, now);
        }
    }

    private bool HasAddress => _facts.Ipv4.HasAddress || _facts.Ipv6.HasAddress;

    private void ComeUp(TimeSpan now)
    {
        Judge();
        _wasProbeInterrupted = false;
        _schedule.Reset(now);
        _roundTrips.Reset();
        HasBeenProbed = false;
        HasBeenUp = true;
        UnfailedSince = now;
        if (IsMetered && !IsProbedFreely)
        {
            Enter(LinkState.Confirmed, "is up, assumed good (metered, not probed)", now);
            return;
        }
        Enter(LinkState.Unconfirmed, "is up, not yet confirmed", now);
        StartProbe("came up", now);
    }

    /// <summary>
    /// Starts over after a change of address, gateway or family, since the result of an older probe no
    /// longer counts, or starts a probe that could not start earlier.
    /// </summary>
    private void Reconsider(TimeSpan now)
    {
        Judge();
        _wasProbeInterrupted = false;
        _roundTrips.Reset();
        if (IsProbing)
        {
            CancelProbe("got another address or route");
        }
        if (IsMetered && State == LinkState.Failed && !IsProbedFreely)
        {
            Enter(LinkState.Confirmed, "has a new address, assumed good (metered, not probed)", now);
        }
        else if (MayProbe)
        {
            StartProbe("got another address or route", now);
        }
    }

    private void Judge()
    {
        _judged = _facts.Judged;
        _isJudgedByIpv6 = !_facts.Ipv4.IsConnected;
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
            _suspicion.Clear();
            _roundTrips.Forget();
            CancelProbe("lost address or route");
        }
    }

    private void Fall(LinkState state, string words, TimeSpan now)
    {
        _interruptedSince = null;
        _suspicion.Clear();
        _roundTrips.Forget();
        CancelProbe(words);
        if (State.IsUp())
        {
            Fail(now);
        }
        Enter(state, words, now);
    }

    /// <summary>
    /// Counts a failure. One outage is one failure: a link that failed and then goes down counts once.
    /// </summary>
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
        UpSince = state.IsUp() ? UpSince ?? now : null;
    }
}
