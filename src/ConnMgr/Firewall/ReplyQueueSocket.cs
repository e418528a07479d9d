using System.ComponentModel;
using ConnMgr.EventLoop;
using ConnMgr.Native;
using ConnMgr.Netlink;
using Tmds.Linux;

namespace ConnMgr.Firewall;

/// <summary>What to do with a packet in the queue.</summary>
internal enum QueueVerdict
{
    /// <summary>Accept it now.</summary>
    Pass,

    /// <summary>Keep it until <see cref="ReplyQueueSocket.Release"/>.</summary>
    Hold,

    /// <summary>Drop it.</summary>
    Drop,
}

/// <summary>Judges a packet in the queue.</summary>
internal delegate QueueVerdict QueuedPacketHandler(in QueuedPacket packet);

/// <summary>
/// The NFQUEUE in which DNS replies wait for their addresses. Packets eventually pass unchanged, or are
/// dropped. The queue is short and, when full, lets packets pass unread (fail-open): without a verdict the
/// kernel would hold them indefinitely.
/// </summary>
internal sealed class ReplyQueueSocket : IDisposable
{
    /// <summary>The number of packets that may wait in the kernel.</summary>
    public const int Length = 64;

    private const int NETLINK_NETFILTER = 12;
    private const int ReadsPerWakeUp = Length;
    private const int ReceiveBuffer = 1 << 20; // bytes: 64 replies of any usual size; more pass unread
    private const uint Ahead = 1 << 16;

    private readonly Loop _loop;
    private readonly ulong _token;
    private readonly ushort _queue;
    private readonly QueuedPacketHandler _handler;
    private readonly List<uint> _unsent = []; // verdicts that the kernel had no memory for
    private readonly NetlinkSocket _socket =
        new(NETLINK_NETFILTER, bufferSize: Nfqueue.LargestCopy + Nfqueue.LargestOverhead,
            checkCredentials: false);

    private uint _lastId;

    private ReplyQueueSocket(Loop loop, ushort queue, QueuedPacketHandler handler)
    {
        _loop = loop;
        _queue = queue;
        _handler = handler;
        KernelError error = Bind();
        if (!error.IsNone)
        {
            _socket.Dispose();
            Errno.Throw(error.Number, error.Call);
        }
        _token = loop.Add(_socket.Fd, Read);
    }

    /// <summary>Binds a queue.</summary>
    /// <param name="loop">Where packets arrive.</param>
    /// <param name="queue">The queue's number.</param>
    /// <param name="handler">Judges each packet.</param>
    /// <param name="error">Why the result is null: the kernel has no NFQUEUE, or another program has bound
    /// this one.</param>
    public static ReplyQueueSocket? Open(
        Loop loop, ushort queue, QueuedPacketHandler handler, out KernelError error)
    {
        try
        {
            error = KernelError.None;
            return new ReplyQueueSocket(loop, queue, handler);
        }
        catch (Win32Exception exception) when (!Errno.IsShortage(exception.NativeErrorCode))
        {
            error = new KernelError(exception.NativeErrorCode, "nfqueue");
            return null;
        }
    }

    /// <summary>
    /// The number of times packets passed unread because the socket's receive buffer was full.
    /// </summary>
    public long Overruns { get; private set; }

    /// <summary>Accepts a packet that the handler held.</summary>
    public void Release(uint id)
    {
        RetryUnsent();
        if (!SendAccept(id, isBatch: false))
        {
            _unsent.Add(id);
        }
    }

    private bool SendAccept(uint id, bool isBatch) => Send(id, isAccept: true, isBatch);

    private bool Send(uint id, bool isAccept, bool isBatch)
    {
        Span<byte> request = stackalloc byte[32];
        return _socket.Send(request[..Nfqueue.WriteVerdict(request, _queue, id, isAccept, isBatch)]);
    }

    private void RetryUnsent()
    {
        while (_unsent.Count > 0 && SendAccept(_unsent[^1], isBatch: false))
        {
            _unsent.RemoveAt(_unsent.Count - 1);
        }
    }

    private void Read()
    {
        RetryUnsent();
        for (int i = 0; i < ReadsPerWakeUp; i++)
        {
            switch (_socket.Receive(out ReadOnlySpan<byte> datagram))
            {
                case Received.Nothing:
                    return;
                case Received.Lost:
                    Overruns++;
                    break;
                case Received.Datagram:
                    Judge(datagram);
                    break;
            }
        }
    }

    private void Judge(ReadOnlySpan<byte> datagram)
    {
        NetlinkReader messages = new(datagram);
        while (messages.TryRead(out NetlinkMessage message))
        {
            // An error is about a verdict on a packet that no longer exists: its interface vanished, or
            // the queue was flushed.
            if (!QueuedPacket.TryRead(message, out QueuedPacket packet))
            {
                continue;
            }
            _lastId = packet.Id;
            switch (_handler(packet))
            {
                case QueueVerdict.Pass:
                    Release(packet.Id);
                    break;
                case QueueVerdict.Drop:
                    RetryUnsent();
                    // If sending fails, the kernel keeps the packet, which occupies one of the 64 places.
                    _ = Send(packet.Id, isAccept: false, isBatch: false);
                    break;
            }
        }
    }

    private KernelError Bind()
    {
        GrowReceiveBuffer();
        int error = Ask(Nfqueue.Bind(_queue, Length, withConntrack: true));
        if (error == Errno.EAGAIN)
        {
            // The kernel has loaded the module meanwhile.
            error = Ask(Nfqueue.Bind(_queue, Length, withConntrack: true));
        }
        if (error == Errno.EOPNOTSUPP)
        {
            // Without NETFILTER_NETLINK_GLUE_CT.
            error = Ask(Nfqueue.Bind(_queue, Length, withConntrack: false));
        }
        return new KernelError(error, "nfqueue");
    }

    /// <summary>
    /// Sends a request. The kernel handles it at once, so the answer is there when sending returns.
    /// </summary>
    private int Ask(byte[] request)
    {
        if (!_socket.Send(request))
        {
            return Errno.Last;
        }
        while (_socket.Receive(out ReadOnlySpan<byte> datagram) != Received.Nothing)
        {
            NetlinkReader messages = new(datagram);
            while (messages.TryRead(out NetlinkMessage message))
            {
                if (message.ErrorNumber is { } error)
                {
                    return error;
                }
                if (QueuedPacket.TryRead(message, out QueuedPacket packet))
                {
                    Release(packet.Id); // arrived before the answer: it cannot be judged yet
                }
            }
        }
        return Errno.EINVAL;
    }

    private unsafe void GrowReceiveBuffer()
    {
        int size = ReceiveBuffer;
        _ = LibC.setsockopt(_socket.Fd, LibC.SOL_SOCKET, LibC.SO_RCVBUFFORCE, &size, sizeof(int));
    }

    /// <summary>Releases all held packets, because the kernel would drop them with the queue.</summary>
    public void Dispose()
    {
        SendAccept(_lastId + Ahead, isBatch: true);
        _loop.Remove(_socket.Fd, _token);
        _socket.Dispose();
    }
}
