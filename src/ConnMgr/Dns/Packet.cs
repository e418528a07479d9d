using System.Buffers.Binary;
using ConnMgr.Net;

namespace ConnMgr.Dns;

/// <summary>Why an IP packet cannot be decoded.</summary>
internal enum PacketFlaw
{
    None,

    /// <summary>A header is malformed or incomplete, or lengths contradict each other.</summary>
    Malformed,

    /// <summary>
    /// A fragment. This class does not reassemble: the kernel's conntrack has already reassembled the queued
    /// packets, and a fragment from a packet socket is ignored. The worst result is that an address stays
    /// closed.
    /// </summary>
    Fragment,

    /// <summary>Neither UDP nor TCP, or hidden behind another header, e.g. ESP.</summary>
    OtherProtocol,
}

/// <summary>
/// Decodes an IP packet with UDP or TCP from its network header, as AF_PACKET sockets of type SOCK_DGRAM and
/// NFQUEUE deliver it. The bytes are hostile: decoding never throws, never reads outside the packet, and
/// never allocates.
/// </summary>
/// <remarks>
/// Ignores checksums: they do not stop a forger, and the kernel fills in those of outgoing packets only
/// later.
/// </remarks>
internal readonly ref struct Packet
{
    // RFC 791 section 3.1, RFC 8200 section 3, RFC 768, RFC 9293 section 3.1
    private const int Ipv4HeaderSize = 20;
    private const int Ipv6HeaderSize = 40;
    private const int UdpHeaderSize = 8;
    private const int TcpHeaderSize = 20;
    private const int MoreFragmentsAndOffset = 0x3fff; // mask of the IPv4 flags and offset

    // IANA "Assigned Internet Protocol Numbers"
    private const int HopByHop = 0;
    private const int Tcp = 6;
    private const int Udp = 17;
    private const int Routing = 43;
    private const int Fragment = 44;
    private const int DestinationOptions = 60;

    /// <summary>
    /// The largest number of IPv6 extension headers in a packet; real packets have at most one (RFC 8504
    /// section 5.3 permits a limit).
    /// </summary>
    public const int MaxExtensionHeaders = 4;

    // RFC 9293 section 3.1
    private const int FlagSyn = 0x02;
    private const int FlagAck = 0x10;

    private readonly byte _flags;

    private Packet(Flow flow, ReadOnlySpan<byte> payload, uint sequence, uint acknowledgment, byte flags)
    {
        Flow = flow;
        Payload = payload;
        Sequence = sequence;
        Acknowledgment = acknowledgment;
        _flags = flags;
    }

    public Flow Flow { get; }

    /// <summary>The bytes after the UDP or TCP header, 0 to 65,515, without padding.</summary>
    public ReadOnlySpan<byte> Payload { get; }

    /// <summary>The sequence number of a TCP segment; SYN counts as a byte.</summary>
    public uint Sequence { get; }

    /// <summary>
    /// The next sequence number that the sender of a TCP segment expects, if <see cref="IsAck"/>.
    /// </summary>
    public uint Acknowledgment { get; }

    public bool IsSyn => (_flags & FlagSyn) != 0;

    public bool IsAck => (_flags & FlagAck) != 0;

    /// <summary>Decodes a packet.</summary>
    /// <param name="bytes">
    /// The packet from its network header; bytes beyond its own length are ignored.
    /// </param>
    /// <param name="packet">The packet, if the result is <see cref="PacketFlaw.None"/>.</param>
    public static PacketFlaw Read(ReadOnlySpan<byte> bytes, out Packet packet)
    {
        packet = default;
        return bytes.IsEmpty ? PacketFlaw.Malformed
            : (bytes[0] >> 4) switch
            {
                4 => ReadIpv4(bytes, ref packet),
                6 => ReadIpv6(bytes, ref packet),
                _ => PacketFlaw.Malformed,
            };
    }

    private static PacketFlaw ReadIpv4(ReadOnlySpan<byte> bytes, ref Packet packet)
    {
        if (bytes.Length < Ipv4HeaderSize)
        {
            return PacketFlaw.Malformed;
        }
        int headerSize = (bytes[0] & 15) * 4;
        int totalLength = BinaryPrimitives.ReadUInt16BigEndian(bytes[2..]);
        if (headerSize < Ipv4HeaderSize || totalLength < headerSize || totalLength > bytes.Length)
        {
            return PacketFlaw.Malformed;
        }
        if ((BinaryPrimitives.ReadUInt16BigEndian(bytes[6..]) & MoreFragmentsAndOffset) != 0)
        {
            return PacketFlaw.Fragment;
        }
        return ReadTransport(
            bytes[9], bytes.Slice(12, 4), bytes.Slice(16, 4), bytes[headerSize..totalLength], ref packet);
    }

    private static PacketFlaw ReadIpv6(ReadOnlySpan<byte> bytes, ref Packet packet)
    {
        if (bytes.Length < Ipv6HeaderSize)
        {
            return PacketFlaw.Malformed;
        }
        // A jumbogram has length 0 (RFC 2675) and is ignored.
        int length = BinaryPrimitives.ReadUInt16BigEndian(bytes[4..]);
        if (length > bytes.Length - Ipv6HeaderSize)
        {
            return PacketFlaw.Malformed;
        }
        ReadOnlySpan<byte> rest = bytes.Slice(Ipv6HeaderSize, length);
        int header = bytes[6];
        for (int i = 0; header is HopByHop or Routing or Fragment or DestinationOptions; i++)
        {
            if (i == MaxExtensionHeaders || rest.Length < 8)
            {
                return PacketFlaw.Malformed;
            }
            // RFC 8200 section 4.5; offset 0 without more fragments is a whole packet (RFC 6946).
            if (header == Fragment && (BinaryPrimitives.ReadUInt16BigEndian(rest[2..]) & 0xfff9) != 0)
            {
                return PacketFlaw.Fragment;
            }
            int size = header == Fragment ? 8 : (rest[1] + 1) * 8;
            if (size > rest.Length)
            {
                return PacketFlaw.Malformed;
            }
            header = rest[0];
            rest = rest[size..];
        }
        return ReadTransport(header, bytes.Slice(8, 16), bytes.Slice(24, 16), rest, ref packet);
    }

    private static PacketFlaw ReadTransport(
        int protocol, ReadOnlySpan<byte> source, ReadOnlySpan<byte> destination, ReadOnlySpan<byte> bytes,
        ref Packet packet)
    {
        if (protocol is not Udp and not Tcp)
        {
            return PacketFlaw.OtherProtocol;
        }
        if (bytes.Length < (protocol == Udp ? UdpHeaderSize : TcpHeaderSize))
        {
            return PacketFlaw.Malformed;
        }
        _ = IpNumber.TryRead(source, out IpNumber from);
        _ = IpNumber.TryRead(destination, out IpNumber to);
        if (source.Length == 16 && (from.IsIpv4 || to.IsIpv4))
        {
            return PacketFlaw.Malformed; // an IPv4-mapped address is never on the wire (RFC 4038 section 4.2)
        }
        ushort fromPort = BinaryPrimitives.ReadUInt16BigEndian(bytes);
        ushort toPort = BinaryPrimitives.ReadUInt16BigEndian(bytes[2..]);
        Flow flow = new(from, to, fromPort, toPort, protocol == Tcp);
        if (protocol == Udp)
        {
            int length = BinaryPrimitives.ReadUInt16BigEndian(bytes[4..]);
            if (length < UdpHeaderSize || length > bytes.Length)
            {
                return PacketFlaw.Malformed;
            }
            packet = new Packet(flow, bytes[UdpHeaderSize..length], 0, 0, 0);
            return PacketFlaw.None;
        }
        int headerSize = (bytes[12] >> 4) * 4;
        if (headerSize < TcpHeaderSize || headerSize > bytes.Length)
        {
            return PacketFlaw.Malformed;
        }
        packet = new Packet(
            flow, bytes[headerSize..], BinaryPrimitives.ReadUInt32BigEndian(bytes[4..]),
            BinaryPrimitives.ReadUInt32BigEndian(bytes[8..]), bytes[13]);
        return PacketFlaw.None;
    }
}
