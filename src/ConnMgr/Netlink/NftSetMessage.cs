using System.Buffers.Binary;
using ConnMgr.Net;
using static ConnMgr.Netlink.Nftables;

namespace ConnMgr.Netlink;

/// <summary>
/// Builds the requests to nf_tables about the address sets of the lockdown's table: struct nfgenmsg, then
/// attributes. Writes each into the caller's buffer. Pure.
/// </summary>
/// <remarks>
/// `afero4` and `afero6` hold single addresses, each with or without a time-out. `afero4_prefixes` and
/// `afero6_prefixes` hold prefixes as intervals: one element at the first address, and one, marked as the
/// end, after the last address. The sets for name servers and for probed addresses are like `afero4` and
/// `afero6`.
/// </remarks>
internal static class NftSetMessage
{
    /// <summary>In bytes: enough for a request about one element or one set.</summary>
    public const int MaxSize = 144;

    /// <summary>The size of <see cref="Begin"/> or <see cref="End"/> in bytes.</summary>
    public const int MarkSize = NetlinkReader.HeaderSize + HeaderSize;

    /// <summary>The size of struct nfgenmsg in bytes.</summary>
    public const int HeaderSize = 4;

    /// <summary>The number of sets.</summary>
    public const int SetCount = 8;

    /// <summary>The first of the sets for services; those before it are for the whitelist.</summary>
    public const int FirstService = 4;

    private const int MillisecondsPerSecond = 1000;

    // The numbers that the program nft uses for ipv4_addr and ipv6_addr. The kernel only compares them.
    private const uint KeyTypeIpv4 = 7;
    private const uint KeyTypeIpv6 = 8;

    /// <summary>
    /// The name of the lockdown's tables in messages: one table has the family inet, the other the family
    /// bridge (for bridged frames).
    /// </summary>
    public static ReadOnlySpan<byte> Table => "connmgr\0"u8;

    /// <summary>Returns the name of a set in messages.</summary>
    /// <param name="set">0 to <see cref="SetCount"/> - 1: bit 0 for IPv6, bit 1 for prefixes; from <see
    /// cref="FirstService"/> on, bit 1 for probed addresses instead of name servers.</param>
    public static ReadOnlySpan<byte> NameOf(int set) => set switch
    {
        0 => "afero4\0"u8,
        1 => "afero6\0"u8,
        2 => "afero4_prefixes\0"u8,
        3 => "afero6_prefixes\0"u8,
        4 => "afero4_servers\0"u8,
        5 => "afero6_servers\0"u8,
        6 => "afero4_probed\0"u8,
        _ => "afero6_probed\0"u8,
    };

    /// <summary>Returns the set of that name in messages; -1 for any other name.</summary>
    public static int SetOf(ReadOnlySpan<byte> name)
    {
        for (int set = 0; set < SetCount; set++)
        {
            if (name.SequenceEqual(NameOf(set)))
            {
                return set;
            }
        }
        return -1;
    }

    /// <summary>Returns the set that holds such an address or prefix.</summary>
    public static int SetOf(IpPrefix prefix) => (prefix.First.IsIpv4 ? 0 : 1) + (prefix.IsAddress ? 0 : 2);

    /// <summary>
    /// Begins a transaction: the kernel carries out all requests up to <see cref="End"/>, or none of them.
    /// </summary>
    public static int Begin(Span<byte> buffer, uint sequence) => Mark(buffer, NFNL_MSG_BATCH_BEGIN, sequence);

    /// <summary>Ends a transaction.</summary>
    public static int End(Span<byte> buffer, uint sequence) => Mark(buffer, NFNL_MSG_BATCH_END, sequence);

    /// <summary>
    /// Creates the table, or deletes it with all its contents. Creating an existing one succeeds.
    /// </summary>
    /// <returns>The number of bytes written.</returns>
    public static int ChangeTable(Span<byte> buffer, byte family, bool isNew, uint sequence)
    {
        NetlinkWriter writer = BeginRequest(buffer, family);
        writer.Attribute(NFTA_TABLE_NAME, Table);
        return isNew
            ? Finish(writer, NFT_MSG_NEWTABLE, NLM_F_CREATE, sequence)
            : Finish(writer, NFT_MSG_DELTABLE, 0, sequence);
    }

    /// <summary>Creates a set. Creating an existing one with the same properties succeeds.</summary>
    /// <returns>The number of bytes written.</returns>
    public static int CreateSet(Span<byte> buffer, int set, uint sequence)
    {
        bool isIpv6 = (set & 1) != 0;
        bool isInterval = set is 2 or 3;
        NetlinkWriter writer = BeginRequest(buffer, NFPROTO_INET);
        writer.Attribute(NFTA_SET_TABLE, Table);
        writer.Attribute(NFTA_SET_NAME, NameOf(set));
        Number(ref writer, NFTA_SET_FLAGS, isInterval ? (uint)NFT_SET_INTERVAL : NFT_SET_TIMEOUT);
        Number(ref writer, NFTA_SET_KEY_TYPE, isIpv6 ? KeyTypeIpv6 : KeyTypeIpv4);
        Number(ref writer, NFTA_SET_KEY_LEN, isIpv6 ? 16u : 4u);
        Number(ref writer, NFTA_SET_ID, (uint)set + 1); // required by the kernel; unique per new set
        return Finish(writer, NFT_MSG_NEWSET, NLM_F_CREATE, sequence);
    }

    /// <summary>Adds an address or prefix to its set.</summary>
    /// <param name="buffer">At least <see cref="MaxSize"/> bytes.</param>
    /// <param name="prefix">An address or prefix.</param>
    /// <param name="timeout">The time-out of an address in seconds; 0 for none. Null to leave it out, so that
    /// an existing element stays unchanged.</param>
    /// <param name="sequence">The sequence number that the answer repeats.</param>
    /// <returns>The number of bytes written.</returns>
    public static int Add(Span<byte> buffer, IpPrefix prefix, int? timeout, uint sequence)
    {
        NetlinkWriter writer = BeginElements(buffer, prefix, out int elements);
        int element = writer.BeginNest(NFTA_LIST_ELEM);
        Key(ref writer, prefix.First);
        if (prefix.IsAddress && timeout is { } seconds)
        {
            long milliseconds = (long)seconds * MillisecondsPerSecond;
            LongNumber(ref writer, NFTA_SET_ELEM_TIMEOUT, milliseconds);
            if (seconds > 0)
            {
                // Send the expiration too: since Linux 6.12, the kernel otherwise restarts the time only if
                // the time-out has changed.
                LongNumber(ref writer, NFTA_SET_ELEM_EXPIRATION, milliseconds);
            }
        }
        writer.EndNest(element);
        IntervalEnd(ref writer, prefix);
        writer.EndNest(elements);
        return Finish(writer, NFT_MSG_NEWSETELEM, NLM_F_CREATE, sequence);
    }

    /// <summary>Adds an address to a set for a service, without a time-out.</summary>
    /// <returns>The number of bytes written.</returns>
    public static int AddService(Span<byte> buffer, int set, IpNumber address, uint sequence)
    {
        NetlinkWriter writer = BeginElements(buffer, set, out int elements);
        int element = writer.BeginNest(NFTA_LIST_ELEM);
        Key(ref writer, address);
        writer.EndNest(element);
        writer.EndNest(elements);
        return Finish(writer, NFT_MSG_NEWSETELEM, NLM_F_CREATE, sequence);
    }

    /// <summary>
    /// Deletes an address or prefix from its set. Deleting an absent one is an error: ENOENT.
    /// </summary>
    /// <returns>The number of bytes written.</returns>
    public static int Delete(Span<byte> buffer, IpPrefix prefix, uint sequence)
    {
        NetlinkWriter writer = BeginElements(buffer, prefix, out int elements);
        int element = writer.BeginNest(NFTA_LIST_ELEM);
        Key(ref writer, prefix.First);
        writer.EndNest(element);
        IntervalEnd(ref writer, prefix);
        writer.EndNest(elements);
        return Finish(writer, NFT_MSG_DELSETELEM, 0, sequence);
    }

    /// <summary>Empties a set.</summary>
    /// <returns>The number of bytes written.</returns>
    public static int Flush(Span<byte> buffer, int set, uint sequence)
    {
        NetlinkWriter writer = BeginRequest(buffer, NFPROTO_INET);
        writer.Attribute(NFTA_SET_ELEM_LIST_TABLE, Table);
        writer.Attribute(NFTA_SET_ELEM_LIST_SET, NameOf(set));
        return Finish(writer, NFT_MSG_DELSETELEM, 0, sequence);
    }

    /// <summary>
    /// Returns the request for the element of an address, or of a prefix's first address. The kernel answers
    /// with a row, or with ENOENT. The request needs no transaction.
    /// </summary>
    public static ReadOnlySpan<byte> Get(Span<byte> buffer, IpPrefix prefix, uint sequence)
    {
        NetlinkWriter writer = BeginElements(buffer, prefix, out int elements);
        int element = writer.BeginNest(NFTA_LIST_ELEM);
        Key(ref writer, prefix.First);
        writer.EndNest(element);
        writer.EndNest(elements);
        return writer.Finish(Type(NFT_MSG_GETSETELEM), 0, sequence);
    }

    /// <summary>Lists a set: the answers are rows for <see cref="ElementsOf"/>, then NLMSG_DONE.</summary>
    public static ReadOnlySpan<byte> List(Span<byte> buffer, int set, uint sequence)
    {
        NetlinkWriter writer = BeginRequest(buffer, NFPROTO_INET);
        writer.Attribute(NFTA_SET_ELEM_LIST_TABLE, Table);
        writer.Attribute(NFTA_SET_ELEM_LIST_SET, NameOf(set));
        return writer.Finish(Type(NFT_MSG_GETSETELEM), NetlinkMessage.FlagDump, sequence);
    }

    /// <summary>Returns the elements in a row of an answer, or in an event about elements.</summary>
    public static Elements ElementsOf(in NetlinkMessage message)
    {
        AttributeReader attributes = AttributesOf(message, NFT_MSG_NEWSETELEM, NFT_MSG_DELSETELEM);
        while (attributes.TryRead(out NetlinkAttribute attribute))
        {
            if (attribute.Type == NFTA_SET_ELEM_LIST_ELEMENTS)
            {
                return new Elements(attribute.Value);
            }
        }
        return default;
    }

    /// <summary>True if an event is about elements of a set of prefixes or for a service.</summary>
    public static bool IsAboutPrefixes(in NetlinkMessage message)
    {
        AttributeReader attributes = AttributesOf(message, NFT_MSG_NEWSETELEM, NFT_MSG_DELSETELEM);
        while (attributes.TryRead(out NetlinkAttribute attribute))
        {
            if (attribute.Type == NFTA_SET_ELEM_LIST_SET)
            {
                return SetOf(attribute.Value) >= 2;
            }
        }
        return false;
    }

    /// <summary>
    /// Returns the attributes of an nf_tables message of either type; none for any other message.
    /// </summary>
    public static AttributeReader AttributesOf(in NetlinkMessage message, int type, int otherType) =>
        (message.Type == Type(type) || message.Type == Type(otherType))
            && message.Payload.Length >= HeaderSize
            ? new AttributeReader(message.Payload[HeaderSize..])
            : default;

    /// <summary>Returns a message type: the subsystem and a number of enum nf_tables_msg_types.</summary>
    public static ushort Type(int message) => (ushort)((NFNL_SUBSYS_NFTABLES << 8) | message);

    /// <summary>Begins an empty request of a family (NFPROTO_*).</summary>
    public static NetlinkWriter BeginRequest(Span<byte> buffer, byte family)
    {
        NetlinkWriter writer = new(buffer);
        writer.Append([family, 0, 0, 0]);
        return writer;
    }

    /// <summary>Appends a number of 4 bytes in network byte order.</summary>
    public static void Number(ref NetlinkWriter writer, ushort type, uint value)
    {
        Span<byte> bytes = stackalloc byte[4];
        BinaryPrimitives.WriteUInt32BigEndian(bytes, value);
        writer.Attribute(type, bytes);
    }

    private static void LongNumber(ref NetlinkWriter writer, ushort type, long value)
    {
        Span<byte> bytes = stackalloc byte[8];
        BinaryPrimitives.WriteInt64BigEndian(bytes, value);
        writer.Attribute(type, bytes);
    }

    private static int Mark(Span<byte> buffer, ushort type, uint sequence)
    {
        NetlinkWriter writer = new(buffer);
        writer.Append([0, 0, 0, NFNL_SUBSYS_NFTABLES]); // res_id, in network byte order
        return writer.Finish(type, 0, sequence).Length;
    }

    private static int Finish(NetlinkWriter writer, int message, int flags, uint sequence) =>
        writer.Finish(Type(message), (ushort)flags, sequence).Length;

    private static NetlinkWriter BeginElements(Span<byte> buffer, IpPrefix prefix, out int elements) =>
        BeginElements(buffer, SetOf(prefix), out elements);

    private static NetlinkWriter BeginElements(Span<byte> buffer, int set, out int elements)
    {
        NetlinkWriter writer = BeginRequest(buffer, NFPROTO_INET);
        writer.Attribute(NFTA_SET_ELEM_LIST_TABLE, Table);
        writer.Attribute(NFTA_SET_ELEM_LIST_SET, NameOf(set));
        elements = writer.BeginNest(NFTA_SET_ELEM_LIST_ELEMENTS);
        return writer;
    }

    private static void Key(ref NetlinkWriter writer, IpNumber address)
    {
        Span<byte> bytes = stackalloc byte[16];
        int length = address.Write(bytes);
        int key = writer.BeginNest(NFTA_SET_ELEM_KEY);
        writer.Attribute(NFTA_DATA_VALUE, bytes[..length]);
        writer.EndNest(key);
    }

    /// <summary>
    /// Appends the element that ends a prefix's interval. A prefix that includes the highest address has no
    /// such element.
    /// </summary>
    private static void IntervalEnd(ref NetlinkWriter writer, IpPrefix prefix)
    {
        if (prefix.IsAddress || AfterLast(prefix) is not { } end)
        {
            return;
        }
        int element = writer.BeginNest(NFTA_LIST_ELEM);
        Key(ref writer, end);
        Number(ref writer, NFTA_SET_ELEM_FLAGS, NFT_SET_ELEM_INTERVAL_END);
        writer.EndNest(element);
    }

    private static IpNumber? AfterLast(IpPrefix prefix)
    {
        int hostBits = (prefix.First.IsIpv4 ? 32 : 128) - prefix.Length;
        UInt128 end = hostBits == 128 ? 0 : prefix.First.Value + (UInt128.One << hostBits);
        IpNumber number = new(end);
        return end == 0 || (prefix.First.IsIpv4 && !number.IsIpv4) ? null : number;
    }

    /// <summary>Iterates over the elements of a row.</summary>
    internal ref struct Elements(ReadOnlySpan<byte> bytes)
    {
        private AttributeReader _rest = new(bytes);

        /// <summary>Reads the next element, skipping malformed ones.</summary>
        public bool TryRead(out NftElement element)
        {
            while (_rest.TryRead(out NetlinkAttribute attribute))
            {
                if (attribute.Type == NFTA_LIST_ELEM && TryReadElement(attribute.Value, out element))
                {
                    return true;
                }
            }
            element = default;
            return false;
        }

        private static bool TryReadElement(ReadOnlySpan<byte> bytes, out NftElement element)
        {
            IpNumber key = default;
            bool hasKey = false;
            uint flags = 0;
            uint left = 0;
            AttributeReader attributes = new(bytes);
            while (attributes.TryRead(out NetlinkAttribute attribute))
            {
                switch (attribute.Type)
                {
                    case NFTA_SET_ELEM_KEY:
                        AttributeReader inner = new(attribute.Value);
                        hasKey = inner.TryRead(out NetlinkAttribute value) && value.Type == NFTA_DATA_VALUE
                            && IpNumber.TryRead(value.Value, out key);
                        break;
                    case NFTA_SET_ELEM_FLAGS when attribute.Value.Length == 4:
                        flags = BinaryPrimitives.ReadUInt32BigEndian(attribute.Value);
                        break;
                    case NFTA_SET_ELEM_EXPIRATION when attribute.Value.Length == 8:
                        left = Seconds(BinaryPrimitives.ReadUInt64BigEndian(attribute.Value));
                        break;
                }
            }
            element = new NftElement(key, (flags & NFT_SET_ELEM_INTERVAL_END) != 0, left);
            return hasKey;
        }

        /// <summary>Rounds up, because 0 would mean no time-out.</summary>
        private static uint Seconds(ulong milliseconds)
        {
            (ulong seconds, ulong rest) = Math.DivRem(milliseconds, MillisecondsPerSecond);
            seconds += rest > 0 ? 1u : 0;
            return (uint)Math.Clamp(seconds, 1, uint.MaxValue);
        }
    }
}

/// <summary>An element as the kernel reports it.</summary>
/// <param name="Key">The address.</param>
/// <param name="IsEnd">True if an interval ends before that address.</param>
/// <param name="Left">The seconds until the element expires; 0 for no time-out.</param>
internal readonly record struct NftElement(IpNumber Key, bool IsEnd, uint Left);
