using ConnMgr.EventLoop;
using ConnMgr.Net;

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

    private readonly PacketSocket _socket;
    private readonly Action _received;
    private readonly Action _left;
    private readonly uint _ownMark;
    private readonly byte[] _last = new byte[EvidenceFilter.SnapLength];
    private BpfInstruction[] _filter = EvidenceFilter.RejectAll;
    private BpfInstruction[] _filterWithOutgoing = EvidenceFilter.RejectAll;
    private bool _hearsOutgoing;
    private int _lastLength;

    private EvidenceSocket(PacketSocket socket, uint ownMark, Action received, Action left)
    {
        _socket = socket;
        _ownMark = ownMark;
        _received = received;
        _left = left;
        _socket.Listen(Receive);
    }

    /// <summary>
    /// Whether the filter of evidence is attached: neither mute nor satisfied for this tick.
    /// </summary>
    public bool IsArmed { get; private set; }

    /// <summary>
    /// The device is gone, and this socket hears nothing more, even if one of that name comes back.
    /// </summary>
    public bool IsGone => _socket.IsGone;

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
        if (PacketSocket.Open(loop, ifindex, EvidenceFilter.RejectAll, ReceiveBuffer, out errno) is not { } opened)
        {
            return null;
        }
        EvidenceSocket socket = new(opened, ownMark, received, left);
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
            IsArmed = _socket.TryAttach(outgoing ? _filterWithOutgoing : _filter);
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
            int length = _socket.Receive(packet, out bool isOutgoing);
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
        _ = _socket.TryAttach(EvidenceFilter.RejectAll);
    }

    private void Drain()
    {
        for (int i = 0; i < MaxReads && _socket.Receive([], out _) >= 0; i++)
        {
        }
    }

    public void Dispose() => _socket.Dispose();
}
