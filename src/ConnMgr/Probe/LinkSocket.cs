using System.Text;
using ConnMgr.Native;
using Tmds.Linux;

namespace ConnMgr.Probe;

/// <summary>
/// Opens the sockets of probes: non-blocking, bound to one device, marked as the daemon's own.
/// </summary>
internal static unsafe class LinkSocket
{
    /// <summary>
    /// SO_MARK of all packets that the daemon sends: the firewall admits them, and they do not arouse
    /// suspicion.
    /// </summary>
    public const uint Mark = 0xAFE0;

    /// <summary>Opens a socket. Returns the descriptor, or -errno (ENODEV if the device is gone).</summary>
    public static int Open(int family, int type, int protocol, string device)
    {
        int fd = LibC.socket(family, type | LibC.SOCK_NONBLOCK | LibC.SOCK_CLOEXEC, protocol);
        if (fd < 0)
        {
            return -Errno.Last;
        }
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
        int errno = Errno.Last;
        _ = LibC.close(fd);
        return -errno;
    }

    /// <summary>Calls connect(2). Returns 0 or the errno; EINPROGRESS is usual for TCP.</summary>
    public static int Connect(int fd, System.Net.IPAddress address, int port)
    {
        Span<byte> bytes = stackalloc byte[SockAddr.MaxSize];
        int size = SockAddr.Write(address, port, bytes);
        fixed (byte* pointer = bytes)
        {
            return LibC.connect(fd, (sockaddr*)pointer, size) == 0 ? 0 : Errno.Last;
        }
    }
}
