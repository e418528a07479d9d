using System.ComponentModel;
using System.Net;
using System.Runtime.InteropServices;
using ConnMgr.Capture;
using ConnMgr.Cli;
using ConnMgr.Config;
using ConnMgr.Dns;
using ConnMgr.EventLoop;
using ConnMgr.Links;
using ConnMgr.Logging;
using ConnMgr.Native;
using ConnMgr.Net;
using ConnMgr.Netlink;

namespace ConnMgr.Firewall;

/// <summary>
/// The part that hears DNS: questions by a socket on each link and the bridge, replies by the queue in which they wait (hold),
/// or by the same sockets (sniff).
/// </summary>
internal sealed partial class Lockdown
{
    private const int ForwardHook = 2; // NF_INET_FORWARD, <linux/netfilter.h>
    private const byte Tcp = 6; // IPPROTO_TCP
    private const int MaxSaid = 32; // addresses of one answer, one by one

    /// <summary>What a reply may wait.</summary>
    private static readonly TimeSpan Patience = TimeSpan.FromMilliseconds(100);

    private readonly DnsWatch _watch;
    private Ear[] _ears; // the bridge's first: its questions have to be known first
    private readonly List<Held> _held = []; // the oldest first
    private readonly List<IpPrefix> _awaited = [];
    private readonly IpNumber[]? _listed;
    private readonly Deadline _release;
    private ReplyQueueSocket? _queue;
    private string _dnsReason = "";
    private bool _isJudging;
    private bool _isDraining;

    /// <summary>What is done with replies: `hold` or `sniff`.</summary>
    public string DnsModeName => _queue is null ? "sniff" : "hold";

    /// <summary>Why replies are not held; empty if they are.</summary>
    public string DnsReason => _queue is null ? _dnsReason : "";

    /// <summary>Replies that were judged in the queue.</summary>
    public long QueuedCount { get; private set; }

    /// <summary>Replies that opened something before they went on.</summary>
    public long HeldCount { get; private set; }

    /// <summary>Replies that went on before all was open that they name, after 100 ms.</summary>
    public long LateCount { get; private set; }

    /// <summary>How often replies passed unseen because too many came at once.</summary>
    public long OverrunCount => _queue?.Overruns ?? 0;

    /// <summary>Addresses of whitelisted names that no name may open: loopback and the like, or private ones.</summary>
    public long BadAddressCount { get; private set; }

    /// <summary>What was asked, and what replies met with.</summary>
    public DnsWatch Watch => _watch;

    /// <summary>
    /// The servers that the device itself uses are the only ones whose answers to extenders count; those of the link in use
    /// are asked for exact names.
    /// </summary>
    private void ReadServers(KernelState table, IReadOnlyList<MonitoredLink> links, Link? inUse)
    {
        List<IpNumber> used = [];
        foreach (MonitoredLink link in links)
        {
            foreach (IPAddress server in link.NameServers(table, withGateways: false))
            {
                used.Add(IpNumber.Of(server));
            }
            if (link.Link == inUse)
            {
                _names.SetLink(inUse.Name, link.NameServers(table, withGateways: true));
            }
        }
        if (inUse is null)
        {
            _names.SetLink(null, []);
        }
        _watch.SetServers(CollectionsMarshal.AsSpan(used), _listed);
    }

    private static NameHash NewHash()
    {
        Span<byte> key = stackalloc byte[16];
        Entropy.Fill(key);
        return new NameHash(BitConverter.ToUInt64(key), BitConverter.ToUInt64(key[8..]));
    }

    private void OpenQueue()
    {
        if (_options.Dns == DnsMode.Sniff)
        {
            _dnsReason = "it was told so";
            return;
        }
        try
        {
            _queue = new ReplyQueueSocket(_loop, _options.QueueNumber, Judge);
        }
        catch (Win32Exception exception)
        {
            _dnsReason = $"queue {_options.QueueNumber} is not to be had: {exception.Message}";
        }
    }

    private void CloseQueue()
    {
        _queue?.Dispose(); // lets go what waits
        _queue = null;
        _held.Clear();
        _release.Clear();
    }

    private static Ear[] EarsOf(NetifNames names) =>
    [
        new(names.Bridge, DnsSide.Bridge),
        new(names.Ethernet, DnsSide.Device), new(names.WiFi, DnsSide.Device), new(names.Wan, DnsSide.Device),
    ];

    private void CloseEars()
    {
        foreach (Ear ear in _ears)
        {
            ear.Socket?.Dispose();
            ear.Socket = null;
        }
    }

    /// <summary>Copies of replies are heard, too: until the rules that lead them to the queue are in force.</summary>
    private bool HearsReplies => _queue is null || !_firewall.IsInForce;

    /// <summary>Opens a socket on each device that is there.</summary>
    private void Listen(KernelState table)
    {
        if (table.Version == _seenVersion && _ears[0].WithReplies == HearsReplies)
        {
            return;
        }
        foreach (Ear ear in _ears)
        {
            int ifindex = table.Find(ear.Device)?.Ifindex ?? 0;
            if (ear.Socket is { } old)
            {
                if (ear.Ifindex == ifindex && !old.IsGone
                    && (ear.WithReplies == HearsReplies || old.TrySetReplies(HearsReplies)))
                {
                    ear.WithReplies = HearsReplies;
                    continue;
                }
                old.Dispose();
                ear.Socket = null;
            }
            ear.Ifindex = ifindex;
            ear.WithReplies = HearsReplies;
            if (ifindex == 0)
            {
                continue;
            }
            DnsHeard heard = ear.Side == DnsSide.Bridge ? HearBridge : HearLink;
            ear.Socket = DnsSocket.Open(_loop, ifindex, ear.Side == DnsSide.Bridge, HearsReplies, heard, out int errno);
            if (ear.Socket is null)
            {
                _log.Event(
                    EventKind.Reply, $"{ear.Device}: cannot listen to DNS: {Errno.Text(errno)}, retrying when it changes",
                    LogLevel.Warn);
            }
        }
    }

    private void HearBridge(ReadOnlySpan<byte> packet, bool isQuestion) => Hear(packet, isQuestion, DnsSide.Bridge);

    private void HearLink(ReadOnlySpan<byte> packet, bool isQuestion)
    {
        if (!_isDraining)
        {
            Drain(_ears[0]);
        }
        Hear(packet, isQuestion, DnsSide.Device);
    }

    private void Hear(ReadOnlySpan<byte> packet, bool isQuestion, DnsSide side)
    {
        if (isQuestion)
        {
            _watch.SeeQuestion(packet, side, _loop.Now);
        }
        else
        {
            _ = _watch.SeeReply(packet, side, null, _loop.Now);
        }
    }

    /// <summary>What was asked is known before its reply is judged.</summary>
    private void DrainAll()
    {
        _isDraining = true;
        foreach (Ear ear in _ears)
        {
            Drain(ear);
        }
        _isDraining = false;
    }

    private void Drain(Ear ear)
    {
        if (ear.Socket is not { } socket)
        {
            return;
        }
        socket.Drain();
        if (ear.Side == DnsSide.Bridge && socket.TakeDropped() > 0)
        {
            _watch.MissQuestions(_loop.Now);
        }
    }

    /// <summary>Judges a reply that waits in the queue. True: nothing keeps it.</summary>
    private bool Judge(in QueuedPacket packet)
    {
        QueuedCount++;
        DrainAll();
        _awaited.Clear();
        _isJudging = true;
        // The part that there is would look like a whole one with a wrong length: nothing comes of it anyway.
        if (packet.Hook == ForwardHook)
        {
            Flow? asked = FlowOf(packet.Original) ?? _watch.Redirected(packet.Bytes, _loop.Now);
            _watch.SeeReply(packet.Bytes, DnsSide.Bridge, asked, _loop.Now);
        }
        else
        {
            _watch.SeeReply(packet.Bytes, DnsSide.Device, FlowOf(packet.Reply)?.Reversed, _loop.Now);
        }
        _isJudging = false;
        if (_awaited.Count == 0)
        {
            return true;
        }
        _held.Add(new Held(packet.Id, _loop.Now + Patience, [.. _awaited]));
        if (!_release.IsSet)
        {
            _release.Set(_held[0].Deadline);
        }
        return false;
    }

    /// <summary>Null: connection tracking is not known, and the packet speaks for itself.</summary>
    private static Flow? FlowOf(in ConntrackMessage.Tuple tuple) => tuple.Protocol == 0
        ? null
        : new Flow(tuple.Source, tuple.Destination, tuple.SourcePort, tuple.DestinationPort, tuple.Protocol == Tcp);

    /// <summary>An answer that counts.</summary>
    private void TakeAnswer(in DnsQuestion question, ReadOnlySpan<DnsAddress> addresses)
    {
        if (!_holes.Whitelist.IsWanted(question.Name, out int entry))
        {
            return;
        }
        TimeSpan now = _loop.Now;
        int added = 0;
        foreach (ref readonly DnsAddress address in addresses)
        {
            if (IpNumber.TryRead(address.Bytes, out IpNumber number) && Learn(question.Name, entry, number, address.Ttl, now, added))
            {
                added++;
            }
        }
        if (added > MaxSaid)
        {
            _log.Event(EventKind.Hole, $"opened {added - MaxSaid} more addresses: {question.Name}", LogLevel.Debug);
        }
        HeldCount += _effects.Count > 0 && _isJudging ? 1 : 0;
        ApplyAnswer();
        if (_isJudging && _sets is null)
        {
            foreach (ref readonly DnsAddress address in addresses)
            {
                if (IpNumber.TryRead(address.Bytes, out IpNumber number) && _rules.IsAdding(IpPrefix.Of(number)))
                {
                    _awaited.Add(IpPrefix.Of(number));
                }
            }
        }
    }

    /// <summary>What the daemon's own question for an exact name has found.</summary>
    private void TakeFound(in DnsName name, IReadOnlyList<IPAddress> addresses, uint ttl)
    {
        if (_holes.Whitelist.IsWanted(name, out int entry))
        {
            for (int i = 0; i < addresses.Count; i++)
            {
                _ = Learn(name, entry, IpNumber.Of(addresses[i]), ttl, _loop.Now, said: 0);
            }
            ApplyAnswer();
        }
    }

    /// <summary>
    /// What answers want, all that makes room first: the kernel is then told of many at once. What an answer opens, it does not
    /// close again.
    /// </summary>
    private void ApplyAnswer()
    {
        foreach (HoleEffect effect in _effects)
        {
            if (effect.Action != HoleAction.Open)
            {
                _ordered.Add(effect);
            }
        }
        if (_ordered.Count > 0)
        {
            foreach (HoleEffect effect in _effects)
            {
                if (effect.Action == HoleAction.Open)
                {
                    _ordered.Add(effect);
                }
            }
            (_effects, _ordered) = (_ordered, _effects);
            _ordered.Clear();
        }
        Apply();
    }

    /// <summary>True if the address is new.</summary>
    private bool Learn(in DnsName name, int entry, IpNumber address, uint ttl, TimeSpan now, int said)
    {
        HoleOutcome outcome = _holes.Learn(name, address, ttl, now, _effects);
        if (outcome == HoleOutcome.BadAddress)
        {
            if (BadAddressCount++ == 0 || _log.IsDebug)
            {
                _log.Event(
                    EventKind.Hole, $"{name} has the address {address}, which no name may open"
                    + (AddressScopes.Of(address) == AddressScope.Private ? " (--allow-private-answers)" : ""), LogLevel.Warn);
            }
        }
        else if (outcome == HoleOutcome.Added && said < MaxSaid)
        {
            _log.Event(EventKind.Hole, $"opened {address}: {name} ({_holes.Whitelist.TextOf(entry)})", LogLevel.Debug);
        }
        else if (outcome == HoleOutcome.Full)
        {
            SayOnce(EventKind.Hole, $"no room for {address} of {name}: {_holes.Count} addresses are open");
        }
        return outcome == HoleOutcome.Added;
    }

    private void StopWaitingFor(IpPrefix prefix)
    {
        for (int i = _held.Count - 1; i >= 0; i--)
        {
            Held held = _held[i];
            if (held.Awaited.Remove(prefix) && held.Awaited.Count == 0)
            {
                _held.RemoveAt(i);
                _queue?.Release(held.Id);
            }
        }
    }

    /// <summary>An application waits for its answer, and the answer for the firewall: not for long.</summary>
    private void ReleaseLate()
    {
        TimeSpan now = _loop.Now;
        while (_held.Count > 0 && _held[0].Deadline <= now)
        {
            LateCount++;
            _queue?.Release(_held[0].Id);
            _held.RemoveAt(0);
        }
        if (_held.Count > 0)
        {
            _release.Set(_held[0].Deadline);
        }
    }

    /// <summary>Where DNS is heard.</summary>
    private sealed class Ear(string device, DnsSide side)
    {
        public string Device { get; } = device;

        public DnsSide Side { get; } = side;

        public DnsSocket? Socket { get; set; }

        public int Ifindex { get; set; }

        public bool? WithReplies { get; set; }
    }

    /// <summary>A reply that waits until addresses are open.</summary>
    private sealed record Held(uint Id, TimeSpan Deadline, List<IpPrefix> Awaited);
}
