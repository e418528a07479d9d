namespace ConnMgr.Netlink;

/// <summary>
/// One message of a netlink datagram: struct nlmsghdr (&lt;linux/netlink.h&gt;) and its payload.
/// </summary>
/// <param name="type">nlmsg_type.</param>
/// <param name="flags">nlmsg_flags.</param>
/// <param name="sequence">nlmsg_seq.</param>
/// <param name="portId">nlmsg_pid: of an answer, the socket that sent the request; of an event, the socket
/// that caused it.</param>
/// <param name="payload">The bytes after the header.</param>
internal readonly ref struct NetlinkMessage(
    ushort type, ushort flags, uint sequence, uint portId, ReadOnlySpan<byte> payload)
{
    public const ushort Error = 2; // NLMSG_ERROR
    public const ushort Done = 3; // NLMSG_DONE
    public const ushort FlagRequest = 0x1; // NLM_F_REQUEST
    public const ushort FlagAcknowledge = 0x4; // NLM_F_ACK
    public const ushort FlagDumpInterrupted = 0x10; // NLM_F_DUMP_INTR
    public const ushort FlagReplace = 0x100; // NLM_F_REPLACE
    public const ushort FlagDump = 0x300; // NLM_F_ROOT | NLM_F_MATCH

    public ushort Type { get; } = type;

    public ushort Flags { get; } = flags;

    public uint Sequence { get; } = sequence;

    public uint PortId { get; } = portId;

    public ReadOnlySpan<byte> Payload { get; } = payload;

    /// <summary>
    /// The errno of a message that ends an answer (0 is success); null for any other message.
    /// </summary>
    public int? ErrorNumber =>
        Type is Error or Done && Payload.Length >= 4 ? -(int)NetlinkWire.UInt32(Payload) : null;
}

/// <summary>
/// Splits a netlink datagram into messages. Never reads outside it; stops at the first invalid length.
/// </summary>
internal ref struct NetlinkReader(ReadOnlySpan<byte> datagram)
{
    public const int HeaderSize = 16;

    private ReadOnlySpan<byte> _rest = datagram;

    /// <summary>Reads the next message. Returns false at the end, or at an invalid length.</summary>
    public bool TryRead(out NetlinkMessage message)
    {
        message = default;
        if (_rest.Length < HeaderSize)
        {
            return false;
        }
        uint length = NetlinkWire.UInt32(_rest);
        if (length < HeaderSize || length > (uint)_rest.Length)
        {
            _rest = default;
            return false;
        }

        message = new NetlinkMessage(
            NetlinkWire.UInt16(_rest[4..]), NetlinkWire.UInt16(_rest[6..]), NetlinkWire.UInt32(_rest[8..]),
            NetlinkWire.UInt32(_rest[12..]), _rest[HeaderSize..(int)length]);
        _rest = _rest[Math.Min(_rest.Length, NetlinkWire.Align((int)length))..];
        return true;
    }
}

/// <summary>One attribute, struct rtattr or nlattr.</summary>
/// <param name="type">The type, without the flags NLA_F_NESTED and NLA_F_NET_BYTEORDER.</param>
/// <param name="value">The bytes after the header.</param>
internal readonly ref struct NetlinkAttribute(ushort type, ReadOnlySpan<byte> value)
{
    public ushort Type { get; } = type;

    public ReadOnlySpan<byte> Value { get; } = value;

    /// <summary>The value as a number of 4 bytes in host byte order; 0 if it is shorter.</summary>
    public uint AsUInt32 => Value.Length >= 4 ? NetlinkWire.UInt32(Value) : 0;
}

/// <summary>
/// Splits a sequence of attributes. Never reads outside it; stops at the first invalid length.
/// </summary>
internal ref struct AttributeReader(ReadOnlySpan<byte> attributes)
{
    private const int HeaderSize = 4;
    private const ushort TypeMask = 0x3fff; // NLA_TYPE_MASK

    private ReadOnlySpan<byte> _rest = attributes;

    /// <summary>Reads the next attribute. Returns false at the end, or at an invalid length.</summary>
    public bool TryRead(out NetlinkAttribute attribute)
    {
        attribute = default;
        if (_rest.Length < HeaderSize)
        {
            return false;
        }
        ushort length = NetlinkWire.UInt16(_rest);
        if (length < HeaderSize || length > _rest.Length)
        {
            _rest = default;
            return false;
        }

        attribute = new NetlinkAttribute((ushort)(NetlinkWire.UInt16(_rest[2..]) & TypeMask),
            _rest[HeaderSize..length]);
        _rest = _rest[Math.Min(_rest.Length, NetlinkWire.Align(length))..];
        return true;
    }
}

/// <summary>Netlink's encoding: host byte order, lengths padded to 4 bytes.</summary>
internal static class NetlinkWire
{
    /// <summary>Rounds a length up to a multiple of 4.</summary>
    public static int Align(int length) => (length + 3) & ~3;

    /// <summary>Reads 2 bytes in host byte order; throws if there are fewer.</summary>
    public static ushort UInt16(ReadOnlySpan<byte> bytes) => BitConverter.ToUInt16(bytes);

    /// <summary>Reads 4 bytes in host byte order; throws if there are fewer.</summary>
    public static uint UInt32(ReadOnlySpan<byte> bytes) => BitConverter.ToUInt32(bytes);
}
