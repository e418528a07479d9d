using System.ComponentModel;
using ConnMgr.EventLoop;
using ConnMgr.Logging;
using ConnMgr.Native;
using ConnMgr.Net;
using ConnMgr.Netlink;
using ConnMgr.Probe;
using static ConnMgr.Netlink.NetlinkHeader;
using static ConnMgr.Netlink.Nftables;
using static ConnMgr.Netlink.Rtnetlink;

namespace ConnMgr.Firewall;

/// <summary>
/// Finds out whether this device drops what the lockdown admits, because of another program's rules. It asks
/// the kernel about connections that get no answer: the socket tells whether its packets leave, and
/// conntrack, which sees a packet before the rules for input, whether the answer has arrived. It never waits.
/// </summary>
internal sealed class DropQuery : IDisposable
{
    private const int AnswerSize = 8192; // bytes: the kernel fits its lists to it
    private const int MostAsked = 16; // connections looked up at a time
    private const int MostRows = 1024; // sockets read at a time: a local program may have any number
    private const int MostChains = 8;
    private const int TablesLimit = 4096; // bytes of /proc/net/ip_tables_names

    /// <summary>How long a reply that the daemon dropped may explain an unanswered question.</summary>
    private static readonly TimeSpan OwnDrop = TimeSpan.FromSeconds(3);

    private readonly Loop _loop;
    private readonly Log _log;
    private readonly HoleStore _store;
    private readonly ConntrackQuery _conntrack = new();
    private readonly LocalDrops _drops = new();
    private readonly SockDiagQuery _connecting = new(
        SockDiagMessage.Tcp,
        SockDiagMessage.DumpConnecting(AF_INET), SockDiagMessage.DumpConnecting(AF_INET6));
    private readonly Pace _pace = new(burst: 5, TimeSpan.FromMinutes(1));
    private string _described = ""; // the drops for which OtherChains was read
    private string _logged = ""; // the drops as last logged; empty if there are none

    /// <param name="loop">The clock.</param>
    /// <param name="log">Receives a warning when something is dropped, and a line when that is over.</param>
    /// <param name="store">The addresses that the lockdown lets the device connect to.</param>
    public DropQuery(Loop loop, Log log, HoleStore store)
    {
        _loop = loop;
        _log = log;
        _store = store;
    }

    /// <summary>
    /// True while the lockdown is in force and undisturbed: any drop is then another program's.
    /// </summary>
    public bool IsWatching { get; set; }

    /// <summary>What is dropped: a phrase for each service.</summary>
    public IReadOnlyList<string> Dropped { get; private set; } = [];

    /// <summary>
    /// The base chains of other programs that the dropped packets pass, e.g. `inet filter input (policy
    /// drop)`; the kernel does not tell which of them drops.
    /// </summary>
    public IReadOnlyList<string> OtherChains { get; private set; } = [];

    /// <summary>When the daemon itself last dropped a reply in its queue; null for never.</summary>
    public TimeSpan? GateDroppedAt { get; set; }

    /// <summary>True while <see cref="Look"/> should be called more often.</summary>
    public bool HasDoubt => _drops.HasDoubt;

    /// <summary>Looks at the connections that programs of the device are asking for.</summary>
    public void Look()
    {
        _drops.Expire(_loop.Now);
        if (!IsWatching)
        {
            _drops.Clear();
        }
        else
        {
            int rows = 0;
            int asked = 0;
            _ = _connecting.TryList((in SockDiagMessage row) =>
            {
                if (row.Info.HasRepeated
                    && ((row.Mark & LinkSocket.Mark) != 0 || _store.Holes.IsAllowed(row.Peer)))
                {
                    asked++;
                    var flow = new Flow(row.Local, row.Peer, row.LocalPort, row.PeerPort, true);
                    _ = See(flow, row.Info.IsRefused);
                }
                return ++rows < MostRows && asked < MostAsked;
            });
        }
        Tell();
    }

    /// <summary>Judges a connection or a question of the daemon that got no answer.</summary>
    /// <param name="flow">Its packets as they leave.</param>
    /// <param name="isRefused">The kernel has refused to send.</param>
    /// <returns>True if this device has dropped the packets, or their answers.</returns>
    public bool See(in Flow flow, bool isRefused)
    {
        if (!IsWatching || !IsDropped(flow, isRefused))
        {
            return false;
        }
        DropPlace place = isRefused ? DropPlace.Output : DropPlace.Input;
        // For UDP the error is EPERM, which only rules cause.
        bool isSure = isRefused && !flow.IsTcp;
        _drops.See(flow.Destination, flow.DestinationPort, flow.IsTcp, place, _loop.Now, isSure);
        return true;
    }

    private bool IsDropped(in Flow flow, bool isRefused)
    {
        if (!isRefused)
        {
            // The daemon's own gate drops false answers, also those to the daemon's own questions.
            bool isOwnDrop = !flow.IsTcp && _loop.Now - GateDroppedAt < OwnDrop;
            return !isOwnDrop && _conntrack.IsAnswered(flow) == true;
        }
        // The kernel also refuses a TCP segment if a queue is full or a route is gone. In these cases the
        // first segment has passed the rules, so conntrack knows the connection.
        return !flow.IsTcp || _conntrack.IsUnknown(flow);
    }

    /// <summary>Logs what has changed, and brings <see cref="Dropped"/> up to date.</summary>
    private void Tell()
    {
        List<string> dropped = _drops.Describe();
        Dropped = dropped;
        string words = string.Join("; ", dropped);
        if (words != _described)
        {
            _described = words;
            OtherChains = dropped.Count > 0 ? Chains() : [];
        }
        if (words == _logged)
        {
            return;
        }
        if (words.Length == 0)
        {
            _logged = "";
            _log.Event(EventKind.Firewall, "this device no longer drops what the lockdown admits");
        }
        else if (_pace.TryTake(_loop.Now))
        {
            _logged = words;
            string where = OtherChains.Count > 0 ? string.Join(", ", OtherChains) : "none in nf_tables";
            _log.Event(
                EventKind.Firewall,
                $"this device drops what the lockdown admits: {words}; other chains on the way: {where}",
                LogLevel.Warn);
        }
    }

    /// <summary>Returns the base chains of other programs that the dropped packets pass.</summary>
    private List<string> Chains()
    {
        List<string> chains = [];
        if (SmallFile.Read("/proc/net/ip_tables_names", TablesLimit, out _, out _) is { Length: > 0 })
        {
            chains.Add("iptables-legacy");
        }
        try
        {
            using NetlinkSocket socket = new(NETLINK_NETFILTER, AnswerSize, checkCredentials: false);
            NetlinkWriter writer = NftSetMessage.BeginRequest(stackalloc byte[NftSetMessage.MarkSize], 0);
            if (!socket.Send(writer.Finish(NftSetMessage.Type(NFT_MSG_GETCHAIN), NetlinkMessage.FlagDump)))
            {
                return chains;
            }
            while (socket.Receive(out ReadOnlySpan<byte> datagram) == Received.Datagram)
            {
                NetlinkReader reader = new(datagram);
                while (reader.TryRead(out NetlinkMessage message))
                {
                    if (message.ErrorNumber is not null)
                    {
                        return chains;
                    }
                    if (NftBaseChain.Read(message, out uint hook) is { } chain && chains.Count < MostChains
                        && _drops.Has(hook is NF_INET_PRE_ROUTING or NF_INET_LOCAL_IN
                            ? DropPlace.Input : DropPlace.Output)
                        && hook != NF_INET_FORWARD)
                    {
                        chains.Add(chain);
                    }
                }
            }
        }
        catch (Win32Exception)
        {
            // Without nf_tables or memory, report none of its chains.
        }
        return chains;
    }

    public void Dispose() => _conntrack.Dispose();
}
