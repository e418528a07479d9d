using ConnMgr.Config;
using ConnMgr.Dns;
using ConnMgr.EventLoop;
using ConnMgr.Logging;
using ConnMgr.Native;
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
    private readonly Deadline _next;
    private string _realNames = ""; // as of the last run of the script because of them
    private int _ticks;
    private string _bridge;

    public Lockdown(
        Loop loop, Log log, Options options, NetifNames names, Whitelist whitelist,
        IReadOnlyList<string> environment)
    {
        _loop = loop;
        _log = log;
        _options = options;
        _bridge = names.Bridge;
        _next = loop.AddTimer(() => { });
        _locker = new LockRunner(loop, log, options, whitelist, environment);
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
        _names = new NameRefresher(loop, Store);
        _killer = new ConnectionKiller(log, Store, new ConnectionRunner(loop, log));
    }

    /// <summary>
    /// True if the script could not lock the firewall. The firewall has been closed instead, and the daemon
    /// must exit.
    /// </summary>
    public bool HasFailed => _locker.HasFailed;

    /// <summary>True while a script runs that must end before the daemon exits.</summary>
    public bool IsBusy => Firewall.IsBusy || Store.Backend.IsBusy;

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
        _locker.Start(_gate, _services, _killer);
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
        List<string> changes = WhitelistChanges.Between(old, whitelist);
        if (opened > 0 || closed > 0 || changes.Count > 0)
        {
            changes.Add(
                $"whitelist: {whitelist.Count} entries instead of {old.Count}; "
                + $"{opened} addresses opened, {closed} closed");
        }
        return changes;
    }

    /// <summary>
    /// Does what is due. Call it after each batch of events, once the links have been decided on.
    /// </summary>
    public void Settle(in LockdownView view)
    {
        TimeSpan now = _loop.Now;
        _observer.Listen(
            view.State,
            withReplies: _gate.Number is null || !Firewall.IsInForce || _gate.IsHalfTranslated);
        Audit?.Settle(view.State, _bridge);
        if (_services.Follow(view))
        {
            _names.SetLink(view.Connection.InUse?.Name, view.ServersInUse());
            string realNames = view.RealNames();
            if (realNames != _realNames)
            {
                _realNames = realNames;
                _locker.Run(); // when it ran before, the device may not have been there
            }
        }
        _names.Advance(now);
        Store.Advance(now);
        if (Audit is null)
        {
            _killer.Advance(now);
        }
        _services.Expire();
        TimeSpan next = _services.NextDeadline;
        foreach (TimeSpan deadline in (ReadOnlySpan<TimeSpan>)
            [_names.NextDeadline, Store.NextDeadline, _killer.NextDeadline])
        {
            next = deadline < next ? deadline : next;
        }
        _next.Set(next);
    }

    /// <summary>Call it every 2 s.</summary>
    public void Tick()
    {
        Audit?.Tick();
        _observer.Tick();
        if (++_ticks % CheckEvery == 0)
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
        Audit?.Dispose();
        _locker.Dispose();
        _next.Dispose();
    }
}
