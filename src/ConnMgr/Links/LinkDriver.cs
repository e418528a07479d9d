using System.Net;
using System.Runtime.InteropServices;
using ConnMgr.Config;
using ConnMgr.EventLoop;
using ConnMgr.Logging;
using ConnMgr.Net;
using ConnMgr.Netlink;
using ConnMgr.Probe;
using ConnMgr.Routing;
using ConnMgr.Scripts;

namespace ConnMgr.Links;

/// <summary>
/// The I/O side of the connection: collects the news of a wake-up for the <see cref="ConnectionCore"/> and
/// carries out its effects: probes, evidence sockets, switches, hooks, log lines.
/// </summary>
internal sealed class LinkDriver : IDisposable
{
    // How often to read the settings whose changes the kernel does not report.
    private static readonly TimeSpan SettingsPeriod = TimeSpan.FromSeconds(16);

    private readonly Loop _loop;
    private readonly Log _log;
    private readonly Options _options;
    private readonly KernelState _state;
    private readonly RouteMonitor _routes;
    private readonly NameServers _servers;
    private readonly NetifdRunner _netifd;
    private readonly ProbeSettings _probeSettings;
    private LinkSockets[] _sockets;
    private readonly ConnectionCore _core;
    private readonly SwitchRunner _switcher;
    private readonly HookRunner _hooks;
    private readonly List<News> _news = [];
    private readonly Deadline _deadline;

    // Two programs that keep changing a route never stop; limit the log lines about it.
    private readonly Pace _inUsePace = new(burst: 10, TimeSpan.FromSeconds(10));
    private readonly Pace _repairPace = new(burst: 10, TimeSpan.FromMinutes(1));
    private int _seenVersion = -1;
    private int _seenServers = -1;
    private (int Version, int Losses) _seenSettings;
    private TimeSpan _settingsAt;
    private string? _loggedInUse;
    private bool _isRepairLogged;
    private string _loggedFailure = "";

    /// <param name="loop">The process's event loop.</param>
    /// <param name="log">Receives every decision.</param>
    /// <param name="options">The command-line options.</param>
    /// <param name="names">The interface names of the links.</param>
    /// <param name="state">The kernel's state; <paramref name="routes"/> keeps it up to date.</param>
    /// <param name="routes">Rereads the routes after a switch.</param>
    /// <param name="servers">The name servers of the links.</param>
    /// <param name="environment">The environment variables of the scripts.</param>
    /// <param name="startedAt">When the daemon started, in the loop's time.</param>
    /// <param name="connecting">Receives each address before a probe sends to it; null if it is not
    /// needed.</param>
    /// <param name="ended">Receives each conversation of a probe that has ended; null if it is not
    /// needed.</param>
    /// <param name="unanswered">Judges each conversation and question of a probe without an answer; null if
    /// it is not needed.</param>
    public LinkDriver(
        Loop loop, Log log, Options options, NetifNames names, KernelState state, RouteMonitor routes,
        NameServers servers, IReadOnlyList<string> environment, TimeSpan startedAt,
        Action<IPAddress>? connecting = null, ConversationEnded? ended = null, Unanswered? unanswered = null)
    {
        _loop = loop;
        _log = log;
        _options = options;
        _state = state;
        _routes = routes;
        _servers = servers;
        _netifd = new NetifdRunner(loop, log, environment, OnNetworks);
        ServiceTrust trust = new();
        _probeSettings = new ProbeSettings(
            options.Services, options.Ping, trust.Proven, connecting, ended, unanswered);
        _sockets = [.. names.Links.Select(NewSockets)];
        _core = new ConnectionCore([.. _sockets.Select(sockets => sockets.Link)], trust, startedAt);
        _switcher = new SwitchRunner(
            loop, log, options, environment, state, routes,
            (link, failure) => _news.Add(new News(NewsKind.SwitchEnded, loop.Now, link, Failure: failure)));
        _switcher.Know(_core.Links.Select(link => link.Name));
        _hooks = new HookRunner(loop, log, options.HookDirectory);
        _deadline = loop.AddTimer(() => { });
        servers.Refresh();
        FollowServers();
    }

    /// <summary>Asks the kernel for the device to an address; see <see cref="SwitchRunner"/>.</summary>
    public int DeviceTo(IpNumber peer) => _switcher.DeviceTo(peer);

    /// <summary>The decisions and facts after the last <see cref="Settle"/>.</summary>
    public ConnectionView View => _core.View;

    public ConnectionCore Core => _core;

    /// <summary>The sockets of each link, in the order of <see cref="ConnectionView.Links"/>.</summary>
    public IReadOnlyList<LinkSockets> Sockets => _sockets;

    /// <summary>
    /// True while a switch runs. The daemon waits for its end before it exits: after the exit, nothing
    /// would kill a script that hangs.
    /// </summary>
    public bool IsBusy => _switcher.IsBusy;

    /// <summary>Ends a tick and begins the next.</summary>
    public void Tick()
    {
        _news.Add(new News(NewsKind.Tick, _loop.Now));
        CompareServers();
        foreach (LinkSockets sockets in _sockets)
        {
            sockets.Retry(_state);
        }
        _switcher.Tick();
    }

    /// <summary>Finds the host routes to the resolver's name servers, which follow a switch.</summary>
    private void FollowServers()
    {
        if (_servers.Version != _seenServers)
        {
            _seenServers = _servers.Version;
            if (_state.Follow([.. _servers.OfResolver().Select(server => IpNumber.Of(server.Address))]))
            {
                _routes.ResyncRoutes();
            }
        }
    }

    private void OnNetworks(List<NetifdNetwork> networks)
    {
        _servers.SetNetworks(networks);
        CompareServers();
        _state.Claim(networks);
        _routes.ResyncRoutes();
    }

    private void CompareServers()
    {
        foreach (LinkSockets sockets in _sockets)
        {
            sockets.CompareServers(_state);
        }
    }

    /// <summary>
    /// Reports whether the firewall is being installed or restored; see <see
    /// cref="LinkSockets.SetDisturbed"/>.
    /// </summary>
    public void SetDisturbed(bool isDisturbed)
    {
        foreach (LinkSockets sockets in _sockets)
        {
            sockets.SetDisturbed(isDisturbed);
        }
    }

    /// <summary>
    /// Probes each link that may be probed, because another program may have changed what the device drops.
    /// </summary>
    public void ProbeAll()
    {
        foreach (LinkSockets sockets in _sockets)
        {
            _news.Add(new News(NewsKind.FirewallChanged, _loop.Now, sockets.Link));
        }
    }

    /// <summary>Stops all further decisions.</summary>
    public void Stop() => _news.Add(new News(NewsKind.Stop, _loop.Now));

    /// <summary>
    /// Lets the core decide, and carries out its effects. Call it after each batch of events.
    /// </summary>
    public void Settle()
    {
        TimeSpan now = _loop.Now;
        KernelView kernel = new(
            _state, _routes.IsSettled, _routes.LastDump, _routes.RoutesAsOf, _switcher.OwnMetrics);
        IReadOnlyList<CoreEffect> effects = _core.Handle(CollectionsMarshal.AsSpan(_news), kernel, now);
        _news.Clear();
        // Change the routes first: a device without a way out must not wait for log lines, for files to be
        // read or for sockets to be opened.
        for (int i = 0; i < effects.Count; i++)
        {
            if (effects[i].Kind == CoreEffectKind.Switch)
            {
                _switcher.Begin(effects[i].Plan);
            }
        }
        bool hasFollowed = false;
        for (int i = 0; i < effects.Count; i++)
        {
            if (!hasFollowed && effects[i].Kind is CoreEffectKind.Listen or CoreEffectKind.StartProbe)
            {
                hasFollowed = true;
                FollowKernel();
            }
            CarryOut(effects[i], now);
        }
        if (!hasFollowed)
        {
            FollowKernel();
        }
        LogInUse(now);
        _routes.Confirm();
        // A probe or a switch may have reported news while it was started: decide on it at once.
        TimeSpan next = _news.Count > 0 ? now : _core.NextDeadline;
        _deadline.Set(View.InUse?.Name == _loggedInUse || next < _inUsePace.NextAt
            ? next : _inUsePace.NextAt);
    }

    /// <summary>
    /// Brings the name servers, the evidence sockets and the sysctl settings up to date with the kernel's
    /// state. Probes need this.
    /// </summary>
    private void FollowKernel()
    {
        if (_state.Version != _seenVersion)
        {
            _seenVersion = _state.Version;
            _servers.Refresh();
            _netifd.Ask();
            LinkSubnets subnets = new(_state);
            foreach (LinkSockets sockets in _sockets)
            {
                sockets.Refresh(_state, subnets);
            }
        }
        FollowServers();
        CheckSettings();
    }

    /// <summary>
    /// Applies new interface names. A link whose name has changed is a new link without history; the others
    /// keep theirs.
    /// </summary>
    /// <returns>False if the links are the same, in the same order.</returns>
    public bool Reload(NetifNames names)
    {
        LinkSockets?[] kept =
            [.. names.Links.Select(name => Array.Find(_sockets, old => IsSame(old.Link, name)))];
        if (kept.AsSpan().SequenceEqual(_sockets))
        {
            return false;
        }
        foreach (LinkSockets old in _sockets)
        {
            if (Array.IndexOf(kept, old) < 0)
            {
                old.Dispose(); // close all before opening the first: names may have been swapped
            }
        }
        LinkSockets[] sockets = new LinkSockets[kept.Length];
        for (int i = 0; i < kept.Length; i++)
        {
            sockets[i] = kept[i] ?? NewSockets(names.Links[i]);
        }
        _sockets = sockets;
        _core.SetLinks([.. sockets.Select(opened => opened.Link)]);
        _switcher.Know(names.Links.Select(link => link.Name));
        _seenVersion = -1;
        return true;
    }

    private static bool IsSame(Link link, NamedLink name) =>
        link.Name == name.Name && link.Kind == name.Kind && link.Index == name.Index
        && link.IsMetered == name.IsMetered;

    /// <summary>
    /// Prefers a link by hand until the given time; null ends that. False if there is no such link.
    /// </summary>
    public bool Prefer(string? name, TimeSpan until)
    {
        Link? link = Find(name);
        if (name is not null && link is null)
        {
            return false;
        }
        _core.Prefer(link, until, _loop.Now);
        return true;
    }

    private Link? Find(string? name) => _core.Links.FirstOrDefault(link => link.Name == name);

    /// <summary>Reports how a link's budget affects its use.</summary>
    public void SetBudget(string name, LinkBudget budget)
    {
        if (Find(name) is { } link)
        {
            _news.Add(new News(NewsKind.Budget, _loop.Now, link, Budget: budget));
        }
    }

    /// <summary>
    /// Checks the sysctl settings again when the kernel has reported a change, since another program (`sysctl
    /// --system`, ufw) may have changed them. Checks arp_ignore and arp_announce now and then, because the
    /// kernel does not report their changes (inet_netconf_fill_devconf, net/ipv4/devinet.c).
    /// </summary>
    private void CheckSettings()
    {
        bool hasNews = (_state.SettingsVersion, _routes.Losses) != _seenSettings;
        if (!hasNews && _loop.Now - _settingsAt < SettingsPeriod)
        {
            return;
        }
        _seenSettings = (_state.SettingsVersion, _routes.Losses);
        _settingsAt = _loop.Now;
        foreach (LinkSockets sockets in _sockets)
        {
            if (hasNews)
            {
                sockets.CheckSettings();
            }
            else
            {
                sockets.CheckSilentSettings();
            }
        }
    }

    private LinkSockets NewSockets(NamedLink name) => new(
        _loop, _log,
        new Link(
            name.Kind, name.Name, _options.Idle.Of(name.Kind), _options.WanProbe, name.Index, name.IsMetered),
        _probeSettings, _servers,
        ignoresLinkdownRoutes: !_options.KeepsLinkdownRoutes, _news.Add);

    private void CarryOut(in CoreEffect effect, TimeSpan now)
    {
        string name = effect.Link?.Name ?? "none";
        switch (effect.Kind)
        {
            case CoreEffectKind.StateChanged:
                _log.Event(
                    EventFacts.StateChanged(name, effect.From.Name(), effect.To.Name(), effect.Words));
                break;
            case CoreEffectKind.Listen:
                SocketsOf(effect.Link)?.Listen(effect.IsForOutgoing);
                break;
            case CoreEffectKind.StartProbe:
                _log.Event(EventFacts.ProbeStarted(name, effect.Words), LogLevel.Debug);
                SocketsOf(effect.Link)?.StartProbe(_state, effect.IsEarly, effect.Limit, now);
                break;
            case CoreEffectKind.CancelProbe:
                _log.Event(EventFacts.ProbeCancelled(name, effect.Words), LogLevel.Debug);
                SocketsOf(effect.Link)?.CancelProbe();
                break;
            case CoreEffectKind.Warned:
                _log.Event(EventFacts.ServiceSuspected(name, effect.Words), LogLevel.Warn);
                break;
            case CoreEffectKind.Chosen:
                _log.Event(EventFacts.Chosen(effect.Left?.Name, effect.Link?.Name, effect.Words));
                break;
            case CoreEffectKind.Switch:
                if (effect.IsRepair)
                {
                    _isRepairLogged = _repairPace.TryTake(now);
                    LogRepair(EventFacts.Restoring(name, effect.Words));
                }
                _switcher.Finish(effect.Link!);
                break;
            case CoreEffectKind.Tidy:
                _switcher.Tidy(effect.Plan!);
                break;
            case CoreEffectKind.ReadRoutes:
                _routes.ResyncRoutes();
                break;
            case CoreEffectKind.Switched:
                OnSwitched(effect, name);
                break;
            case CoreEffectKind.SwitchFailed when effect.Words.Length > 0:
                LogFailure(name, effect.Words);
                break;
        }
    }

    private LinkSockets? SocketsOf(Link? link) =>
        link is not null && link.Rank < _sockets.Length && _sockets[link.Rank] is { } sockets
            && sockets.Link == link ? sockets : null;

    private void OnSwitched(in CoreEffect effect, string name)
    {
        _loggedFailure = "";
        if (effect.IsRepair)
        {
            LogRepair(EventFacts.Restored(name, effect.Took, effect.IsInPlace));
            return;
        }
        if (effect.Words.Length > 0) // the link is still the choice
        {
            _hooks.Run(name, effect.Left?.Name ?? "", effect.Words);
        }
        _log.Event(EventFacts.Switched(effect.Left?.Name, name, effect.Words, effect.Took));
    }

    /// <summary>
    /// Logs a failed switch. It is retried every tick, but the same failure is a warning only once.
    /// </summary>
    private void LogFailure(string link, string failure)
    {
        bool isNew = failure != _loggedFailure;
        _loggedFailure = failure;
        _log.Event(
            EventFacts.SwitchFailed(link, failure, isNew), isNew ? LogLevel.Warn : LogLevel.Debug);
    }

    /// <summary>
    /// Logs the first ten repairs one by one, then at most one a minute; status counts them all.
    /// </summary>
    private void LogRepair(EventFacts facts)
    {
        if (_isRepairLogged)
        {
            _log.Event(facts);
        }
        else
        {
            _log.Debug(facts.Text);
        }
    }

    private void LogInUse(TimeSpan now)
    {
        string? inUse = View.InUse?.Name;
        if (inUse != _loggedInUse && _inUsePace.TryTake(now))
        {
            _log.Event(EventFacts.InUse(_loggedInUse, inUse));
            _loggedInUse = inUse;
        }
    }

    public void Dispose()
    {
        foreach (LinkSockets sockets in _sockets)
        {
            sockets.Dispose();
        }
        _hooks.Dispose();
        _netifd.Dispose();
        _switcher.Dispose();
        _deadline.Dispose();
    }
}
