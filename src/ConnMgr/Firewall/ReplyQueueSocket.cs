using System.ComponentModel;
using ConnMgr.EventLoop;
using ConnMgr.Native;
using ConnMgr.Netlink;
using Tmds.Linux;

namespace ConnMgr.Firewall;

/// <summary>Judges a packet that waits. True: it may pass at once; false: <see cref="ReplyQueueSocket.Release"/> comes later.</summary>
internal delegate bool QueuedPacketHandler(in QueuedPacket packet);

/// <summary>
/// The NFQUEUE in which DNS replies wait for their holes. Only ever lets packets pass, as they are. The queue is short, and
/// full it lets packets pass unseen (fail-open): without an answer of ours the kernel would hold them for ever.
/// </summary>
internal sealed class ReplyQueueSocket : IDisposable
{
    /// <summary>Packets that may wait in the kernel.</summary>
    public const int Length = 64;

    private const int NETLINK_NETFILTER = 12;
    private const int ReadsPerWakeUp = Length;
    private const int ReceiveBuffer = 1 << 20; // 64 replies of any usual size; what finds no room passes unseen
    private const uint Ahead = 1 << 16;

    private readonly Loop _loop;
    private readonly ulong _token;
    private readonly ushort _queue;
    private readonly QueuedPacketHandler _handler;
    private readonly List<uint> _unsent = []; // verdicts that the kernel had no memory for
    private readonly NetlinkSocket _socket =
        new(NETLINK_NETFILTER, bufferSize: Nfqueue.LargestCopy + Nfqueue.LargestOverhead, checkCredentials: false);

    private uint _lastId;

    /// <summary>Throws a Win32Exception with the reason if the kernel has no such queue, or somebody else listens to it.</summary>
    /// <param name="loop">Where packets arrive.</param>
    /// <param name="queue">The queue's number.</param>
    /// <param name="handler">Judges each.</param>
    public ReplyQueueSocket(Loop loop, ushort queue, QueuedPacketHandler handler)
    {
        _loop = loop;
        _queue = queue;
        _handler = handler;
        try
        {
            GrowReceiveBuffer();
            Bind();
        }
        catch (Win32Exception)
        {
            _socket.Dispose();
            throw;
        }
        _token = loop.Add(_socket.Fd, Read);
    }

    /// <summary>False if the kernel does not tell conntrack's tuples: <see cref="QueuedPacket.Original"/> is default.</summary>
    public bool HasConntrack { get; private set; } = true;

    /// <summary>How often packets passed unseen because the socket's buffer was full.</summary>
    public long Overruns { get; private set; }

    /// <summary>Lets a packet pass that the handler kept.</summary>
    public void Release(uint id)
    {
        RetryUnsent();
        if (!SendAccept(id, isBatch: false))
        {
            _unsent.Add(id);
        }
    }

    private bool SendAccept(uint id, bool isBatch)
    {
        Span<byte> request = stackalloc byte[32];
        return _socket.Send(request[..Nfqueue.WriteAccept(request, _queue, id, isBatch)]);
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
            if (_handler(packet))
            {
                Release(packet.Id);
            }
        }
    }

    private void Bind()
    {
        int error = Ask(Nfqueue.Bind(_queue, Length, HasConntrack));
        if (error == Errno.EAGAIN)
        {
            error = Ask(Nfqueue.Bind(_queue, Length, HasConntrack));
        }
        if (error == Errno.EOPNOTSUPP)
        {
            HasConntrack = false;
            error = Ask(Nfqueue.Bind(_queue, Length, HasConntrack));
        }
        if (error != 0)
        {
            Errno.Throw(error, "nfqueue");
        }
    }

    /// <summary>The answer is there when the request has been sent: netlink works in the caller's time.</summary>
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
                    Release(packet.Id); // came before the answer: nobody is ready to judge it
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

    /// <summary>What waits may pass: the kernel would drop it with the queue.</summary>
    public void Dispose()
    {
        SendAccept(_lastId + Ahead, isBatch: true);
        _loop.Remove(_socket.Fd, _token);
        _socket.Dispose();
    }
}
