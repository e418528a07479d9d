using ConnMgr.Cli;
using ConnMgr.Config;
using ConnMgr.Control;
using ConnMgr.EventLoop;
using ConnMgr.Firewall;
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
    private readonly List<string> _environment; // of scripts; shared by all that start some
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
    private readonly ProbeSettings _probeSettings;
    private readonly AttributeReport? _attributes;
    private readonly Lockdown? _lockdown;
    private readonly StatusReport _report;
    private readonly HookRunner _hooks;
    private readonly ControlSocket? _control;
    private readonly TimeSpan _startedAt;
    private int _seenVersion = -1;
    private int _seenLosses;
    private bool _isMonitoring;
    private bool _isStopping;
    private NetifNames _names;
    private FlowRunner? _flows;
    private Link? _inUse;
    private Link? _placed;
    private int _verifiedIpv4; // the fingerprint that the last switch left
    private string _saidFailure = "";
    private (Link Link, TimeSpan DecidedAt, bool IsRepair)? _verifying;

    public Daemon(Options options, NetifNames names, Whitelist whitelist, Log log, TimeProvider time, TimeSpan startedAt)
    {
        _time = time;
        _log = log;
        _options = options;
        _startedAt = startedAt;
        _names = names;
        _environment = ScriptEnvironment(names);
        _timer = new Timer(_loop, Now);
        _tick = _timer.Add(Tick);
        _decision = _timer.Add(() => { });
        _signals = new Signals(_loop, HandleSignal, Libc.SIGTERM, Libc.SIGINT, Libc.SIGHUP);
        _watchdog = new Watchdog();
        _lockdown = options.IsFirewallDisabled
            ? null
            : new Lockdown(_loop, _timer, Now, log, options, names, whitelist, _environment);
        _routes = new RouteSocket(_loop, _table);
        _uevents = new UeventSocket(_loop, HandleUevent);
        _routeLane = new ScriptLane(_loop, _timer, Now, _environment);

        _probeSettings = new ProbeSettings(options.Echo, options.Ping);
        foreach ((LinkKind kind, string name) in LinksOf(names))
        {
            MonitoredLink link = NewLink(kind, name);
            _links.Add(link);
            _pure.Add(link.Link);
        }
        _selector = new Selector(_pure, startedAt);
        _crosscheck = new Crosscheck(_pure);
        _flows = NewFlowRunner();
        if (options.AttrdSocket is { } socket)
        {
            _attributes = new AttributeReport(
                _loop, _timer, Now, log, options, socket, _environment, _links);
        }
        _hooks = new HookRunner(_loop, _timer, Now, log, options.HookDirectory);
        _report = new StatusReport(_loop, log, _table, _links, _selector, _attributes, _lockdown, startedAt);
        string path = Path.Combine(options.RunDirectory, "connmgr.sock");
        _control = ControlSocket.Open(_loop, _timer, Now, path, log.Events, Answer, out string failure);
        if (_control is null)
        {
            log.Event(EventKind.Daemon, $"{path}: {failure}, running without", LogLevel.Warn);
        }
    }

    /// <summary>Runs until a signal ends it, or the firewall cannot be locked.</summary>
    public ExitCode Run()
    {
        _loop.Run(Settle);
        return _lockdown is { HasFailed: true } ? ExitCode.Config : ExitCode.Ok;
    }

    private static (LinkKind Kind, string Name)[] LinksOf(NetifNames names) =>
        [(LinkKind.Ethernet, names.Ethernet), (LinkKind.WiFi, names.WiFi), (LinkKind.Wan, names.Wan)];

    private MonitoredLink NewLink(LinkKind kind, string name) => new(
        _loop, _timer, Now, _log, new Link(kind, name, _options.Idle, _options.WanProbe), _probeSettings,
        _options.Resolvers);

    private FlowRunner? NewFlowRunner() => _options.KeepFlows
        ? null
        : new FlowRunner(
            _loop, [.. _pure.Select(link => link.Name)], LinkSocket.Mark,
            words => _log.Event(EventKind.Switch, words),
            words => _log.Event(EventKind.Switch, words, LogLevel.Warn));

    /// <summary>Monotonic time.</summary>
    private TimeSpan Now() => _time.GetElapsedTime(0);

    private static string NamesVariable(NetifNames names) =>
        $"CONNMGR_NETIF_NAMES={names.Ethernet} {names.WiFi} {names.Wan} {names.AccessPoint} {names.Bridge}";

    /// <summary>
    /// What scripts get. The names are those in force: what the file says by now may be another thing, and was perhaps refused.
    /// </summary>
    private List<string> ScriptEnvironment(NetifNames names) =>
    [
        NamesVariable(names),
        $"PATH={Environment.GetEnvironmentVariable("PATH") ?? "/usr/sbin:/usr/bin:/sbin:/bin"}",
        "LC_ALL=C",
        $"CONNMGR_CONFIG_DIR={_options.ConfigDirectory}",
        $"CONNMGR_RUN_DIR={_options.RunDirectory}",
        // Where an ordinary user may not write to iptables' own.
        .. Environment.GetEnvironmentVariable("XTABLES_LOCKFILE") is { } path ? new[] { $"XTABLES_LOCKFILE={path}" } : [],
    ];

    private void Settle()
    {
        _lockdown?.Settle(_table, _links, _inUse);
        if (_lockdown is { HasFailed: true })
        {
            _loop.Stop();
        }
        if (_isMonitoring || BeginMonitoring())
        {
            Decide();
        }
        else if (_isStopping)
        {
            StopWhenIdle();
        }
        _control?.Pump();
        _timer.Arm();
    }

    private void Decide()
    {
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
            _report.SeeDecision(now);
            _log.Event(EventKind.Decision, $"using {_selector.Choice!.Name}: {_selector.Reason}");
        }
        // Between a change of routes and the dump that follows it, the table is not to be judged by.
        if (_routes.IsSettled)
        {
            Verify(now);
            Switch(now);
            NotePlaced();
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
        _report.SeeSwitchBegin();
        string script = Path.Combine(_options.ScriptDirectory, "switch_route.sh");
        _routeLane.Run([script, link.Name], exit => EndSwitch(link, isRepair, now, exit));
    }

    private void EndSwitch(Link link, bool isRepair, TimeSpan decidedAt, ChildExit exit)
    {
        if (exit.Output.Length > 0 && (_log.IsDebug || exit.Failure is not null))
        {
            _log.Debug($"switch_route.sh: {Log.Quote(exit.Output.TrimEnd())}");
        }
        if (exit.Failure is null || !_pure.Contains(link))
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
        bool succeeded = _pure.Contains(link) && KernelFacts.IsInPlace(_table, link);
        _verifiedIpv4 = link.Facts.Ipv4.Fingerprint;
        if (succeeded)
        {
            string what = isRepair ? "restored the route over" : "switched to";
            _report.SeeSwitch(isRepair, now - decidedAt);
            if (!isRepair && link == _selector.Choice)
            {
                _hooks.Run(link.Name, _placed?.Name ?? "", _selector.Reason);
            }
            _log.Event(isRepair ? EventKind.Route : EventKind.Switch, $"{what} {link.Name} in {Milliseconds(now - decidedAt)}");
        }
        else if (link.State.IsUp() && !link.IsInterrupted && _pure.Contains(link))
        {
            SayOnce(
                $"switching to {link.Name} failed: switch_route.sh succeeded, but found "
                + KernelFacts.RoutesInWords(_table, _pure));
        }
        else
        {
            _report.SeeSwitchFailure(null);
        }
        EndSwitch(link, succeeded);
    }

    /// <summary>Which link a switch leaves: the last one that was chosen and in place.</summary>
    private void NotePlaced()
    {
        if (!_routeLane.IsBusy && KernelFacts.ChoiceInPlace(_table, _selector.Choice) is { } placed)
        {
            _placed = placed;
        }
    }

    /// <summary>A switch that fails is tried every tick; what is the same each time is said once.</summary>
    private void SayOnce(string failure)
    {
        _report.SeeSwitchFailure(failure);
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
        if (_pure.Contains(link)) // a reload may have replaced it
        {
            _selector.EndSwitch(link, succeeded, Now());
        }
    }

    private void ReportInUse()
    {
        Link? inUse = KernelFacts.InUse(_table, _pure);
        if (inUse != _inUse)
        {
            _inUse = inUse;
            _report.SeeInUse(inUse, Now());
            _log.Event(EventKind.Switch, $"in use: {inUse?.Name ?? "none"}");
        }
    }

    private void Tick()
    {
        TimeSpan now = Now();
        _watchdog.Feed();
        _log.Tick();
        _tick.Set(now + Link.TickPeriod);
        foreach (MonitoredLink link in _links)
        {
            link.Tick(now);
        }
        _guard.AllowRetry();
        _routes.DumpNext();
        _lockdown?.Tick();
        _report.Tick();
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
            _ = Reload([]);
            return;
        }
        _log.Event(EventKind.Daemon, $"stopping: {(signal == Libc.SIGTERM ? "SIGTERM" : "SIGINT")}");
        if (_isStopping)
        {
            _loop.Stop(); // asked twice
        }
        _isStopping = true;
    }

    private int Answer(in ControlRequest request, Utf8Text reply)
    {
        if (request.Verb != ControlVerb.Reload)
        {
            return _report.Answer(request, reply, Now());
        }
        List<string> said = [];
        ExitCode exitCode = Reload(said);
        ReloadText.Write(exitCode == ExitCode.Ok, said, request.IsText, reply);
        return (int)exitCode;
    }

    /// <summary>Reads the configuration again: all of it takes effect, or nothing.</summary>
    private ExitCode Reload(List<string> said)
    {
        ConfigFiles files = ConfigFiles.Read(_options.ConfigDirectory, withWhitelist: !_options.IsFirewallDisabled);
        foreach ((LogLevel level, string text) in files.Remarks)
        {
            said.Add(text);
            _log.Event(EventKind.Reload, $"reload: {text}", level);
        }
        if (files.HasErrors || files.NetifNames is not { } names)
        {
            said.Add("refused: the old configuration stays in force");
            _log.Event(EventKind.Reload, "reload refused: the old configuration stays in force", LogLevel.Error);
            return ExitCode.Config;
        }

        List<string> changes = names.ChangesFrom(_names);
        _names = names;
        _environment[0] = NamesVariable(names);
        ReplaceLinks(names);
        if (_lockdown is not null)
        {
            changes.AddRange(_lockdown.Reload(names, files.Whitelist));
        }
        foreach (string change in changes)
        {
            said.Add(change);
            _log.Event(EventKind.Reload, $"reload: {change}");
        }
        if (changes.Count == 0)
        {
            said.Add("nothing has changed");
            _log.Event(EventKind.Reload, "reload: nothing has changed");
        }
        return ExitCode.Ok;
    }

    /// <summary>A link whose name has changed is another link, of which nothing is known; the others stay as they are.</summary>
    private void ReplaceLinks(NetifNames names)
    {
        (LinkKind Kind, string Name)[] wanted = LinksOf(names);
        int[] changed = [.. Enumerable.Range(0, wanted.Length).Where(i => _pure[i].Name != wanted[i].Name)];
        foreach (int i in changed)
        {
            _links[i].Dispose(); // all of them before the first new one: names may have been exchanged
        }
        foreach (int i in changed)
        {
            Link old = _pure[i];
            _links[i] = NewLink(wanted[i].Kind, wanted[i].Name);
            _pure[i] = _links[i].Link;
            _selector.Replace(old, _pure[i]);
            _crosscheck.Replace(old, _pure[i]);
            _attributes?.Bind(_links[i]);
        }
        if (changed.Length > 0)
        {
            _flows?.Dispose();
            _flows = NewFlowRunner();
            _seenVersion = -1; // they have to be told the kernel's picture
        }
    }

    /// <summary>A script that runs is seen to its end, or to its deadline: nobody else would kill it.</summary>
    private void StopWhenIdle()
    {
        if (!_routeLane.IsBusy && _lockdown is not { IsBusy: true })
        {
            _lockdown?.Stop();
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
        _control?.Dispose();
        _hooks.Dispose();
        _flows?.Dispose();
        _lockdown?.Dispose();
        _attributes?.Dispose();
        _routeLane.Dispose();
        _uevents.Dispose();
        _routes.Dispose();
        _signals.Dispose();
        _timer.Dispose();
        _loop.Dispose();
    }
}
