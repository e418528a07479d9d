using ConnMgr.Config;
using ConnMgr.Dns;
using ConnMgr.EventLoop;
using ConnMgr.Native;
using ConnMgr.Net;
using ConnMgr.Netlink;

namespace ConnMgr.Firewall;

/// <summary>
/// Holds DNS replies in an NFQUEUE until the addresses in them are open. Without a queue, replies are only
/// observed (sniff), and the first packet to a new address may be lost.
/// </summary>
/// <param name="loop">Where packets arrive, and the clock.</param>
/// <param name="observer">Drained before a reply is judged.</param>
/// <param name="reader">Reads replies.</param>
internal sealed class ReplyGate(Loop loop, DnsObserver observer, ReplyReader reader) : IDisposable
{
    private const byte Tcp = 6; // IPPROTO_TCP

    /// <summary>Releases replies that were held for longer than this.</summary>
    private static readonly TimeSpan Patience = TimeSpan.FromMilliseconds(100);

    private readonly List<Held> _held = []; // the oldest first
    private Deadline? _release;
    private ReplyQueueSocket? _queue;
    private ConntrackQuery? _conntrack;

    /// <summary>The queue's number; null if replies are not held.</summary>
    public ushort? Number { get; private set; }

    /// <summary>How replies are handled: `hold` or `sniff`.</summary>
    public string ModeName => _queue is null ? "sniff" : "hold";

    /// <summary>Why replies are not held; empty if they are.</summary>
    public string Reason { get; private set; } = "";

    /// <summary>The number of replies that changed something before they were released.</summary>
    public long HeldCount { get; private set; }

    /// <summary>The number of replies released after 100 ms, before all their addresses were open.</summary>
    public long LateCount { get; private set; }

    /// <summary>
    /// The number of dropped packets: they claimed to answer an open question, but did not.
    /// </summary>
    public long DroppedCount { get; private set; }

    /// <summary>When the last reply was dropped; null for never.</summary>
    public TimeSpan? DroppedAt { get; private set; }

    /// <summary>
    /// The number of times replies passed unread because the queue's socket buffer was full.
    /// </summary>
    public long OverrunCount => _queue?.Overruns ?? 0;

    /// <summary>Binds the queue, unless replies are only observed.</summary>
    public void Open(DnsMode mode, ushort number)
    {
        if (mode == DnsMode.Sniff)
        {
            Reason = "--dns sniff was given";
            return;
        }
        _queue = ReplyQueueSocket.Open(loop, number, Judge, out KernelError error);
        if (_queue is null)
        {
            Reason = $"cannot bind NFQUEUE {number}: {error.ToString()}";
            return;
        }
        Number = number;
        _conntrack = new ConntrackQuery();
        _release = loop.AddTimer(ReleaseLate);
    }

    /// <summary>Closes the gate if the rules that are now in force send it nothing.</summary>
    /// <param name="queue">The NFQUEUE of the rules; null for none, because the kernel lacks it.</param>
    /// <param name="isNft">The rules are those of nf_tables.</param>
    public void OnLocked(ushort? queue, bool isNft)
    {
        if (Number is not null && queue is null)
        {
            Close($"the kernel cannot queue packets for a program by {(isNft ? "nft" : "iptables")}");
        }
    }

    /// <summary>Releases the held replies, and unbinds the queue.</summary>
    /// <param name="reason">Why replies are no longer held.</param>
    public void Close(string reason)
    {
        _queue?.Dispose();
        _queue = null;
        _conntrack?.Dispose();
        _conntrack = null;
        Number = null;
        Reason = reason;
        _held.Clear();
        _release?.Clear();
    }

    /// <summary>
    /// Handles an address that was opened, or could not be: releases replies that wait for no other address.
    /// </summary>
    public void SeeOpened(IpPrefix prefix)
    {
        for (int i = _held.Count - 1; i >= 0; i--)
        {
            Held held = _held[i];
            if (held.Opening.Remove(prefix) && held.Opening.Count == 0)
            {
                _held.RemoveAt(i);
                _queue?.Release(held.Id);
            }
        }
    }

    /// <summary>
    /// True once conntrack did not know a reply by its addresses. This happens if one rule translates the
    /// server (DNAT) and another one the port of a question. In the queue, such a reply already has the
    /// device's own port, but still the address of the server that answered, which the kernel translates back
    /// later. Replies must then also be read from the links, where no address is translated yet.
    /// </summary>
    public bool IsHalfTranslated { get; private set; }

    private QueueVerdict Judge(in QueuedPacket packet)
    {
        observer.Drain();
        TimeSpan now = loop.Now;
        bool hasChanged;
        if (packet.Hook == Nftables.NF_INET_FORWARD
            && (packet.OutDevice == 0 || packet.OutDevice == observer.BridgeIndex))
        {
            Flow? asked = FlowOf(packet.Original) ?? reader.Watch.Redirected(packet.Bytes, now);
            hasChanged = reader.Read(packet.Bytes, DnsSide.Bridge, asked, isHeld: true, now);
        }
        else
        {
            Flow? asked = FlowOf(packet.Reply)?.Reversed;
            if (asked is null && reader.Watch.Unseen(packet.Bytes, now) is { } unseen)
            {
                // A rule has translated the question's address or port.
                asked = _conntrack?.ReplyOf(unseen) is { } reply ? FlowOf(reply)?.Reversed : null;
                IsHalfTranslated |= asked is null;
            }
            DnsSide side = packet.Hook == Nftables.NF_INET_FORWARD ? DnsSide.Container : DnsSide.Device;
            hasChanged = reader.Read(packet.Bytes, side, asked, isHeld: true, now);
        }
        HeldCount += hasChanged ? 1 : 0;
        if (reader.IsFalse && reader.Names is null) // an audit drops nothing
        {
            DroppedCount++;
            DroppedAt = now;
            return QueueVerdict.Drop; // some resolvers would believe it
        }
        if (reader.Opening.Count == 0)
        {
            return QueueVerdict.Pass;
        }
        _held.Add(new Held(packet.Id, now + Patience, [.. reader.Opening]));
        _release?.Set(_held[0].Deadline);
        return QueueVerdict.Hold;
    }

    /// <summary>
    /// Returns the flow of conntrack's tuple; null if the kernel does not deliver one, to use the packet's
    /// own addresses.
    /// </summary>
    private static Flow? FlowOf(in ConntrackMessage.Tuple tuple) => tuple.Protocol == 0
        ? null
        : new Flow(tuple.Source, tuple.Destination,
            tuple.SourcePort, tuple.DestinationPort, tuple.Protocol == Tcp);

    private void ReleaseLate()
    {
        TimeSpan now = loop.Now;
        while (_held.Count > 0 && _held[0].Deadline <= now)
        {
            LateCount++;
            _queue?.Release(_held[0].Id);
            _held.RemoveAt(0);
        }
        if (_held.Count > 0)
        {
            _release?.Set(_held[0].Deadline);
        }
    }

    public void Dispose()
    {
        Close("");
        _release?.Dispose();
    }

    /// <summary>A reply that waits until addresses are open.</summary>
    private sealed class Held(uint id, TimeSpan deadline, List<IpPrefix> opening)
    {
        public uint Id => id;

        public TimeSpan Deadline => deadline;

        public List<IpPrefix> Opening => opening;
    }
}
