using ConnMgr.EventLoop;

namespace ConnMgr.Netlink;

/// <summary>
/// rtnetlink: subscribes, dumps, then follows, all into one <see cref="KernelState"/>. Whatever is lost leads to a new
/// dump.
/// </summary>
/// <remarks>
/// If changes never end (two programs that fight over a route), it reads and dumps 20 times a second, and what the last dump
/// has shown counts meanwhile: else there would be no moment in which it may be judged.
/// </remarks>
internal sealed class RouteMonitor : IDisposable
{
    private const int NETLINK_ROUTE = 0;
    private const int ReadsPerWakeUp = 64;

    // RTNLGRP_*, <linux/rtnetlink.h>
    private const int GroupLink = 1;
    private const int GroupIpv4Address = 5;
    private const int GroupIpv4Route = 7;
    private const int GroupIpv6Address = 9;
    private const int GroupIpv6Route = 11;
    private const int GroupIpv4Settings = 24; // RTNLGRP_IPV4_NETCONF
    private const int GroupIpv6Settings = 25; // RTNLGRP_IPV6_NETCONF

    private static readonly ushort[] DumpOrder = [RouteMessage.GetLink, RouteMessage.GetAddress, RouteMessage.GetRoute];

    private readonly Loop _loop;
    private readonly Deadline _nextDump;
    private readonly Pace _pace = new(burst: 30, TimeSpan.FromMilliseconds(50));
    private readonly NetlinkSocket _socket;
    private readonly KernelState _table;
    private readonly HashSet<ushort> _wanted = [.. DumpOrder];
    private readonly HashSet<ushort> _next = []; // of the picture that is being taken: these follow without a pause
    private ulong _token;
    private bool _isUrgent;
    private uint _sequence;
    private ushort _dumping; // the RTM_GET* under way, or 0
    private bool _wasInterrupted;
    private bool _isFull; // messages were lost, and those before them are not all read yet

    /// <param name="loop">Where messages are noticed.</param>
    /// <param name="table">What is kept up to date.</param>
    public RouteMonitor(Loop loop, KernelState table)
    {
        _loop = loop;
        _nextDump = loop.AddTimer(EndPause);
        _table = table;
        _socket = new NetlinkSocket(
            NETLINK_ROUTE, checkCredentials: false,
            GroupLink, GroupIpv4Address, GroupIpv4Route, GroupIpv6Address, GroupIpv6Route,
            GroupIpv4Settings, GroupIpv6Settings);
        _token = loop.Add(_socket.Fd, Read);
        DumpNext();
    }

    /// <summary>
    /// True while no dump is under way or wanted: the table is what the kernel has. Or a moment ago had, if changes never end.
    /// </summary>
    public bool IsSettled => _dumping == 0 && _next.Count == 0 && (_wanted.Count == 0 || _nextDump.IsSet);

    /// <summary>The number of the last dump, whatever of. The routes are newer than this moment once <see cref="RoutesAsOf"/> is greater.</summary>
    public uint LastDump => _sequence;

    /// <summary>The number of the dump that the routes are from.</summary>
    public uint RoutesAsOf { get; private set; }

    /// <summary>How often messages were lost.</summary>
    public int Losses { get; private set; }

    /// <summary>Dumps everything anew.</summary>
    public void Resync()
    {
        _wanted.UnionWith(DumpOrder);
        DumpNext();
    }

    /// <summary>Dumps the default routes anew, without a pause.</summary>
    public void ResyncRoutes()
    {
        _wanted.Add(RouteMessage.GetRoute);
        _isUrgent = true;
        DumpNext();
    }

    private void Read()
    {
        Received received = Received.Nothing;
        for (int i = 0; i < ReadsPerWakeUp || received == Received.Lost; i++) // a loss does not wake the loop again
        {
            received = _socket.Receive(out ReadOnlySpan<byte> datagram);
            switch (received)
            {
                case Received.Nothing:
                    _isFull = false;
                    DumpNext();
                    return;
                case Received.Lost:
                    Losses++;
                    _isFull = true;
                    _dumping = 0; // its end may be among what was lost
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
            bool isDumpRow = _dumping != 0 && message.Sequence == _sequence && message.PortId == _socket.PortId;
            _wasInterrupted |= isDumpRow && (message.Flags & NetlinkMessage.FlagDumpInterrupted) != 0;
            if (message.Type is NetlinkMessage.Done or NetlinkMessage.Error)
            {
                if (isDumpRow)
                {
                    EndDump(message.Type == NetlinkMessage.Done && !_wasInterrupted && !IsNegative(message.Payload));
                }
            }
            else if (_table.Apply(message, isDumpRow))
            {
                _wanted.Add(RouteMessage.GetRoute);
            }
        }
    }

    /// <summary>NLMSG_DONE carries an error, if there was one.</summary>
    private static bool IsNegative(ReadOnlySpan<byte> error) => error.Length >= 4 && BitConverter.ToInt32(error) < 0;

    private void EndDump(bool isComplete)
    {
        if (isComplete)
        {
            _table.EndDump(_dumping);
            RoutesAsOf = _dumping == RouteMessage.GetRoute ? _sequence : RoutesAsOf;
        }
        else
        {
            _wanted.Add(_dumping);
        }
        _dumping = 0;
    }

    /// <summary>
    /// Starts the next dump that is wanted, if none is under way: the kernel does one at a time for a socket. To be
    /// called each tick, since the kernel may have had no room for the request.
    /// </summary>
    /// <remarks>
    /// Not before all is read of a buffer that was full: until then the kernel drops what it has to say, the end of a dump or
    /// its refusal included, and does not say so again (net/netlink/af_netlink.c, NETLINK_S_CONGESTED).
    /// </remarks>
    public void DumpNext()
    {
        if (_dumping != 0 || _isFull || (_next.Count == 0 && !BeginPicture()))
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

    /// <summary>Everything that is wanted is dumped together. False if nothing is, or if there has to be a pause first.</summary>
    private bool BeginPicture()
    {
        if (_wanted.Count == 0 || (_nextDump.IsSet && !_isUrgent))
        {
            return false;
        }
        if (!_pace.TryTake(_loop.Now) && !_isUrgent)
        {
            // What comes meanwhile is not even read: it says nothing that the next dump would not, except that there is more.
            _loop.Remove(_socket.Fd, _token);
            _nextDump.Set(_pace.NextAt);
            return false;
        }
        if (_nextDump.IsSet)
        {
            _nextDump.Clear();
            _token = _loop.Add(_socket.Fd, Read);
        }
        _isUrgent = false;
        _next.UnionWith(_wanted);
        _wanted.Clear();
        return true;
    }

    private void EndPause()
    {
        _token = _loop.Add(_socket.Fd, Read);
        Read();
    }

    private void Dump(ushort type)
    {
        const int Size = NetlinkReader.HeaderSize + 16; // struct ifinfomsg, the longest of the three; all zero is AF_UNSPEC
        Span<byte> request = stackalloc byte[Size];
        request.Clear();
        BitConverter.TryWriteBytes(request, Size);
        BitConverter.TryWriteBytes(request[4..], type);
        BitConverter.TryWriteBytes(request[6..], (ushort)(NetlinkMessage.FlagRequest | NetlinkMessage.FlagDump));
        BitConverter.TryWriteBytes(request[8..], ++_sequence);
        if (_socket.Send(request))
        {
            _next.Remove(type);
            _dumping = type;
            _wasInterrupted = false;
            _table.BeginDump();
        }
    }

    public void Dispose()
    {
        _loop.Remove(_socket.Fd, _token);
        _socket.Dispose();
    }
}
