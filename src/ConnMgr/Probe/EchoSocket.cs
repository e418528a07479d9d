using System.Net;
using System.Net.Sockets;
using ConnMgr.EventLoop;
using ConnMgr.Native;
using Tmds.Linux;

namespace ConnMgr.Probe;

/// <summary>How one connection to the echo service ended.</summary>
internal enum EchoEnd
{
    /// <summary>Exactly the byte that was sent came back.</summary>
    Answered,

    /// <summary>Something else came.</summary>
    WrongContent,

    /// <summary>Refused, reset, closed, unreachable.</summary>
    Failed,
}

/// <summary>
/// One connection to the echo service (RFC 862) over one link: sends a byte, and looks at what comes. Calls back
/// once, from the loop.
/// </summary>
internal sealed unsafe class EchoSocket : IDisposable
{
    private readonly Loop _loop;
    private readonly byte _byte;
    private readonly Action<EchoSocket, EchoEnd> _ended;
    private readonly TimeSpan _startedAt;
    private int _fd;
    private ulong _token;
    private bool _isSent;

    private EchoSocket(Loop loop, int fd, IPEndPoint peer, byte probeByte, TimeSpan now, Action<EchoSocket, EchoEnd> ended)
    {
        _loop = loop;
        _fd = fd;
        _byte = probeByte;
        _ended = ended;
        _startedAt = now;
        Peer = peer;
        _token = loop.Add(fd, Proceed, Loop.Writable);
    }

    public IPEndPoint Peer { get; }

    /// <summary>What it cost, in bytes of IP, both ways; known once it is closed.</summary>
    public long Bytes { get; private set; }

    /// <summary>What the kernel said of a failure, in words.</summary>
    public string Failure { get; private set; } = "";

    /// <summary>Starts to connect. Null if that is refused at once; <paramref name="failure"/> says why.</summary>
    public static EchoSocket? Connect(
        Loop loop, string device, IPEndPoint peer, byte probeByte, TimeSpan now, Action<EchoSocket, EchoEnd> ended,
        out string failure)
    {
        failure = "";
        int family = peer.AddressFamily == AddressFamily.InterNetworkV6 ? LibC.AF_INET6 : LibC.AF_INET;
        int fd = LinkSocket.Open(family, LibC.SOCK_STREAM, 0, device);
        if (fd < 0)
        {
            failure = Errno.Text(-fd);
            return null;
        }
        // Closing sends one reset instead of lingering: nothing of the probe is left to be retransmitted.
        linger abort = new() { l_onoff = 1, l_linger = 0 };
        Errno.Check(LibC.setsockopt(fd, LibC.SOL_SOCKET, LibC.SO_LINGER, &abort, sizeof(linger)));
        int errno = LinkSocket.Connect(fd, peer.Address, peer.Port);
        if (errno is not (0 or Errno.EINPROGRESS))
        {
            failure = Errno.Text(errno);
            _ = LibC.close(fd);
            return null;
        }
        return new EchoSocket(loop, fd, peer, probeByte, now, ended);
    }

    public TimeSpan Age(TimeSpan now) => now - _startedAt;

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
        byte sent = _byte;
        if (error == 0 && (nint)LibC.send(_fd, &sent, 1, LibC.MSG_NOSIGNAL) == 1)
        {
            _isSent = true;
            _loop.Modify(_fd, _token, Loop.Readable);
            return;
        }
        End(EchoEnd.Failed, Errno.Text(error != 0 ? error : Errno.Last));
    }

    private void Receive()
    {
        byte* bytes = stackalloc byte[64];
        nint count = (nint)LibC.recv(_fd, bytes, 64, 0);
        if (count < 0)
        {
            if (Errno.Last is not (Errno.EAGAIN or Errno.EINTR))
            {
                End(EchoEnd.Failed, Errno.Text(Errno.Last));
            }
        }
        else if (count == 0)
        {
            End(EchoEnd.Failed, "closed without an answer");
        }
        else
        {
            End(count == 1 && bytes[0] == _byte ? EchoEnd.Answered : EchoEnd.WrongContent, "");
        }
    }

    private void End(EchoEnd end, string failure)
    {
        Failure = failure;
        Dispose();
        _ended(this, end);
    }

    public void Dispose()
    {
        if (_fd >= 0)
        {
            Bytes = Cost();
            _loop.Remove(_fd, _token);
            _ = LibC.close(_fd);
            _fd = -1;
            _token = 0;
        }
    }

    /// <summary>
    /// The kernel counts segments (struct tcp_info, &lt;linux/tcp.h&gt;). Each has an IP header, and one of TCP with time
    /// stamps; the payload is a byte or two, and closing may send one more.
    /// </summary>
    private long Cost()
    {
        const int TcpInfo = 11; // TCP_INFO
        const int SegmentsOut = 136; // offsetof(struct tcp_info, tcpi_segs_out), then tcpi_segs_in
        const int Header = 32;
        byte* info = stackalloc byte[SegmentsOut + 8];
        socklen_t length = SegmentsOut + 8;
        if (LibC.getsockopt(_fd, LibC.IPPROTO_TCP, TcpInfo, info, &length) < 0 || length < SegmentsOut + 8)
        {
            return 0; // before Linux 4.2
        }
        long segments = (long)*(uint*)(info + SegmentsOut) + *(uint*)(info + SegmentsOut + 4) + 1;
        return segments * (Header + (Peer.AddressFamily == AddressFamily.InterNetworkV6 ? 40 : 20));
    }
}
