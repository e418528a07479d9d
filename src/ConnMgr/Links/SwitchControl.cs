using ConnMgr.EventLoop;
using ConnMgr.Netlink;
using ConnMgr.Routing;

namespace ConnMgr.Links;

/// <summary>
/// Runs one switch at a time: begins it when the <see cref="RouteGuard"/> says so, and judges the result by
/// the kernel's routes, not only by what the runner reports. Pure.
/// </summary>
/// <param name="selector">Receives the result of each switch.</param>
internal sealed class SwitchControl(Selector selector)
{
    /// <summary>
    /// How often a switch whose steps all succeeded is planned again if the routes are not in place then.
    /// </summary>
    private const int MostPlans = 5;

    private readonly RouteGuard _guard = new();
    private readonly RoutePlanner _planner = new();
    // Another program may undo the change each time.
    private readonly Pace _tidyPace = new(burst: 5, TimeSpan.FromSeconds(5));
    private Attempt? _running;
    private Attempt? _verifying;
    private uint _afterDump; // routes of a later dump show the result of the switch
    private Link? _placed; // the last choice that the routes used; the next switch leaves it
    private int _undone; // how often in a row another program has undone a switch
    private int _verifiedIpv4; // IPv4 fingerprint of the link at the last switch

    /// <summary>
    /// True after a switch has ended: <see cref="CoreEffectKind.ReadRoutes"/> fetches the routes that it is
    /// judged by.
    /// </summary>
    public bool WantsRoutes { get; private set; }

    /// <summary>
    /// True if the routes are as they should be: nothing is under way, and a tick is no reason to try again.
    /// </summary>
    public bool IsAtRest { get; private set; }

    /// <summary>When <see cref="Begin"/> may come to another result because of the time alone.</summary>
    public TimeSpan NextDeadline => _running is null ? _guard.NextDeadline : TimeSpan.MaxValue;

    /// <summary>Counts and times of the switches since the start.</summary>
    public SwitchReport Report { get; private set; } = new();

    /// <summary>
    /// Allows a failed switch to be retried, after a tick or a change of the kernel's state.
    /// </summary>
    public void AllowRetry() => _guard.AllowRetry();

    /// <summary>Drops a link that a reload has replaced.</summary>
    public void Forget(Link link) => _placed = _placed == link ? null : _placed;

    /// <summary>
    /// Begins a switch if one is due, or else sorts the standby routes. Call it when the choice has been made
    /// and the routes may be judged.
    /// </summary>
    public void Begin(
        in KernelView kernel, IReadOnlyList<Link> links, Link? choice, TimeSpan now, List<CoreEffect> effects)
    {
        IsAtRest = false;
        if (_running is not null)
        {
            return; // a newer choice waits for the end of the running switch
        }
        if (choice is { IsBlocked: true })
        {
            _guard.Release();
            _placed = null;
            choice = null; // there is no link to use
        }
        KernelState state = kernel.State;
        RoutePlan? plan = choice is null ? null : Plan(kernel, links, choice);
        bool isInPlace = plan?.IsInPlace ?? (choice is not null && KernelFacts.IsInPlace(state, choice)
            && (choice.Facts.Ipv4.Fingerprint == _verifiedIpv4
                || !KernelFacts.HasAnotherGateway(state, choice)));
        bool isRepair = choice is not null && _guard.HasSwitchedTo(choice);
        if (_guard.Next(choice, isInPlace, now) is { } link)
        {
            _running = new Attempt(link, isRepair, now);
            _planner.Forget();
            Report = Report with { State = SwitchState.UnderWay, Failure = "" };
            string found = isRepair ? KernelFacts.RoutesInWords(state, links) : "";
            effects.Add(new CoreEffect(CoreEffectKind.Switch, link, found, IsRepair: isRepair, Plan: plan));
            return;
        }
        RoutePlan? tidy = plan is null ? Hiding(kernel, links)
            : plan.Lacks.Length > 0 || (plan.IsInPlace && _guard.HasSwitchedTo(choice!)) ? plan
            : null;
        if (tidy is { IsOrdered: false } && _tidyPace.TryTake(now))
        {
            _planner.Forget();
            effects.Add(new CoreEffect(CoreEffectKind.Tidy, choice, Plan: tidy));
            effects.Add(new CoreEffect(CoreEffectKind.ReadRoutes, choice));
        }
        IsAtRest = isInPlace && tidy is not { IsOrdered: false } && _verifying is null;
        if (KernelFacts.ChoiceInPlace(state, choice) is { } placed)
        {
            _placed = placed;
        }
    }

    /// <summary>Returns the plan that hides blocked links; null if there are none.</summary>
    private static RoutePlan? Hiding(in KernelView kernel, IReadOnlyList<Link> links) =>
        kernel.OwnMetrics is { } ownMetrics && links.Any(link => link.IsBlocked)
            ? RoutePlanner.Hide(kernel.State, links, ownMetrics)
            : null;

    private RoutePlan? Plan(in KernelView kernel, IReadOnlyList<Link> links, Link link) =>
        kernel.OwnMetrics is { } ownMetrics ? _planner.Plan(kernel.State, links, link, ownMetrics) : null;

    /// <summary>Handles the end of the running switch.</summary>
    /// <param name="link">The link that was switched to.</param>
    /// <param name="failure">What went wrong, as a phrase; null if the runner reports success.</param>
    /// <param name="isKnown">False if a reload has replaced the link meanwhile.</param>
    /// <param name="kernel">Which dump was started last, and whether a script moves the routes.</param>
    /// <param name="now">The loop's time.</param>
    /// <param name="effects">Receives the effects.</param>
    public void OnEnded(
        Link link, string? failure, bool isKnown, in KernelView kernel, TimeSpan now,
        List<CoreEffect> effects)
    {
        if (_running is not { } attempt || attempt.Link != link)
        {
            return;
        }
        _running = null;
        if (failure is not null && isKnown && kernel.OwnMetrics is null)
        {
            Fail(attempt, $"switching to {link.Name} failed: {failure}", now, effects);
            return;
        }
        _verifying = attempt with { Failure = failure };
        _afterDump = kernel.LastDump;
        WantsRoutes = true;
        effects.Add(new CoreEffect(CoreEffectKind.ReadRoutes, link));
    }

    /// <summary>Judges the switch that has ended, once the routes have been read after it.</summary>
    public void Verify(
        in KernelView kernel, IReadOnlyList<Link> links, TimeSpan now, List<CoreEffect> effects)
    {
        if (_verifying is not { } attempt || kernel.RoutesAsOf <= _afterDump)
        {
            return;
        }
        _verifying = null;
        Link link = attempt.Link;
        bool isKnown = links.Contains(link);
        bool isInPlace = isKnown
            && (Plan(kernel, links, link)?.IsInPlace ?? KernelFacts.IsInPlace(kernel.State, link));
        _verifiedIpv4 = link.Facts.Ipv4.Fingerprint;
        // A repair that was undone again is not a failure: another program keeps changing the route.
        if (isInPlace || (attempt.IsRepair && isKnown))
        {
            Succeed(attempt, isInPlace, now, effects);
        }
        else if (isKnown && link.State.IsUp() && !link.IsInterrupted)
        {
            if (attempt.Failure is null && kernel.OwnMetrics is not null && ++_undone < MostPlans)
            {
                // Another program has changed the routes in the same moment, for example netifd, which stops
                // the link that is left: Begin plans again, from what is there now.
                Report = Report with { State = SwitchState.None };
                _guard.OnSwitchUndone(link);
                return;
            }
            string why = attempt.Failure is { } failure ? $"{failure}; "
                : kernel.OwnMetrics is null ? "switch_route.sh succeeded, but " : "";
            string found = KernelFacts.RoutesInWords(kernel.State, links);
            Fail(attempt, $"switching to {link.Name} failed: {why}found {found}", now, effects);
        }
        else
        {
            // The switch is no longer needed.
            Report = Report with { State = SwitchState.None, Failure = "" };
            effects.Add(new CoreEffect(CoreEffectKind.SwitchFailed, link));
            OnAttemptEnded(attempt, succeeded: false, now);
        }
    }

    /// <summary>Call it when the effects of a wake-up have been carried out.</summary>
    public void OnEffectsTaken() => WantsRoutes = false;

    private void Succeed(Attempt attempt, bool isInPlace, TimeSpan now, List<CoreEffect> effects)
    {
        TimeSpan took = now - attempt.DecidedAt;
        Report = Report with
        {
            State = SwitchState.None,
            Failure = "",
            LastTook = took,
            Succeeded = Report.Succeeded + (attempt.IsRepair ? 0 : 1),
            Repairs = Report.Repairs + (attempt.IsRepair ? 1 : 0),
            LastRepairAt = attempt.IsRepair ? now : Report.LastRepairAt,
        };
        bool isChoice = attempt.Link == selector.Choice;
        effects.Add(new CoreEffect(
            CoreEffectKind.Switched, attempt.Link, isChoice ? selector.Reason : "",
            IsRepair: attempt.IsRepair,
            IsInPlace: isInPlace, Took: took, Left: _placed));
        OnAttemptEnded(attempt, succeeded: true, now);
    }

    private void Fail(Attempt attempt, string words, TimeSpan now, List<CoreEffect> effects)
    {
        Report = Report with { State = SwitchState.Failed, Failure = words, Failed = Report.Failed + 1 };
        effects.Add(new CoreEffect(CoreEffectKind.SwitchFailed, attempt.Link, words));
        OnAttemptEnded(attempt, succeeded: false, now);
    }

    private void OnAttemptEnded(Attempt attempt, bool succeeded, TimeSpan now)
    {
        _undone = 0;
        _guard.OnSwitchEnded(attempt.Link, succeeded);
        selector.OnSwitchEnded(attempt.Link, succeeded, now);
    }

    private sealed record Attempt(Link Link, bool IsRepair, TimeSpan DecidedAt, string? Failure = null);
}
