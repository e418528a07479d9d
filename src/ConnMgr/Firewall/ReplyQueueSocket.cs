using System.ComponentModel;
using ConnMgr.EventLoop;
using ConnMgr.Native;
using ConnMgr.Netlink;
using Tmds.Linux;

namespace ConnMgr.Firewall;

/// <summary>What to do with a packet in the queue.</summary>
internal enum QueueVerdict
{
    /// <summary>It passes now.</summary>
    Pass,

    /// <summary>It stays until <see cref="ReplyQueueSocket.Release"/>.</summary>
    Hold,

    /// <summary>It is discarded.</summary>
    Drop,
}

/// <summary>Judges a packet in the queue.</summary>
internal delegate QueueVerdict QueuedPacketHandler(in QueuedPacket packet);

/// <summary>
/// The NFQUEUE in which DNS replies wait for their addresses. Packets pass in the end, unchanged, or are dropped. The queue is
/// short and, when full, lets packets pass unseen (fail-open): without a verdict the kernel would hold them for ever.
/// </summary>
internal sealed class ReplyQueueSocket : IDisposable
{
    /// <summary>Packets that may wait in the kernel.</summary>
    public const int Length = 64;

    private const int NETLINK_NETFILTER = 12;
    private const int ReadsPerWakeUp = Length;
    private const int ReceiveBuffer = 1 << 20; // 64 replies of any usual size; those beyond it pass unseen
    private const uint Ahead = 1 << 16;

    private readonly Loop _loop;
    private readonly ulong _token;
    private readonly ushort _queue;
    private readonly QueuedPacketHandler _handler;
    private readonly List<uint> _unsent = []; // verdicts that the kernel had no memory for
    private readonly NetlinkSocket _socket =
        new(NETLINK_NETFILTER, bufferSize: Nfqueue.LargestCopy + Nfqueue.LargestOverhead, checkCredentials: false);

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
    /// <param name="error">Why null is returned: the kernel has no NFQUEUE, or another program listens to this one.</param>
    public static ReplyQueueSocket? Open(
        Loop loop, ushort queue, QueuedPacketHandler handler, out KernelError error)
    {
        try
        {
            error = KernelError.None;
            return new ReplyQueueSocket(loop, queue, handler);
        }
        catch (Win32Exception exception)
        {
            error = new KernelError(exception.NativeErrorCode, "nfqueue");
            return null;
        }
    }

    /// <summary>How often packets passed unseen because the socket's receive buffer was full.</summary>
    public long Overruns { get; private set; }

    /// <summary>Lets a packet pass that the handler held.</summary>
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
            // An error is about a verdict on a packet that is gone: its interface vanished, or the queue was flushed.
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
                    _ = Send(packet.Id, isAccept: false, isBatch: false); // if it fails, the kernel keeps it: 1 of 64
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
            error = Ask(Nfqueue.Bind(_queue, Length, withConntrack: true)); // the module has been loaded meanwhile
        }
        if (error == Errno.EOPNOTSUPP)
        {
            error = Ask(Nfqueue.Bind(_queue, Length, withConntrack: false)); // without NETFILTER_NETLINK_GLUE_CT
        }
        return new KernelError(error, "nfqueue");
    }

    /// <summary>Netlink works in the caller's time: the answer is there when the request has been sent.</summary>
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

    /// <summary>Lets all held packets pass: the kernel would drop them with the queue.</summary>
    public void Dispose()
    {
        SendAccept(_lastId + Ahead, isBatch: true);
        _loop.Remove(_socket.Fd, _token);
        _socket.Dispose();
    }
}
