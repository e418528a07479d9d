using ConnMgr.Config;
using ConnMgr.EventLoop;
using ConnMgr.Logging;
using ConnMgr.Native;
using ConnMgr.Netlink;
using ConnMgr.Routing;
using ConnMgr.Scripts;
using ConnMgr.Status;

namespace ConnMgr.Links;

/// <summary>
/// Carries out what the selector has chosen, over rtnetlink or by switch_route.sh; judges what was done by the kernel's
/// routes, restores them when another program has changed them, and tells the hooks.
/// </summary>
internal sealed class SwitchRunner(
    Loop loop,
    Log log,
    Options options,
    IReadOnlyList<string> environment,
    KernelState table,
    RouteMonitor routes,
    List<Link> links,
    Selector selector,
    StatusReport report) : IDisposable
{
    /// <summary>The line that connmgr's own switch_route.sh has.</summary>
    private const string OwnScript = "\n# This is connmgr's own switch_route.sh.\n";

    private const int ScriptLimit = 65536; // bytes
    private const uint AdvertisedRereading = 16; // seconds

    private readonly ScriptLane _lane = new(loop, environment);
    private readonly HookRunner _hooks = new(loop, log, options.HookDirectory);
    private readonly RouteGuard _guard = new();
    private readonly RouteSwitchRunner _netlink = new(table, links, options.RunDirectory);
    private bool _isByScript = options.Switch == SwitchMode.Script;

    // To put standby routes in order, and to restore those of links that are not in use.
    private readonly Pace _tidyings = new(burst: 5, TimeSpan.FromSeconds(5));
    private string _failure = ""; // of the last plan
    private TimeSpan _readAt;
    private uint _dumpSeen;

    // Whoever fights over a route does so for ever, and is not to fill the log.
    private readonly Pace _saidInUse = new(burst: 10, TimeSpan.FromSeconds(10));
    private readonly Pace _saidRepairs = new(burst: 10, TimeSpan.FromMinutes(1));
    private Link? _placed;
    private int _verifiedIpv4; // the fingerprint that the last switch left
    private string _saidFailure = "";
    private (Link Link, TimeSpan DecidedAt, bool IsRepair, uint AfterDump)? _verifying;
    private Link? _lastSaidInUse;
    private bool _saysRepair;

    /// <summary>The link that the kernel's default routes use; null: none of ours.</summary>
    public Link? InUse { get; private set; }

    /// <summary>switch_route.sh is running.</summary>
    public bool IsBusy => _lane.IsBusy;

    /// <summary>When <see cref="Settle"/> has something to do though no fact has changed.</summary>
    public TimeSpan NextDeadline
    {
        get
        {
            TimeSpan guard = _guard.NextDeadline;
            return InUse == _lastSaidInUse || guard < _saidInUse.NextAt ? guard : _saidInUse.NextAt;
        }
    }

    /// <summary>
    /// True if an implementer's own script moves the routes: with `auto` that is one without the line that ours has. It is
    /// looked at before each switch, since it may be replaced while the daemon runs.
    /// </summary>
    private bool CheckScript()
    {
        if (options.Switch != SwitchMode.Auto)
        {
            return options.Switch == SwitchMode.Script;
        }
        string path = Path.Combine(options.ScriptDirectory, "switch_route.sh");
        string? text = SmallFile.Read(path, ScriptLimit, out _, out _);
        bool isForeign = text is not null && !text.Contains(OwnScript, StringComparison.Ordinal);
        if (isForeign && !_isByScript)
        {
            log.Event(EventKind.Switch, $"routes are moved by {path}, which is not connmgr's own");
        }
        return isForeign;
    }

    /// <summary>
    /// Reads the routes anew where the kernel says nothing of a change: when the lifetime of an advertised route has run
    /// out, and now and then, since a router may have changed its preference.
    /// </summary>
    public void Tick(TimeSpan now)
    {
        AllowRetry();
        if (_isByScript || routes.LastDump == _dumpSeen)
        {
            if (table.Defaults.Exists(route => route.IsAdvertised
                && now - _readAt >= TimeSpan.FromSeconds(Math.Min(route.Expires ?? 0, AdvertisedRereading))))
            {
                routes.ResyncRoutes();
            }
            return;
        }
        _dumpSeen = routes.LastDump;
        _readAt = now;
    }

    /// <summary>Something has changed that may let a switch succeed which has failed.</summary>
    public void AllowRetry() => _guard.AllowRetry();

    /// <summary>Looks at the routes, which have to be read to their end, and does what is to be done.</summary>
    public void Settle(TimeSpan now)
    {
        Verify(now);
        Switch(now);
        NotePlaced();
        ReportInUse(now);
    }

    private void Switch(TimeSpan now)
    {
        RoutePlan? plan = selector.Choice is { } chosen && !_isByScript ? _netlink.Plan(chosen) : null;
        bool isInPlace = plan?.IsInPlace ?? (selector.Choice is { } choice && KernelFacts.IsInPlace(table, choice)
            && (choice.Facts.Ipv4.Fingerprint == _verifiedIpv4 || !KernelFacts.HasAnotherGateway(table, choice)));
        bool isRepair = selector.Choice is { } wanted && _guard.HasSwitchedTo(wanted);
        if (_guard.Next(selector.Choice, isInPlace, now) is not { } link)
        {
            if (plan is { IsInPlace: true, IsOrdered: false } && _guard.HasSwitchedTo(selector.Choice!))
            {
                Tidy(plan, now);
            }
            return;
        }

        if (isRepair)
        {
            _saysRepair = _saidRepairs.TryTake(now);
            SayRepair($"restoring the route over {link.Name}: found {KernelFacts.RoutesInWords(table, links)}");
        }
        report.SeeSwitchBegin();
        _isByScript = CheckScript();
        if (!_isByScript)
        {
            plan ??= _netlink.Plan(link);
            _failure = _netlink.Run(plan, log);
            _verifying = (link, now, isRepair, routes.LastDump);
            routes.ResyncRoutes();
            return;
        }
        string script = Path.Combine(options.ScriptDirectory, "switch_route.sh");
        _lane.Run([script, link.Name], exit => EndScript(link, isRepair, now, exit));
    }

    /// <summary>Restores the defaults of links that are not in use, and puts them in order.</summary>
    private void Tidy(RoutePlan plan, TimeSpan now)
    {
        if (!_tidyings.TryTake(now))
        {
            return;
        }
        foreach (RouteStep step in plan.Steps.Where(step => step.IsRestoring))
        {
            log.Event(EventKind.Route, $"IPv{(step.IsIpv6 ? 6 : 4)}: {step.Words}: another program had replaced it");
        }
        string failed = _netlink.Run(plan, log);
        if (failed.Length > 0)
        {
            log.Debug(failed);
        }
        routes.ResyncRoutes();
    }

    private void EndScript(Link link, bool isRepair, TimeSpan decidedAt, ChildExit exit)
    {
        if (exit.Output.Length > 0 && (log.IsDebug || exit.Failure is not null))
        {
            log.Debug($"switch_route.sh: {ForeignText.Quote(exit.Output.TrimEnd())}");
        }
        if (exit.Failure is null || !links.Contains(link))
        {
            // What it did is judged by the kernel's routes.
            _verifying = (link, decidedAt, isRepair, routes.LastDump);
            routes.ResyncRoutes();
            return;
        }

        string lastLine = exit.Output.TrimEnd().Split('\n')[^1];
        string said = lastLine.Length > 0 ? $", saying {ForeignText.Quote(lastLine)}" : "";
        SayOnce($"switching to {link.Name} failed: switch_route.sh: {exit.Failure}{said}");
        End(link, succeeded: false);
    }

    private void Verify(TimeSpan now)
    {
        if (_verifying is not var (link, decidedAt, isRepair, afterDump) || routes.RoutesAsOf <= afterDump)
        {
            return;
        }
        _verifying = null;
        bool isInPlace = links.Contains(link) && (_isByScript ? KernelFacts.IsInPlace(table, link) : _netlink.Plan(link).IsInPlace);
        // The script has done it before, and says that it has done it again: whoever changed the route was there again, too.
        bool succeeded = isInPlace || (isRepair && links.Contains(link));
        _verifiedIpv4 = link.Facts.Ipv4.Fingerprint;
        if (succeeded)
        {
            report.SeeSwitch(isRepair, now - decidedAt, now);
            string took = $"{link.Name} in {Duration.Milliseconds(now - decidedAt)}";
            if (isRepair)
            {
                SayRepair($"restored the route over {took}{(isInPlace ? "" : ", and it has been changed again")}");
            }
            else
            {
                if (link == selector.Choice)
                {
                    _hooks.Run(link.Name, _placed?.Name ?? "", selector.Reason);
                }
                log.Event(EventKind.Switch, $"switched to {took}");
            }
        }
        else if (link.State.IsUp() && !link.IsInterrupted && links.Contains(link))
        {
            SayOnce(
                $"switching to {link.Name} failed: "
                + (_isByScript ? "switch_route.sh succeeded, but " : _failure.Length > 0 ? $"{_failure}; " : "")
                + $"found {KernelFacts.RoutesInWords(table, links)}");
        }
        else
        {
            report.SeeSwitchFailure(null);
        }
        End(link, succeeded);
    }

    /// <summary>Which link a switch leaves: the last one that was chosen and in place.</summary>
    private void NotePlaced()
    {
        if (!_lane.IsBusy && KernelFacts.ChoiceInPlace(table, selector.Choice) is { } placed)
        {
            _placed = placed;
        }
    }

    /// <summary>A switch that fails is tried every tick; what is the same each time is said once.</summary>
    private void SayOnce(string failure)
    {
        report.SeeSwitchFailure(failure);
        if (failure == _saidFailure)
        {
            log.Event(EventKind.Switch, failure, LogLevel.Debug);
            return;
        }
        _saidFailure = failure;
        log.Event(EventKind.Switch, $"{failure}, retrying", LogLevel.Warn);
    }

    private void End(Link link, bool succeeded)
    {
        _saidFailure = succeeded ? "" : _saidFailure;
        _guard.End(link, succeeded);
        if (links.Contains(link)) // a reload may have replaced it
        {
            selector.EndSwitch(link, succeeded, loop.Now);
        }
    }

    /// <summary>The first ten repairs are events; after that one a minute, which stands for the others: status counts them.</summary>
    private void SayRepair(string words)
    {
        if (_saysRepair)
        {
            log.Event(EventKind.Route, words);
        }
        else
        {
            log.Debug(words);
        }
    }

    private void ReportInUse(TimeSpan now)
    {
        Link? inUse = KernelFacts.InUse(table, links);
        if (inUse != InUse)
        {
            InUse = inUse;
            report.SeeInUse(inUse, now);
        }
        if (inUse != _lastSaidInUse && _saidInUse.TryTake(now))
        {
            _lastSaidInUse = inUse;
            log.Event(EventKind.Switch, $"in use: {inUse?.Name ?? "none"}");
        }
    }

    public void Dispose()
    {
        _netlink.Dispose();
        _hooks.Dispose();
        _lane.Dispose();
    }
}
