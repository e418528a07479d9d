using ConnMgr.EventLoop;

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

    private readonly PacketSocket _socket;
    private readonly bool _isBridge;
    private readonly DnsHeard _heard;
    private readonly byte[] _packet = GC.AllocateUninitializedArray<byte>(MaxPacket);

    private DnsSocket(PacketSocket socket, bool isBridge, DnsHeard heard)
    {
        _socket = socket;
        _isBridge = isBridge;
        _heard = heard;
        _socket.Listen(() => Read(MaxReads));
    }

    /// <summary>The device is gone, and this socket hears nothing more, even if one of that name comes back.</summary>
    public bool IsGone => _socket.IsGone;

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
        PacketSocket? socket = PacketSocket.Open(
            loop, ifindex, DnsFilter.Build(isBridge, withReplies), ReceiveBuffer, out errno);
        return socket is null ? null : new DnsSocket(socket, isBridge, heard);
    }

    /// <summary>Replies, too, from now on, or no more; no question is missed meanwhile. False: the kernel refused.</summary>
    public bool TrySetReplies(bool withReplies) => _socket.TryAttach(DnsFilter.Build(_isBridge, withReplies));

    /// <summary>
    /// Reads what has come in, now: so that questions are known before a reply is judged that came in by another way.
    /// </summary>
    public void Drain() => Read(MaxDrained);

    /// <summary>How many packets the kernel had to drop since the last call, because they were not read in time.</summary>
    public int TakeDropped() => _socket.TakeDropped();

    private void Read(int most)
    {
        for (int i = 0; i < most; i++)
        {
            int length = _socket.Receive(_packet, out bool isOutgoing);
            if (length < 0)
            {
                return;
            }
            _heard(_packet.AsSpan(0, length), isOutgoing != _isBridge);
        }
    }

    public void Dispose() => _socket.Dispose();
}
