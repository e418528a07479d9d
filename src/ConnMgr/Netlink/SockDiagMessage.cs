using System.Buffers.Binary;
using ConnMgr.Net;
using static ConnMgr.Netlink.InetDiag;
using static ConnMgr.Netlink.Rtnetlink;

namespace ConnMgr.Netlink;

/// <summary>
/// One socket of a sock_diag(7) dump: struct inet_diag_msg (&lt;linux/inet_diag.h&gt;) and its attributes.
/// </summary>
internal readonly ref struct SockDiagMessage
{
    public const ushort DumpRow = SOCK_DIAG_BY_FAMILY;
    public const byte Tcp = IPPROTO_TCP;
    public const byte Udp = IPPROTO_UDP;

    private const int IdSize = 48; // struct inet_diag_sockid
    private const int Size = 72; // struct inet_diag_msg
    private const int UserOffset = 64; // idiag_uid
    private const int InodeOffset = 68; // idiag_inode

    /// <summary>The states in which an application still uses the connection.</summary>
    private static readonly int[] TcpStates =
    [
        TCP_ESTABLISHED, TCP_SYN_SENT, TCP_FIN_WAIT1, TCP_FIN_WAIT2, TCP_CLOSE_WAIT, TCP_LAST_ACK,
        TCP_CLOSING,
    ];

    private readonly ReadOnlySpan<byte> _id;
    private readonly ReadOnlySpan<byte> _info;

    private SockDiagMessage(
        byte protocol, ReadOnlySpan<byte> payload, IpNumber local, IpNumber peer, uint mark,
        ReadOnlySpan<byte> info)
    {
        _info = info;
        Protocol = protocol;
        _id = payload.Slice(4, IdSize);
        Family = payload[0];
        State = payload[1];
        Local = local;
        Peer = peer;
        Mark = mark;
        User = NetlinkWire.UInt32(payload[UserOffset..]);
        HasOwner = NetlinkWire.UInt32(payload[InodeOffset..]) != 0;
    }

    /// <summary>IPPROTO_*, taken from the request because the answer does not contain it.</summary>
    public byte Protocol { get; }

    /// <summary>AF_INET or AF_INET6.</summary>
    public byte Family { get; }

    /// <summary>TCP_*, 1 to 13.</summary>
    public byte State { get; }

    public IpNumber Local { get; }

    public IpNumber Peer { get; }

    /// <summary>The socket's SO_MARK (INET_DIAG_MARK); 0 if the kernel does not report it.</summary>
    public uint Mark { get; }

    /// <summary>The user id of the process that created the socket.</summary>
    public uint User { get; }

    /// <summary>True if a process still has the socket open.</summary>
    public bool HasOwner { get; }

    public ushort LocalPort => BinaryPrimitives.ReadUInt16BigEndian(_id);

    public ushort PeerPort => BinaryPrimitives.ReadUInt16BigEndian(_id[2..]);

    /// <summary>The index of the device that the socket is bound to, or 0.</summary>
    public int Ifindex => (int)NetlinkWire.UInt32(_id[36..]);

    /// <summary>
    /// True for a socket that is connected to one peer. False for the remains of a closed connection: a
    /// FIN_WAIT2 socket without an owner is a struct inet_timewait_sock of the kernel.
    /// </summary>
    public bool IsConnected => Protocol == Tcp
        ? TcpStates.Contains(State) && (State != TCP_FIN_WAIT2 || HasOwner)
        : State == TCP_ESTABLISHED && PeerPort != 0;

    /// <summary>The state of a TCP connection; only rows of <see cref="DumpConnecting"/> have it.</summary>
    public TcpInfo Info => new(_info);

    /// <summary>Returns the request that dumps the TCP sockets that are connecting.</summary>
    /// <param name="family">AF_INET or AF_INET6.</param>
    public static byte[] DumpConnecting(byte family) => Request(
        DumpRow, NetlinkMessage.FlagDump, family, Tcp, 1u << TCP_SYN_SENT, default,
        extensions: 1 << (INET_DIAG_INFO - 1));

    /// <summary>Returns the requests that dump all sockets: TCP and UDP, IPv4 and IPv6.</summary>
    public static (byte Protocol, byte[] Request)[] Dumps()
    {
        uint tcp = 0;
        foreach (int state in TcpStates)
        {
            tcp |= 1u << state;
        }
        const uint UdpStates = (1u << TCP_ESTABLISHED) | (1u << TCP_CLOSE);
        return
        [
            (Tcp, Request(DumpRow, NetlinkMessage.FlagDump, AF_INET, Tcp, tcp, default)),
            (Tcp, Request(DumpRow, NetlinkMessage.FlagDump, AF_INET6, Tcp, tcp, default)),
            (Udp, Request(DumpRow, NetlinkMessage.FlagDump, AF_INET, Udp, UdpStates, default)),
            (Udp, Request(DumpRow, NetlinkMessage.FlagDump, AF_INET6, Udp, UdpStates, default)),
        ];
    }

    /// <summary>
    /// Returns the request that dumps the UDP sockets that are bound to a port and not connected.
    /// </summary>
    /// <param name="family">AF_INET or AF_INET6.</param>
    /// <param name="port">The port.</param>
    public static byte[] DumpBound(byte family, ushort port)
    {
        Span<byte> id = stackalloc byte[IdSize];
        id.Clear();
        BinaryPrimitives.WriteUInt16BigEndian(id, port);
        return Request(DumpRow, NetlinkMessage.FlagDump, family, Udp, 1u << TCP_CLOSE, id);
    }

    /// <summary>Reads a row. Returns false if it is malformed or neither IPv4 nor IPv6.</summary>
    public static bool TryRead(byte protocol, ReadOnlySpan<byte> payload, out SockDiagMessage socket)
    {
        socket = default;
        if (payload.Length < Size || payload[0] is not (AF_INET or AF_INET6))
        {
            return false;
        }
        int length = payload[0] == AF_INET6 ? 16 : 4;
        IpNumber.TryRead(payload.Slice(8, length), out IpNumber local);
        IpNumber.TryRead(payload.Slice(24, length), out IpNumber peer);
        uint mark = 0;
        ReadOnlySpan<byte> info = default;
        AttributeReader attributes = new(payload[Size..]);
        while (attributes.TryRead(out NetlinkAttribute attribute))
        {
            mark = attribute.Type == INET_DIAG_MARK ? attribute.AsUInt32 : mark;
            info = attribute.Type == INET_DIAG_INFO ? attribute.Value : info;
        }
        socket = new SockDiagMessage(protocol, payload, local, peer, mark, info);
        return true;
    }

    /// <summary>
    /// Returns the request that ends the socket: blocked calls fail with ECONNABORTED, and a TCP peer
    /// receives a reset.
    /// </summary>
    public byte[] DestroyRequest() =>
        Request(SOCK_DESTROY, NetlinkMessage.FlagAcknowledge, Family, Protocol, 0, _id);

    /// <summary>
    /// Returns a request to end a socket that cannot exist, with port 0, to test for the feature. The kernel
    /// answers ENOENT, or EOPNOTSUPP if it was built without CONFIG_INET_DIAG_DESTROY, as OpenWrt's is.
    /// </summary>
    public static byte[] DestroyNothing() =>
        Request(SOCK_DESTROY, NetlinkMessage.FlagAcknowledge, AF_INET, Tcp, 0, default);

    /// <summary>
    /// Returns the request for this device's socket that sends the packets of this flow. The kernel answers
    /// with a row, or with ENOENT.
    /// </summary>
    public static byte[] Lookup(in Flow flow)
    {
        Span<byte> id = stackalloc byte[IdSize];
        id.Clear();
        // The kernel's udp_dump_one() expects source and destination as in an answer.
        Flow asked = flow.IsTcp ? flow : flow.Reversed;
        BinaryPrimitives.WriteUInt16BigEndian(id, asked.SourcePort);
        BinaryPrimitives.WriteUInt16BigEndian(id[2..], asked.DestinationPort);
        _ = asked.Source.Write(id[4..]);
        _ = asked.Destination.Write(id[20..]);
        id[40..].Fill(0xff); // INET_DIAG_NOCOOKIE
        return Request(
            DumpRow, 0, flow.Source.IsIpv4 ? (byte)AF_INET : (byte)AF_INET6, flow.IsTcp ? Tcp : Udp,
            uint.MaxValue, id);
    }

    /// <summary>
    /// Builds a request with struct inet_diag_req_v2. The id contains a cookie, so that the request never
    /// matches a new socket with the same addresses.
    /// </summary>
    private static byte[] Request(
        ushort type, ushort flags, byte family, byte protocol, uint states, ReadOnlySpan<byte> id,
        byte extensions = 0)
    {
        NetlinkWriter writer = new(stackalloc byte[NetlinkReader.HeaderSize + 8 + IdSize]);
        writer.Append([family, protocol, extensions, 0]);
        writer.Append(BitConverter.GetBytes(states));
        writer.Append(id.IsEmpty ? stackalloc byte[IdSize] : id);
        return writer.Finish(type, flags);
    }
}
