using ConnMgr.EventLoop;
using ConnMgr.Native;

namespace ConnMgr.Capture;

/// <summary>Receives a packet to or from port 53, starting at its network header.</summary>
internal delegate void DnsHeard(ReadOnlySpan<byte> packet, bool isQuestion);

/// <summary>
/// Captures the DNS of one link or of the bridge: questions, and in sniff mode replies. It resumes when the
/// device goes down and comes up again, but not when the device is removed (<see cref="IsGone"/>).
/// </summary>
internal sealed class DnsSocket : IDisposable
{
    /// <summary>
    /// In bytes: room for about 1,000 small packets that arrive while the loop is busy. The kernel doubles it
    /// and allocates memory only as needed.
    /// </summary>
    private const int ReceiveBuffer = 1 << 20;

    /// <summary>The largest number of packets read per wake-up; the rest wakes the loop again.</summary>
    private const int MaxReads = 64;

    /// <summary>
    /// The largest number of packets read per drain, more than the receive buffer holds, so that a drain ends
    /// even during a flood.
    /// </summary>
    private const int MaxDrained = 8192;

    /// <summary>In bytes: an IPv6 packet with a payload of 65,535 bytes.</summary>
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

    /// <summary>
    /// True once the device is removed. The socket stays silent even if the name comes back.
    /// </summary>
    public bool IsGone => _socket.IsGone;

    /// <summary>Opens a socket on a device.</summary>
    /// <param name="loop">Watches the socket.</param>
    /// <param name="ifindex">The index of the device, which may be renamed at any time.</param>
    /// <param name="isBridge">
    /// True if questions arrive and replies leave (bridge), false for the reverse (link).
    /// </param>
    /// <param name="withReplies">True to capture replies too (sniff), false for questions only
    /// (hold).</param>
    /// <param name="heard">Called for each packet, from the loop and from <see cref="Drain"/>.</param>
    /// <param name="error">
    /// The error if the result is null, e.g. ENODEV (the device is gone) or EPERM (CAP_NET_RAW is missing).
    /// </param>
    public static DnsSocket? Open(
        Loop loop, int ifindex, bool isBridge, bool withReplies, DnsHeard heard, out KernelError error)
    {
        PacketSocket? socket = PacketSocket.Open(
            loop, ifindex, DnsFilter.Build(isBridge, withReplies), ReceiveBuffer, out error);
        return socket is null ? null : new DnsSocket(socket, isBridge, heard);
    }

    /// <summary>
    /// Starts or stops capturing replies without missing a question. Returns false if the kernel refuses.
    /// </summary>
    public bool TrySetReplies(bool withReplies) => _socket.TryAttach(DnsFilter.Build(_isBridge, withReplies));

    /// <summary>
    /// Reads all queued packets now, so that questions are known before a reply from another socket is
    /// judged.
    /// </summary>
    public void Drain() => Read(MaxDrained);

    /// <summary>
    /// The number of packets that the kernel dropped since the last call because the buffer was full.
    /// </summary>
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
