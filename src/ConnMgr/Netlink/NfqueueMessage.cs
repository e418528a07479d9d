using System.Buffers.Binary;

namespace ConnMgr.Netlink;

/// <summary>
/// A packet that waits in an NFQUEUE, as the kernel tells of it (NFQNL_MSG_PACKET,
/// &lt;linux/netfilter/nfnetlink_queue.h&gt;). Its bytes are those of a hostile network.
/// </summary>
internal readonly ref struct QueuedPacket
{
    private QueuedPacket(
        uint id, byte hook, ReadOnlySpan<byte> bytes, bool isCut, int inputIfindex, ConntrackMessage.Tuple original,
        ConntrackMessage.Tuple reply)
    {
        Id = id;
        Hook = hook;
        Bytes = bytes;
        IsCut = isCut;
        InputIfindex = inputIfindex;
        Original = original;
        Reply = reply;
    }

    /// <summary>What the verdict has to name.</summary>
    public uint Id { get; }

    /// <summary>NF_INET_LOCAL_IN (1) or NF_INET_FORWARD (2), &lt;linux/netfilter.h&gt;.</summary>
    public byte Hook { get; }

    /// <summary>From the IP header on.</summary>
    public ReadOnlySpan<byte> Bytes { get; }

    /// <summary>True if the packet goes on where <see cref="Bytes"/> end.</summary>
    public bool IsCut { get; }

    /// <summary>The interface by which it came; 0 if unknown.</summary>
    public int InputIfindex { get; }

    /// <summary>
    /// Connection tracking's tuple of the first packet of its connection, before any translation of addresses; default
    /// if the kernel does not tell.
    /// </summary>
    public ConntrackMessage.Tuple Original { get; }

    /// <summary>Its tuple of the answers as they arrive, before any translation back; or default.</summary>
    public ConntrackMessage.Tuple Reply { get; }

    /// <summary>
    /// Reads one. False if it is none that a verdict could be given on; all that is malformed but its number leaves
    /// <see cref="Bytes"/> empty, since a packet without a verdict stays in the queue for ever.
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
        ReadOnlySpan<byte> bytes = default;
        uint wholeLength = 0;
        int input = 0;
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
                case Nfqueue.NFQA_PAYLOAD:
                    bytes = value;
                    break;
                case Nfqueue.NFQA_CAP_LEN when value.Length == 4:
                    wholeLength = BinaryPrimitives.ReadUInt32BigEndian(value);
                    break;
                case Nfqueue.NFQA_IFINDEX_INDEV when value.Length == 4:
                    input = BinaryPrimitives.ReadInt32BigEndian(value);
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
        packet = new QueuedPacket(known, hook, bytes, wholeLength > bytes.Length, input, original, reply);
        return true;
    }

    private static ConntrackMessage.Tuple ReadTuple(ReadOnlySpan<byte> conntrack, ushort type)
    {
        AttributeReader attributes = new(conntrack);
        while (attributes.TryRead(out NetlinkAttribute attribute))
        {
            if (attribute.Type == type)
            {
                return ConntrackMessage.Tuple.TryRead(attribute.Value, out ConntrackMessage.Tuple tuple) ? tuple : default;
            }
        }
        return default;
    }
}

/// <summary>The requests to an NFQUEUE, and their numbers (&lt;linux/netfilter/nfnetlink_queue.h&gt;).</summary>
internal static class Nfqueue
{
    internal const int HeaderSize = 4; // struct nfgenmsg: family, version, queue number

    /// <summary>What a packet's message has beside the packet, in bytes: generously.</summary>
    internal const int LargestOverhead = 2048;

    /// <summary>What the kernel copies of a packet at most: an attribute's length has 16 bits.</summary>
    internal const int LargestCopy = 0xffff - 4;

    public const int NFNL_SUBSYS_QUEUE = 3;
    public const int NFQNL_MSG_PACKET = 0;
    public const int NFQNL_MSG_VERDICT = 1;
    public const int NFQNL_MSG_CONFIG = 2;
    public const int NFQNL_MSG_VERDICT_BATCH = 3;

    public const ushort NFQA_PACKET_HDR = 1;
    public const ushort NFQA_VERDICT_HDR = 2;
    public const ushort NFQA_IFINDEX_INDEV = 5;
    public const ushort NFQA_PAYLOAD = 10;
    public const ushort NFQA_CT = 11;
    public const ushort NFQA_CAP_LEN = 13;

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
    public const ushort CTA_TUPLE_ORIG = 1;
    public const ushort CTA_TUPLE_REPLY = 2;

    /// <summary>nlmsg_type of a packet's message.</summary>
    internal const ushort PacketType = (NFNL_SUBSYS_QUEUE << 8) | NFQNL_MSG_PACKET;

    private const ushort VerdictType = (NFNL_SUBSYS_QUEUE << 8) | NFQNL_MSG_VERDICT;
    private const ushort BatchType = (NFNL_SUBSYS_QUEUE << 8) | NFQNL_MSG_VERDICT_BATCH;
    private const ushort ConfigType = (NFNL_SUBSYS_QUEUE << 8) | NFQNL_MSG_CONFIG;
    private const int LargestRequest = 96;

    /// <summary>
    /// Makes the sender the listener of the queue; EPERM or EBUSY if it has one. Whole packets are wanted; when
    /// <paramref name="length"/> packets wait, further ones pass. Large packets come as they are, not cut into
    /// segments. One request, so that no packet comes between its parts.
    /// </summary>
    /// <param name="queue">Its number.</param>
    /// <param name="length">In packets.</param>
    /// <param name="withConntrack">
    /// Conntrack's tuples are wanted too; EOPNOTSUPP if the kernel lacks that (NETFILTER_NETLINK_GLUE_CT), EAGAIN if it has
    /// just loaded what it needs.
    /// </param>
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
    /// Writes the verdict that lets a packet pass as it is, and returns its length. No acknowledgement is asked for: the
    /// kernel answers only if it does not know the packet (any more).
    /// </summary>
    /// <param name="request">Has room for 32 bytes.</param>
    /// <param name="queue">The queue's number.</param>
    /// <param name="id">Of the packet.</param>
    /// <param name="isBatch">Also all that came before it.</param>
    public static int WriteAccept(Span<byte> request, ushort queue, uint id, bool isBatch = false)
    {
        const int length = NetlinkReader.HeaderSize + HeaderSize + 4 + 8;
        request[..length].Clear();
        BitConverter.TryWriteBytes(request, (uint)length);
        BitConverter.TryWriteBytes(request[4..], isBatch ? BatchType : VerdictType);
        BitConverter.TryWriteBytes(request[6..], NetlinkMessage.FlagRequest);
        BinaryPrimitives.WriteUInt16BigEndian(request[18..], queue);
        BitConverter.TryWriteBytes(request[20..], (ushort)12);
        BitConverter.TryWriteBytes(request[22..], NFQA_VERDICT_HDR);
        BinaryPrimitives.WriteUInt32BigEndian(request[24..], NF_ACCEPT);
        BinaryPrimitives.WriteUInt32BigEndian(request[28..], id);
        return length;
    }
}
