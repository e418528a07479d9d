using System.Buffers.Binary;
using System.Text;
using ConnMgr.Native;
using ConnMgr.Net;
using Tmds.Linux;

namespace ConnMgr.Probe;

/// <summary>
/// Opens the sockets of probes: non-blocking, bound to one device, marked as the daemon's own.
/// </summary>
internal static unsafe class LinkSocket
{
    /// <summary>
    /// The default of `--mark-bit`. Other programs use other bits (kubelet 14 and 15, Cilium and mwan3 8 to
    /// 13, Calico, Tailscale and pbr 16 and up), and 0xca6c of wg-quick does not contain it.
    /// </summary>
    public const int StandardMarkBit = 7;

    /// <summary>
    /// SO_MARK of all packets that the daemon sends: a single bit. The firewall admits packets with this bit,
    /// and connmgr does not take them for traffic of applications. Other bits of the mark do not matter.
    /// </summary>
    public static uint Mark { get; private set; } = 1u << StandardMarkBit;

    /// <summary>Sets the bit of the mark, 0 to 30. Call it before any socket is opened.</summary>
    public static void UseMarkBit(int bit) => Mark = 1u << bit;

    /// <summary>Opens a socket. Returns the descriptor, or -1 and the error.</summary>
    /// <param name="family">AF_INET or AF_INET6.</param>
    /// <param name="type">SOCK_STREAM, SOCK_DGRAM or SOCK_RAW.</param>
    /// <param name="protocol">The protocol; 0 for the usual one of the type.</param>
    /// <param name="device">The device that the socket is bound to.</param>
    /// <param name="error">The error if the result is -1, e.g. ENODEV (the device is gone).</param>
    public static int Open(int family, int type, int protocol, string device, out KernelError error)
    {
        int fd = LibC.socket(family, type | LibC.SOCK_NONBLOCK | LibC.SOCK_CLOEXEC, protocol);
        if (fd < 0)
        {
            error = new KernelError(Errno.Last);
            return -1;
        }
        error = KernelError.None;
        Span<byte> name = stackalloc byte[16];
        name.Clear();
        int length = Encoding.UTF8.GetBytes(device, name[..15]);
        uint mark = Mark;
        fixed (byte* bytes = name)
        {
            if (LibC.setsockopt(fd, LibC.SOL_SOCKET, LibC.SO_BINDTODEVICE, bytes, length) == 0
                && LibC.setsockopt(fd, LibC.SOL_SOCKET, LibcExtra.SO_MARK, &mark, sizeof(uint)) == 0)
            {
                return fd;
            }
        }
        error = new KernelError(Errno.Last);
        _ = LibC.close(fd);
        return -1;
    }

    /// <summary>
    /// Returns the addresses and ports of a connected socket's packets; null if the kernel does not say.
    /// </summary>
    public static Flow? FlowOf(int fd, System.Net.IPAddress address, int port, bool isTcp)
    {
        byte* bytes = stackalloc byte[SockAddr.MaxSize];
        socklen_t length = SockAddr.MaxSize;
        ReadOnlySpan<byte> own = new(bytes, SockAddr.MaxSize);
        return LibC.getsockname(fd, (sockaddr*)bytes, &length) == 0
            && IpNumber.TryRead(SockAddr.AddressBytes(own), out IpNumber source)
            ? new Flow(
                source, IpNumber.Of(address), BinaryPrimitives.ReadUInt16BigEndian(own[2..]), (ushort)port,
                isTcp)
            : null;
    }

    /// <summary>Calls connect(2). EINPROGRESS is usual for TCP.</summary>
    public static KernelError Connect(int fd, System.Net.IPAddress address, int port)
    {
        Span<byte> bytes = stackalloc byte[SockAddr.MaxSize];
        int size = SockAddr.Write(address, port, bytes);
        fixed (byte* pointer = bytes)
        {
            return LibC.connect(fd, (sockaddr*)pointer, size) == 0
                ? KernelError.None
                : new KernelError(Errno.Last);
        }
    }
}
