using System.Buffers.Binary;

namespace ConnMgr.Netlink;

/// <summary>
/// A packet in an NFQUEUE, from a message NFQNL_MSG_PACKET (&lt;linux/netfilter/nfnetlink_queue.h&gt;). Its
/// bytes are hostile.
/// </summary>
internal readonly ref struct QueuedPacket
{
    private QueuedPacket(
        uint id, byte hook, int outDevice, ReadOnlySpan<byte> bytes, ConntrackMessage.Tuple original,
        ConntrackMessage.Tuple reply)
    {
        Id = id;
        Hook = hook;
        OutDevice = outDevice;
        Bytes = bytes;
        Original = original;
        Reply = reply;
    }

    /// <summary>The packet's number, which the verdict must contain.</summary>
    public uint Id { get; }

    /// <summary>NF_INET_LOCAL_IN (1) or NF_INET_FORWARD (2), &lt;linux/netfilter.h&gt;.</summary>
    public byte Hook { get; }

    /// <summary>
    /// The index of the interface through which a forwarded packet leaves; 0 if the kernel does not report
    /// it.
    /// </summary>
    public int OutDevice { get; }

    /// <summary>The packet from its IP header.</summary>
    public ReadOnlySpan<byte> Bytes { get; }

    /// <summary>
    /// Conntrack's tuple of the original packets, before address translation; default if the kernel does not
    /// report it.
    /// </summary>
    public ConntrackMessage.Tuple Original { get; }

    /// <summary>
    /// Conntrack's tuple of the answers as they arrive, before they are translated back; or default.
    /// </summary>
    public ConntrackMessage.Tuple Reply { get; }

    /// <summary>
    /// Reads a message. Returns false if it has no packet number. A malformed message with a number yields a
    /// packet without bytes, since each packet needs a verdict to leave the queue.
    /// </summary>
    public static bool TryRead(in NetlinkMessage message, out QueuedPacket packet)
    {
        packet = default;
        if (message.Type != Nfqueue.PacketType || message.Payload.Length < Nfqueue.HeaderSize)
        {
            return false;
        }
        uint? id = null;
        byte hook = 0;
        int outDevice = 0;
        ReadOnlySpan<byte> bytes = default;
        ConntrackMessage.Tuple original = default;
        ConntrackMessage.Tuple reply = default;
        AttributeReader attributes = new(message.Payload[Nfqueue.HeaderSize..]);
        while (attributes.TryRead(out NetlinkAttribute attribute))
        {
            ReadOnlySpan<byte> value = attribute.Value;
            switch (attribute.Type)
            {
                case Nfqueue.NFQA_PACKET_HDR when value.Length >= 7:
                    id = BinaryPrimitives.ReadUInt32BigEndian(value);
                    hook = value[6];
                    break;
                case Nfqueue.NFQA_IFINDEX_OUTDEV when value.Length == sizeof(int):
                    outDevice = BinaryPrimitives.ReadInt32BigEndian(value);
                    break;
                case Nfqueue.NFQA_PAYLOAD:
                    bytes = value;
                    break;
                case Nfqueue.NFQA_CT:
                    original = ReadTuple(value, Nfqueue.CTA_TUPLE_ORIG);
                    reply = ReadTuple(value, Nfqueue.CTA_TUPLE_REPLY);
                    break;
            }
        }
        if (id is not { } known)
        {
            return false;
        }
        packet = new QueuedPacket(known, hook, outDevice, bytes, original, reply);
        return true;
    }

    private static ConntrackMessage.Tuple ReadTuple(ReadOnlySpan<byte> conntrack, ushort type)
    {
        AttributeReader attributes = new(conntrack);
        while (attributes.TryRead(out NetlinkAttribute attribute))
        {
            if (attribute.Type == type)
            {
                return ConntrackMessage.Tuple.TryRead(attribute.Value, out ConntrackMessage.Tuple tuple)
                    ? tuple
                    : default;
            }
        }
        return default;
    }
}

/// <summary>
/// The requests to an NFQUEUE and their numbers (&lt;linux/netfilter/nfnetlink_queue.h&gt;).
/// </summary>
internal static class Nfqueue
{
    internal const int HeaderSize = 4; // struct nfgenmsg: family, version, queue number

    /// <summary>The largest size of a message besides the packet, in bytes, with a margin.</summary>
    internal const int LargestOverhead = 2048;

    /// <summary>
    /// The largest part of a packet that the kernel copies, in bytes: the length of an attribute has 16 bits.
    /// </summary>
    internal const int LargestCopy = 0xffff - 4;

    public const int NFNL_SUBSYS_QUEUE = 3;
    public const int NFQNL_MSG_PACKET = 0;
    public const int NFQNL_MSG_VERDICT = 1;
    public const int NFQNL_MSG_CONFIG = 2;
    public const int NFQNL_MSG_VERDICT_BATCH = 3;

    public const ushort NFQA_PACKET_HDR = 1;
    public const ushort NFQA_VERDICT_HDR = 2;
    public const ushort NFQA_IFINDEX_OUTDEV = 6;
    public const ushort NFQA_PAYLOAD = 10;
    public const ushort NFQA_CT = 11;

    public const ushort NFQA_CFG_CMD = 1;
    public const ushort NFQA_CFG_PARAMS = 2;
    public const ushort NFQA_CFG_QUEUE_MAXLEN = 3;
    public const ushort NFQA_CFG_MASK = 4;
    public const ushort NFQA_CFG_FLAGS = 5;
    public const byte NFQNL_CFG_CMD_BIND = 1;
    public const byte NFQNL_COPY_PACKET = 2;
    public const uint NFQA_CFG_F_FAIL_OPEN = 1;
    public const uint NFQA_CFG_F_CONNTRACK = 2;
    public const uint NFQA_CFG_F_GSO = 4;
    public const uint NF_ACCEPT = 1;
    public const uint NF_DROP = 0;
    public const ushort CTA_TUPLE_ORIG = 1;
    public const ushort CTA_TUPLE_REPLY = 2;

    /// <summary>The nlmsg_type of a message with a packet.</summary>
    internal const ushort PacketType = (NFNL_SUBSYS_QUEUE << 8) | NFQNL_MSG_PACKET;

    private const ushort VerdictType = (NFNL_SUBSYS_QUEUE << 8) | NFQNL_MSG_VERDICT;
    private const ushort BatchType = (NFNL_SUBSYS_QUEUE << 8) | NFQNL_MSG_VERDICT_BATCH;
    private const ushort ConfigType = (NFNL_SUBSYS_QUEUE << 8) | NFQNL_MSG_CONFIG;
    private const int LargestRequest = 96;

    /// <summary>
    /// Binds the sending socket to the queue; the kernel answers EPERM or EBUSY if another socket is bound.
    /// Requests whole packets without segmentation. When <paramref name="length"/> packets are waiting, the
    /// kernel accepts further ones unseen. All of this is one request, so that no packet arrives between its
    /// parts.
    /// </summary>
    /// <param name="queue">The number of the queue.</param>
    /// <param name="length">The length of the queue in packets.</param>
    /// <param name="withConntrack">True to request conntrack's tuples too. The kernel answers EOPNOTSUPP if
    /// it lacks NETFILTER_NETLINK_GLUE_CT, and EAGAIN if it has just loaded the module.</param>
    public static byte[] Bind(ushort queue, uint length, bool withConntrack)
    {
        uint flags = NFQA_CFG_F_FAIL_OPEN | NFQA_CFG_F_GSO | (withConntrack ? NFQA_CFG_F_CONNTRACK : 0);
        NetlinkWriter writer = new(stackalloc byte[LargestRequest]);
        Span<byte> number = stackalloc byte[4];
        number.Clear(); // AF_UNSPEC, NFNETLINK_V0, res_id
        BinaryPrimitives.WriteUInt16BigEndian(number[2..], queue);
        writer.Append(number);
        writer.Attribute(NFQA_CFG_CMD, [NFQNL_CFG_CMD_BIND, 0, 0, 0]);
        BinaryPrimitives.WriteUInt32BigEndian(number, LargestCopy);
        writer.Attribute(NFQA_CFG_PARAMS, [.. number, NFQNL_COPY_PACKET]);
        BinaryPrimitives.WriteUInt32BigEndian(number, length);
        writer.Attribute(NFQA_CFG_QUEUE_MAXLEN, number);
        BinaryPrimitives.WriteUInt32BigEndian(number, flags);
        writer.Attribute(NFQA_CFG_FLAGS, number);
        writer.Attribute(NFQA_CFG_MASK, number);
        return writer.Finish(ConfigType, NetlinkMessage.FlagAcknowledge);
    }

    /// <summary>
    /// Writes the verdict on a packet, which stays unchanged, and returns the request's length. Requests no
    /// acknowledgement: the kernel answers only if it does not know the packet.
    /// </summary>
    /// <param name="request">A buffer of at least 32 bytes.</param>
    /// <param name="queue">The number of the queue.</param>
    /// <param name="id">The number of the packet.</param>
    /// <param name="isAccept">True to accept the packet, false to drop it.</param>
    /// <param name="isBatch">True to apply the verdict to all earlier packets too.</param>
    public static int WriteVerdict(
        Span<byte> request, ushort queue, uint id, bool isAccept = true, bool isBatch = false)
    {
        const int length = NetlinkReader.HeaderSize + HeaderSize + 4 + 8;
        request[..length].Clear();
        BitConverter.TryWriteBytes(request, (uint)length);
        BitConverter.TryWriteBytes(request[4..], isBatch ? BatchType : VerdictType);
        BitConverter.TryWriteBytes(request[6..], NetlinkMessage.FlagRequest);
        BinaryPrimitives.WriteUInt16BigEndian(request[18..], queue);
        BitConverter.TryWriteBytes(request[20..], (ushort)12);
        BitConverter.TryWriteBytes(request[22..], NFQA_VERDICT_HDR);
        BinaryPrimitives.WriteUInt32BigEndian(request[24..], isAccept ? NF_ACCEPT : NF_DROP);
        BinaryPrimitives.WriteUInt32BigEndian(request[28..], id);
        return length;
    }
}
