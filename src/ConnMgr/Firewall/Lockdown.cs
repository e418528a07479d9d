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
internal sealed partial class Lockdown : IDisposable
{
    private const int CheckEvery = 4; // ticks: 8 s

    private readonly Loop _loop;
    private readonly Log _log;
    private readonly Options _options;
    private readonly IReadOnlyList<string> _environment;
    private readonly TimeSpan _startedAt;
    private readonly FirewallRunner _firewall;
    private readonly HoleStore _store;
    private readonly ReplyReader _reader;
    private readonly DnsObserver _observer;
    private readonly ReplyGate _gate;
    private readonly NameRefresher _names;
    private readonly ConnectionKiller _killer;
    private readonly Deadline _next;
    private (int State, int Servers, string? InUse)? _seenVersion;
    private string _realNames = ""; // as of the last run of the script because of them
    private int _ticks;
    private bool _wasLocked;
    private string _bridge;

    public Lockdown(
        Loop loop, Log log, Options options, NetifNames names, Whitelist whitelist,
        IReadOnlyList<string> environment)
    {
        _loop = loop;
        _log = log;
        _options = options;
        _environment = environment;
        _startedAt = loop.Now;
        _bridge = names.Bridge;
        _policy = options.DnsServerMode == DnsServerMode.Any ? null : new ServerPolicy();
        _probePorts = PortsOf(options.Services);
        _marks = new MarkQuery(log, LinkSocket.Mark);
        _next = loop.AddTimer(() => { });
        _firewall = new FirewallRunner(loop, log, options, environment, OnScriptEnded);
        string boot = SmallFile.Read("/proc/sys/kernel/random/boot_id", 64, out _, out int errno) ?? "";
        Errno.ThrowIfShortage(errno, "boot_id"); // the addresses of the last run would be forgotten
        _store = new HoleStore(
            loop, log, new Holes(whitelist) { AllowsPrivate = options.AllowsPrivateAnswers }, NewBackend(),
            Path.Combine(options.RunDirectory, "holes"), boot.Trim());
        _reader = new ReplyReader(new DnsWatch(new NameHash(Entropy.UInt64(), Entropy.UInt64())), _store);
        _reader.HasNewResolver = HasNewResolver;
        _observer = new DnsObserver(loop, log, _reader, names);
        _gate = new ReplyGate(loop, _observer, _reader);
        if (options.Audits)
        {
            Audit = new Audit(loop, log, _observer.Drain);
            _reader.Names = Audit.Names;
        }
        _names = new NameRefresher(loop, _store);
        _killer = new ConnectionKiller(log, _store, new ConnectionRunner(loop, log));
    }

    /// <summary>
    /// True if the script could not lock the firewall. The firewall has been closed instead, and the daemon
    /// must exit.
    /// </summary>
    public bool HasFailed { get; private set; }

    /// <inheritdoc cref="FirewallRunner.NeedsCorrection"/>
    public bool NeedsCorrection => _firewall.NeedsCorrection;

    /// <summary>True while a script runs that must end before the daemon exits.</summary>
    public bool IsBusy => _firewall.IsBusy || _store.Backend.IsBusy;

    /// <summary>True once the rules are in force, and drop what they do not admit.</summary>
    public bool IsLocked => _firewall.IsInForce && Audit is null;

    /// <summary>What was used; null if the option --audit is not given.</summary>
    public Audit? Audit { get; }

    /// <summary>
    /// True while the rules are being installed or restored: traffic that they allow may be dropped.
    /// </summary>
    public bool IsDisturbed => _firewall.IsDisturbed;

    /// <summary>The number of times the rules were restored after another program had changed them.</summary>
    public int RepairCount => _firewall.RepairCount;

    /// <inheritdoc cref="FirewallRunner.FailureCount"/>
    public int FailureCount => _firewall.FailureCount;

    /// <inheritdoc cref="FirewallRunner.HasFailed"/>
    public bool HasLastFailed => _firewall.HasFailed;

    public HoleStore Store => _store;

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
        List<IpNumber> used = [];
        KernelState state = new(); // has not been read yet
        foreach (NamedLink link in names.Links)
        {
            ServerLink any = new(
                link.Kind, link.Name, ifindex: 0, hasIpv4: true, hasIpv6: true, state, link.Index);
            AddServers(used, servers.Of(any, gateways: []));
        }
        FindResolversAnew();
        _ = _policy?.Use(PermittedOf(used), _loop.Now);
        AdmitAll();
        _gate.Open(_options.Dns, _options.QueueNumber);
        RunScript();
        _store.Restore();
    }

    /// <summary>
    /// Applies another whitelist, and perhaps other devices. The firewall's script runs again.
    /// </summary>
    /// <returns>The changes, each as a phrase.</returns>
    public List<string> Reload(NetifNames names, Whitelist whitelist)
    {
        _observer.Change(names);
        _bridge = names.Bridge;
        Whitelist old = _store.Whitelist;
        (int opened, int closed) = _store.Change(whitelist);
        _reader.JudgeAgain(_loop.Now);
        _names.Change(whitelist);
        FindResolversAnew();
        _seenVersion = null;
        RunScript();
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
        _observer.Listen(view.State, withReplies: _gate.Number is null || !_firewall.IsInForce);
        Audit?.Settle(view.State, _bridge);
        if (view.Version != _seenVersion || _policy?.NextDeadline <= now)
        {
            if (_seenVersion?.Servers != view.Version.Servers)
            {
                _ = FindResolvers(); // the program that writes such a file often starts a name server, too
            }
            _seenVersion = view.Version;
            SeeServers(view, now);
            _names.SetLink(view.Connection.InUse?.Name, view.ServersInUse());
            string realNames = view.RealNames();
            if (realNames != _realNames)
            {
                _realNames = realNames;
                _firewall.Run(); // when it ran before, the device may not have been there
            }
        }
        _names.Advance(now);
        _store.Advance(now);
        if (Audit is null)
        {
            _killer.Advance(now);
        }
        if (_probed.Expire(now))
        {
            ApplyProbed();
        }
        TimeSpan next = _policy?.NextDeadline ?? TimeSpan.MaxValue;
        foreach (TimeSpan deadline in (ReadOnlySpan<TimeSpan>)
            [_names.NextDeadline, _store.NextDeadline, _killer.NextDeadline, _probed.NextDeadline])
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
            _firewall.Look();
            _store.CheckElements();
            if (_store.Backend is SetBackend)
            {
                AdmitAll(); // the kernel does not report changes of ipset
            }
            if (FindResolvers())
            {
                _seenVersion = null;
            }
        }
    }

    /// <summary>
    /// Releases held replies, and saves the holes for the next start. The lockdown stays in force.
    /// </summary>
    public void Stop()
    {
        _firewall.Stop();
        _gate.Close("the daemon stops");
        _store.Save(_loop.Now);
        if (IsLocked)
        {
            _log.Event(EventKind.Firewall, "the device stays locked; 'connmgr unlock' unlocks");
        }
    }

    private void RunScript()
    {
        // Once the lockdown is in nf_tables, a failed run leaves it as it is and does not switch the backend.
        bool isNft = _store.Backend is NftBackend;
        bool mayChoose = isNft && _options.Firewall == FirewallBackend.Auto && !_wasLocked;
        bool isForced = isNft || _options.Firewall == FirewallBackend.Nft;
        _firewall.Choice = mayChoose ? "auto" : isForced ? "nft" : "iptables";
        _firewall.HasSets = isNft ? null : _store.Backend is SetBackend;
        _firewall.Queue = _gate.Number;
        _firewall.Services = ServiceVariables();
        _firewall.Run();
    }

    private IAddressBackend NewBackend()
    {
        string why = "";
        if (_options.Firewall != FirewallBackend.Iptables)
        {
            why = "there is no nft";
            if (_firewall.Find("nft") is not null && NftBackend.Open(out why) is { } nft)
            {
                _firewall.WatchTables(nft.PortId, FillAll, OnElementGone);
                return nft;
            }
        }
        return NewIptablesBackend(why);
    }

    /// <param name="why">Why it is not nf_tables; empty if the user selected iptables.</param>
    private IAddressBackend NewIptablesBackend(string why) =>
        SetBackend.Open(why, out KernelError error) is { } sets
            ? sets
            : NewRuleBackend(why.Length > 0 ? $"{error}; not by nft, since {why}" : error.ToString());

    private void OnElementGone(IpNumber? address)
    {
        if (address is { } known)
        {
            _store.Reopen(known);
        }
        else
        {
            FillAll();
        }
    }

    private void FillAll()
    {
        _store.Fill();
        AdmitAll();
    }

    private RuleBackend NewRuleBackend(string reason) => new(
        new AddressRuleRunner(
            _loop, _log, Path.Combine(_options.ScriptDirectory, "fwcfg.sh"), _environment,
            prefixes => _store!.ListOpen(prefixes), _firewall.SetChanging,
            prefix => _gate!.SeeOpened(prefix)),
        reason);

    private void OnScriptEnded(string? failure, LockdownReport report)
    {
        if (failure is not null)
        {
            bool isFirst = !_firewall.IsInForce;
            if (isFirst && _options.ManagesLinksUnlocked)
            {
                _log.Once(
                    "not locked", EventKind.Firewall,
                    $"cannot lock the firewall, managing links without: {failure}, retrying", LogLevel.Error);
                return;
            }
            _log.Event(
                EventFacts.Failed(EventKind.Firewall, "lockdown", failure, "cannot lock the firewall"),
                LogLevel.Error);
            if (isFirst)
            {
                _log.TellUser($"cannot lock the firewall: {failure}");
            }
            if (Audit is not null)
            {
                HasFailed |= isFirst; // nothing is dropped, so nothing is closed
            }
            else if (isFirst || !_firewall.IsTableIntact)
            {
                _firewall.Close(() => HasFailed |= isFirst);
            }
            return;
        }
        // A report without the line (lost in other output, or an implementer's script) decides nothing.
        if (_store.Backend is NftBackend nft && !(report.IsNft ?? _firewall.IsLockedByTables))
        {
            // The script has locked by iptables, possibly without sets, since it was not told of any.
            _firewall.WatchIptables();
            nft.DeleteTable();
            _store.Use(NewIptablesBackend(report.BackendReason ?? "init_firewall.sh does not lock by it"));
            AdmitAll();
            RunScript();
            return;
        }
        if (_store.Backend is SetBackend && !report.HasSets)
        {
            _store.Use(NewRuleBackend("iptables has no rules that match address sets"));
            RunScript(); // with the addresses themselves
        }
        if (_gate.Number is not null && report.Queue is null)
        {
            string firewall = _store.Backend is NftBackend ? "nft" : "iptables";
            _gate.Close($"{firewall} has no rules that lead to a queue");
            _firewall.Queue = null;
        }
        if (!_wasLocked)
        {
            _wasLocked = true;
            if (_store.Backend is NftBackend)
            {
                _firewall.Choice = "nft"; // for repairs too: a failed one leaves the table as it is
            }
            if (!report.KnowsEnded && Audit is null)
            {
                _killer.EndForeign();
            }
            _log.Event(
                EventKind.Firewall,
                $"{(Audit is null ? "locked" : "AUDIT: nothing is dropped, ready")} in "
                + $"{(long)(_loop.Now - _startedAt).TotalMilliseconds} ms; "
                + $"addresses by {WithReason(_store.Backend.Name, _store.Backend.Reason)}; "
                + $"DNS: {WithReason(_gate.ModeName, _gate.Reason)}");
            if (Audit is not null && !report.IsAudit)
            {
                _log.Event(
                    EventKind.Firewall, "init_firewall.sh knows no audit: the device is locked",
                    LogLevel.Error);
            }
            _log.Info("stop connmgr, then 'connmgr unlock' unlocks the device");
        }
        if (!IsScriptTold)
        {
            RunScript(); // a server or a probe was added while the script ran
        }
        _marksKeptSince = report.KeepsMark ? _marksKeptSince ?? _loop.Now : null;
        _isUnrestricted = WasListTold && !report.IsServerListed && !_firewall.IsBusy;
        if (_isUnrestricted && _presumesUsers)
        {
            _presumesUsers = false; // open port 53 to all programs only if a name server really runs
            FindResolversAnew();
            _seenVersion = null;
        }
        LogServers();
        FillAll();
    }

    private static string WithReason(string what, string reason) =>
        reason.Length > 0 ? $"{what}, since {reason}" : what;

    public void Dispose()
    {
        _gate.Dispose();
        _observer.Dispose();
        _names.Dispose();
        _killer.Dispose();
        Audit?.Dispose();
        _store.Dispose();
        _firewall.Dispose();
        _next.Dispose();
    }
}
