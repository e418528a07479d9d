using System.Buffers.Binary;
using ConnMgr.Net;
using ConnMgr.Netlink;

namespace ConnMgr.Firewall;

/// <summary>
/// The requests to the kernel's address sets (&lt;linux/netfilter/ipset/ip_set.h&gt;): struct nfgenmsg, then
/// attributes. Each is built in the caller's buffer. Pure.
/// </summary>
internal static class IpsetMessage
{
    /// <summary>The largest number of elements in one request.</summary>
    internal const int MaxAtOnce = 128;

    /// <summary>In bytes: enough for any request, as an IPv6 element takes 44 bytes.</summary>
    internal const int MaxSize = 192 + (MaxAtOnce * 44);

    /// <summary>The capacity of a set, twice <see cref="Holes.MaxHoles"/>.</summary>
    internal const uint MaxElements = 65536;

    public const int IPSET_PROTOCOL_MIN = 6; // the oldest kernels speak it, and the newest still accept it
    public const int NFNL_SUBSYS_IPSET = 6;
    public const int IPSET_CMD_CREATE = 2;
    public const int IPSET_CMD_LIST = 7;
    public const int IPSET_CMD_ADD = 9;
    public const int IPSET_CMD_DEL = 10;
    public const int IPSET_CMD_TEST = 11;

    public const int IPSET_ATTR_PROTOCOL = 1;
    public const int IPSET_ATTR_SETNAME = 2;
    public const int IPSET_ATTR_TYPENAME = 3;
    public const int IPSET_ATTR_REVISION = 4;
    public const int IPSET_ATTR_FAMILY = 5;
    public const int IPSET_ATTR_DATA = 7;
    public const int IPSET_ATTR_ADT = 8;
    public const int IPSET_ATTR_LINENO = 9;
    public const int IPSET_ATTR_IP = 1;
    public const int IPSET_ATTR_CIDR = 3;
    public const int IPSET_ATTR_TIMEOUT = 6;
    public const int IPSET_ATTR_MAXELEM = 19;
    public const int IPSET_ATTR_IPADDR_IPV4 = 1;
    public const int IPSET_ATTR_IPADDR_IPV6 = 2;
    public const int NLA_F_NET_BYTEORDER = 0x4000;

    /// <summary>The answer to a test: the element is not in the set.</summary>
    public const int IPSET_ERR_EXIST = 4103;

    public const int IPSET_ERR_FIND_TYPE = 4098;
    public const int IPSET_ERR_MAX_SETS = 4099;
    public const int IPSET_ERR_TYPE_MISMATCH = 4102;

    /// <summary>For hash types: IPSET_ERR_HASH_FULL, which only a kernel-internal header names.</summary>
    public const int IPSET_ERR_TYPE_SPECIFIC = 4352;

    private const int HeaderSize = 4; // struct nfgenmsg
    private const int EEXIST = 17;
    private const int ENOENT = 2;
    private const int AF_INET = 2;
    private const int AF_INET6 = 10;

    /// <summary>
    /// Creates an empty set of the family, whose elements have time-outs, 0 (none) by default. If the set
    /// exists, this succeeds and changes nothing.
    /// </summary>
    public static ReadOnlySpan<byte> Create(
        Span<byte> buffer, bool isIpv6, uint sequence, ServiceSet? service = null)
    {
        NetlinkWriter writer = Begin(buffer, isIpv6, service);
        writer.Attribute(IPSET_ATTR_TYPENAME, "hash:net\0"u8);
        writer.Attribute(IPSET_ATTR_REVISION, [0]);
        writer.Attribute(IPSET_ATTR_FAMILY, [Family(isIpv6)]);
        int data = writer.BeginNest(IPSET_ATTR_DATA);
        Number(ref writer, IPSET_ATTR_TIMEOUT, 0);
        Number(ref writer, IPSET_ATTR_MAXELEM, MaxElements);
        writer.EndNest(data);
        return Finish(writer, IPSET_CMD_CREATE, sequence);
    }

    /// <summary>Adds an element; an existing one gets the new time-out.</summary>
    /// <param name="buffer">At least <see cref="MaxSize"/> bytes.</param>
    /// <param name="prefix">An address or prefix.</param>
    /// <param name="timeout">In seconds; 0 for none.</param>
    /// <param name="sequence">The sequence number that the answer repeats.</param>
    /// <param name="service">The service whose set it is; null for the whitelist's.</param>
    public static ReadOnlySpan<byte> Add(
        Span<byte> buffer, IpPrefix prefix, int timeout, uint sequence, ServiceSet? service = null) =>
        Element(buffer, IPSET_CMD_ADD, prefix, timeout, sequence, service);

    /// <summary>Deletes an element; deleting an absent one succeeds.</summary>
    public static ReadOnlySpan<byte> Delete(
        Span<byte> buffer, IpPrefix prefix, uint sequence, ServiceSet? service = null) =>
        Element(buffer, IPSET_CMD_DEL, prefix, null, sequence, service);

    /// <summary>
    /// Adds or deletes several elements of one family. The kernel stops at the first that it refuses, and
    /// keeps those before it.
    /// </summary>
    /// <param name="buffer">At least <see cref="MaxSize"/> bytes.</param>
    /// <param name="run">All of them openings, or none; at most <see cref="MaxAtOnce"/>.</param>
    /// <param name="sequence">The sequence number that the answer repeats.</param>
    public static ReadOnlySpan<byte> Many(Span<byte> buffer, ReadOnlySpan<HoleEffect> run, uint sequence)
    {
        bool isOpening = run[0].Action == HoleAction.Open;
        NetlinkWriter writer = Begin(buffer, !run[0].Prefix.First.IsIpv4);
        Number(ref writer, IPSET_ATTR_LINENO, 0); // the kernel requires it
        int elements = writer.BeginNest(IPSET_ATTR_ADT);
        foreach (ref readonly HoleEffect effect in run)
        {
            Element(ref writer, effect.Prefix, isOpening ? effect.Timeout : null);
        }
        writer.EndNest(elements);
        return Finish(writer, isOpening ? IPSET_CMD_ADD : IPSET_CMD_DEL, sequence);
    }

    /// <summary>
    /// Tests for an element: the answer is error 0, or <see cref="IPSET_ERR_EXIST"/> if it is absent.
    /// </summary>
    public static ReadOnlySpan<byte> Test(Span<byte> buffer, IpPrefix prefix, uint sequence) =>
        Element(buffer, IPSET_CMD_TEST, prefix, null, sequence);

    /// <summary>
    /// Lists the set of the family: the answers are rows for <see cref="Elements"/>, then NLMSG_DONE.
    /// </summary>
    public static ReadOnlySpan<byte> List(
        Span<byte> buffer, bool isIpv6, uint sequence, ServiceSet? service = null) =>
        Begin(buffer, isIpv6, service).Finish(
        (NFNL_SUBSYS_IPSET << 8) | IPSET_CMD_LIST, NetlinkMessage.FlagDump, sequence);

    /// <summary>Returns the elements in a row of a list.</summary>
    public static Elements ElementsOf(in NetlinkMessage message)
    {
        AttributeReader attributes = new(
            message.Type == ((NFNL_SUBSYS_IPSET << 8) | IPSET_CMD_LIST)
                && message.Payload.Length >= HeaderSize
                ? message.Payload[HeaderSize..] : default);
        while (attributes.TryRead(out NetlinkAttribute attribute))
        {
            if (attribute.Type == IPSET_ATTR_ADT)
            {
                return new Elements(attribute.Value);
            }
        }
        return default;
    }

    /// <summary>Iterates over the elements of a row.</summary>
    internal ref struct Elements(ReadOnlySpan<byte> bytes)
    {
        private AttributeReader _rest = new(bytes);

        /// <param name="prefix">An address or prefix.</param>
        /// <param name="timeout">The seconds left; 0 for no time-out.</param>
        public bool TryRead(out IpPrefix prefix, out uint timeout)
        {
            while (_rest.TryRead(out NetlinkAttribute element))
            {
                if (TryReadElement(element.Value, out prefix, out timeout))
                {
                    return true;
                }
            }
            (prefix, timeout) = (default, 0);
            return false;
        }

        private static bool TryReadElement(ReadOnlySpan<byte> bytes, out IpPrefix prefix, out uint timeout)
        {
            IpNumber address = default;
            int length = -1;
            timeout = 0;
            AttributeReader attributes = new(bytes);
            while (attributes.TryRead(out NetlinkAttribute attribute))
            {
                switch (attribute.Type)
                {
                    case IPSET_ATTR_IP:
                        AttributeReader inner = new(attribute.Value);
                        if (inner.TryRead(out NetlinkAttribute bare))
                        {
                            IpNumber.TryRead(bare.Value, out address);
                        }
                        break;
                    case IPSET_ATTR_CIDR when attribute.Value.Length == 1:
                        length = attribute.Value[0];
                        break;
                    case IPSET_ATTR_TIMEOUT when attribute.Value.Length == 4:
                        timeout = BinaryPrimitives.ReadUInt32BigEndian(attribute.Value);
                        break;
                }
            }
            prefix = IpPrefix.Of(address);
            bool isRead = address != default && length <= prefix.Length;
            prefix = length < 0 ? prefix : prefix with { Length = (byte)Math.Min(length, prefix.Length) };
            return isRead;
        }
    }

    /// <summary>Describes an ipset error; null for an ordinary errno.</summary>
    public static string? Words(int error) => error switch
    {
        EEXIST or IPSET_ERR_TYPE_MISMATCH => "a set of that name has another type",
        ENOENT => "no such set",
        IPSET_ERR_FIND_TYPE => "the kernel has no hash:net",
        IPSET_ERR_MAX_SETS => "there are too many sets",
        IPSET_ERR_EXIST => "the element is not in the set",
        IPSET_ERR_TYPE_SPECIFIC => "the set is full",
        > 4096 => $"ipset error {error}",
        _ => null,
    };

    private static ReadOnlySpan<byte> Element(
        Span<byte> buffer, int command, IpPrefix prefix, int? timeout, uint sequence,
        ServiceSet? service = null)
    {
        NetlinkWriter writer = Begin(buffer, !prefix.First.IsIpv4, service);
        Element(ref writer, prefix, timeout);
        return Finish(writer, command, sequence);
    }

    private static void Element(ref NetlinkWriter writer, IpPrefix prefix, int? timeout)
    {
        Span<byte> address = stackalloc byte[16];
        address = address[..prefix.First.Write(address)];
        int data = writer.BeginNest(IPSET_ATTR_DATA);
        int ip = writer.BeginNest(IPSET_ATTR_IP);
        int kind = prefix.First.IsIpv4 ? IPSET_ATTR_IPADDR_IPV4 : IPSET_ATTR_IPADDR_IPV6;
        writer.Attribute((ushort)(kind | NLA_F_NET_BYTEORDER), address);
        writer.EndNest(ip);
        writer.Attribute(IPSET_ATTR_CIDR, [prefix.Length]);
        if (timeout is { } seconds)
        {
            Number(ref writer, IPSET_ATTR_TIMEOUT, (uint)seconds);
        }
        writer.EndNest(data);
    }

    private static NetlinkWriter Begin(Span<byte> buffer, bool isIpv6, ServiceSet? service = null)
    {
        NetlinkWriter writer = new(buffer);
        writer.Append([Family(isIpv6), 0 /* NFNETLINK_V0 */, 0, 0]);
        writer.Attribute(IPSET_ATTR_PROTOCOL, [IPSET_PROTOCOL_MIN]);
        writer.Attribute(IPSET_ATTR_SETNAME, service switch
        {
            ServiceSet.NameServers => isIpv6 ? "afero6_servers\0"u8 : "afero4_servers\0"u8,
            ServiceSet.Probed => isIpv6 ? "afero6_probed\0"u8 : "afero4_probed\0"u8,
            _ => isIpv6 ? "afero6\0"u8 : "afero4\0"u8,
        });
        return writer;
    }

    private static void Number(ref NetlinkWriter writer, int type, uint value)
    {
        Span<byte> bytes = stackalloc byte[4];
        BinaryPrimitives.WriteUInt32BigEndian(bytes, value);
        writer.Attribute((ushort)(type | NLA_F_NET_BYTEORDER), bytes);
    }

    private static ReadOnlySpan<byte> Finish(NetlinkWriter writer, int command, uint sequence) =>
        writer.Finish((ushort)((NFNL_SUBSYS_IPSET << 8) | command), NetlinkMessage.FlagAcknowledge, sequence);

    private static byte Family(bool isIpv6) => (byte)(isIpv6 ? AF_INET6 : AF_INET);
}
