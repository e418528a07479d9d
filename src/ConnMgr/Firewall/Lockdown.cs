using System.Runtime.InteropServices;
using ConnMgr.App;
using ConnMgr.Cli;
using ConnMgr.Config;
using ConnMgr.Dns;
using ConnMgr.EventLoop;
using ConnMgr.Links;
using ConnMgr.Logging;
using ConnMgr.Native;
using ConnMgr.Net;
using ConnMgr.Netlink;
using ConnMgr.Probe;
using ConnMgr.Status;

namespace ConnMgr.Firewall;

/// <summary>
/// Firewall-enabled mode: locks the device down, hears its DNS and that of extenders, and opens what the whitelist wants.
/// Wires the rooms that do it; beside <see cref="Daemon"/>, which knows the links.
/// </summary>
internal sealed partial class Lockdown : IDisposable
{
    private const int LookEvery = 4; // ticks
    private const int DnsPort = 53; // these two services need no hole
    private const int NtpPort = 123;

    private readonly Loop _loop;
    private readonly Log _log;
    private readonly Options _options;
    private readonly TimeSpan _startedAt;
    private readonly FirewallRunner _firewall;
    private readonly AddressRuleRunner _rules;
    private readonly ConnectionRunner _connections;
    private readonly ExactNames _names;
    private readonly Deadline _next;
    private readonly Holes _holes;
    private List<HoleEffect> _effects = [];
    private List<HoleEffect> _ordered = [];
    private readonly List<IpPrefix> _revoked = [];
    private readonly string _holeFile;
    private readonly string _boot;
    private AddressSetSocket? _sets;
    private TimeSpan _nextSave;
    private string _saidFailure = "";
    private int _ticks;
    private int _tested;
    private bool _wasLocked;
    private int _seenVersion = -1;
    private Link? _inUse;
    private bool _isLooking;
    private bool _isEndingAll; // connections of before the lockdown

    public Lockdown(
        Loop loop, Log log, Options options, NetifNames names, Whitelist whitelist,
        IReadOnlyList<string> environment)
    {
        _loop = loop;
        _log = log;
        _options = options;
        _startedAt = loop.Now;
        _ears = EarsOf(names);
        _holes = new Holes(whitelist) { AllowsPrivate = options.AllowsPrivateAnswers };
        _holeFile = Path.Combine(options.RunDirectory, "holes");
        _boot = (SmallFile.Read("/proc/sys/kernel/random/boot_id", 64, out _, out _) ?? "").Trim();
        _next = loop.AddTimer(() => { });
        _release = loop.AddTimer(ReleaseLate);
        _watch = new DnsWatch(NewHash(), TakeAnswer);
        _listed = options.DnsServers.Count == 0 ? null : [.. options.DnsServers.Select(IpNumber.Of)];
        _connections = new ConnectionRunner(loop, words => SayOnce(EventKind.Firewall, words));
        _names = new ExactNames(loop, whitelist, TakeFound);
        _firewall = new FirewallRunner(
            loop, Path.Combine(options.ScriptDirectory, "init_firewall.sh"), environment, EndScript,
            words => log.Event(EventKind.Firewall, words), words => log.Event(EventKind.Firewall, words, LogLevel.Warn));
        _rules = new AddressRuleRunner(
            loop, Path.Combine(options.ScriptDirectory, "fwcfg.sh"), environment, ListOpen,
            _firewall.SetChanging, StopWaitingFor, words => log.Event(EventKind.Firewall, words),
            words => log.Event(EventKind.Firewall, words, LogLevel.Warn));

        _sets = AddressSetSocket.Open(out string why);
        BackendReason = why;
        _holes.HasTimeouts = _sets is not null;
        OpenQueue();
        _firewall.HasSets = _sets is not null;
        _firewall.Queue = _queue is null ? null : options.QueueNumber;
        _firewall.Run();
        Restore();
    }

    /// <summary>The firewall could not be locked by its script. It has been closed instead, and the daemon has to end.</summary>
    public bool HasFailed { get; private set; }

    /// <summary>A script runs that has to be seen to its end.</summary>
    public bool IsBusy => _firewall.IsBusy || _rules.Count > 0;

    /// <summary>In force.</summary>
    public bool IsLocked => _firewall.IsInForce;

    /// <summary>How addresses get into the kernel: `sets`, or `rules` (fwcfg.sh).</summary>
    public string Backend => _sets is null ? "rules" : "sets";

    /// <summary>Why it is not sets; empty if it is.</summary>
    public string BackendReason { get; private set; }

    public Holes Holes => _holes;

    /// <summary>How often the rules were restored after somebody else had changed them.</summary>
    public int MendCount => _firewall.MendCount;

    /// <summary>
    /// Another whitelist, and perhaps other devices, hold from now on. The firewall's script is run again in any case.
    /// </summary>
    /// <returns>What has changed, in words.</returns>
    public List<string> Reload(NetifNames names, Whitelist whitelist)
    {
        CloseEars();
        _ears = EarsOf(names);
        Whitelist old = _holes.Whitelist;
        _holes.Change(whitelist, _loop.Now, _effects);
        int opened = _effects.Count(effect => effect.Action == HoleAction.Open);
        int closed = _effects.Count - opened;
        Apply();
        _names.Change(whitelist);
        _firewall.Run();
        List<string> changes = LockdownStatus.Changes(old, whitelist);
        return opened == 0 && closed == 0 && changes.Count == 0
            ? []
            : [
                .. changes,
                $"whitelist: {whitelist.Count} entries instead of {old.Count}; {opened} addresses opened, {closed} closed",
            ];
    }

    /// <summary>Carries out what is due; to be called after each batch of events.</summary>
    /// <param name="table">The kernel's picture of the devices.</param>
    /// <param name="links">All links.</param>
    /// <param name="inUse">The one that the default route leads over.</param>
    public void Settle(KernelState table, IReadOnlyList<MonitoredLink> links, Link? inUse)
    {
        TimeSpan now = _loop.Now;
        Listen(table);
        if (table.Version != _seenVersion || inUse != _inUse || _isLooking)
        {
            ReadServers(table, links, inUse);
        }
        (_seenVersion, _inUse, _isLooking) = (table.Version, inUse, false);
        _names.Advance(now);
        _holes.Tick(now, _effects);
        Apply();
        if (now >= _holes.NextLook)
        {
            Look(now);
        }
        if (_revoked.Count > 0 || _isEndingAll)
        {
            EndConnections();
        }
        if (now >= SaveAt)
        {
            Save(now);
        }
        TimeSpan next = Earlier(_names.NextDeadline, Earlier(_holes.NextDeadline, SaveAt));
        _next.Set(Earlier(next, _connections.IsBusy ? TimeSpan.MaxValue : _holes.NextLook));
    }

    /// <summary>Every 2 s.</summary>
    public void Tick()
    {
        if (++_ticks % LookEvery != 0)
        {
            return;
        }
        _isLooking = true;
        _firewall.Look();
        if (_sets is not null && HasLostElements())
        {
            _log.Event(EventKind.Firewall, "somebody else emptied the address sets, filling them again", LogLevel.Warn);
            _holes.OpenAll(_loop.Now, _effects);
            Apply();
        }
    }

    /// <summary>What waits is let go, and what is known is kept for the next start. The lockdown stays in force.</summary>
    public void Stop()
    {
        CloseQueue();
        Save(_loop.Now);
    }

    private TimeSpan SaveAt => _holes.NextSave > _nextSave ? _holes.NextSave : _nextSave;

    private void EndScript(string? failure, LockdownReport report)
    {
        if (failure is not null)
        {
            _log.Event(EventKind.Firewall, $"cannot lock the firewall: {failure}", LogLevel.Error);
            bool isFirst = !_firewall.IsInForce;
            _firewall.Close(isClosed => EndClose(isClosed, isFirst));
            return;
        }
        if (_sets is not null && !report.HasSets)
        {
            BackendReason = "iptables has no rules that match address sets";
            _sets.Dispose();
            _sets = null;
            _firewall.HasSets = false;
            _holes.HasTimeouts = false;
        }
        if (_queue is not null && report.Queue is null)
        {
            _dnsReason = "iptables has no rules that lead to a queue";
            CloseQueue();
            _firewall.Queue = null;
        }
        if (!_wasLocked)
        {
            _wasLocked = true;
            _isEndingAll = !report.KnowsEnded;
            string backend = _sets is null ? $"rules, since {BackendReason}" : "sets";
            string dns = DnsReason.Length > 0 ? $"{DnsModeName}, since {DnsReason}" : DnsModeName;
            _log.Event(
                EventKind.Firewall,
                $"locked in {(_loop.Now - _startedAt).TotalMilliseconds:0} ms; addresses by {backend}; DNS: {dns}");
        }
        if (_sets is null)
        {
            _rules.Sync();
            return;
        }
        _holes.OpenAll(_loop.Now, _effects);
        Apply();
    }

    /// <summary>All that is to have rules: of one that was killed there may be others.</summary>
    private void ListOpen(List<IpPrefix> prefixes)
    {
        for (int i = 0; i < _holes.Whitelist.LiteralCount; i++)
        {
            prefixes.Add(_holes.Whitelist.LiteralOf(i));
        }
        for (int i = 0; i < _holes.Count; i++)
        {
            IpPrefix prefix = IpPrefix.Of(_holes[i].Address);
            if (!_holes.Whitelist.HasLiteral(prefix))
            {
                prefixes.Add(prefix);
            }
        }
    }

    private void EndClose(bool isClosed, bool isFirst)
    {
        _log.Event(
            EventKind.Firewall,
            isClosed ? "closed: the policies of INPUT, FORWARD and OUTPUT are DROP" : "the policies could not be set to DROP either",
            LogLevel.Error);
        HasFailed |= isFirst;
    }

    /// <summary>What was open when the daemon ended, if that was in the same boot.</summary>
    private void Restore()
    {
        TimeSpan now = _loop.Now;
        if (SmallFile.ReadBytes(_holeFile, HoleFile.MaxSize, out int length, out _, out int errno) is { } bytes)
        {
            (int taken, int skipped) = HoleFile.Read(bytes.AsSpan(0, length), _boot, now, _holes, _effects);
            if (taken > 0 || skipped > 0)
            {
                _log.Event(EventKind.Hole, $"{taken} names of open addresses kept from before, {skipped} not");
            }
        }
        else if (errno != Errno.ENOENT)
        {
            _log.Warn($"{_holeFile}: {Errno.Text(errno)}, so nothing is known of before");
        }
        if (_sets is not null)
        {
            _holes.OpenAll(now, _effects);
        }
        Apply();
        CloseForgotten();
    }

    /// <summary>
    /// What stays in the sets for ever is an entry of the whitelist, or was one when a daemon ran last. What has a time-out
    /// may be from the last moments of one that was killed, and ends by itself.
    /// </summary>
    private void CloseForgotten()
    {
        foreach ((IpPrefix prefix, uint timeout) in _sets?.List() ?? [])
        {
            if (timeout == 0 && !_holes.Whitelist.HasLiteral(prefix))
            {
                _sets!.Delete(prefix);
                _revoked.Add(prefix);
            }
        }
    }

    private void Save(TimeSpan now)
    {
        int errno = SmallFile.Replace(_holeFile, HoleFile.Write(_holes, _boot, now));
        if (errno != 0)
        {
            SayOnce(EventKind.Hole, $"{_holeFile}: {Errno.Text(errno)}, so a restart will forget what is open");
        }
        _holes.Saved();
        // Many take longer to write; what a killed daemon did not write is still open in the kernel.
        _nextSave = now + TimeSpan.FromSeconds(1 + (_holes.Count / 1000));
    }

    /// <summary>Carries out in the kernel what is to be done there. When it returns, sets have it; rules follow.</summary>
    private void Apply()
    {
        _sets?.Apply(CollectionsMarshal.AsSpan(_effects), NotOpened);
        foreach (HoleEffect effect in _effects)
        {
            if (_sets is null && _firewall.IsInForce)
            {
                if (effect.Action != HoleAction.Open)
                {
                    _rules.Delete(effect.Prefix);
                }
                else if (!_rules.Add(effect.Prefix, isUrgent: _isJudging))
                {
                    SayOnce(EventKind.Hole, $"cannot open {effect.Prefix} yet: too many wait for it");
                }
            }
            if (effect.Action == HoleAction.Revoke)
            {
                _revoked.Add(effect.Prefix);
            }
        }
        _effects.Clear();
    }

    private void NotOpened(IpPrefix prefix, int error)
    {
        SayOnce(EventKind.Hole, $"cannot open {prefix}: {AddressSetSocket.Text(error)}, retrying");
        if (prefix.IsAddress)
        {
            _holes.NotOpened(prefix.First, _loop.Now);
        }
    }

    /// <summary>Somebody flushed the sets. One element of each look is asked for, another one each time.</summary>
    private bool HasLostElements()
    {
        int count = _holes.Whitelist.LiteralCount + _holes.Count;
        if (count == 0)
        {
            return false;
        }
        _tested = (_tested + 1) % count;
        if (_tested < _holes.Whitelist.LiteralCount)
        {
            return !_sets!.Has(_holes.Whitelist.LiteralOf(_tested));
        }
        Hole hole = _holes[_tested - _holes.Whitelist.LiteralCount];
        return hole.KernelUntil > _loop.Now + TimeSpan.FromSeconds(2) && !_holes.Whitelist.Covers(hole.Address)
            && !_sets!.Has(IpPrefix.Of(hole.Address));
    }

    private void Look(TimeSpan now)
    {
        _ = _connections.Look(
            peer => _holes.SeeOpen(peer, now, _effects),
            () =>
            {
                Apply();
                _holes.EndLook(now);
            });
    }

    /// <summary>Those to peers that were taken from the whitelist, or, at first, that are not on it.</summary>
    private void EndConnections()
    {
        bool isAll = _isEndingAll;
        IpPrefix[] revoked = [.. _revoked];
        if (_connections.End(IsOver, isAll ? null : IsSocketOver, count => ReportEnded(count, isAll)))
        {
            _isEndingAll = false;
            _revoked.Clear();
        }

        bool IsSocketOver(in SockDiagMessage socket) =>
            socket.Mark != LinkSocket.Mark && socket.PeerPort is not (DnsPort or NtpPort)
            && Contains(revoked, socket.Peer) && !_holes.IsAllowed(socket.Peer);

        bool IsOver(in ConntrackMessage entry)
        {
            IpNumber peer = entry.Reply.Source;
            return isAll ? IsForeign(entry) : Contains(revoked, peer) && !_holes.IsAllowed(peer);
        }
    }

    private bool IsForeign(in ConntrackMessage entry)
    {
        ConntrackMessage.Tuple original = entry.Original;
        return original.Protocol is 6 or 17 && original.Source != original.Destination && !IsLoopback(original.Source)
            && original.DestinationPort is not (53 or 67 or 68 or 123 or 546 or 547)
            && !_holes.IsAllowed(entry.Reply.Source) && !_holes.IsAllowed(original.Source);
    }

    private void ReportEnded(int count, bool isAll)
    {
        if (count > 0)
        {
            _log.Event(
                EventKind.Firewall,
                $"ended {count} connections {(isAll ? "of before the lockdown" : "to what is not whitelisted any more")}");
        }
    }

    private static bool IsLoopback(IpNumber address) =>
        address.IsIpv4 ? (uint)address.Value >> 24 == 127 : address.Value == 1;

    private static bool Contains(IpPrefix[] prefixes, IpNumber address)
    {
        foreach (IpPrefix prefix in prefixes)
        {
            if (prefix.Contains(address))
            {
                return true;
            }
        }
        return false;
    }

    /// <summary>What is the same each time is said once.</summary>
    private void SayOnce(EventKind kind, string failure)
    {
        _log.Event(kind, failure, failure == _saidFailure ? LogLevel.Debug : LogLevel.Warn);
        _saidFailure = failure;
    }

    private static TimeSpan Earlier(TimeSpan one, TimeSpan other) => one < other ? one : other;

    public void Dispose()
    {
        CloseQueue();
        CloseEars();
        _names.Dispose();
        _connections.Dispose();
        _rules.Dispose();
        _firewall.Dispose();
        _sets?.Dispose();
        _next.Dispose();
        _release.Dispose();
    }
}
