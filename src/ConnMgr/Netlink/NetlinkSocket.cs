using System.Buffers.Binary;
using System.ComponentModel;
using ConnMgr.Native;
using Tmds.Linux;
using static ConnMgr.Netlink.NetlinkHeader;

namespace ConnMgr.Netlink;

/// <summary>The result of <see cref="NetlinkSocket.Receive"/>.</summary>
internal enum Received
{
    Nothing,
    Datagram,

    /// <summary>
    /// Messages were lost: the kernel's buffer was full (ENOBUFS), or this one was too small (MSG_TRUNC).
    /// </summary>
    Lost,
}

/// <summary>
/// A non-blocking netlink socket, subscribed to multicast groups. Accepts messages from the kernel only.
/// </summary>
internal sealed unsafe class NetlinkSocket : IDisposable
{
    private const int LargestBuffer = 1 << 20;

    private readonly bool _checkCredentials;
    private byte[] _buffer;

    /// <param name="protocol">NETLINK_*, &lt;linux/netlink.h&gt;.</param>
    /// <param name="checkCredentials">
    /// Also check that the sender is the kernel or root (SCM_CREDENTIALS).
    /// </param>
    /// <param name="groups">Multicast groups, by number.</param>
    public NetlinkSocket(int protocol, bool checkCredentials, params ReadOnlySpan<int> groups)
        : this(protocol, bufferSize: 32768, checkCredentials, groups)
    {
    }

    /// <param name="protocol">NETLINK_*, &lt;linux/netlink.h&gt;.</param>
    /// <param name="bufferSize">
    /// The size of the buffer in bytes. It grows after a message that did not fit.
    /// </param>
    /// <param name="checkCredentials">
    /// Also check that the sender is the kernel or root (SCM_CREDENTIALS).
    /// </param>
    /// <param name="groups">Multicast groups, by number.</param>
    public NetlinkSocket(int protocol, int bufferSize, bool checkCredentials, params ReadOnlySpan<int> groups)
    {
        _checkCredentials = checkCredentials;
        _buffer = GC.AllocateUninitializedArray<byte>(bufferSize, pinned: true);
        Fd = Errno.Check(LibC.socket(
            LibC.AF_NETLINK, LibC.SOCK_RAW | LibC.SOCK_NONBLOCK | LibC.SOCK_CLOEXEC, protocol));
        try
        {
            PortId = Bind(groups);
        }
        catch (Win32Exception)
        {
            _ = LibC.close(Fd);
            throw;
        }
    }

    /// <summary>Returns the port id.</summary>
    private uint Bind(ReadOnlySpan<int> groups)
    {
        sockaddr_nl address = new() { nl_family = (ushort)LibC.AF_NETLINK };
        Errno.Check(LibC.bind(Fd, (sockaddr*)&address, sizeof(sockaddr_nl)));
        socklen_t length = sizeof(sockaddr_nl);
        Errno.Check(LibC.getsockname(Fd, (sockaddr*)&address, &length));
        foreach (int group in groups)
        {
            int value = group;
            Errno.Check(LibC.setsockopt(Fd, SOL_NETLINK, NETLINK_ADD_MEMBERSHIP, &value, sizeof(int)));
        }
        if (_checkCredentials)
        {
            int on = 1;
            Errno.Check(LibC.setsockopt(Fd, LibC.SOL_SOCKET, LibC.SO_PASSCRED, &on, sizeof(int)));
        }
        return address.nl_pid;
    }

    public int Fd { get; }

    /// <summary>The port id of this socket, which answers contain.</summary>
    public uint PortId { get; }

    /// <summary>
    /// Makes the kernel drop messages in which one number has either of two values, so that they do not wake
    /// the daemon. Only the first message of a datagram is checked.
    /// </summary>
    /// <param name="offset">The position of the number in bytes from the start of struct nlmsghdr.</param>
    /// <param name="size">The size of the number: 1 or 4 bytes.</param>
    /// <param name="first">A value to drop, in the machine's byte order.</param>
    /// <param name="second">Another value to drop.</param>
    public void LeaveOut(uint offset, int size, uint first, uint second)
    {
        const ushort LoadWord = 0x20; // BPF_LD | BPF_W | BPF_ABS, <linux/bpf_common.h>
        const ushort LoadByte = 0x30; // BPF_LD | BPF_B | BPF_ABS
        const ushort JumpIfEqual = 0x15; // BPF_JMP | BPF_JEQ | BPF_K
        const ushort Return = 0x06; // BPF_RET | BPF_K
        // BPF loads in network byte order. All supported machines are little-endian.
        uint InNetworkOrder(uint value) => size == 1 ? value : BinaryPrimitives.ReverseEndianness(value);
        LibcExtra.sock_filter* filter = stackalloc LibcExtra.sock_filter[5];
        filter[0] = new LibcExtra.sock_filter { code = size == 1 ? LoadByte : LoadWord, k = offset };
        filter[1] = new LibcExtra.sock_filter { code = JumpIfEqual, jt = 2, k = InNetworkOrder(first) };
        filter[2] = new LibcExtra.sock_filter { code = JumpIfEqual, jt = 1, k = InNetworkOrder(second) };
        filter[3] = new LibcExtra.sock_filter { code = Return, k = uint.MaxValue };
        filter[4] = new LibcExtra.sock_filter { code = Return, k = 0 };
        LibcExtra.sock_fprog program = new() { len = 5, filter = filter };
        Errno.Check(LibC.setsockopt(
            Fd, LibC.SOL_SOCKET, LibcExtra.SO_ATTACH_FILTER, &program, sizeof(LibcExtra.sock_fprog)));
    }

    /// <summary>
    /// Sends one request to the kernel. Returns false if the kernel's buffer is full: try again later.
    /// </summary>
    public bool Send(ReadOnlySpan<byte> request)
    {
        fixed (byte* bytes = request)
        {
            nint sent;
            do
            {
                sent = (nint)LibC.send(Fd, bytes, request.Length, 0);
            }
            while (sent < 0 && Errno.Last == Errno.EINTR);
            return sent == request.Length;
        }
    }

    /// <summary>Receives one datagram. A datagram that is not from the kernel is returned as empty.</summary>
    public Received Receive(out ReadOnlySpan<byte> datagram)
    {
        datagram = default;
        byte* control = stackalloc byte[64];
        while (true)
        {
            sockaddr_nl sender = default;
            fixed (byte* buffer = _buffer)
            {
                iovec vector = new() { iov_base = buffer, iov_len = _buffer.Length };
                msghdr message = new()
                {
                    msg_name = &sender,
                    msg_namelen = sizeof(sockaddr_nl),
                    msg_iov = &vector,
                    msg_iovlen = 1,
                    msg_control = control,
                    msg_controllen = 64,
                };
                nint count = (nint)LibC.recvmsg(Fd, &message, 0);
                if (count < 0)
                {
                    int error = Errno.Last;
                    if (error == Errno.EINTR)
                    {
                        continue;
                    }
                    if (error == Errno.EAGAIN)
                    {
                        return Received.Nothing;
                    }
                    // EINVAL: qemu-user does not know the type of the message (RTM_NEWNETCONF) and drops it.
                    if (error is Errno.ENOBUFS or Errno.EINVAL)
                    {
                        return Received.Lost;
                    }
                    Errno.Throw(error, "recvmsg(netlink)");
                }
                if (sender.nl_pid != 0 || (_checkCredentials && !IsFromRoot(&message)))
                {
                    return Received.Datagram;
                }
                if ((message.msg_flags & LibC.MSG_TRUNC) != 0)
                {
                    Grow();
                    return Received.Lost;
                }
                datagram = _buffer.AsSpan(0, (int)count);
                return Received.Datagram;
            }
        }
    }

    private static bool IsFromRoot(msghdr* message)
    {
        cmsghdr* header = LibC.CMSG_FIRSTHDR(message);
        for (; header != null; header = LibC.CMSG_NXTHDR(message, header))
        {
            if (header->cmsg_level == LibC.SOL_SOCKET && header->cmsg_type == SCM_CREDENTIALS)
            {
                return ((ucred*)LibC.CMSG_DATA(header))->uid == 0;
            }
        }
        return false;
    }

    /// <summary>Doubles the buffer, because the same message would not fit the next time either.</summary>
    private void Grow()
    {
        if (_buffer.Length < LargestBuffer)
        {
            _buffer = GC.AllocateUninitializedArray<byte>(_buffer.Length * 2, pinned: true);
        }
    }

    public void Dispose() => _ = LibC.close(Fd);

#pragma warning disable CS8981, CS0649 // <linux/netlink.h>
    private struct sockaddr_nl
    {
        public ushort nl_family;
        public ushort nl_pad;
        public uint nl_pid;
        public uint nl_groups;
    }
#pragma warning restore
}
