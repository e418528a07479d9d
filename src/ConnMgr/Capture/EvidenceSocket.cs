using System.Runtime.InteropServices;
using ConnMgr.EventLoop;
using ConnMgr.Native;
using Tmds.Linux;

namespace ConnMgr.Capture;

/// <summary>
/// Hears of evidence on one link, once a tick: the first packet that the filter passes is kept, and from then
/// on the kernel drops everything until <see cref="Rearm"/>. If wanted, it also hears once a tick, and before the evidence, of
/// something that leaves and waits for an answer. It decides nothing. Starts mute.
/// </summary>
internal sealed class EvidenceSocket : IDisposable
{
    /// <summary>
    /// The kernel raises it to its minimum (some 2 KiB, a few packets). A first packet always fits, whatever
    /// its size.
    /// </summary>
    private const int ReceiveBuffer = 1;

    /// <summary>More than the receive buffer ever holds; what is left wakes the loop again.</summary>
    private const int MaxReads = 64;

    private readonly Loop _loop;
    private readonly int _fd;
    private readonly ulong _token;
    private readonly Action _received;
    private readonly Action _left;
    private readonly uint _ownMark;
    private readonly byte[] _last = new byte[EvidenceFilter.SnapLength];
    private BpfInstruction[] _filter = EvidenceFilter.RejectAll;
    private BpfInstruction[] _filterWithOutgoing = EvidenceFilter.RejectAll;
    private bool _hearsOutgoing;
    private int _lastLength;

    private EvidenceSocket(Loop loop, int fd, uint ownMark, Action received, Action left)
    {
        _loop = loop;
        _fd = fd;
        _ownMark = ownMark;
        _received = received;
        _left = left;
        _token = loop.Add(fd, Receive);
    }

    /// <summary>
    /// Whether the filter of evidence is attached: neither mute nor satisfied for this tick.
    /// </summary>
    public bool IsArmed { get; private set; }

    /// <summary>
    /// The device is gone, and this socket hears nothing more, even if one of that name comes back.
    /// </summary>
    public bool IsGone { get; private set; }

    /// <summary>
    /// The last evidence from its network header on, at most 128 bytes; empty if there was none yet.
    /// </summary>
    public ReadOnlySpan<byte> LastEvidence => _last.AsSpan(0, _lastLength);

    /// <summary>Opens a socket on a device.</summary>
    /// <param name="loop">Where evidence is noticed.</param>
    /// <param name="ifindex">The device, by its index: it may be renamed meanwhile.</param>
    /// <param name="own">As <see cref="SetSubnets"/>.</param>
    /// <param name="ownMark">The firewall mark of the daemon's own packets: they wait for nothing.</param>
    /// <param name="received">Called on evidence, at most once between two calls of <see cref="Rearm"/>.</param>
    /// <param name="left">Called when something has left that waits for an answer: as often, and before any evidence.</param>
    /// <param name="errno">Why there is none, e.g. ENODEV (it has just vanished) or EPERM (CAP_NET_RAW is
    /// missing).</param>
    public static EvidenceSocket? Open(
        Loop loop, int ifindex, ReadOnlySpan<Subnet> own, uint ownMark, Action received, Action left, out int errno)
    {
        // Protocol 0 hears nothing: no packet comes in before the filter and the device are set.
        int fd = LibC.socket(LibC.AF_PACKET, LibC.SOCK_DGRAM | LibC.SOCK_NONBLOCK | LibC.SOCK_CLOEXEC, 0);
        if (fd < 0)
        {
            errno = Errno.Last;
            return null;
        }
        if (!TrySetReceiveBuffer(fd) || !TryAttach(fd, EvidenceFilter.RejectAll) || !TryBind(fd, ifindex))
        {
            errno = Errno.Last;
            _ = LibC.close(fd);
            return null;
        }
        errno = 0;
        EvidenceSocket socket = new(loop, fd, ownMark, received, left);
        socket.SetSubnets(own);
        return socket;
    }

    /// <summary>
    /// A new tick: the next evidence counts. No system call if nothing has come since the last one.
    /// </summary>
    /// <param name="outgoing">Whether what leaves would be news.</param>
    public void Rearm(bool outgoing = false)
    {
        if (!IsGone && (!IsArmed || _hearsOutgoing != outgoing))
        {
            IsArmed = TryAttach(_fd, outgoing ? _filterWithOutgoing : _filter);
            _hearsOutgoing = IsArmed && outgoing;
        }
    }

    /// <summary>Nothing counts until <see cref="Rearm"/>, nor does what has already been queued.</summary>
    public void Mute()
    {
        if (IsArmed)
        {
            Disarm();
            Drain();
        }
    }

    /// <summary>The link's addresses have changed. What came before that no longer counts.</summary>
    /// <param name="own">As <see cref="EvidenceFilter.Build"/>.</param>
    public void SetSubnets(ReadOnlySpan<Subnet> own)
    {
        BpfInstruction[] filter = EvidenceFilter.Build(own);
        if (filter.AsSpan().SequenceEqual(_filter))
        {
            return; // an address was merely renewed
        }

        bool wasArmed = IsArmed;
        bool heardOutgoing = _hearsOutgoing;
        Mute();
        _filter = filter;
        _filterWithOutgoing = EvidenceFilter.Build(own, outgoingUnless: _ownMark);
        if (wasArmed)
        {
            Rearm(heardOutgoing);
        }
    }

    private void Receive()
    {
        Span<byte> packet = stackalloc byte[EvidenceFilter.SnapLength];
        bool hasLeft = false;
        for (int i = 0; IsArmed && i < MaxReads; i++)
        {
            int length = Receive(packet, out bool isOutgoing);
            if (length < 0)
            {
                break;
            }
            if (isOutgoing)
            {
                hasLeft = true;
                continue;
            }
            packet[..length].CopyTo(_last);
            _lastLength = length;
            Disarm();
            Drain();
            _received();
            return;
        }
        if (!IsArmed)
        {
            Disarm();
            Drain();
        }
        else if (hasLeft)
        {
            Rearm(outgoing: false); // the rest of this tick's is no news
            _left();
        }
    }

    // Should the kernel lack the memory, packets are merely read and dropped, and the next one tries again. A
    // processor that has begun to filter a packet may queue it after this: Receive then finds the socket
    // disarmed, and drops it.
    private void Disarm()
    {
        IsArmed = false;
        _hearsOutgoing = false;
        _ = TryAttach(_fd, EvidenceFilter.RejectAll);
    }

    private void Drain()
    {
        for (int i = 0; i < MaxReads && Receive([], out _) >= 0; i++)
        {
        }
    }

    /// <summary>Takes a packet off the queue: as much as fits, the rest of it is lost.</summary>
    /// <returns>Its bytes in the buffer, or -1: there is none, or the device is down.</returns>
    private unsafe int Receive(Span<byte> buffer, out bool isOutgoing)
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

    private static unsafe bool TrySetReceiveBuffer(int fd)
    {
        int bytes = ReceiveBuffer;
        return LibC.setsockopt(fd, LibC.SOL_SOCKET, LibC.SO_RCVBUF, &bytes, sizeof(int)) == 0;
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
