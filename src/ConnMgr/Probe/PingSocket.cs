using System.Net;
using System.Net.Sockets;
using ConnMgr.EventLoop;
using ConnMgr.Native;
using Tmds.Linux;

namespace ConnMgr.Probe;

/// <summary>
/// Sends ICMP echo requests (RFC 792, RFC 4443 section 4) to one address over one link. Calls back once, from
/// the loop, when the first correct answer arrives.
/// </summary>
internal sealed unsafe class PingSocket : IDisposable
{
    private const int PayloadSize = 16;
    private const int ReadsPerWakeUp = 16;
    private const int IPPROTO_ICMP = 1;
    private const int IPPROTO_ICMPV6 = 58;
    private const int SOL_RAW = 255;

    private readonly Loop _loop;
    private readonly IPAddress _target;
    private readonly bool _isIpv6;
    private readonly Action _answered;
    private readonly byte[] _payload = new byte[PayloadSize];
    private readonly ushort _id = Entropy.UInt16();
    private readonly ulong _token;
    private ushort _sent;
    private int _fd;

    private PingSocket(Loop loop, int fd, IPAddress target, Action answered)
    {
        _loop = loop;
        _fd = fd;
        _target = target;
        _isIpv6 = target.AddressFamily == AddressFamily.InterNetworkV6;
        _answered = answered;
        Entropy.Fill(_payload);
        _token = loop.Add(fd, Receive);
    }

    /// <summary>
    /// Opens the socket without sending. Returns null and the error if the kernel refuses.
    /// </summary>
    public static PingSocket? Open(
        Loop loop, string device, IPAddress target, Action answered, out KernelError error)
    {
        bool isIpv6 = target.AddressFamily == AddressFamily.InterNetworkV6;
        int fd = isIpv6
            ? LinkSocket.Open(LibC.AF_INET6, LibC.SOCK_RAW, IPPROTO_ICMPV6, device, out error)
            : LinkSocket.Open(LibC.AF_INET, LibC.SOCK_RAW, IPPROTO_ICMP, device, out error);
        if (fd < 0)
        {
            return null;
        }
        PassOnlyEchoReplies(fd, isIpv6);
        return new PingSocket(loop, fd, target, answered);
    }

    /// <summary>The cost in bytes of IP, both directions.</summary>
    public long Bytes { get; private set; }

    /// <summary>Sends the next request. Ignores the kernel's errors, because only an answer counts.</summary>
    public void Send()
    {
        byte* packet = stackalloc byte[Icmp.HeaderSize + PayloadSize];
        Span<byte> bytes = new(packet, Icmp.HeaderSize + PayloadSize);
        Icmp.WriteEchoRequest(bytes, _isIpv6, _id, ++_sent, _payload);
        Span<byte> peer = stackalloc byte[SockAddr.MaxSize];
        int peerSize = SockAddr.Write(_target, 0, peer);
        fixed (byte* address = peer)
        {
            nint sent = (nint)LibC.sendto(_fd, packet, bytes.Length, 0, (sockaddr*)address, peerSize);
            Bytes += sent > 0 ? sent + (_isIpv6 ? 40 : 20) : 0;
        }
    }

    private void Receive()
    {
        byte* buffer = stackalloc byte[512];
        byte* from = stackalloc byte[SockAddr.MaxSize];
        Span<byte> target = stackalloc byte[16];
        _target.TryWriteBytes(target, out int targetSize);
        for (int i = 0; i < ReadsPerWakeUp && _fd >= 0; i++)
        {
            socklen_t fromSize = SockAddr.MaxSize;
            nint count = (nint)LibC.recvfrom(_fd, buffer, 512, 0, (sockaddr*)from, &fromSize);
            if (count < 0)
            {
                return;
            }
            ReadOnlySpan<byte> source = SockAddr.AddressBytes(new ReadOnlySpan<byte>(from, SockAddr.MaxSize));
            Bytes += count + (_isIpv6 ? 40 : 0); // a raw IPv4 socket includes the IP header
            if (source.SequenceEqual(target[..targetSize])
                && IsAnswer(new ReadOnlySpan<byte>(buffer, (int)count)))
            {
                _answered();
                return;
            }
        }
    }

    private bool IsAnswer(ReadOnlySpan<byte> packet) =>
        Icmp.TryReadEchoReply(packet, _isIpv6, _id, _payload, out ushort sequence)
            && sequence >= 1 && sequence <= _sent;

    /// <summary>
    /// Sets the ICMP filter. In ICMP_FILTER (icmp(7)) and struct icmp6_filter, a set bit blocks the type.
    /// </summary>
    private static void PassOnlyEchoReplies(int fd, bool isIpv6)
    {
        const int EchoReply = 0;
        const int EchoReply6 = 129;
        uint* blocked = stackalloc uint[8];
        new Span<uint>(blocked, 8).Fill(uint.MaxValue);
        int type = isIpv6 ? EchoReply6 : EchoReply;
        blocked[type / 32] &= ~(1u << (type % 32));
        // The filter only saves wake-ups: packets that pass are checked anyway.
        _ = isIpv6
            ? LibC.setsockopt(fd, IPPROTO_ICMPV6, LibcExtra.ICMP6_FILTER, blocked, 32)
            : LibC.setsockopt(fd, SOL_RAW, LibcExtra.ICMP_FILTER, blocked, 4);
    }

    public void Dispose()
    {
        if (_fd >= 0)
        {
            _ = LibC.close(_fd);
            _loop.Forget(_token); // closing has removed it from the epoll set
            _fd = -1;
        }
    }
}
