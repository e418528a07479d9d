using ConnMgr.EventLoop;
using ConnMgr.Native;
using ConnMgr.Net;

namespace ConnMgr.Capture;

/// <summary>
/// Captures evidence on one link: keeps the first packet that the filter passes, and drops all further
/// packets until <see cref="Rearm"/>. On request it also reports an outgoing packet that expects an answer:
/// at most once between two calls of Rearm, and before the evidence. The socket starts mute.
/// </summary>
/// <remarks>
/// Replacing the filter takes the kernel about 0.1 ms, because it compiles the program. A socket that was
/// muted without evidence, as for each probe of an idle link, therefore reads and drops the first few packets
/// itself. It attaches a filter that rejects everything only if more packets arrive.
/// </remarks>
internal sealed class EvidenceSocket : IDisposable
{
    /// <summary>
    /// In bytes. The kernel raises it to its minimum (about 2 KiB, a few packets). A first packet of any size
    /// fits.
    /// </summary>
    private const int ReceiveBuffer = 1;

    /// <summary>
    /// The largest number of packets read per wake-up, more than the receive buffer holds; the rest wakes the
    /// loop again.
    /// </summary>
    private const int MaxReads = 64;

    /// <summary>
    /// The number of packets that a mute socket reads and drops before it attaches a filter that rejects
    /// everything.
    /// </summary>
    private const int MaxUnwanted = 4;

    private readonly PacketSocket _socket;
    private readonly Action _received;
    private readonly Action _sent;
    private readonly uint _ownMark;
    private readonly byte[] _last = new byte[EvidenceFilter.SnapLength];
    private BpfInstruction[] _filter = EvidenceFilter.RejectAll;
    private BpfInstruction[] _filterWithOutgoing = EvidenceFilter.RejectAll;
    private BpfInstruction[] _attached = EvidenceFilter.RejectAll;
    private bool _hearsOutgoing;
    private int _unwanted; // the packets that have arrived since the socket became mute
    private int _lastLength;

    private EvidenceSocket(PacketSocket socket, uint ownMark, Action received, Action sent)
    {
        _socket = socket;
        _ownMark = ownMark;
        _received = received;
        _sent = sent;
        _socket.Listen(Receive);
    }

    /// <summary>
    /// True while the next evidence counts: the socket is not mute, and no evidence has arrived since
    /// <see cref="Rearm"/>.
    /// </summary>
    public bool IsArmed { get; private set; }

    /// <summary>
    /// True once the device is removed. The socket stays silent even if the name comes back.
    /// </summary>
    public bool IsGone => _socket.IsGone;

    /// <summary>
    /// The last evidence from its network header, at most 128 bytes; empty if there was none yet.
    /// </summary>
    public ReadOnlySpan<byte> LastEvidence => _last.AsSpan(0, _lastLength);

    /// <summary>Opens a socket on a device.</summary>
    /// <param name="loop">Watches the socket.</param>
    /// <param name="ifindex">The index of the device, which may be renamed at any time.</param>
    /// <param name="own">As for <see cref="SetSubnets"/>.</param>
    /// <param name="ownMark">The bit of the firewall mark that the daemon's own packets have: they do
    /// not count.</param>
    /// <param name="received">
    /// Called on evidence, at most once between two calls of <see cref="Rearm"/>.
    /// </param>
    /// <param name="sent">Called on an outgoing packet that expects an answer: at most once between two
    /// calls of Rearm, and before `received`.</param>
    /// <param name="error">
    /// The error if the result is null, e.g. ENODEV (the device is gone) or EPERM (CAP_NET_RAW is missing).
    /// </param>
    public static EvidenceSocket? Open(
        Loop loop, int ifindex, ReadOnlySpan<Subnet> own, uint ownMark, Action received, Action sent,
        out KernelError error)
    {
        PacketSocket? opened =
            PacketSocket.Open(loop, ifindex, EvidenceFilter.RejectAll, ReceiveBuffer, out error);
        if (opened is null)
        {
            return null;
        }
        EvidenceSocket socket = new(opened, ownMark, received, sent);
        socket.SetSubnets(own);
        return socket;
    }

    /// <summary>
    /// Starts a new tick, in which the next evidence counts. Makes no system call if nothing has arrived
    /// since the last tick began.
    /// </summary>
    /// <param name="outgoing">True to report outgoing packets too.</param>
    public void Rearm(bool outgoing = false)
    {
        if (IsGone || (IsArmed && _hearsOutgoing == outgoing))
        {
            return;
        }
        bool wasArmed = IsArmed;
        bool isAttached = TryAttach(outgoing ? _filterWithOutgoing : _filter);
        // An armed socket stays armed: what is attached passes evidence with and without outgoing packets.
        IsArmed = isAttached || wasArmed;
        _hearsOutgoing = isAttached && outgoing;
        if (!wasArmed)
        {
            Drain(); // drop what arrived while the socket was mute
        }
    }

    /// <summary>Ignores all packets until <see cref="Rearm"/>, including those already queued.</summary>
    public void Mute()
    {
        IsArmed = false;
        _hearsOutgoing = false;
        _unwanted = 0;
    }

    /// <summary>Applies the changed addresses of the link. Ignores packets that are already queued.</summary>
    /// <param name="own">As for <see cref="EvidenceFilter.Build"/>.</param>
    public void SetSubnets(ReadOnlySpan<Subnet> own)
    {
        BpfInstruction[] filter = EvidenceFilter.Build(own);
        if (filter.AsSpan().SequenceEqual(_filter))
        {
            return; // the filter is the same, e.g. only a lifetime has changed
        }

        bool wasArmed = IsArmed;
        bool heardOutgoing = _hearsOutgoing;
        Mute();
        _filter = filter;
        _filterWithOutgoing = EvidenceFilter.Build(own, outgoingExceptMark: _ownMark);
        if (wasArmed)
        {
            Rearm(heardOutgoing);
        }
    }

    private void Receive()
    {
        if (!IsArmed)
        {
            _unwanted += Drain();
            if (_unwanted > MaxUnwanted && TryAttach(EvidenceFilter.RejectAll))
            {
                Drain(); // drop what arrived before the filter was attached
            }
            return;
        }
        Span<byte> packet = stackalloc byte[EvidenceFilter.SnapLength];
        bool hasSent = false;
        for (int i = 0; i < MaxReads; i++)
        {
            int length = _socket.Receive(packet, out bool isOutgoing);
            if (length < 0)
            {
                break;
            }
            if (isOutgoing)
            {
                hasSent |= _hearsOutgoing;
                continue;
            }
            packet[..length].CopyTo(_last);
            _lastLength = length;
            Mute();
            _ = TryAttach(EvidenceFilter.RejectAll);
            Drain();
            if (hasSent)
            {
                _sent(); // before the answer, so that the round trip is measured even within one wake-up
            }
            _received();
            return;
        }
        if (hasSent)
        {
            Rearm(outgoing: false); // ignore further outgoing packets in this tick
            _sent();
        }
    }

    // If the kernel lacks memory for a filter, it keeps the old one.
    private bool TryAttach(BpfInstruction[] filter)
    {
        if (filter != _attached && _socket.TryAttach(filter))
        {
            _attached = filter;
        }
        return filter == _attached;
    }

    /// <summary>Drops the queued packets. Returns their number.</summary>
    private int Drain()
    {
        int count = 0;
        while (count < MaxReads && _socket.Receive([], out _) >= 0)
        {
            count++;
        }
        return count;
    }

    public void Dispose() => _socket.Dispose();
}
