using System.ComponentModel;
using ConnMgr.EventLoop;
using ConnMgr.Native;
using Tmds.Linux;
using static ConnMgr.Netlink.NetlinkHeader;

namespace ConnMgr.Netlink;

/// <summary>
/// Follows the IPv6 neighbour entries while a device has several advertised routers (<see
/// cref="RivalRouters"/>). A host in the LAN can make the kernel report entries as fast as it can send, so
/// they have a socket of their own: what is lost there costs one more dump of the entries a second, and
/// nothing else.
/// </summary>
internal sealed unsafe class NeighbourMonitor : IDisposable
{
    private const int ReadsPerWakeUp = 64;
    private const uint FamilyOffset = 16; // of ndm_family behind struct nlmsghdr

    // <linux/filter.h>
    private const ushort BPF_LD_B_ABS = 0x30;
    private const ushort BPF_JEQ_K = 0x15;
    private const ushort BPF_RET_K = 0x06;

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
    /// Opens or closes the socket, and reads the entries of new routers. Call it after each dump of the
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
        Read(); // the kernel has answered already
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
            return false; // too many open files: until there are fewer, all routers count as reachable
        }
        LeaveOutOthers(_socket.Fd);
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
                _again.Set(_loop.Now + Gap);
            }
            NetlinkReader reader = new(datagram);
            while (reader.TryRead(out NetlinkMessage message))
            {
                if (message.Type == NetlinkMessage.Error && message.ErrorNumber is not 0)
                {
                    _again.Set(_loop.Now + Gap); // another dump runs
                }
                _table.Apply(message, isDumpRow: false);
            }
        }
    }

    /// <summary>Drops the entries of IPv4 and of bridges in the kernel, without waking the daemon.</summary>
    private static void LeaveOutOthers(int fd)
    {
        LibcExtra.sock_filter* filter = stackalloc LibcExtra.sock_filter[5];
        filter[0] = new LibcExtra.sock_filter { code = BPF_LD_B_ABS, k = FamilyOffset };
        filter[1] = new LibcExtra.sock_filter { code = BPF_JEQ_K, jt = 2, k = Rtnetlink.AF_INET };
        filter[2] = new LibcExtra.sock_filter { code = BPF_JEQ_K, jt = 1, k = Rtnetlink.AF_BRIDGE };
        filter[3] = new LibcExtra.sock_filter { code = BPF_RET_K, k = uint.MaxValue };
        filter[4] = new LibcExtra.sock_filter { code = BPF_RET_K, k = 0 };
        LibcExtra.sock_fprog program = new() { len = 5, filter = filter };
        Errno.Check(LibC.setsockopt(
            fd, LibC.SOL_SOCKET, LibcExtra.SO_ATTACH_FILTER, &program, sizeof(LibcExtra.sock_fprog)));
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
