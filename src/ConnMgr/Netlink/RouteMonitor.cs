using ConnMgr.EventLoop;
using ConnMgr.Native;

namespace ConnMgr.Netlink;

/// <summary>
/// Keeps a <see cref="KernelState"/> up to date from rtnetlink: subscribes, dumps, then follows the events.
/// After any loss of messages, dumps again.
/// </summary>
/// <remarks>
/// If changes never stop (for example, two programs that keep changing a route), it reads and dumps only 20
/// times a second, and between two dumps the last one counts; otherwise the routes could never be judged. A
/// dump contains all routes, so its cost grows with them. With very many routes it therefore dumps them less
/// often, but at least once a second, and reads the events meanwhile.
/// </remarks>
internal sealed class RouteMonitor : IDisposable
{
    private const int NETLINK_ROUTE = 0;
    private const int ReadsPerWakeUp = 64;

    // RTNLGRP_*, <linux/rtnetlink.h>
    private const int GroupLink = 1;
    private const int GroupIpv4Address = 5;
    private const int GroupIpv4Route = 7;
    private const int GroupIpv4Rule = 8;
    private const int GroupIpv6Address = 9;
    private const int GroupIpv6Route = 11;
    private const int GroupIpv6Rule = 19;
    private const int GroupIpv4Settings = 24; // RTNLGRP_IPV4_NETCONF
    private const int GroupIpv6Settings = 25; // RTNLGRP_IPV6_NETCONF

    private static readonly ushort[] DumpOrder =
        [RouteMessage.GetLink, RouteMessage.GetAddress, RouteMessage.GetRule, RouteMessage.GetRoute];

    private readonly Loop _loop;
    private readonly Deadline _nextDump;
    private readonly Pace _pace = new(burst: 30, TimeSpan.FromMilliseconds(50));
    private readonly Deadline _nextRoutes;
    private readonly Pace _rows = new(burst: 60_000, TimeSpan.FromSeconds(1) / 30_000);
    private readonly NetlinkSocket _socket;
    private readonly NeighbourMonitor _neighbours;
    private readonly KernelState _table;
    private readonly HashSet<ushort> _wanted = [.. DumpOrder];
    // The rest of the current snapshot; its dumps follow each other without a pause.
    private readonly HashSet<ushort> _next = [];
    private ulong _token;
    private bool _isUrgent;
    private uint _sequence;
    private ushort _dumping; // the RTM_GET* in progress, or 0
    private bool _wasInterrupted;
    private int _routeRows; // rows of the dump in progress
    private bool _isFull; // messages were lost, and the buffered ones before them are not all read yet

    /// <param name="loop">The event loop.</param>
    /// <param name="table">The state to keep up to date.</param>
    public RouteMonitor(Loop loop, KernelState table)
    {
        _loop = loop;
        _nextDump = loop.AddTimer(OnPauseEnded);
        _nextRoutes = loop.AddTimer(DumpNext);
        _table = table;
        _neighbours = new NeighbourMonitor(loop, table);
        _socket = new NetlinkSocket(
            NETLINK_ROUTE, checkCredentials: false,
            GroupLink, GroupIpv4Address, GroupIpv4Route, GroupIpv6Address, GroupIpv6Route,
            GroupIpv4Settings, GroupIpv6Settings, GroupIpv4Rule, GroupIpv6Rule);
        _token = loop.Add(_socket.Fd, Read);
        DumpNext();
    }

    /// <summary>
    /// True while no dump runs or is wanted, so that the table matches the kernel's. If changes never stop,
    /// it is also true during the pause before the next dump.
    /// </summary>
    public bool IsSettled => _dumping == 0 && _next.Count == 0 && RoutesAsOf != 0
        && (_wanted.Count == 0 || _nextDump.IsSet || _nextRoutes.IsSet);

    /// <summary>
    /// The number of the last dump of any type. To wait for routes that are newer than now, remember this
    /// number, and wait until <see cref="RoutesAsOf"/> exceeds it.
    /// </summary>
    public uint LastDump => _sequence;

    /// <summary>The number of the dump that the routes come from.</summary>
    public uint RoutesAsOf { get; private set; }

    /// <summary>The number of times messages were lost.</summary>
    public int Losses { get; private set; }

    /// <summary>Dumps everything again.</summary>
    public void Resync()
    {
        _wanted.UnionWith(DumpOrder);
        DumpNext();
    }

    /// <summary>Dumps the default routes again, without waiting for a pause to end.</summary>
    public void ResyncRoutes()
    {
        _wanted.Add(RouteMessage.GetRoute);
        _isUrgent = true;
        DumpNext();
    }

    /// <summary>
    /// Dumps the routes again if a device has lost carrier. That dump could wait until the loss had been
    /// handled: call this method when the decision has been carried out.
    /// </summary>
    public void Confirm()
    {
        if (_table.HasLostCarrier)
        {
            _wanted.Add(RouteMessage.GetRoute);
            DumpNext();
        }
    }

    private void Read()
    {
        Received received = Received.Nothing;
        // Read on after a loss: it does not wake the loop again.
        for (int i = 0; i < ReadsPerWakeUp || received == Received.Lost; i++)
        {
            received = _socket.Receive(out ReadOnlySpan<byte> datagram);
            switch (received)
            {
                case Received.Nothing:
                    _isFull = false;
                    uint before = _sequence;
                    DumpNext();
                    if (_sequence == before || _dumping == 0)
                    {
                        return;
                    }
                    break; // the kernel has already answered: read on, to judge the routes in this wake-up
                case Received.Lost:
                    Losses++;
                    _isFull = true;
                    StopDump(); // the lost messages may include its end
                    _wanted.UnionWith(DumpOrder);
                    break;
                case Received.Datagram:
                    Handle(datagram);
                    break;
            }
        }
        DumpNext();
    }

    private void Handle(ReadOnlySpan<byte> datagram)
    {
        NetlinkReader reader = new(datagram);
        while (reader.TryRead(out NetlinkMessage message))
        {
            bool isDumpRow = _dumping != 0 && message.Sequence == _sequence
                && message.PortId == _socket.PortId;
            _wasInterrupted |= isDumpRow && (message.Flags & NetlinkMessage.FlagDumpInterrupted) != 0;
            if (message.Type is NetlinkMessage.Done or NetlinkMessage.Error)
            {
                if (isDumpRow && _dumping == RouteMessage.GetRule && message.ErrorNumber == Errno.EOPNOTSUPP)
                {
                    _dumping = 0; // the kernel has no policy rules
                }
                else if (isDumpRow)
                {
                    OnDumpEnded(message.Type == NetlinkMessage.Done && !_wasInterrupted
                        && !IsNegative(message.Payload));
                }
            }
            else
            {
                _routeRows += isDumpRow && _dumping == RouteMessage.GetRoute ? 1 : 0;
                if (_table.Apply(message, isDumpRow))
                {
                    _wanted.Add(RouteMessage.GetRoute);
                }
            }
        }
    }

    /// <summary>True if NLMSG_DONE reports an error.</summary>
    private static bool IsNegative(ReadOnlySpan<byte> error) =>
        error.Length >= 4 && BitConverter.ToInt32(error) < 0;

    private void OnDumpEnded(bool isComplete)
    {
        if (isComplete)
        {
            _table.OnDumpEnded(_dumping);
            if (_dumping == RouteMessage.GetRoute)
            {
                RoutesAsOf = _sequence;
                _neighbours.Follow();
            }
        }
        else
        {
            _wanted.Add(_dumping);
        }
        StopDump();
    }

    private void StopDump()
    {
        _dumping = 0;
        _rows.Take(_loop.Now, _routeRows, longest: TimeSpan.FromSeconds(1));
        _routeRows = 0;
    }

    /// <summary>
    /// Starts the next wanted dump, unless one is running: the kernel runs one dump at a time per socket.
    /// Call it every tick, since the kernel may have had no room for the request.
    /// </summary>
    /// <remarks>
    /// After an overflow, first read the buffer until it is empty. Until then the kernel drops all messages,
    /// including the end or the refusal of a dump, and does not repeat them (net/netlink/af_netlink.c,
    /// NETLINK_S_CONGESTED).
    /// </remarks>
    public void DumpNext()
    {
        if (_dumping != 0 || _isFull || (_next.Count == 0 && !BeginSnapshot()))
        {
            return;
        }
        foreach (ushort type in DumpOrder)
        {
            if (_next.Contains(type))
            {
                Dump(type);
                return;
            }
        }
    }

    /// <summary>
    /// Begins a snapshot of everything that is wanted. Returns false if nothing is wanted, or if a pause must
    /// come first.
    /// </summary>
    private bool BeginSnapshot()
    {
        if (_wanted.Count == 0 || (_nextDump.IsSet && !_isUrgent))
        {
            return false;
        }
        if (_nextRoutes.IsSet && !_isUrgent && _wanted.Count == 1 && _wanted.Contains(RouteMessage.GetRoute))
        {
            return false; // only routes are wanted, and they have to wait: read the events meanwhile
        }
        if (!_pace.TryTake(_loop.Now) && !_isUrgent)
        {
            // Do not read events during the pause: each would only request another dump.
            _loop.Remove(_socket.Fd, _token);
            _nextDump.Set(_pace.NextAt);
            return false;
        }
        if (_nextDump.IsSet)
        {
            _nextDump.Clear();
            _token = _loop.Add(_socket.Fd, Read);
        }
        bool mayReadRoutes = _isUrgent || _rows.NextAt <= _loop.Now;
        _isUrgent = false;
        _next.UnionWith(_wanted);
        _wanted.Clear();
        _nextRoutes.Clear();
        if (!mayReadRoutes && _next.Remove(RouteMessage.GetRoute))
        {
            _wanted.Add(RouteMessage.GetRoute);
            _nextRoutes.Set(_rows.NextAt);
        }
        return _next.Count > 0;
    }

    private void OnPauseEnded()
    {
        _token = _loop.Add(_socket.Fd, Read);
        Read();
    }

    private void Dump(ushort type)
    {
        // struct ifinfomsg is longer than ifaddrmsg, fib_rule_hdr and rtmsg, so it serves for all; all zero
        // means AF_UNSPEC.
        Span<byte> request = stackalloc byte[NetlinkReader.HeaderSize + 16];
        request.Clear();
        BitConverter.TryWriteBytes(request, request.Length);
        BitConverter.TryWriteBytes(request[4..], type);
        BitConverter.TryWriteBytes(request[6..],
            (ushort)(NetlinkMessage.FlagRequest | NetlinkMessage.FlagDump));
        BitConverter.TryWriteBytes(request[8..], ++_sequence);
        if (_socket.Send(request))
        {
            _next.Remove(type);
            _dumping = type;
            _wasInterrupted = false;
            _table.HasLostCarrier &= type != RouteMessage.GetRoute;
            _table.BeginDump();
        }
        else if (type == RouteMessage.GetRule && Errno.Last == Errno.EOPNOTSUPP)
        {
            _next.Remove(type); // under qemu-user, which supports few messages
            DumpNext();
        }
    }

    public void Dispose()
    {
        _neighbours.Dispose();
        _nextDump.Dispose();
        _nextRoutes.Dispose();
        _loop.Remove(_socket.Fd, _token);
        _socket.Dispose();
    }
}
