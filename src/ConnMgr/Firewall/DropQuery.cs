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
    private const int NETLINK_NETFILTER = 12;
    private const int AnswerSize = 8192; // bytes: the kernel fits its lists to it
    private const int MostAsked = 16; // connections looked up at a time
    private const int MostChains = 8;
    private const int TablesLimit = 4096; // bytes of /proc/net/ip_tables_names

    private readonly Loop _loop;
    private readonly Log _log;
    private readonly HoleStore _store;
    private readonly ConntrackQuery _conntrack = new();
    private readonly LocalDrops _drops = new();
    private bool _isAbsent; // the kernel has no tcp_diag; it would look for the module at each request
    private int _logged;

    /// <param name="loop">The clock.</param>
    /// <param name="log">Receives a warning when something is dropped, and a line when that is over.</param>
    /// <param name="store">The addresses that the lockdown lets the device connect to.</param>
    public DropQuery(Loop loop, Log log, HoleStore store)
    {
        _loop = loop;
        _log = log;
        _store = store;
    }

    /// <summary>True while what is seen must be another program's doing: the lockdown is in force.</summary>
    public bool IsWatching { get; set; }

    /// <summary>What is dropped, a phrase each, and where the other chains are.</summary>
    public IReadOnlyList<string> Words { get; private set; } = [];

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
        else if (!_isAbsent)
        {
            try
            {
                using NetlinkSocket socket = new(NETLINK_SOCK_DIAG, AnswerSize, checkCredentials: false);
                int asked = 0;
                _ = TryLook(socket, AF_INET, ref asked) && TryLook(socket, AF_INET6, ref asked);
            }
            catch (Win32Exception exception)
            {
                _isAbsent = !Errno.IsShortage(exception.NativeErrorCode);
            }
        }
        Tell();
    }

    /// <summary>Judges a connection, or a question, of the daemon that has had no answer.</summary>
    /// <param name="flow">Its packets as they leave.</param>
    /// <param name="isRefused">The kernel has refused to send.</param>
    /// <returns>True if this device has dropped the packets, or their answers.</returns>
    public bool See(in Flow flow, bool isRefused)
    {
        if (!IsWatching || (!isRefused && _conntrack.IsAnswered(flow) != true))
        {
            return false;
        }
        DropPlace place = isRefused ? DropPlace.Output : DropPlace.Input;
        // For UDP it is the error EPERM, which the rules alone cause.
        bool isSure = isRefused && !flow.IsTcp;
        _drops.See(flow.Destination, flow.DestinationPort, flow.IsTcp, place, _loop.Now, isSure);
        return true;
    }

    private bool TryLook(NetlinkSocket socket, byte family, ref int asked)
    {
        if (!socket.Send(SockDiagMessage.DumpConnecting(family)))
        {
            return false;
        }
        while (socket.Receive(out ReadOnlySpan<byte> datagram) == Received.Datagram)
        {
            NetlinkReader reader = new(datagram);
            while (reader.TryRead(out NetlinkMessage message))
            {
                if (message.ErrorNumber is { } error)
                {
                    _isAbsent = error == Errno.ENOENT;
                    return error == 0; // the end of the dump
                }
                if (asked < MostAsked && message.Type == SockDiagMessage.DumpRow
                    && SockDiagMessage.TryRead(SockDiagMessage.Tcp, message.Payload, out SockDiagMessage row)
                    && row.IsUnanswered
                    && ((row.Mark & LinkSocket.Mark) != 0 || _store.Holes.IsAllowed(row.Peer)))
                {
                    asked++;
                    _ = See(new Flow(row.Local, row.Peer, row.LocalPort, row.PeerPort, true), row.IsRefused);
                }
            }
        }
        return false;
    }

    /// <summary>Logs the beginning and the end, and brings <see cref="Words"/> up to date.</summary>
    private void Tell()
    {
        int count = _drops.Count;
        List<string> words = _drops.Words();
        if (count > 0)
        {
            string chains = string.Join(", ", Chains());
            words.Add(
                chains.Length > 0 ? "other chains on the way: " + chains : "nf_tables has no other chain");
        }
        Words = words;
        if (count == _logged)
        {
            return;
        }
        string what = string.Join("; ", words);
        if (count > _logged)
        {
            _log.Event(
                EventKind.Firewall, $"this device drops what the lockdown admits: {what}", LogLevel.Warn);
        }
        else if (count == 0)
        {
            _log.Event(EventKind.Firewall, "this device no longer drops what the lockdown admits");
        }
        _logged = count;
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
            // Without nf_tables, or memory, no chain of it is known.
        }
        return chains;
    }

    public void Dispose() => _conntrack.Dispose();
}
