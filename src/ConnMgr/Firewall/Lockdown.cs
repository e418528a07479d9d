using ConnMgr.Config;
using ConnMgr.Dns;
using ConnMgr.EventLoop;
using ConnMgr.Logging;
using ConnMgr.Native;
using ConnMgr.Net;
using ConnMgr.Netlink;
using ConnMgr.Probe;

namespace ConnMgr.Firewall;

/// <summary>
/// Firewall-enabled mode: locks the device down and opens the whitelisted services, for the device and for
/// extenders. Creates the parts that do this, and calls them in order.
/// </summary>
internal sealed class Lockdown : IDisposable
{
    private const int CheckEvery = 4; // ticks: 8 s

    private readonly Loop _loop;
    private readonly Log _log;
    private readonly Options _options;
    private readonly LockRunner _locker;
    private readonly ServiceDriver _services;
    private readonly ReplyReader _reader;
    private readonly DnsObserver _observer;
    private readonly ReplyGate _gate;
    private readonly NameRefresher _names;
    private readonly ConnectionKiller _killer;
    private readonly CacheRunner? _caches;
    private readonly Deadline _next;
    private string _bridge;
    private int _ticks;

    public Lockdown(
        Loop loop, Log log, Options options, NetifNames names, Whitelist whitelist,
        IReadOnlyList<string> environment, CacheRunner? caches = null)
    {
        _caches = caches;
        _loop = loop;
        _log = log;
        _options = options;
        _bridge = names.Bridge;
        _next = loop.AddTimer(() => { });
        _locker = new LockRunner(
            loop, log, options, whitelist, environment, PrepareRun, AdmitServices, OnOpened, OnLocked);
        _reader = new ReplyReader(new DnsWatch(new NameHash(Entropy.UInt64(), Entropy.UInt64())), Store);
        _services = new ServiceDriver(loop, log, options, _locker, _reader);
        _reader.HasNewResolver = _services.HasNewResolver;
        _observer = new DnsObserver(loop, log, _reader, names);
        _gate = new ReplyGate(loop, _observer, _reader);
        if (options.Audits)
        {
            Audit = new Audit(loop, log, _observer.Drain);
            _reader.Names = Audit.Names;
        }
        Drops = new DropQuery(loop, log, Store);
        _names = new NameRefresher(loop, Store, Drops.See);
        _killer = new ConnectionKiller(log, Store, new ConnectionRunner(loop, log));
    }

    /// <summary>
    /// True if the script could not lock the firewall. The firewall has been closed instead, and the daemon
    /// must exit.
    /// </summary>
    public bool HasFailed => _locker.HasFailed;

    /// <inheritdoc cref="LockdownReport.UserStatus"/>
    public ushort? UserStatus => _locker.UserStatus;

    /// <summary>True while a script runs that must end before the daemon exits.</summary>
    public bool IsBusy => Firewall.IsBusy || Store.Backend.IsBusy || _caches is { IsBusy: true };

    /// <summary>True once the rules are in force, and drop what they do not admit.</summary>
    public bool IsLocked => Firewall.IsInForce && Audit is null;

    /// <summary>What was used; null if the option --audit is not given.</summary>
    public Audit? Audit { get; }

    /// <summary>The script, and what other programs did to its rules.</summary>
    public FirewallRunner Firewall => _locker.Firewall;

    /// <summary>The name servers and probes that are admitted.</summary>
    public ServiceDriver Services => _services;

    /// <summary>The open addresses.</summary>
    public HoleStore Store => _locker.Store;

    /// <summary>The held replies.</summary>
    public ReplyGate Gate => _gate;

    /// <summary>What this device drops although the lockdown admits it.</summary>
    public DropQuery Drops { get; }

    /// <summary>Which questions were asked, and how replies were judged.</summary>
    public DnsWatch Watch => _reader.Watch;

    /// <summary>
    /// Runs init_firewall.sh, and opens the addresses that were open when the daemon ended.
    /// </summary>
    /// <param name="names">The device names.</param>
    /// <param name="servers">The name servers, as far as the files say.</param>
    public void Start(NetifNames names, NameServers servers)
    {
        _services.Start(names, servers);
        _gate.Open(_options.Dns, _options.QueueNumber);
        Store.Restore(); // before the script: its limit grows with what is open
        _locker.Run();
    }

    private void PrepareRun()
    {
        Firewall.Queue = _gate.Number;
        Firewall.Services = _services.Variables();
    }

    private void AdmitServices() => _services.AdmitAll();

    private void OnOpened(IpPrefix prefix) => _gate.SeeOpened(prefix);

    private void OnLocked(in LockdownReport report, bool isFirst)
    {
        _gate.OnLocked(report.Queue, Store.Backend is NftBackend);
        Firewall.Queue = _gate.Number;
        if (isFirst)
        {
            if (!report.KnowsEnded && Audit is null)
            {
                _killer.EndForeign();
            }
            _locker.LogLocked(report, _gate.ModeName, _gate.Reason);
        }
        _services.OnScriptEnded(report);
    }

    /// <summary>
    /// Applies another whitelist, and perhaps other devices. The firewall's script runs again.
    /// </summary>
    /// <returns>The changes, each as a phrase.</returns>
    public List<string> Reload(NetifNames names, Whitelist whitelist)
    {
        _observer.Change(names);
        _bridge = names.Bridge;
        Whitelist old = Store.Whitelist;
        (int opened, int closed) = Store.Change(whitelist);
        _reader.JudgeAgain(_loop.Now);
        _names.Change(whitelist);
        _services.Reload();
        _locker.Run();
        return WhitelistChanges.Between(old, whitelist, opened, closed);
    }

    /// <summary>
    /// Listens to DNS on the devices that exist. Call it before the first decision about the links, so that
    /// no question is missed while the routes are changed.
    /// </summary>
    public void Listen(KernelState state) => _observer.Listen(
        state, withReplies: _gate.Number is null || !Firewall.IsInForce || _gate.IsHalfTranslated);

    /// <summary>
    /// Does what is due. Call it after each batch of events, once the links have been decided on.
    /// </summary>
    public void Settle(in LockdownView view)
    {
        TimeSpan now = _loop.Now;
        Drops.IsWatching = IsLocked && !Firewall.IsDisturbed && view.Connection.InUse is not null;
        Drops.GateDroppedAt = _gate.DroppedAt;
        Listen(view.State);
        Audit?.Settle(view.State, _bridge);
        if (_services.Follow(view))
        {
            _names.SetLink(view.Connection.InUse?.Name, view.ServersInUse());
            _locker.Follow(view.RealNames());
        }
        _names.Advance(now);
        Store.Advance(now);
        if (Audit is null)
        {
            _killer.Advance(now);
        }
        _services.Expire();
        _next.SetToFirst(
            _services.NextDeadline, _names.NextDeadline, Store.NextDeadline, _killer.NextDeadline,
            Firewall.NextProbe);
    }

    /// <summary>
    /// Makes the device's name servers ask again, once the rules are in force. Call it after each batch of
    /// events, when <see cref="Listen"/> knows the kernel's devices.
    /// </summary>
    public void FlushCaches()
    {
        if (Firewall.IsInForce)
        {
            _caches?.RunOnce();
        }
    }

    /// <summary>
    /// True if the links must be probed because other programs have added rules. Call it after each batch of
    /// events.
    /// </summary>
    public bool TakeForeignChange() => Firewall.TakeForeignChange() && IsLocked;

    /// <summary>Call it every 2 s.</summary>
    public void Tick()
    {
        Audit?.Tick();
        _observer.Tick();
        bool isCheck = ++_ticks % CheckEvery == 0;
        if (isCheck || Drops.HasDoubt)
        {
            Drops.Look();
        }
        if (isCheck)
        {
            Firewall.Look();
            Store.CheckElements();
            _services.Check();
        }
    }

    /// <summary>
    /// Releases held replies, and saves the holes for the next start. The lockdown stays in force.
    /// </summary>
    public void Stop()
    {
        Firewall.Stop();
        _gate.Close("the daemon stops");
        Store.Save(_loop.Now);
        if (IsLocked)
        {
            _log.Event(EventKind.Firewall, "the device stays locked; 'connmgr unlock' unlocks");
        }
    }

    public void Dispose()
    {
        _gate.Dispose();
        _observer.Dispose();
        _names.Dispose();
        _killer.Dispose();
        Drops.Dispose();
        Audit?.Dispose();
        _locker.Dispose();
        _next.Dispose();
    }
}
