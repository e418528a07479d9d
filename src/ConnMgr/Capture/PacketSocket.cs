using System.Runtime.InteropServices;
using ConnMgr.EventLoop;
using ConnMgr.Native;
using Tmds.Linux;

namespace ConnMgr.Capture;

/// <summary>
/// A cooked packet socket (packet(7)) on one device: packets start with their network header. It resumes when
/// the device goes down and comes up again, but not when the device is removed (<see cref="IsGone"/>).
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

    /// <summary>
    /// True once the device is removed. The socket stays silent even if the name comes back.
    /// </summary>
    public bool IsGone { get; private set; }

    /// <summary>Opens a socket that receives no packet before its filter is attached.</summary>
    /// <param name="loop">Watches the socket.</param>
    /// <param name="ifindex">The index of the device, which may be renamed at any time.</param>
    /// <param name="filter">The first filter.</param>
    /// <param name="receiveBuffer">
    /// In bytes. The kernel doubles it, raises it to its minimum (about 2 KiB; a first packet always fits)
    /// and allocates memory only as needed. It may exceed the system's limit if CAP_NET_ADMIN permits that.
    /// </param>
    /// <param name="error">
    /// The error if the result is null, e.g. ENODEV (the device is gone) or EPERM (CAP_NET_RAW is missing).
    /// </param>
    public static PacketSocket? Open(
        Loop loop, int ifindex, BpfInstruction[] filter, int receiveBuffer, out KernelError error)
    {
        // With protocol 0 the socket receives nothing until it has its filter and its device.
        int fd = LibC.socket(LibC.AF_PACKET, LibC.SOCK_DGRAM | LibC.SOCK_NONBLOCK | LibC.SOCK_CLOEXEC, 0);
        if (fd < 0)
        {
            error = new KernelError(Errno.Last);
            return null;
        }
        if (!TrySetReceiveBuffer(fd, receiveBuffer) || !TryAttach(fd, filter) || !TryBind(fd, ifindex))
        {
            error = new KernelError(Errno.Last);
            _ = LibC.close(fd);
            return null;
        }
        error = KernelError.None;
        return new PacketSocket(loop, fd);
    }

    /// <summary>Calls <paramref name="readable"/> from the loop whenever a packet can be received.</summary>
    public void Listen(Action readable) => _token = _loop.Add(_fd, readable);

    /// <summary>
    /// Replaces the filter, from the next packet on. Returns false if the kernel keeps the old one.
    /// </summary>
    public bool TryAttach(BpfInstruction[] filter) => TryAttach(_fd, filter);

    /// <summary>Takes one packet from the queue. Bytes that do not fit the buffer are lost.</summary>
    /// <returns>The number of bytes, or -1 if the queue is empty or the device is down.</returns>
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
        // The kernel reports ENETDOWN once when the device goes down. The socket resumes when the device
        // comes up again.
        if (received < 0 && Errno.Last == Errno.ENETDOWN)
        {
            IsGone = BoundDevice() < 0;
        }
        return received;
    }

    /// <summary>
    /// The number of packets that the kernel dropped since the last call because the buffer was full.
    /// </summary>
    public unsafe int TakeDropped()
    {
        uint* stats = stackalloc uint[2]; // struct tpacket_stats: tp_packets, tp_drops
        socklen_t length = 2 * sizeof(uint);
        int result = LibC.getsockopt(_fd, LibC.SOL_PACKET, LibC.PACKET_STATISTICS, stats, &length);
        return result == 0 ? (int)stats[1] : 0;
    }

    /// <summary>The index of the bound device; -1 once it is unregistered (net/packet/af_packet.c).</summary>
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
        ReadOnlySpan<LibcExtra.sock_filter> code =
            MemoryMarshal.Cast<BpfInstruction, LibcExtra.sock_filter>(program);
        fixed (LibcExtra.sock_filter* filter = code)
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
