using ConnMgr.Cli;
using ConnMgr.Config;
using ConnMgr.Control;
using ConnMgr.EventLoop;
using ConnMgr.Flows;
using ConnMgr.Native;
using ConnMgr.Netlink;
using ConnMgr.Probe;
using ConnMgr.Routing;
using ConnMgr.Selection;
using Timer = ConnMgr.EventLoop.Timer;

namespace ConnMgr;

/// <summary>
/// Wires the concerns together: each wake-up brings facts, <see cref="Settle"/> lets the pure core decide, and carries
/// out what it wants.
/// </summary>
internal sealed class Daemon : IDisposable
{
    private readonly TimeProvider _time;
    private readonly Log _log;
    private readonly Options _options;
    private readonly Loop _loop = new();
    private readonly Timer _timer;
    private readonly Deadline _tick;
    private readonly Deadline _decision;
    private readonly Signals _signals;
    private readonly Watchdog _watchdog;
    private readonly LinkTable _table = new();
    private readonly RouteSocket _routes;
    private readonly UeventSocket _uevents;
    private readonly ScriptLane _routeLane;
    private readonly List<MonitoredLink> _links = [];
    private readonly List<Link> _pure = [];
    private readonly Selector _selector;
    private readonly Crosscheck _crosscheck;
    private readonly RouteGuard _guard = new();
    private readonly FlowRunner? _flows;
    private readonly AttributeReport? _attributes;
    private readonly TimeSpan _startedAt;
    private int _seenVersion = -1;
    private int _seenLosses;
    private bool _isMonitoring;
    private bool _isStopping;
    private Link? _inUse;
    private int _verifiedIpv4; // the fingerprint that the last switch left
    private string _saidFailure = "";
    private (Link Link, TimeSpan DecidedAt, bool IsRepair)? _verifying;

    public Daemon(Options options, NetifNames names, Log log, TimeProvider time, TimeSpan startedAt)
    {
        _time = time;
        _log = log;
        _options = options;
        _startedAt = startedAt;
        _timer = new Timer(_loop, Now);
        _tick = _timer.Add(Tick);
        _decision = _timer.Add(() => { });
        _signals = new Signals(_loop, HandleSignal, Libc.SIGTERM, Libc.SIGINT, Libc.SIGHUP);
        _watchdog = new Watchdog();
        _routes = new RouteSocket(_loop, _table);
        _uevents = new UeventSocket(_loop, HandleUevent);
        _routeLane = new ScriptLane(_loop, _timer, Now, ScriptEnvironment());

        ProbeSettings settings = new(options.Echo, options.Ping);
        AddLink(LinkKind.Ethernet, names.Ethernet, settings);
        AddLink(LinkKind.WiFi, names.WiFi, settings);
        AddLink(LinkKind.Wan, names.Wan, settings);
        _selector = new Selector(_pure, startedAt);
        _crosscheck = new Crosscheck(_pure);
        _flows = options.KeepFlows
            ? null
            : new FlowRunner(
                _loop, [.. _pure.Select(link => link.Name)], LinkSocket.Mark,
                words => _log.Event(EventKind.Switch, words),
                words => _log.Event(EventKind.Switch, words, LogLevel.Warn));
        if (options.AttrdSocket is { } socket)
        {
            _attributes = new AttributeReport(
                _loop, _timer, Now, log, options, socket, ScriptEnvironment(), _links);
        }
    }

    /// <summary>Runs until a signal ends it.</summary>
    public void Run() => _loop.Run(Settle);

    private void AddLink(LinkKind kind, string name, ProbeSettings settings)
    {
        Link link = new(kind, name, _options.Idle, _options.WanProbe);
        _pure.Add(link);
        _links.Add(new MonitoredLink(_loop, _timer, Now, _log, link, settings, _options.Resolvers));
    }

    /// <summary>Monotonic time.</summary>
    private TimeSpan Now() => _time.GetElapsedTime(0);

    private string[] ScriptEnvironment() =>
    [
        $"PATH={Environment.GetEnvironmentVariable("PATH") ?? "/usr/sbin:/usr/bin:/sbin:/bin"}",
        "LC_ALL=C",
        $"CONNMGR_CONFIG_DIR={_options.ConfigDirectory}",
        $"CONNMGR_RUN_DIR={_options.RunDirectory}",
    ];

    private void Settle()
    {
        if (!_isMonitoring && !BeginMonitoring())
        {
            if (_isStopping)
            {
                _loop.Stop();
            }
            _timer.Arm();
            return;
        }

        TimeSpan now = Now();
        if (_table.Version != _seenVersion)
        {
            _seenVersion = _table.Version;
            foreach (MonitoredLink link in _links)
            {
                link.Refresh(_table, now);
            }
            _guard.AllowRetry();
            _attributes?.Refresh(_table);
        }
        if (_routes.Losses != _seenLosses)
        {
            _seenLosses = _routes.Losses;
            _log.Event(EventKind.Route, "messages of rtnetlink were lost, reading everything anew", LogLevel.Warn);
        }

        TimeSpan next = TimeSpan.MaxValue;
        foreach (MonitoredLink link in _links)
        {
            link.Link.Advance(now);
            link.CarryOut(_table, now);
        }
        if (_isStopping)
        {
            StopWhenIdle();
        }
        else
        {
            Choose(now);
        }
        foreach (MonitoredLink link in _links)
        {
            link.CarryOut(_table, now);
            next = Min(next, link.Link.NextDeadline);
        }
        _attributes?.Update(_inUse);
        _decision.Set(Min(next, Min(_selector.NextDeadline, _routes.IsSettled ? _guard.NextDeadline : TimeSpan.MaxValue)));
        _timer.Arm();
    }

    /// <summary>True once the kernel's picture is complete.</summary>
    private bool BeginMonitoring()
    {
        if (!_routes.IsSettled)
        {
            return false;
        }
        _isMonitoring = true;
        TimeSpan now = Now();
        _tick.Set(now + Link.TickPeriod);
        _log.Event(
            EventKind.Daemon,
            $"monitoring {string.Join(", ", _pure.Select(link => link.Name))} (started in {Milliseconds(now - _startedAt)})");
        return true;
    }

    private void Choose(TimeSpan now)
    {
        if (_selector.Decide(now))
        {
            _log.Event(EventKind.Decision, $"using {_selector.Choice!.Name}: {_selector.Reason}");
        }
        // Between a change of routes and the dump that follows it, the table is not to be judged by.
        if (_routes.IsSettled)
        {
            Verify(now);
            Switch(now);
            ReportInUse();
            _flows?.Observe(_table, KernelFacts.ChoiceInPlace(_table, _selector.Choice)?.Name);
        }

        LinkClass inUse = _inUse is { } used ? Selector.ClassOf(used) : LinkClass.None;
        bool isNothingLeft = _pure.TrueForAll(link => Selector.ClassOf(link) > LinkClass.C);
        foreach (Link link in _pure)
        {
            link.SetSurroundings(new Surroundings(link == _inUse, inUse, isNothingLeft));
        }
        _crosscheck.Update(_selector.Choice, _inUse, now);
    }

    private void Switch(TimeSpan now)
    {
        bool isInPlace = _selector.Choice is { } choice && KernelFacts.IsInPlace(_table, choice)
            && (choice.Facts.Ipv4.Fingerprint == _verifiedIpv4 || !KernelFacts.HasAnotherGateway(_table, choice));
        bool isRepair = _selector.Choice is { } wanted && _guard.HasSwitchedTo(wanted);
        if (_guard.Next(_selector.Choice, isInPlace, now) is not { } link)
        {
            return;
        }

        if (isRepair)
        {
            _log.Event(
                EventKind.Route, $"restoring the route over {link.Name}: found {KernelFacts.RoutesInWords(_table, _pure)}");
        }
        string script = Path.Combine(_options.ScriptDirectory, "switch_route.sh");
        _routeLane.Run([script, link.Name], exit => EndSwitch(link, isRepair, now, exit));
    }

    private void EndSwitch(Link link, bool isRepair, TimeSpan decidedAt, ChildExit exit)
    {
        if (exit.Output.Length > 0 && (_log.IsDebug || exit.Failure is not null))
        {
            _log.Debug($"switch_route.sh: {Log.Quote(exit.Output.TrimEnd())}");
        }
        if (exit.Failure is null)
        {
            // What it did is judged by the kernel's routes.
            _verifying = (link, decidedAt, isRepair);
            _routes.ResyncRoutes();
            return;
        }

        string lastLine = exit.Output.TrimEnd().Split('\n')[^1];
        string said = lastLine.Length > 0 ? $", saying {Log.Quote(lastLine)}" : "";
        SayOnce($"switching to {link.Name} failed: switch_route.sh: {exit.Failure}{said}");
        EndSwitch(link, succeeded: false);
    }

    private void Verify(TimeSpan now)
    {
        if (_verifying is not var (link, decidedAt, isRepair))
        {
            return;
        }
        _verifying = null;
        bool succeeded = KernelFacts.IsInPlace(_table, link);
        _verifiedIpv4 = link.Facts.Ipv4.Fingerprint;
        if (succeeded)
        {
            string what = isRepair ? "restored the route over" : "switched to";
            _log.Event(isRepair ? EventKind.Route : EventKind.Switch, $"{what} {link.Name} in {Milliseconds(now - decidedAt)}");
        }
        else if (link.State.IsUp() && !link.IsInterrupted)
        {
            SayOnce(
                $"switching to {link.Name} failed: switch_route.sh succeeded, but found "
                + KernelFacts.RoutesInWords(_table, _pure));
        }
        EndSwitch(link, succeeded);
    }

    /// <summary>A switch that fails is tried every tick; what is the same each time is said once.</summary>
    private void SayOnce(string failure)
    {
        if (failure == _saidFailure)
        {
            _log.Event(EventKind.Switch, failure, LogLevel.Debug);
            return;
        }
        _saidFailure = failure;
        _log.Event(EventKind.Switch, $"{failure}, retrying", LogLevel.Warn);
    }

    private void EndSwitch(Link link, bool succeeded)
    {
        _saidFailure = succeeded ? "" : _saidFailure;
        _guard.End(link, succeeded);
        _selector.EndSwitch(link, succeeded, Now());
    }

    private void ReportInUse()
    {
        Link? inUse = KernelFacts.InUse(_table, _pure);
        if (inUse != _inUse)
        {
            _inUse = inUse;
            _log.Event(EventKind.Switch, $"in use: {inUse?.Name ?? "none"}");
        }
    }

    private void Tick()
    {
        TimeSpan now = Now();
        _watchdog.Feed();
        _tick.Set(now + Link.TickPeriod);
        foreach (MonitoredLink link in _links)
        {
            link.Tick(now);
        }
        _guard.AllowRetry();
        _routes.DumpNext();
    }

    private void HandleUevent(Uevent? uevent)
    {
        if (uevent is null || _pure.Exists(link => link.Name == uevent.Interface))
        {
            _log.Debug($"uevent: {(uevent is null ? "lost" : $"{uevent.Action} {uevent.Interface}")}");
            _routes.Resync();
        }
    }

    private void HandleSignal(int signal)
    {
        if (signal == Libc.SIGHUP)
        {
            _log.Event(EventKind.Reload, "SIGHUP: there is nothing to reload yet, ignoring");
            return;
        }
        _log.Event(EventKind.Daemon, $"stopping: {(signal == Libc.SIGTERM ? "SIGTERM" : "SIGINT")}");
        if (_isStopping)
        {
            _loop.Stop(); // asked twice
        }
        _isStopping = true;
    }

    /// <summary>A script that runs is seen to its end, or to its deadline: nobody else would kill it.</summary>
    private void StopWhenIdle()
    {
        if (!_routeLane.IsBusy)
        {
            _loop.Stop();
        }
    }

    private static string Milliseconds(TimeSpan time) =>
        string.Create(System.Globalization.CultureInfo.InvariantCulture, $"{time.TotalMilliseconds:0.0} ms");

    private static TimeSpan Min(TimeSpan a, TimeSpan b) => a < b ? a : b;

    public void Dispose()
    {
        foreach (MonitoredLink link in _links)
        {
            link.Dispose();
        }
        _flows?.Dispose();
        _attributes?.Dispose();
        _routeLane.Dispose();
        _uevents.Dispose();
        _routes.Dispose();
        _signals.Dispose();
        _timer.Dispose();
        _loop.Dispose();
    }
}
