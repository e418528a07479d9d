using System.ComponentModel;
using ConnMgr.EventLoop;
using static ConnMgr.Netlink.NetlinkHeader;

namespace ConnMgr.Netlink;

/// <summary>
/// Follows the IPv6 neighbour entries while a device has several advertised routers
/// (<see cref="RivalRouters"/>). A host in the LAN can make the kernel report entries as fast as the host can
/// send. So they have a separate socket, where a loss only causes one more dump of the entries per second.
/// </summary>
internal sealed class NeighbourMonitor : IDisposable
{
    private const int ReadsPerWakeUp = 64;
    private const uint FamilyOffset = 16; // of ndm_family behind struct nlmsghdr

    private static readonly TimeSpan Gap = TimeSpan.FromSeconds(1);

    private readonly Loop _loop;
    private readonly KernelState _table;
    private readonly Deadline _again;
    private NetlinkSocket? _socket;
    private ulong _token;
    private uint _sequence;

    /// <param name="loop">The event loop.</param>
    /// <param name="table">Receives the entries.</param>
    public NeighbourMonitor(Loop loop, KernelState table)
    {
        _loop = loop;
        _table = table;
        _again = loop.AddTimer(Dump);
    }

    /// <summary>
    /// Opens or closes the socket, and dumps the entries of new routers. Call it after each dump of the
    /// routes.
    /// </summary>
    public void Follow()
    {
        if (!_table.Routers.Exist)
        {
            Close();
            return;
        }
        if (_table.Routers.TakeNew() || _socket is null)
        {
            Dump();
        }
    }

    private void Dump()
    {
        _again.Clear();
        if (!TryOpen() || !_socket!.Send(Request()))
        {
            _again.Set(_loop.Now + Gap);
            return;
        }
        Read(); // the kernel has already answered
    }

    private bool TryOpen()
    {
        if (_socket is not null)
        {
            return true;
        }
        try
        {
            _socket = new NetlinkSocket(NETLINK_ROUTE, checkCredentials: false, Rtnetlink.RTNLGRP_NEIGH);
        }
        catch (Win32Exception)
        {
            return false; // too many open files: meanwhile all routers count as reachable
        }
        _socket.LeaveOut(FamilyOffset, size: 1, Rtnetlink.AF_INET, Rtnetlink.AF_BRIDGE);
        _token = _loop.Add(_socket.Fd, Read);
        return true;
    }

    private byte[] Request()
    {
        NetlinkWriter writer = new(stackalloc byte[NetlinkReader.HeaderSize + 12]); // struct ndmsg
        writer.Append([Rtnetlink.AF_INET6, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0]);
        return writer.Finish(Rtnetlink.RTM_GETNEIGH, NLM_F_DUMP, ++_sequence).ToArray();
    }

    private void Read()
    {
        for (int i = 0; i < ReadsPerWakeUp && _socket is { } socket; i++)
        {
            Received received = socket.Receive(out ReadOnlySpan<byte> datagram);
            if (received == Received.Nothing)
            {
                return;
            }
            if (received == Received.Lost)
            {
                DumpSoon();
            }
            NetlinkReader reader = new(datagram);
            while (reader.TryRead(out NetlinkMessage message))
            {
                if (message.Type == NetlinkMessage.Error && message.ErrorNumber is not 0)
                {
                    DumpSoon(); // the kernel refuses: another dump is running
                }
                _table.Apply(message, isDumpRow: false);
            }
        }
    }

    /// <summary>Plans a dump, without delaying one that is already planned.</summary>
    private void DumpSoon()
    {
        if (!_again.IsSet)
        {
            _again.Set(_loop.Now + Gap);
        }
    }

    private void Close()
    {
        _again.Clear();
        if (_socket is { } socket)
        {
            _loop.Remove(socket.Fd, _token);
            socket.Dispose();
            _socket = null;
        }
    }

    /// <inheritdoc/>
    public void Dispose() => Close();
}
