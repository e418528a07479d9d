using ConnMgr.Attributes;
using ConnMgr.Cli;
using ConnMgr.Config;
using ConnMgr.Control;
using ConnMgr.EventLoop;
using ConnMgr.Firewall;
using ConnMgr.Flows;
using ConnMgr.Links;
using ConnMgr.Logging;
using ConnMgr.Native;
using ConnMgr.Netlink;
using ConnMgr.Probe;
using ConnMgr.Scripts;
using ConnMgr.Status;

namespace ConnMgr.App;

/// <summary>
/// Wires the concerns together: each wake-up brings facts, <see cref="Settle"/> lets the pure core decide, and carries
/// out what it wants.
/// </summary>
internal sealed partial class Daemon : IDisposable
{
    private readonly TimeProvider _time;
    private readonly Log _log;
    private readonly Options _options;
    private readonly Loop _loop = new();
    private readonly List<string> _environment; // of scripts; shared by all that start some
    private readonly Deadline _tick;
    private readonly Deadline _decision;
    private readonly Signals _signals;
    private readonly Watchdog _watchdog;
    private readonly Heap _heap = new();
    private readonly KernelState _table = new();
    private readonly RouteMonitor _routes;
    private readonly UeventSocket _uevents;
    private readonly List<MonitoredLink> _links = [];
    private readonly List<Link> _pure = [];
    private readonly Selector _selector;
    private readonly Crosscheck _crosscheck;
    private readonly ProbeSettings _probeSettings;
    private readonly AttributeReport? _attributes;
    private readonly Lockdown? _lockdown;
    private readonly StatusReport _report;
    private readonly SwitchRunner _switching;
    private readonly ControlSocket? _control;
    private readonly TimeSpan _startedAt;
    private int _seenVersion = -1;
    private readonly Pace _saidLosses = new(burst: 5, TimeSpan.FromMinutes(1)); // under a storm they are many
    private int _seenLosses;
    private int _seenSettings;
    private bool _isMonitoring;
    private bool _isStopping;
    private NetifNames _names;
    private FlowRunner? _flows;

    public Daemon(Options options, NetifNames names, Whitelist whitelist, Log log, TimeProvider time, TimeSpan startedAt)
    {
        _time = time;
        _log = log;
        _options = options;
        _startedAt = startedAt;
        _names = names;
        _environment = ScriptEnvironment.Of(options, names);
        _tick = _loop.AddTimer(Tick);
        _decision = _loop.AddTimer(() => { });
        _signals = new Signals(_loop, HandleSignal, LibcExtra.SIGTERM, LibcExtra.SIGINT, LibcExtra.SIGHUP);
        _watchdog = new Watchdog();
        _lockdown = options.IsFirewallDisabled
            ? null
            : new Lockdown(_loop, log, options, names, whitelist, _environment);
        _lockdown?.Start();
        _routes = new RouteMonitor(_loop, _table);
        _uevents = new UeventSocket(_loop, HandleUevent);

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
                _loop, log, options, socket, _environment, _links);
        }
        _report = new StatusReport(_loop, log, _table, _links, _selector, _attributes, _lockdown, startedAt);
        _switching = new SwitchRunner(
            _loop, log, options, _environment, _table, _routes, _pure, _selector, _report);
        string path = Path.Combine(options.RunDirectory, "connmgr.sock");
        _control = ControlSocket.Open(_loop, path, log.Events, Answer, out string failure);
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
        _loop, _log, new Link(kind, name, _options.Idle, _options.WanProbe), _probeSettings,
        _options.Resolvers, !_options.KeepsLinkdownRoutes);

    private FlowRunner? NewFlowRunner() => _options.KeepFlows
        ? null
        : new FlowRunner(
            _loop, _log, [.. _pure.Select(link => link.Name)], LinkSocket.Mark);

    /// <summary>Monotonic time.</summary>
    private TimeSpan Now() => _time.GetElapsedTime(0);

    private void Settle()
    {
        if (_isMonitoring || BeginMonitoring())
        {
            Decide();
        }
        else if (_isStopping)
        {
            StopWhenIdle();
        }
        // After the decision, so that the lockdown sees its result.
        _lockdown?.Settle(new LockdownView(_table, _links, _switching.InUse));
        if (_lockdown is { HasFailed: true })
        {
            _loop.Stop();
        }
        _control?.Pump();
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
            _switching.AllowRetry();
            _attributes?.Refresh(_table);
        }
        if (_table.SettingsVersion != _seenSettings || _routes.Losses != _seenLosses)
        {
            _seenSettings = _table.SettingsVersion;
            foreach (MonitoredLink link in _links)
            {
                link.CheckSettings();
            }
        }
        if (_routes.Losses != _seenLosses)
        {
            _seenLosses = _routes.Losses;
            if (_saidLosses.TryTake(now))
            {
                _log.Event(EventKind.Route, "messages of rtnetlink were lost, reading everything anew", LogLevel.Warn);
            }
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
        _attributes?.Update(_switching.InUse);
        _decision.Set(Min(next, Min(_selector.NextDeadline, _routes.IsSettled ? _switching.NextDeadline : TimeSpan.MaxValue)));
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
            $"monitoring {string.Join(", ", _pure.Select(link => link.Name))} (started in {Duration.Milliseconds(now - _startedAt)})");
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
            _switching.Settle(now);
            _flows?.Observe(_table, KernelFacts.ChoiceInPlace(_table, _selector.Choice)?.Name);
        }

        LinkClass inUse = _switching.InUse is { } used ? Selector.ClassOf(used) : LinkClass.None;
        bool isNothingLeft = _pure.TrueForAll(link => Selector.ClassOf(link) > LinkClass.C);
        foreach (Link link in _pure)
        {
            link.SetSurroundings(new Surroundings(link == _switching.InUse, inUse, isNothingLeft));
        }
        _crosscheck.Update(_selector.Choice, _switching.InUse, now);
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
        _switching.Tick(now);
        _routes.DumpNext();
        _lockdown?.Tick();
        _report.Tick();
        _heap.Trim();
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
        if (signal == LibcExtra.SIGHUP)
        {
            _ = Reload(new ReloadText(), out _);
            return;
        }
        _log.Event(EventKind.Daemon, $"stopping: {(signal == LibcExtra.SIGTERM ? "SIGTERM" : "SIGINT")}");
        if (_isStopping)
        {
            _loop.Stop(); // asked twice
        }
        _isStopping = true;
    }

    /// <summary>A script that runs is seen to its end, or to its deadline: nobody else would kill it.</summary>
    private void StopWhenIdle()
    {
        if (!_switching.IsBusy && _lockdown is not { IsBusy: true })
        {
            _lockdown?.Stop();
            _loop.Stop();
        }
    }

    private static TimeSpan Min(TimeSpan a, TimeSpan b) => a < b ? a : b;

    public void Dispose()
    {
        foreach (MonitoredLink link in _links)
        {
            link.Dispose();
        }
        _control?.Dispose();
        _flows?.Dispose();
        _lockdown?.Dispose();
        _attributes?.Dispose();
        _switching.Dispose();
        _uevents.Dispose();
        _routes.Dispose();
        _signals.Dispose();
        _loop.Dispose();
    }
}
