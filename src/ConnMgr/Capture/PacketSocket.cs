using System.Runtime.InteropServices;
using ConnMgr.EventLoop;
using ConnMgr.Native;
using Tmds.Linux;

namespace ConnMgr.Capture;

/// <summary>
/// A packet socket (packet(7)) on one device, cooked: packets begin with their network header. It works on after the device went down and
/// came up again, but not when it went away (<see cref="IsGone"/>).
/// </summary>
internal sealed class PacketSocket : IDisposable
{
    private readonly Loop _loop;
    private readonly int _fd;
    private ulong _token;

    private PacketSocket(Loop loop, int fd)
    {
        _loop = loop;
        _fd = fd;
    }

    /// <summary>The device is gone, and this socket hears nothing more, even if one of that name comes back.</summary>
    public bool IsGone { get; private set; }

    /// <summary>Opens a socket that hears of no packet that came in before its filter was there.</summary>
    /// <param name="loop">Where packets are noticed.</param>
    /// <param name="ifindex">The device, by its index: it may be renamed meanwhile.</param>
    /// <param name="filter">The first one.</param>
    /// <param name="receiveBuffer">
    /// In bytes; the kernel doubles it, raises it to its minimum (some 2 KiB, a first packet always fits) and takes the memory from
    /// nobody until it is needed. Beyond the system's limit where that is permitted, else up to it.
    /// </param>
    /// <param name="errno">Why there is none, e.g. ENODEV (it has just vanished) or EPERM (CAP_NET_RAW is missing).</param>
    public static PacketSocket? Open(
        Loop loop, int ifindex, BpfInstruction[] filter, int receiveBuffer, out int errno)
    {
        // Protocol 0 hears nothing: no packet comes in before the filter and the device are set.
        int fd = LibC.socket(LibC.AF_PACKET, LibC.SOCK_DGRAM | LibC.SOCK_NONBLOCK | LibC.SOCK_CLOEXEC, 0);
        if (fd < 0)
        {
            errno = Errno.Last;
            return null;
        }
        if (!TrySetReceiveBuffer(fd, receiveBuffer) || !TryAttach(fd, filter) || !TryBind(fd, ifindex))
        {
            errno = Errno.Last;
            _ = LibC.close(fd);
            return null;
        }
        errno = 0;
        return new PacketSocket(loop, fd);
    }

    /// <summary>From now on this is called from the loop while there is something to <see cref="Receive"/>.</summary>
    public void Listen(Action readable) => _token = _loop.Add(_fd, readable);

    /// <summary>Another filter, from the next packet on. False: the kernel refused, and has the old one still.</summary>
    public bool TryAttach(BpfInstruction[] filter) => TryAttach(_fd, filter);

    /// <summary>Takes a packet off the queue: as much as fits, the rest of it is lost.</summary>
    /// <returns>Its bytes in the buffer, or -1: there is none, or the device is down.</returns>
    public unsafe int Receive(Span<byte> buffer, out bool isOutgoing)
    {
        int received;
        sockaddr_ll address = default;
        socklen_t length = (uint)sizeof(sockaddr_ll);
        fixed (byte* bytes = buffer)
        {
            received = (int)LibC.recvfrom(_fd, bytes, buffer.Length, 0, (sockaddr*)&address, &length);
        }
        isOutgoing = address.sll_pkttype == Bpf.PACKET_OUTGOING;
        // ENETDOWN is said once when the device goes down; the socket works on when it is up again.
        if (received < 0 && Errno.Last == Errno.ENETDOWN)
        {
            IsGone = BoundDevice() < 0;
        }
        return received;
    }

    /// <summary>How many packets the kernel had to drop since the last call, because they were not read in time.</summary>
    public unsafe int TakeDropped()
    {
        uint* stats = stackalloc uint[2]; // struct tpacket_stats: tp_packets, tp_drops
        socklen_t length = 2 * sizeof(uint);
        return LibC.getsockopt(_fd, LibC.SOL_PACKET, LibC.PACKET_STATISTICS, stats, &length) == 0 ? (int)stats[1] : 0;
    }

    /// <summary>The kernel sets it to -1 when the device is unregistered (net/packet/af_packet.c).</summary>
    private unsafe int BoundDevice()
    {
        sockaddr_ll address;
        socklen_t length = (uint)sizeof(sockaddr_ll);
        return LibC.getsockname(_fd, (sockaddr*)&address, &length) < 0 ? -1 : address.sll_ifindex;
    }

    private static unsafe bool TryBind(int fd, int ifindex)
    {
        sockaddr_ll address = new()
        {
            sll_family = (ushort)LibC.AF_PACKET,
            sll_protocol = LibC.htons(Bpf.ETH_P_ALL),
            sll_ifindex = ifindex,
        };
        return LibC.bind(fd, (sockaddr*)&address, sizeof(sockaddr_ll)) == 0;
    }

    private static unsafe bool TrySetReceiveBuffer(int fd, int bytes) =>
        LibC.setsockopt(fd, LibC.SOL_SOCKET, LibC.SO_RCVBUFFORCE, &bytes, sizeof(int)) == 0
        || LibC.setsockopt(fd, LibC.SOL_SOCKET, LibC.SO_RCVBUF, &bytes, sizeof(int)) == 0;

    private static unsafe bool TryAttach(int fd, BpfInstruction[] program)
    {
        fixed (LibcExtra.sock_filter* filter = MemoryMarshal.Cast<BpfInstruction, LibcExtra.sock_filter>(program))
        {
            LibcExtra.sock_fprog fprog = new() { len = (ushort)program.Length, filter = filter };
            int size = sizeof(LibcExtra.sock_fprog);
            return LibC.setsockopt(fd, LibC.SOL_SOCKET, LibcExtra.SO_ATTACH_FILTER, &fprog, size) == 0;
        }
    }

    public void Dispose()
    {
        _loop.Remove(_fd, _token);
        _ = LibC.close(_fd);
    }
}
