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
using ConnMgr.Resolver;
using ConnMgr.Scripts;
using ConnMgr.Status;

namespace ConnMgr.App;

/// <summary>Creates the parts of the daemon, and calls them in order after each batch of events.</summary>
internal sealed class Daemon : IDisposable
{
    private const int TicksBetweenFiles = 5; // 10 s

    private static readonly TimeSpan FirstTrim = TimeSpan.FromSeconds(0.1); // after the first decision

    private readonly Log _log;
    private readonly Options _options;
    private readonly Loop _loop;
    private readonly List<string> _environment; // of scripts; shared by all parts that start scripts
    private readonly Deadline _tick;
    private readonly Watchdog? _watchdog;
    private readonly Heap _heap = new();
    private readonly KernelState _state = new();
    private readonly RouteMonitor _routes;
    private readonly UeventSocket _uevents;
    private readonly NameServers _servers;
    private readonly FileMonitor _files;
    private readonly LinkDriver _links;
    private readonly BudgetDriver _budgets;
    private readonly ResolverDriver _resolver;
    private readonly AttributeReport? _attributes;
    private readonly Lockdown? _lockdown;
    private readonly StatusReport _report;
    private readonly RequestDriver _requests;
    private readonly ControlSocket? _control;
    private readonly TimeSpan _startedAt;
    private readonly Pace _lossPace = new(burst: 5, TimeSpan.FromMinutes(1)); // losses come in bursts
    private int _ticksSinceFiles;
    private int _seenLosses;
    private bool _isMonitoring;
    private bool _isStopping;
    private string? _hint; // about missing interfaces, as logged
    private int _hintedVersion = -1; // the version of the kernel's state that was last compared
    private FlowRunner? _flows;

    /// <summary>
    /// Creates all parts, and starts the lockdown unless the firewall is disabled. Throws if the kernel
    /// refuses a required resource.
    /// </summary>
    /// <param name="options">The command-line options.</param>
    /// <param name="names">The interface names of the links.</param>
    /// <param name="whitelist">What the lockdown may open.</param>
    /// <param name="log">The log.</param>
    /// <param name="loop">The event loop of the process.</param>
    /// <param name="startedAt">When the process started, in the loop's time.</param>
    /// <param name="watchdog">Kills the process if the loop hangs; null in unit tests, which share a process.
    /// </param>
    /// <param name="caches">Flushes the caches of name servers; null for nothing.</param>
    public Daemon(
        Options options, NetifNames names, Whitelist whitelist, Log log, Loop loop, TimeSpan startedAt,
        Watchdog? watchdog, CacheRunner? caches = null)
    {
        _log = log;
        _options = options;
        _loop = loop;
        _startedAt = startedAt;
        _environment = ScriptEnvironment.Of(options, names);
        _tick = _loop.AddTimer(Tick);
        _watchdog = watchdog;
        _servers = new NameServers(
            options.Resolvers, options.ResolvConf is ['/', ..] ? options.ResolvConf : null);
        _lockdown = options.IsFirewallDisabled
            ? null
            : new Lockdown(_loop, log, options, names, whitelist, _environment, caches);
        _lockdown?.Start(names, _servers);
        _files = new FileMonitor(_loop, _servers.Paths, _servers.Refresh);
        _routes = new RouteMonitor(_loop, _state);
        _uevents = new UeventSocket(_loop, OnUevent);
        _links = new LinkDriver(_loop, log, options, names, _state, _routes,
            _servers, _environment, startedAt,
            _lockdown is { } lockdown ? lockdown.Services.AdmitProbe : null,
            _lockdown is { } locked ? locked.Services.SeeProbe : null,
            _lockdown is { } judging ? judging.Drops.See : null);
        _budgets = new BudgetDriver(_loop, log, options, _state, _links);
        _resolver = new ResolverDriver(
            _loop, log, options, _environment, _state, _servers, _links.DeviceTo);
        _flows = NewFlowRunner();
        if (options.AttrdSocket is { } socket)
        {
            _attributes = new AttributeReport(_loop, log, options, socket, _environment);
        }
        _report = new StatusReport(
            _loop, log, _state, _links, _attributes, _lockdown, _resolver, _budgets, options,
            startedAt);
        _requests = new RequestDriver(
            _loop, log, options, names, _environment, _links, _budgets, _lockdown, _report,
            OnNamesChanged);
        if (_lockdown is null && OldLockdown.IsRecorded(options.RunDirectory))
        {
            string text = $"the device is {OldLockdown.Words}";
            log.Event(EventKind.Firewall, text, LogLevel.Warn);
            log.TellUser(text);
        }
        string path = Path.Combine(options.RunDirectory, "connmgr.sock");
        uint? group = GroupFile.Find(options.ControlGroup, out string groupFailure);
        if (groupFailure.Length > 0)
        {
            log.Event(
                EventKind.Daemon,
                $"--control-group: {groupFailure}, only root and the user of the daemon may ask",
                LogLevel.Warn);
        }
        _control = ControlSocket.Open(_loop, path, log.Events, Answer, group, out string failure);
        if (_control is null)
        {
            log.Event(
                EventKind.Daemon, $"{path}: {failure}, running without the control socket", LogLevel.Warn);
        }
    }

    /// <summary>Runs until a signal ends it, or until the firewall could not be locked.</summary>
    public ExitCode Run()
    {
        _loop.Run(Settle);
        _budgets.Stop();
        return _lockdown switch
        {
            { HasFailed: true, Firewall.NeedsCorrection: true } => ExitCode.Config,
            { HasFailed: true } => ExitCode.OsError, // init restarts the daemon
            _ => ExitCode.Ok,
        };
    }

    private FlowRunner? NewFlowRunner() => _options.KeepFlows
        ? null
        : new FlowRunner(
            _loop, _log, [.. _links.View.Links.Select(link => link.Name)], LinkSocket.Mark,
            SockDiagMessage.DestroyNothing());

    /// <summary>Calls the parts in their order, once after each batch of events.</summary>
    private void Settle()
    {
        if (_isMonitoring || BeginMonitoring())
        {
            LogLosses();
            _links.SetDisturbed(_lockdown is { Firewall.IsDisturbed: true });
            if (_lockdown?.TakeForeignChange() == true)
            {
                _links.ProbeAll();
            }
            _links.Settle();
            _resolver.Settle(_links.View);
            if (_routes.IsSettled)
            {
                _flows?.Observe(_state, _links.View.InPlace);
            }
            _attributes?.Update(_links.View, _state);
            _report.Observe(_loop.Now);
        }
        _lockdown?.Settle(new LockdownView(_state, _links.View, _servers));
        if (_isMonitoring && !_isStopping)
        {
            _lockdown?.FlushCaches();
        }
        if (_lockdown is { HasFailed: true })
        {
            _loop.Stop();
        }
        else if (_isStopping && IsIdle)
        {
            _lockdown?.Stop();
            _loop.Stop();
        }
        _control?.Pump();
    }

    /// <summary>
    /// True if no script runs. The daemon waits for a running script before it exits: after the exit,
    /// nothing would kill a script that hangs.
    /// </summary>
    private bool IsIdle =>
        !_links.IsBusy && !_resolver.IsBusy && _lockdown is not { IsBusy: true };

    private void LogLosses()
    {
        if (_routes.Losses != _seenLosses)
        {
            _seenLosses = _routes.Losses;
            if (_lossPace.TryTake(_loop.Now))
            {
                _log.Event(EventKind.Route, "rtnetlink messages were lost, reading the whole state again",
                    LogLevel.Warn);
            }
        }
    }

    /// <summary>Starts monitoring; true once the kernel's state has been read completely.</summary>
    private bool BeginMonitoring()
    {
        if (!_routes.IsSettled)
        {
            return false;
        }
        _isMonitoring = true;
        TimeSpan now = _loop.Now;
        _tick.Set(now + Link.TickPeriod);
        // The start has allocated nearly what the runtime allows before it collects by itself, which would be
        // in the middle of the first switch.
        _loop.AddTimer(_heap.Trim).Set(now + FirstTrim);
        _budgets.Set(_requests.Names); // before the first decision
        _lockdown?.Listen(_state);
        string names = string.Join(", ", _links.View.Links.Select(link => link.Name));
        _log.Event(
            EventKind.Daemon, $"monitoring {names} (started in {Duration.Milliseconds(now - _startedAt)})");
        return true;
    }

    private void Tick()
    {
        _watchdog?.Feed();
        _log.Tick();
        _tick.Set(_loop.Now + Link.TickPeriod);
        RefreshServers();
        _budgets.Tick();
        _links.Tick();
        _resolver.Tick(_links.View);
        _routes.DumpNext();
        _lockdown?.Tick();
        _report.Tick();
        AdviseOnNames();
        _heap.Trim();
    }

    /// <summary>
    /// Reads the resolver's files where the kernel does not report changes: in directories that did not exist
    /// before, in /tmp, or without inotify.
    /// </summary>
    private void RefreshServers()
    {
        if (_files.IsWatching && ++_ticksSinceFiles < TicksBetweenFiles)
        {
            return;
        }
        _ticksSinceFiles = 0;
        int before = _servers.Version;
        _servers.Refresh();
        if (_servers.Version != before)
        {
            _files.Watch();
        }
    }

    /// <summary>Logs which interfaces exist, if those of netif_names do not.</summary>
    private void AdviseOnNames()
    {
        if (_links.View.InUse is not null || !_routes.IsSettled || _state.Version == _hintedVersion)
        {
            return;
        }
        _hintedVersion = _state.Version;
        string? hint = InterfaceHint.For(_state, [.. _links.View.Links.Select(link => link.Name)]);
        if (hint is not null && hint != _hint)
        {
            string file = Path.Combine(_options.ConfigDirectory, "netif_names");
            _log.Event(EventKind.Link, $"{hint}: write the names of the links into {file}", LogLevel.Warn);
        }
        _hint = hint;
    }

    /// <summary>Answers a request of the control socket. Returns the exit status of the verb.</summary>
    private int Answer(in ControlRequest request, Utf8Text reply)
    {
        switch (request.Verb)
        {
            case ControlVerb.Use:
                return (int)_requests.Use(request, reply);
            case ControlVerb.Audit:
                return AuditText.Write(_lockdown, request, reply);
            case ControlVerb.Reload:
                _heap.Trim(); // two whitelists must fit at once, so free the garbage of the last reload
                return (int)_requests.Reload(request.IsText, reply);
            default:
                return _report.Answer(request, reply, _flows?.Limit, _loop.Now);
        }
    }

    private void OnNamesChanged(NetifNames names, bool areLinksReplaced)
    {
        if (_isMonitoring)
        {
            _budgets.Set(names);
        }
        _resolver.Reload();
        _hintedVersion = -1;
        if (areLinksReplaced)
        {
            _flows?.Dispose();
            _flows = NewFlowRunner();
        }
    }

    private void OnUevent(Uevent? uevent)
    {
        if (uevent is null || _links.View.Find(uevent.Interface) is not null)
        {
            _log.Debug($"uevent: {(uevent is null ? "lost" : $"{uevent.Action} {uevent.Interface}")}");
            _routes.Resync();
        }
    }

    /// <summary>
    /// Handles a signal: SIGHUP reloads; any other one stops the daemon, the second one without waiting for
    /// scripts.
    /// </summary>
    public void OnSignal(int signal)
    {
        if (signal == LibcExtra.SIGHUP)
        {
            _heap.Trim();
            _ = _requests.Reload(new ReloadText(), out _);
            return;
        }
        _log.Event(EventKind.Daemon, $"stopping: {(signal == LibcExtra.SIGTERM ? "SIGTERM" : "SIGINT")}");
        if (_isStopping)
        {
            _loop.Stop(); // the second signal
        }
        _isStopping = true;
        _links.Stop();
        _resolver.Stop();
    }

    public void Dispose()
    {
        _control?.Dispose();
        _flows?.Dispose();
        _lockdown?.Dispose();
        _attributes?.Dispose();
        _resolver.Dispose();
        _links.Dispose();
        _files.Dispose();
        _uevents.Dispose();
        _routes.Dispose();
    }
}
