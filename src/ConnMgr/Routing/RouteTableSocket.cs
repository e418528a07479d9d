using System.ComponentModel;
using System.Text;
using ConnMgr.Flows;
using ConnMgr.Native;
using ConnMgr.Net;
using ConnMgr.Netlink;
using Tmds.Linux;

namespace ConnMgr.Routing;

/// <summary>
/// Reads and changes the kernel's default routes over its own NETLINK_ROUTE socket. It never waits: the
/// kernel handles a request while it is sent, so the answer is in the socket's buffer when send returns.
/// </summary>
internal sealed unsafe class RouteTableSocket : IDisposable
{
    private const int NETLINK_ROUTE = 0;
    private const int SOL_NETLINK = 270;
    private const int NETLINK_CAP_ACK = 10;
    private const int NETLINK_EXT_ACK = 11;
    private const int NETLINK_GET_STRICT_CHK = 12;
    private const ushort HasExtendedAck = 0x200; // NLM_F_ACK_TLVS
    private const ushort MessageOfError = 1; // NLMSGERR_ATTR_MSG
    private const byte MainTable = 254; // RT_TABLE_MAIN
    private const byte AllTables = 0; // RT_TABLE_UNSPEC
    private const byte FamilyIpv4 = 2; // AF_INET
    private const byte FamilyIpv6 = 10; // AF_INET6
    private const int Attempts = 3;

    private readonly NetlinkSocket _socket;
    private uint _sequence;
    private int _dumpError; // of the last dump

    /// <summary>Opens the socket; throws if the kernel refuses it.</summary>
    public RouteTableSocket()
    {
        _socket = new NetlinkSocket(NETLINK_ROUTE, checkCredentials: false);
        // Kernels before 4.12 and 4.20 lack some of these options; error texts are then missing, and dumps
        // have more rows.
        foreach (int option in (ReadOnlySpan<int>)[NETLINK_CAP_ACK, NETLINK_EXT_ACK, NETLINK_GET_STRICT_CHK])
        {
            int on = 1;
            _ = LibC.setsockopt(_socket.Fd, SOL_NETLINK, option, &on, sizeof(int));
        }
    }

    /// <summary>The netlink port id, which the kernel's notifications about our changes carry.</summary>
    public uint PortId => _socket.PortId;

    /// <summary>
    /// Reads the default routes of the main table, and the routes that connmgr has added, of all tables.
    /// False if the kernel did not return a consistent and complete list; try again.
    /// </summary>
    public bool TryDump(List<KernelRoute> routes, List<KernelRoute> subnets)
    {
        RivalRouters routers = new();
        for (int attempt = 0; attempt < Attempts; attempt++)
        {
            routes.Clear();
            subnets.Clear();
            if (TryDump(FamilyIpv4, MainTable, routers, routes, subnets)
                && TryDump(FamilyIpv6, MainTable, routers, routes, subnets)
                && TryDump(FamilyIpv4, AllTables, routers, routes, subnets)
                && TryDump(FamilyIpv6, AllTables, routers, routes, subnets))
            {
                return true;
            }
        }
        return false;
    }

    /// <summary>
    /// Reads which of the advertised routers of a device are reachable, if there are several. Without the
    /// answer, all of them count as reachable.
    /// </summary>
    public void ReadRouters(KernelState state, List<KernelRoute> routes)
    {
        state.Routers.Update(routes);
        if (state.Routers.Exist)
        {
            _ = TryDump(RouteMessage.GetNeighbour, FamilyIpv6, AllTables,
                (in NetlinkMessage message) => state.Apply(message, isDumpRow: true));
        }
    }

    /// <summary>
    /// Carries out one step. Returns 0 or the errno; <paramref name="words"/> is the kernel's own error text.
    /// </summary>
    public int Send(RouteStep step, out string words)
    {
        byte[] request = step.ToMessage();
        int error = Send(request, out words);
        // Another program has already deleted the route or the rule, or added the rule.
        return (step.Verb, error) is (RouteVerb.Delete, Errno.ESRCH) or (RouteVerb.DeleteRule, Errno.ENOENT)
            or (RouteVerb.AddRule, Errno.EEXIST) ? 0 : error;
    }

    /// <summary>Sends a request that has the acknowledgement flag.</summary>
    public int Send(byte[] request, out string words)
    {
        BitConverter.TryWriteBytes(request.AsSpan(8), ++_sequence);
        words = "";
        if (!_socket.Send(request))
        {
            words = Errno.Text(Errno.EAGAIN);
            return Errno.EAGAIN;
        }
        while (TryReceive(out ReadOnlySpan<byte> datagram))
        {
            NetlinkReader reader = new(datagram);
            while (reader.TryRead(out NetlinkMessage message))
            {
                if (message.Sequence == _sequence && message.Type == NetlinkMessage.Error
                    && message.ErrorNumber is { } error)
                {
                    words = error == 0 ? "" : WordsOf(message) ?? Errno.Text(error);
                    return error;
                }
            }
        }
        words = "the kernel gave no answer";
        return Errno.EAGAIN;
    }

    /// <summary>Asks the kernel where it would send a packet now; see <see cref="RouteQuestion"/>.</summary>
    /// <returns>The index of the device; 0 if there is no route; -1 for an address of this host.
    /// </returns>
    public int DeviceTo(IpNumber peer)
    {
        byte[] request = new RouteQuestion(peer, default, 0).ToRequest();
        BitConverter.TryWriteBytes(request.AsSpan(8), ++_sequence);
        int found = 0;
        if (!_socket.Send(request))
        {
            return -1; // not known
        }
        while (TryReceive(out ReadOnlySpan<byte> datagram))
        {
            NetlinkReader reader = new(datagram);
            while (reader.TryRead(out NetlinkMessage message))
            {
                if (message.Sequence != _sequence)
                {
                    continue;
                }
                if (message.Type == NetlinkMessage.Error)
                {
                    return found;
                }
                found = RouteQuestion.TryReadAnswer(message, out int ifindex) ? ifindex
                    : message.Payload.Length > 7 && message.Payload[7] == Rtnetlink.RTN_LOCAL ? -1 : 0;
            }
        }
        return found;
    }

    /// <summary>
    /// Reads devices, addresses and policy rules. False if there was no consistent and complete list.
    /// </summary>
    public bool TryRead(KernelState state)
    {
        foreach (ushort type in (ReadOnlySpan<ushort>)
            [RouteMessage.GetLink, RouteMessage.GetAddress, RouteMessage.GetRule])
        {
            bool isComplete = false;
            for (int attempt = 0; attempt < Attempts && !isComplete; attempt++)
            {
                state.BeginDump();
                isComplete = TryDump(type, 0, AllTables,
                    (in NetlinkMessage message) => state.Apply(message, isDumpRow: true));
            }
            if (type == RouteMessage.GetRule && _dumpError == Errno.EOPNOTSUPP)
            {
                continue; // a kernel without policy rules
            }
            if (!isComplete)
            {
                return false;
            }
            state.OnDumpEnded(type);
        }
        return true;
    }

    /// <summary>
    /// Reads the main table whole, or the routes of connmgr's own tables. The kernel selects them; one that
    /// cannot (before 4.20) returns all routes.
    /// </summary>
    private bool TryDump(
        byte family, byte table, RivalRouters routers, List<KernelRoute> routes, List<KernelRoute> subnets) =>
        TryDump(RouteMessage.GetRoute, family, table, (in NetlinkMessage message) =>
    {
        if (message.Type != RouteMessage.NewRoute)
        {
            return;
        }
        if (KernelRoute.TryReadOwn(message.Payload, out KernelRoute own))
        {
            if (own.IsOfMainTable == (table == MainTable))
            {
                subnets.Add(own);
            }
        }
        else if (table == MainTable && KernelRoute.TryRead(message.Payload, out KernelRoute route))
        {
            routers.Admit(routes, route, out _);
        }
    });

    private delegate void RowHandler(in NetlinkMessage message);

    private bool TryDump(ushort type, byte family, byte table, RowHandler handler)
    {
        // struct ifinfomsg, ifaddrmsg, rtmsg, fib_rule_hdr: a strict kernel requires the exact length.
        int size = NetlinkReader.HeaderSize
            + type switch { RouteMessage.GetLink => 16, RouteMessage.GetAddress => 8, _ => 12 };
        Span<byte> request = stackalloc byte[size];
        request.Clear();
        BitConverter.TryWriteBytes(request, size);
        BitConverter.TryWriteBytes(request[4..], type);
        BitConverter.TryWriteBytes(request[6..],
            (ushort)(NetlinkMessage.FlagRequest | NetlinkMessage.FlagDump));
        BitConverter.TryWriteBytes(request[8..], ++_sequence);
        request[NetlinkReader.HeaderSize] = family;
        if (type == RouteMessage.GetRoute)
        {
            request[NetlinkReader.HeaderSize + 4] = table;
            request[NetlinkReader.HeaderSize + 5] = table == AllTables ? KernelRoute.OwnProtocol : (byte)0;
        }
        _dumpError = 0;
        if (!_socket.Send(request))
        {
            _dumpError = Errno.Last;
            return false;
        }
        bool isComplete = true;
        while (TryReceive(out ReadOnlySpan<byte> datagram))
        {
            NetlinkReader reader = new(datagram);
            while (reader.TryRead(out NetlinkMessage message))
            {
                if (message.Sequence != _sequence)
                {
                    continue;
                }
                isComplete &= (message.Flags & NetlinkMessage.FlagDumpInterrupted) == 0;
                if (message.ErrorNumber is { } error)
                {
                    _dumpError = error;
                    // A missing main table or family counts as empty.
                    return isComplete && error is 0 or Errno.ENOENT or Errno.EOPNOTSUPP;
                }
                handler(message);
            }
        }
        return false;
    }

    private bool TryReceive(out ReadOnlySpan<byte> datagram)
    {
        datagram = default;
        try
        {
            return _socket.Receive(out datagram) == Received.Datagram;
        }
        catch (Win32Exception)
        {
            return false;
        }
    }

    /// <summary>Returns the text of the extended acknowledgement; null if there is none.</summary>
    private static string? WordsOf(in NetlinkMessage message)
    {
        const int Fixed = 4 + NetlinkReader.HeaderSize; // the error, and the header of the request
        if ((message.Flags & HasExtendedAck) == 0 || message.Payload.Length < Fixed)
        {
            return null;
        }
        AttributeReader attributes = new(message.Payload[Fixed..]);
        while (attributes.TryRead(out NetlinkAttribute attribute))
        {
            if (attribute.Type == MessageOfError)
            {
                return Encoding.UTF8.GetString(attribute.Value).TrimEnd('\0');
            }
        }
        return null;
    }

    /// <inheritdoc/>
    public void Dispose() => _socket.Dispose();
}
