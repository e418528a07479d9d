using ConnMgr.Links;
using ConnMgr.Probe;

namespace ConnMgr.Tests.Links;

/// <summary>
/// A naive second implementation of section 7 of the contract, from its own record of what happened, and the
/// invariants of every world. Throws if one is violated.
/// </summary>
internal sealed class ModelRules(ModelWorld world)
{
    private readonly List<Link> _fit = [];
    private readonly Record[] _records = [.. world.Links.Select(_ => new Record())];
    private TimeSpan _lteIsWrongSince = TimeSpan.MaxValue;
    private TimeSpan _isAstraySince = TimeSpan.MaxValue;

    private TimeSpan Now => world.Now;

    /// <summary>True if the choice must not change from now on.</summary>
    public bool NobodyMoves { get; set; }

    /// <summary>Each decision so far, in words.</summary>
    public List<string> Decisions { get; } = [];

    public void Take(in CoreEffect effect)
    {
        switch (effect.Kind)
        {
            case CoreEffectKind.CancelProbe:
                Of(effect.Link!).ProbeStartedAt = null;
                break;
            case CoreEffectKind.StartProbe when BudgetOf(effect.Link!) == LinkBudget.Blocked:
                throw Breach($"{effect.Link!.Name} is probed, which costs bytes that it must not send");
            case CoreEffectKind.StartProbe:
                Of(effect.Link!).ProbeStartedAt = Now;
                break;
            case CoreEffectKind.StateChanged:
                TakeState(Of(effect.Link!), effect.From, effect.To);
                break;
            case CoreEffectKind.Switched or CoreEffectKind.SwitchFailed:
                OnSwitchEnded(effect.Link!, effect.Kind == CoreEffectKind.Switched);
                break;
        }
    }

    private void TakeState(Record record, LinkState from, LinkState to)
    {
        bool wasGood = from is LinkState.Unconfirmed or LinkState.Confirmed;
        bool isDistrusted = from == LinkState.Confirmed && to == LinkState.Unconfirmed;
        if ((wasGood && to is not (LinkState.Unconfirmed or LinkState.Confirmed)) || isDistrusted)
        {
            record.Failures.Add(Now);
        }
        if (!from.IsUp() || from == LinkState.Failed || isDistrusted)
        {
            record.UnfailedSince = Now;
        }
        record.IsProbed &= from.IsUp();
        record.HasBeenUp |= to.IsUp();
        record.Since = Now;
    }

    public void OnProbeEnded(Link link, TimeSpan now) =>
        (Of(link).IsProbed, Of(link).ProbeEndedAt) = (true, now);

    private void OnSwitchEnded(Link link, bool succeeded)
    {
        Record record = Of(link);
        record.FailedSwitches = succeeded ? 0 : record.FailedSwitches + 1;
        int[] pauses = [0, 0, 10, 20, 40, 60];
        record.OutUntil = Now + TimeSpan.FromSeconds(pauses[Math.Min(record.FailedSwitches, 5)]);
        _lteIsWrongSince = _isAstraySince = TimeSpan.MaxValue;
    }

    /// <summary>The choice must be what the rules say, applied one after the other.</summary>
    public void CheckChoice(Link? before, Link? after)
    {
        // A chosen link may at once have to give way to one that could not replace the link before it.
        Link? expected = Expected(before);
        for (Link? next = Expected(expected); next != expected; next = Expected(expected))
        {
            expected = next;
        }
        if (after != expected)
        {
            throw Breach($"chose {Name(after)} after {Name(before)}, rules say {Name(expected)}");
        }
        if (after == before)
        {
            return;
        }
        CheckHold(before, after!);
        if (NobodyMoves)
        {
            throw Breach($"{Name(before)} -> {Name(after)} in an outage of a service");
        }
        Decisions.Add(FormattableString.Invariant($"{Now.TotalSeconds:0.00} {Name(after)}"));
    }

    /// <summary>
    /// No two switches within a hold: the choice does not go back from a confirmed link to one that was left
    /// because it failed.
    /// </summary>
    private void CheckHold(Link? before, Link after)
    {
        Record record = Of(after);
        if (before is not null && Class(before) == 'A' && Class(after) == 'A' && IsFit(before, before)
            && record.LeftAt is { } left && record.Failures.Exists(at => at >= left - Seconds(1))
            && Now - left < Hold(record))
        {
            throw Breach(
                $"{after.Name} again after {(Now - left).TotalSeconds:0.0} s, its hold is "
                    + $"{Hold(record).TotalSeconds:0} s");
        }
        if (before is not null)
        {
            Of(before).LeftAt = Class(before) == 'A' ? null : Now;
        }
    }

    private Link? Expected(Link? choice)
    {
        _fit.Clear();
        foreach (ModelLink link in world.Links)
        {
            if (IsFit(link.Link, choice))
            {
                _fit.Add(link.Link);
            }
        }
        _fit.Sort((a, b) => (Class(a) - Class(b)) * 100 + (a.Rank - b.Rank));
        List<Link> fit = _fit;
        if (fit.Count == 0 || fit[0] == choice)
        {
            return choice;
        }
        bool isBoot = Now < ModelWorld.Start + TimeSpan.FromSeconds(10);
        if (isBoot && fit[0].IsMetered && world.Links.Any(
            l => !l.Link.IsMetered && l.Ifindex != 0 && !Of(l.Link).HasBeenUp))
        {
            return choice;
        }
        return choice is null || !fit.Contains(choice) ? fit[0]
            : fit.FirstOrDefault(l => IsLeft(choice, l, isBoot)) ?? choice;
    }

    private bool IsFit(Link link, Link? choice)
    {
        return Class(link) != '-' && (!link.IsInterrupted || link == choice)
            && (Of(link).FailedSwitches < 2 || Now >= Of(link).OutUntil
                || world.Links.Count(l => Class(l.Link) != '-') == 1);
    }

    private bool IsLeft(Link choice, Link link, bool isBoot)
    {
        Record record = Of(link);
        bool isPreferred = link.Rank < choice.Rank;
        return (Class(choice), Class(link)) switch
        {
            ('A', 'A') => isPreferred && Now - record.Since >= Hold(record),
            ('B', 'A') => Of(choice).ProbeStartedAt is { } start && start >= record.Since
                && Now - start >= Seconds(1),
            ('B', 'B') => isPreferred && record.IsProbed && Now - record.UnfailedSince >= Hold(record),
            ('C' or 'D', 'A') => Now - record.UnfailedSince >= MeteredWait(record),
            ('C' or 'D', 'B') => (record.IsProbed || isBoot)
                && Now - record.UnfailedSince >= MeteredWait(record),
            ('D', 'C') => Now - record.UnfailedSince >= Hold(record),
            ('C', 'C') or ('D', 'D') => isPreferred && Now - record.UnfailedSince >= Hold(record)
                && link.LastOutcome is not (ProbeOutcome.NoAnswer or ProbeOutcome.WrongContent),
            ('E' or 'F', 'A' or 'B' or 'C' or 'D') => true,
            _ => false,
        };
    }

    private TimeSpan Hold(Record record) =>
        record.Failures.Exists(at => Now - at < TimeSpan.FromMinutes(10)) ? Doubling(LastHour(record) - 1)
        : TimeSpan.Zero;

    private TimeSpan MeteredWait(Record record) =>
        LastHour(record) >= 2 ? Doubling(LastHour(record) - 2) : TimeSpan.Zero;

    private int LastHour(Record record) => record.Failures.Count(at => Now - at < TimeSpan.FromHours(1));

    private static TimeSpan Doubling(int times) =>
        Seconds(Math.Min(300, 10 * Math.Pow(2, Math.Min(times, 9))));

    /// <summary>The invariants after every wake-up.</summary>
    public void Check()
    {
        foreach (ModelLink link in world.Links)
        {
            CheckFacts(link);
            CheckTruth(link);
        }
        ModelLink? front = world.Front;
        bool mayBeUsed = world.Links.Any(link => Class(link.Link) != '-') || front?.Link.State.IsUp() == true;
        if (world.InUse != (mayBeUsed ? front : null))
        {
            throw Breach("in use is not what the routes say");
        }

        Link? used = world.InUse?.Link;
        bool isSteady = world.Script == SwitchScript.Works;
        bool isWrong = isSteady && used is { IsMetered: true } && world.Links.Any(l =>
            Class(l.Link) == 'A' && IsFit(l.Link, used) && !l.Link.IsInterrupted
            && Now - Of(l.Link).UnfailedSince >= MeteredWait(Of(l.Link)));
        if (Lasts(isWrong, ref _lteIsWrongSince, 13))
        {
            throw Breach("LTE in use while another link is confirmed and has served its wait");
        }
        bool isAstray = isSteady && world.Choice is { IsConnected: true } choice
            && Class(choice.Link) != '-' && choice != front;
        if (Lasts(isAstray, ref _isAstraySince, 13))
        {
            throw Breach("the routes do not lead where they should");
        }
    }

    /// <summary>
    /// Loss of carrier or device counts at once, loss of address or default route after a second.
    /// </summary>
    private void CheckFacts(ModelLink link)
    {
        LinkState state = link.Link.State;
        bool runs = link.Ifindex != 0 && link.IsAdminUp && link.HasCarrier;
        Record record = Of(link.Link);
        record.CutSince = runs && !link.IsConnected ? record.CutSince ?? Now : null;
        bool isRight = !runs ? state == LinkState.Down
            : link.IsConnected ? state.IsUp()
            : state == LinkState.NoWayOut || (state.IsUp() && Now - record.CutSince < Seconds(1));
        if (!isRight)
        {
            throw Breach($"{link.Link.Name} is {state.Name()}, device {link.Link.Facts}");
        }
    }

    /// <summary>A link whose upstream has not changed for long enough must be in the right state.</summary>
    private void CheckTruth(ModelLink link)
    {
        Record record = Of(link.Link);
        (Upstream, int, bool, EchoService, bool, double) truth =
            (link.Upstream, link.Ifindex, link.IsConnected, world.Echo, world.IsPingUp, link.Loss);
        if (truth != record.Truth || link.Link.IsInterrupted)
        {
            (record.Truth, record.TrueSince) = (truth, Now);
        }
        LinkState state = link.Link.State;
        bool isEchoUp = world.Echo == EchoService.Up;
        bool isAnswered = link.Link.LastOutcome == ProbeOutcome.ServiceAnswered;
        bool isWatched = state == LinkState.Confirmed && isAnswered
            && record.Failures.Exists(at => Now - at < TimeSpan.FromMinutes(10));
        double? limit = !link.IsConnected || link.Loss > 0 || link.Link.IsMetered
            ? null
            : link.Upstream switch
            {
                Upstream.Good when isEchoUp => state == LinkState.Confirmed ? null : 36,
                Upstream.Good or Upstream.EchoBlocked when world.IsPingUp =>
                    state == LinkState.Failed ? 36 : null,
                Upstream.Dead => state == LinkState.Failed ? null : isWatched ? 10 : 25,
                Upstream.Portal => state == LinkState.Failed ? null : isWatched ? 10 : 66,
                _ => null,
            };
        if (link.Link.IsMetered && link.IsConnected && link.Upstream == Upstream.Good && isEchoUp
            && link.Loss == 0)
        {
            limit = state == LinkState.Failed ? 304 : null;
        }
        if (limit is { } seconds && Now - record.TrueSince > Seconds(seconds))
        {
            throw Breach($"{link.Link.Name} is {state.Name()} for {limit} s although {truth}");
        }
    }

    private bool Lasts(bool isSo, ref TimeSpan since, double seconds)
    {
        since = !isSo ? TimeSpan.MaxValue : Now < since ? Now : since;
        return isSo && Now - since > Seconds(seconds);
    }

    private LinkBudget BudgetOf(Link link) => world.Links[link.Rank].Budget;

    private char Class(Link link) => (link.State, link.IsMetered) switch
    {
        _ when BudgetOf(link) == LinkBudget.Blocked => '-',
        (LinkState.Confirmed, false) => 'A',
        (LinkState.Unconfirmed, false) => 'B',
        (LinkState.Failed, false) => 'E',
        (LinkState.Failed, true) => 'F',
        (LinkState.Confirmed or LinkState.Unconfirmed, true) =>
            BudgetOf(link) == LinkBudget.Over ? 'D' : 'C',
        _ => '-',
    };

    private Record Of(Link link) => _records[link.Rank];

    private static TimeSpan Seconds(double seconds) => TimeSpan.FromSeconds(seconds);

    private static string Name(Link? link) => link?.Name ?? "none";

    private InvalidOperationException Breach(string what)
    {
        string links = string.Join(", ", world.Links.Select(l => $"{l.Link.Name} {l.Link.State.Name()}"));
        return new InvalidOperationException(
            FormattableString.Invariant($"at {Now.TotalSeconds:0.000} s: {what} ({links})"));
    }

    /// <summary>The record of one link.</summary>
    private sealed class Record
    {
        public List<TimeSpan> Failures { get; } = [];

        public TimeSpan Since { get; set; }

        /// <summary>
        /// When another link was chosen because this one failed; null if the reason was different.
        /// </summary>
        public TimeSpan? LeftAt { get; set; }

        public TimeSpan UnfailedSince { get; set; }

        public TimeSpan? ProbeStartedAt { get; set; }

        public TimeSpan ProbeEndedAt { get; set; }

        public bool IsProbed { get; set; }

        public bool HasBeenUp { get; set; }

        public int FailedSwitches { get; set; }

        public TimeSpan OutUntil { get; set; }

        public TimeSpan? CutSince { get; set; }

        public (Upstream, int, bool, EchoService, bool, double) Truth { get; set; }

        public TimeSpan TrueSince { get; set; }
    }
}
