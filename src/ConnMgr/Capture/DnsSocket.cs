using System.Runtime.InteropServices;
using ConnMgr.EventLoop;
using ConnMgr.Native;
using Tmds.Linux;

namespace ConnMgr.Capture;

/// <summary>Receives a packet to or from port 53, from its network header on.</summary>
internal delegate void DnsHeard(ReadOnlySpan<byte> packet, bool isQuestion);

/// <summary>
/// Hears the DNS of one link, or of the bridge: questions, and in sniff mode replies. It decides nothing. A device that
/// goes down is heard again when it is up; one that goes away is not (<see cref="IsGone"/>).
/// </summary>
internal sealed class DnsSocket : IDisposable
{
    /// <summary>
    /// For a thousand or so small packets: what comes while the loop is busy. The kernel doubles it, and takes it from nobody
    /// until it is needed.
    /// </summary>
    private const int ReceiveBuffer = 1 << 20;

    /// <summary>Packets of one wake-up; what is left wakes the loop again.</summary>
    private const int MaxReads = 64;

    /// <summary>More than the receive buffer holds: a drain ends with a flood of questions going on.</summary>
    private const int MaxDrained = 8192;

    /// <summary>An IPv6 packet with a payload of 65,535 bytes.</summary>
    private const int MaxPacket = 65575;

    private readonly Loop _loop;
    private readonly int _fd;
    private readonly ulong _token;
    private readonly bool _isBridge;
    private readonly DnsHeard _heard;
    private readonly byte[] _packet = GC.AllocateUninitializedArray<byte>(MaxPacket);

    private DnsSocket(Loop loop, int fd, bool isBridge, DnsHeard heard)
    {
        _loop = loop;
        _fd = fd;
        _isBridge = isBridge;
        _heard = heard;
        _token = loop.Add(fd, () => Read(MaxReads));
    }

    /// <summary>The device is gone, and this socket hears nothing more, even if one of that name comes back.</summary>
    public bool IsGone { get; private set; }

    /// <summary>Opens a socket on a device.</summary>
    /// <param name="loop">Where packets are noticed.</param>
    /// <param name="ifindex">The device, by its index: it may be renamed meanwhile.</param>
    /// <param name="isBridge">Questions come in here and replies go out; on a link it is the other way about.</param>
    /// <param name="withReplies">Replies, too (sniff); otherwise questions alone (hold).</param>
    /// <param name="heard">Called for each packet, from the loop and from <see cref="Drain"/>.</param>
    /// <param name="errno">Why there is none, e.g. ENODEV (it has just vanished) or EPERM (CAP_NET_RAW is missing).</param>
    public static DnsSocket? Open(
        Loop loop, int ifindex, bool isBridge, bool withReplies, DnsHeard heard, out int errno)
    {
        // Protocol 0 hears nothing: no packet comes in before the filter and the device are set.
        int fd = LibC.socket(LibC.AF_PACKET, LibC.SOCK_DGRAM | LibC.SOCK_NONBLOCK | LibC.SOCK_CLOEXEC, 0);
        if (fd < 0)
        {
            errno = Errno.Last;
            return null;
        }
        if (!TrySetReceiveBuffer(fd) || !TryAttach(fd, DnsFilter.Build(isBridge, withReplies)) || !TryBind(fd, ifindex))
        {
            errno = Errno.Last;
            _ = LibC.close(fd);
            return null;
        }
        errno = 0;
        return new DnsSocket(loop, fd, isBridge, heard);
    }

    /// <summary>Replies, too, from now on, or no more; no question is missed meanwhile. False: the kernel refused.</summary>
    public bool TrySetReplies(bool withReplies) => TryAttach(_fd, DnsFilter.Build(_isBridge, withReplies));

    /// <summary>
    /// Reads what has come in, now: so that questions are known before a reply is judged that came in by another way.
    /// </summary>
    public void Drain() => Read(MaxDrained);

    /// <summary>How many packets the kernel had to drop since the last call, because they were not read in time.</summary>
    public unsafe int TakeDropped()
    {
        uint* stats = stackalloc uint[2]; // struct tpacket_stats: tp_packets, tp_drops
        socklen_t length = 2 * sizeof(uint);
        return LibC.getsockopt(_fd, LibC.SOL_PACKET, LibC.PACKET_STATISTICS, stats, &length) == 0 ? (int)stats[1] : 0;
    }

    private void Read(int most)
    {
        for (int i = 0; i < most; i++)
        {
            int length = Receive(out bool isOutgoing);
            if (length < 0)
            {
                return;
            }
            _heard(_packet.AsSpan(0, length), isOutgoing != _isBridge);
        }
    }

    /// <summary>The bytes of the next packet, or -1: there is none, or the device is down.</summary>
    private unsafe int Receive(out bool isOutgoing)
    {
        sockaddr_ll address = default;
        socklen_t length = (uint)sizeof(sockaddr_ll);
        int received;
        fixed (byte* bytes = _packet)
        {
            received = (int)LibC.recvfrom(_fd, bytes, _packet.Length, 0, (sockaddr*)&address, &length);
        }
        isOutgoing = address.sll_pkttype == Bpf.PACKET_OUTGOING;
        // ENETDOWN is said once when the device goes down; the socket works on when it is up again.
        if (received < 0 && Errno.Last == Errno.ENETDOWN)
        {
            IsGone = BoundDevice() < 0;
        }
        return received;
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

    /// <summary>Beyond the system's limit where that is permitted, else up to it.</summary>
    private static unsafe bool TrySetReceiveBuffer(int fd)
    {
        int bytes = ReceiveBuffer;
        return LibC.setsockopt(fd, LibC.SOL_SOCKET, LibC.SO_RCVBUFFORCE, &bytes, sizeof(int)) == 0
            || LibC.setsockopt(fd, LibC.SOL_SOCKET, LibC.SO_RCVBUF, &bytes, sizeof(int)) == 0;
    }

    private static unsafe bool TryAttach(int fd, BpfInstruction[] program)
    {
        fixed (Libc.sock_filter* filter = MemoryMarshal.Cast<BpfInstruction, Libc.sock_filter>(program))
        {
            Libc.sock_fprog fprog = new() { len = (ushort)program.Length, filter = filter };
            int size = sizeof(Libc.sock_fprog);
            return LibC.setsockopt(fd, LibC.SOL_SOCKET, Libc.SO_ATTACH_FILTER, &fprog, size) == 0;
        }
    }

    public void Dispose()
    {
        _loop.Remove(_fd, _token);
        _ = LibC.close(_fd);
    }
}
