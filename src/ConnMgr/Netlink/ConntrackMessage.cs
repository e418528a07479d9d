using System.Buffers.Binary;
using ConnMgr.Net;
using static ConnMgr.Netlink.Ctnetlink;

namespace ConnMgr.Netlink;

/// <summary>
/// One entry of a ctnetlink dump (&lt;linux/netfilter/nfnetlink_conntrack.h&gt;): struct nfgenmsg and
/// attributes. Two of the attributes are tuples: that of the original packets, and that of the answers as
/// they arrive, before conntrack translates them back.
/// </summary>
internal readonly ref struct ConntrackMessage
{
    public const ushort DumpRow = (NFNL_SUBSYS_CTNETLINK << 8) | IPCTNL_MSG_CT_NEW;
    private const ushort Get = (NFNL_SUBSYS_CTNETLINK << 8) | IPCTNL_MSG_CT_GET;
    private const ushort Delete = (NFNL_SUBSYS_CTNETLINK << 8) | IPCTNL_MSG_CT_DELETE;

    private const int HeaderSize = 4; // struct nfgenmsg
    private const int LargestTuple = 256; // bytes; the kernel's tuples have about 80
    private const int LargestRequest = NetlinkReader.HeaderSize + HeaderSize + 4 + LargestTuple + 8 + 8;

    private readonly ReadOnlySpan<byte> _original;
    private readonly ReadOnlySpan<byte> _id;
    private readonly ReadOnlySpan<byte> _zone;
    private readonly byte _family;

    private ConntrackMessage(
        byte family, Tuple original, Tuple reply, bool isAnswered, uint mark,
        ReadOnlySpan<byte> originalBytes, ReadOnlySpan<byte> id, ReadOnlySpan<byte> zone)
    {
        Mark = mark;
        _family = family;
        Original = original;
        Reply = reply;
        IsAnswered = isAnswered;
        _original = originalBytes;
        _id = id;
        _zone = zone;
    }

    /// <summary>The tuple of the original packets, before address translation.</summary>
    public Tuple Original { get; }

    /// <summary>The tuple of the answers as they arrive, before conntrack translates them back.</summary>
    public Tuple Reply { get; }

    /// <summary>
    /// The connection's mark; 0 if the kernel does not report it, as it does for a mark of 0.
    /// </summary>
    public uint Mark { get; }

    /// <summary>True if packets were seen in both directions.</summary>
    public bool IsAnswered { get; }

    /// <summary>Returns the request for all entries of both families.</summary>
    public static byte[] Dump()
    {
        NetlinkWriter writer = new(stackalloc byte[NetlinkReader.HeaderSize + HeaderSize]);
        writer.Append([0 /* AF_UNSPEC */, 0 /* NFNETLINK_V0 */, 0, 0]);
        return writer.Finish(Get, NetlinkMessage.FlagDump);
    }

    /// <summary>
    /// Returns the request for the entry with these original packets. The kernel answers with a row, or with
    /// ENOENT.
    /// </summary>
    public static byte[] Lookup(in Flow original, uint sequence)
    {
        const byte Tcp = 6;
        const byte Udp = 17;
        bool isIpv4 = original.Source.IsIpv4;
        Span<byte> address = stackalloc byte[16];
        Span<byte> port = stackalloc byte[2];
        NetlinkWriter writer = new(stackalloc byte[LargestRequest]);
        writer.Append([(byte)(isIpv4 ? 2 : 10) /* AF_INET, AF_INET6 */, 0, 0, 0]);
        int tuple = writer.BeginNest(CTA_TUPLE_ORIG);
        int ip = writer.BeginNest(CTA_TUPLE_IP);
        writer.Attribute(
            isIpv4 ? CTA_IP_V4_SRC : CTA_IP_V6_SRC, address[..original.Source.Write(address)]);
        writer.Attribute(
            isIpv4 ? CTA_IP_V4_DST : CTA_IP_V6_DST, address[..original.Destination.Write(address)]);
        writer.EndNest(ip);
        int protocol = writer.BeginNest(CTA_TUPLE_PROTO);
        writer.Attribute(CTA_PROTO_NUM, [original.IsTcp ? Tcp : Udp]);
        BinaryPrimitives.WriteUInt16BigEndian(port, original.SourcePort);
        writer.Attribute(CTA_PROTO_SRC_PORT, port);
        BinaryPrimitives.WriteUInt16BigEndian(port, original.DestinationPort);
        writer.Attribute(CTA_PROTO_DST_PORT, port);
        writer.EndNest(protocol);
        writer.EndNest(tuple);
        return writer.Finish(Get, 0, sequence).ToArray();
    }

    /// <summary>Reads a row. Returns false if it is malformed or lacks a tuple.</summary>
    public static bool TryRead(ReadOnlySpan<byte> payload, out ConntrackMessage entry)
    {
        entry = default;
        if (payload.Length < HeaderSize)
        {
            return false;
        }
        ReadOnlySpan<byte> original = default;
        ReadOnlySpan<byte> reply = default;
        ReadOnlySpan<byte> id = default;
        ReadOnlySpan<byte> zone = default;
        uint status = 0;
        uint mark = 0;
        AttributeReader attributes = new(payload[HeaderSize..]);
        while (attributes.TryRead(out NetlinkAttribute attribute))
        {
            switch (attribute.Type)
            {
                case CTA_TUPLE_ORIG:
                    original = attribute.Value;
                    break;
                case CTA_TUPLE_REPLY:
                    reply = attribute.Value;
                    break;
                case CTA_STATUS when attribute.Value.Length == 4:
                    status = BinaryPrimitives.ReadUInt32BigEndian(attribute.Value);
                    break;
                case CTA_MARK when attribute.Value.Length == 4:
                    mark = BinaryPrimitives.ReadUInt32BigEndian(attribute.Value);
                    break;
                case CTA_ID when attribute.Value.Length == 4:
                    id = attribute.Value;
                    break;
                case CTA_ZONE when attribute.Value.Length == 2:
                    zone = attribute.Value;
                    break;
            }
        }
        if (original.Length > LargestTuple || !Tuple.TryRead(original, out Tuple first)
            || !Tuple.TryRead(reply, out Tuple second))
        {
            return false;
        }
        bool isAnswered = (status & IPS_SEEN_REPLY) != 0;
        entry = new ConntrackMessage(payload[0], first, second, isAnswered, mark, original, id, zone);
        return true;
    }

    /// <summary>
    /// Returns the request that deletes the entry. It contains the entry's id, so that it never deletes a
    /// later entry with the same tuple.
    /// </summary>
    public byte[] DeleteRequest()
    {
        NetlinkWriter writer = new(stackalloc byte[LargestRequest]);
        writer.Append([_family, 0, 0, 0]);
        writer.Attribute(CTA_TUPLE_ORIG | NetlinkHeader.NLA_F_NESTED, _original);
        if (!_id.IsEmpty)
        {
            writer.Attribute(CTA_ID, _id);
        }
        if (!_zone.IsEmpty)
        {
            writer.Attribute(CTA_ZONE, _zone);
        }
        return writer.Finish(Delete, NetlinkMessage.FlagAcknowledge);
    }

    /// <summary>The addresses and ports of one direction.</summary>
    /// <param name="Source">CTA_IP_V4_SRC or CTA_IP_V6_SRC.</param>
    /// <param name="Destination">CTA_IP_V4_DST or CTA_IP_V6_DST.</param>
    /// <param name="Protocol">IPPROTO_*.</param>
    /// <param name="SourcePort">0 if the protocol has no ports.</param>
    /// <param name="DestinationPort">0 if the protocol has no ports.</param>
    internal readonly record struct Tuple(
        IpNumber Source, IpNumber Destination, byte Protocol, ushort SourcePort, ushort DestinationPort)
    {
        /// <summary>
        /// Reads CTA_TUPLE_IP and CTA_TUPLE_PROTO. Returns false if an address or the protocol is missing.
        /// </summary>
        public static bool TryRead(ReadOnlySpan<byte> bytes, out Tuple tuple)
        {
            Tuple found = default;
            AttributeReader parts = new(bytes);
            while (parts.TryRead(out NetlinkAttribute part))
            {
                bool isKnown = part.Type is CTA_TUPLE_IP or CTA_TUPLE_PROTO;
                AttributeReader attributes = new(isKnown ? part.Value : default);
                while (attributes.TryRead(out NetlinkAttribute attribute))
                {
                    found = part.Type == CTA_TUPLE_IP
                        ? found.WithAddress(attribute.Type, attribute.Value)
                        : found.WithProtocol(attribute.Type, attribute.Value);
                }
            }
            tuple = found;
            return found.Source.Value != 0 && found.Destination.Value != 0 && found.Protocol != 0;
        }

        private Tuple WithAddress(ushort type, ReadOnlySpan<byte> value)
        {
            bool isIpv4 = type is CTA_IP_V4_SRC or CTA_IP_V4_DST;
            if (!IpNumber.TryRead(value, out IpNumber address) || address.IsIpv4 != isIpv4)
            {
                return this;
            }
            return type switch
            {
                CTA_IP_V4_SRC or CTA_IP_V6_SRC => this with { Source = address },
                CTA_IP_V4_DST or CTA_IP_V6_DST => this with { Destination = address },
                _ => this,
            };
        }

        private Tuple WithProtocol(ushort type, ReadOnlySpan<byte> value) => (type, value.Length) switch
        {
            (CTA_PROTO_NUM, 1) => this with { Protocol = value[0] },
            (CTA_PROTO_SRC_PORT, 2) =>
                this with { SourcePort = BinaryPrimitives.ReadUInt16BigEndian(value) },
            (CTA_PROTO_DST_PORT, 2) =>
                this with { DestinationPort = BinaryPrimitives.ReadUInt16BigEndian(value) },
            _ => this,
        };
    }
}
