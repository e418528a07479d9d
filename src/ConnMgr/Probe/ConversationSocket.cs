using System.Net.Sockets;
using ConnMgr.EventLoop;
using ConnMgr.Native;
using ConnMgr.Net;
using ConnMgr.Netlink;
using Tmds.Linux;

namespace ConnMgr.Probe;

/// <summary>
/// Runs one conversation with a service over one link, by TCP or UDP. Calls back once, from the loop, with
/// its verdict; never after it is disposed.
/// </summary>
internal sealed unsafe class ConversationSocket : IDisposable
{
    private const int BufferSize = 2048;
    private const int ReadsPerWakeUp = 4;
    private const int Window = 2048; // bytes
    private const int TCP_INFO = 11; // <linux/tcp.h>

    private readonly Loop _loop;
    private readonly IConversation _conversation;
    private readonly Action<ConversationSocket, Verdict> _ended;
    private readonly ulong _token;
    private readonly bool _isStream;
    private int _fd;
    private bool _isSent;
    private long _payload; // bytes sent; of datagrams, also those received

    private ConversationSocket(
        Loop loop, int fd, bool isStream, ProbeTarget target, IConversation conversation, TimeSpan now,
        Action<ConversationSocket, Verdict> ended)
    {
        _loop = loop;
        _fd = fd;
        _isStream = isStream;
        _conversation = conversation;
        _ended = ended;
        Target = target;
        StartedAt = now;
        _token = loop.Add(fd, Proceed, Loop.Writable);
    }

    /// <summary>The service and address.</summary>
    public ProbeTarget Target { get; }

    /// <summary>When it started to connect, in the loop's time.</summary>
    public TimeSpan StartedAt { get; }

    /// <summary>The addresses and ports; null before it has ended, or if the kernel does not say.</summary>
    public Flow? Flow { get; private set; }

    /// <summary>The cost in bytes of IP, both directions; known once the socket is closed.</summary>
    public long Bytes { get; private set; }

    /// <summary>True if the peer has accepted the connection.</summary>
    public bool IsConnected => _isStream && _isSent;

    /// <summary>The verdict as a phrase, or the kernel's error.</summary>
    public string Detail { get; private set; } = "";

    /// <summary>Starts to connect.</summary>
    /// <param name="loop">The event loop.</param>
    /// <param name="device">The link's interface name.</param>
    /// <param name="target">The service and address.</param>
    /// <param name="conversation">A new conversation.</param>
    /// <param name="now">The loop's time.</param>
    /// <param name="ended">Receives the verdict; <see cref="Verdict.NotYet"/> if the conversation ended
    /// without an answer.</param>
    /// <param name="error">The kernel's error, if the result is null.</param>
    public static ConversationSocket? Open(
        Loop loop, string device, ProbeTarget target, IConversation conversation, TimeSpan now,
        Action<ConversationSocket, Verdict> ended, out KernelError error)
    {
        bool isStream = target.Service.Scheme != ProbeScheme.Coap;
        int family = target.Peer.AddressFamily == AddressFamily.InterNetworkV6 ? LibC.AF_INET6 : LibC.AF_INET;
        int fd = LinkSocket.Open(family, isStream ? LibC.SOCK_STREAM : LibC.SOCK_DGRAM, 0, device, out error);
        if (fd < 0)
        {
            return null;
        }
        if (isStream)
        {
            PrepareStream(fd);
        }
        error = LinkSocket.Connect(fd, target.Peer.Address, target.Peer.Port);
        if (error.Number is not (0 or Errno.EINPROGRESS))
        {
            _ = LibC.close(fd);
            return null;
        }
        return new ConversationSocket(loop, fd, isStream, target, conversation, now, ended);
    }

    /// <summary>
    /// Judges the conversation as if no more bytes arrive, and returns the verdict; <see cref="Detail"/>
    /// describes it.
    /// </summary>
    public Verdict Conclude()
    {
        Verdict verdict = _isSent ? _conversation.Conclude(isClosed: false) : Verdict.NotYet;
        Detail = verdict == Verdict.NotYet ? "timed out" : _conversation.Detail;
        return verdict;
    }

    /// <summary>
    /// Sets SO_LINGER so that closing sends one reset, and leaves no segment of the probe to be
    /// retransmitted. Sets the size of the receive buffer, because the kernel otherwise lets the window grow,
    /// and a server could send a megabyte before its first bytes are judged.
    /// </summary>
    private static void PrepareStream(int fd)
    {
        const int WindowClamp = 10; // TCP_WINDOW_CLAMP, <linux/tcp.h>
        linger abort = new() { l_onoff = 1, l_linger = 0 };
        Errno.Check(LibC.setsockopt(fd, LibC.SOL_SOCKET, LibC.SO_LINGER, &abort, sizeof(linger)));
        int window = Window;
        int buffer = 2 * Window;
        Errno.Check(LibC.setsockopt(fd, LibC.SOL_SOCKET, LibC.SO_RCVBUF, &buffer, sizeof(int)));
        Errno.Check(LibC.setsockopt(fd, LibC.IPPROTO_TCP, WindowClamp, &window, sizeof(int)));
    }

    private void Proceed()
    {
        if (!_isSent)
        {
            Send();
        }
        else
        {
            Receive();
        }
    }

    private void Send()
    {
        int error = 0;
        socklen_t length = sizeof(int);
        Errno.Check(LibC.getsockopt(_fd, LibC.SOL_SOCKET, LibC.SO_ERROR, &error, &length));
        if (error != 0)
        {
            End(Verdict.NotYet, Errno.Text(error));
            return;
        }
        byte* buffer = stackalloc byte[IConversation.MaxRequestSize];
        int size = _conversation.WriteRequest(new Span<byte>(buffer, IConversation.MaxRequestSize));
        if (size == 0)
        {
            End(_conversation.Conclude(isClosed: false), _conversation.Detail);
            return;
        }
        // The send buffer of a new socket has room for the request.
        if ((nint)LibC.send(_fd, buffer, size, LibC.MSG_NOSIGNAL) != size)
        {
            End(Verdict.NotYet, Errno.Text(Errno.Last));
            return;
        }
        _payload += size;
        _isSent = true;
        _loop.Modify(_fd, _token, Loop.Readable);
    }

    private void Receive()
    {
        byte* buffer = stackalloc byte[BufferSize];
        for (int i = 0; i < ReadsPerWakeUp; i++)
        {
            nint count = (nint)LibC.recv(_fd, buffer, BufferSize, 0);
            if (count < 0)
            {
                if (Errno.Last is not (Errno.EAGAIN or Errno.EINTR))
                {
                    EndBy(_conversation.Conclude(isClosed: false), Errno.Text(Errno.Last));
                }
                return;
            }
            if (count == 0 && _isStream)
            {
                EndBy(_conversation.Conclude(isClosed: true), "closed without an answer");
                return;
            }
            _payload += _isStream ? 0 : count + Headers;
            Verdict verdict = _conversation.Read(new ReadOnlySpan<byte>(buffer, (int)count));
            if (verdict != Verdict.NotYet)
            {
                End(verdict, _conversation.Detail);
                return;
            }
        }
    }

    private void EndBy(Verdict verdict, string failure) =>
        End(verdict, verdict == Verdict.NotYet ? failure : _conversation.Detail);

    private void End(Verdict verdict, string detail)
    {
        Detail = detail;
        Flow = ReadFlow();
        Dispose();
        _ended(this, verdict);
    }

    private Flow? ReadFlow() =>
        LinkSocket.FlowOf(_fd, Target.Peer.Address, Target.Peer.Port, _isStream);

    /// <summary>
    /// True if this device drops the packets of a connection that the peer has not accepted yet, or drops the
    /// answers.
    /// </summary>
    /// <param name="unanswered">Judges the flow by what conntrack has seen.</param>
    public bool IsDroppedHere(Unanswered unanswered)
    {
        if (!_isStream || _isSent || ReadFlow() is not { } flow)
        {
            return false;
        }
        TcpInfo info = ReadInfo(stackalloc byte[TcpInfo.Size]);
        return info.IsConnecting && unanswered(flow, info.IsRefused);
    }

    /// <summary>Returns the kernel's information about the connection; empty if there is none.</summary>
    private TcpInfo ReadInfo(Span<byte> buffer)
    {
        fixed (byte* bytes = buffer)
        {
            socklen_t length = buffer.Length; // the kernel writes no more than this
            return LibC.getsockopt(_fd, LibC.IPPROTO_TCP, TCP_INFO, bytes, &length) == 0
                ? new(buffer[..(int)(uint)length]) : default;
        }
    }

    public void Dispose()
    {
        if (_fd >= 0)
        {
            Bytes = _payload + (_isStream ? StreamCost() : _isSent ? Headers : 0);
            _ = LibC.close(_fd);
            _loop.Forget(_token); // closing has removed it from the epoll set
            _fd = -1;
        }
    }

    /// <summary>The size of the IP and UDP headers, in bytes.</summary>
    private int Headers => IpHeader + 8;

    private int IpHeader => Target.Peer.AddressFamily == AddressFamily.InterNetworkV6 ? 40 : 20;

    /// <summary>
    /// Returns the cost of a TCP conversation in bytes of IP. Each segment has an IP header and a TCP header
    /// with time stamps; closing may send one more segment.
    /// </summary>
    private long StreamCost()
    {
        const int Header = 32;
        TcpInfo info = ReadInfo(stackalloc byte[TcpInfo.Size]);
        return info.Segments == 0 ? 0
            : ((info.Segments + 1) * (Header + IpHeader)) + info.BytesReceived;
    }
}
