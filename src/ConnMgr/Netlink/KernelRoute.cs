using System.Net;
using ConnMgr.Net;

namespace ConnMgr.Netlink;

/// <summary>
/// One default route of the kernel's main table, or a route that connmgr has added. It keeps every byte that
/// the kernel reported, including attributes without a name here, so that a copy at another metric is
/// complete. Immutable and pure.
/// </summary>
internal sealed partial class KernelRoute
{
    /// <summary>rtm_protocol of the copies that connmgr derives from routes that keep their metric.</summary>
    public const byte OwnProtocol = 175;

    /// <summary>RT_TABLE_MAIN.</summary>
    public const uint MainTable = 254;

    private const byte FamilyIpv4 = 2; // AF_INET
    private const byte FamilyIpv6 = 10; // AF_INET6
    private const int HeaderSize = 12; // struct rtmsg
    private const byte TypeUnicast = 1; // RTN_UNICAST
    private const uint Cloned = 0x200; // RTM_F_CLONED

    private readonly byte[] _header;
    private readonly RouteAttribute[] _attributes; // without the metric, the main table and the lifetime

    private KernelRoute(byte[] header, RouteAttribute[] attributes, uint metric, uint? expires)
    {
        _header = header;
        _attributes = attributes;
        Sort(attributes);
        Metric = metric;
        Expires = expires;
        foreach (RouteAttribute attribute in attributes)
        {
            ReadOnlySpan<byte> value = attribute.Value;
            switch ((RouteAttributeType)attribute.Number)
            {
                case RouteAttributeType.OutputInterface when value.Length >= 4:
                    Ifindex = (int)NetlinkWire.UInt32(value);
                    break;
                case RouteAttributeType.Gateway:
                case RouteAttributeType.Via:
                    Gateway = attribute.Value;
                    break;
                case RouteAttributeType.NexthopId when value.Length >= 4:
                    NexthopId = NetlinkWire.UInt32(value);
                    break;
                case RouteAttributeType.Multipath:
                    Hops = RouteAttribute.ReadHops(value);
                    break;
                case RouteAttributeType.Preference when value.Length >= 1:
                    Preference = value[0];
                    break;
                case RouteAttributeType.Table when value.Length >= 4:
                    Table = NetlinkWire.UInt32(value);
                    break;
            }
        }
    }

    /// <summary>
    /// Sorts attributes by their numbers, because the kernel reports those of a nexthop in another order
    /// inside a multipath route than outside. There are few attributes, and they are mostly sorted.
    /// </summary>
    private static void Sort(RouteAttribute[] attributes)
    {
        for (int i = 1; i < attributes.Length; i++)
        {
            for (int at = i; at > 0 && attributes[at - 1].Number > attributes[at].Number; at--)
            {
                (attributes[at - 1], attributes[at]) = (attributes[at], attributes[at - 1]);
            }
        }
    }

    /// <summary>True for IPv6.</summary>
    public bool IsIpv6 => _header[0] == FamilyIpv6;

    /// <summary>
    /// The length of the source prefix, 0 to 128. If it is above 0, the route is a default only for packets
    /// from these sources (IPv6).
    /// </summary>
    public byte SourceLength => _header[2];

    /// <summary>RTPROT_*: which program created the route.</summary>
    public byte Protocol => _header[5];

    /// <summary>RT_SCOPE_*.</summary>
    public byte Scope => _header[6];

    /// <summary>RTN_*: how the route handles a packet.</summary>
    public byte Type => _header[7];

    /// <summary>
    /// True if the route forwards packets; false for blackhole, unreachable, prohibit and throw.
    /// </summary>
    public bool IsUnicast => Type == TypeUnicast;

    /// <summary>RTA_PRIORITY; the lowest is preferred. In IPv6 at least 1.</summary>
    public uint Metric { get; }

    /// <summary>
    /// The seconds until the kernel deletes the route; 0 if that may happen at once; null if the route does
    /// not expire.
    /// </summary>
    public uint? Expires { get; }

    /// <summary>The routing table: the main one, or that of a <see cref="SourceRule"/>.</summary>
    public uint Table { get; } = MainTable;

    /// <summary>True for a route of the main table.</summary>
    public bool IsOfMainTable => Table == MainTable;

    /// <summary>The interface index; 0 if there is no device, or several.</summary>
    public int Ifindex { get; }

    /// <summary>
    /// The gateway's address: 4 or 16 bytes, or struct rtvia; null for a route without a gateway.
    /// </summary>
    public byte[]? Gateway { get; }

    /// <summary>RTA_PREFSRC, 4 or 16 bytes; null if the route names no source address.</summary>
    public byte[]? PreferredSource => Find(RouteAttributeType.PreferredSource);

    /// <summary>The id of the nexthop object; 0 if the route names none.</summary>
    public uint NexthopId { get; }

    /// <summary>ICMPV6_ROUTER_PREF_*: 0 medium, 1 high, 3 low (RFC 4191).</summary>
    public byte Preference { get; }

    /// <summary>The order of the preferences: 0 high, 1 medium, 2 low.</summary>
    public int PreferenceRank => RankOf(Preference);

    /// <inheritdoc cref="PreferenceRank"/>
    public static int RankOf(byte preference) => preference switch { 1 => 0, 3 => 2, _ => 1 };

    /// <summary>The nexthops of a multipath route, or of a group of nexthop objects; else empty.</summary>
    public IReadOnlyList<RouteAttribute[]> Hops { get; } = [];

    /// <summary>The route itself; for a multipath route, one part per nexthop.</summary>
    public IEnumerable<KernelRoute> Legs => Hops.Count == 0 ? [this] : Hops.Select(Leg);

    /// <summary>The gateway; null for a route without one.</summary>
    public IPAddress? Router => Gateway?.Length switch
    {
        4 or 16 => new IPAddress(Gateway),
        6 or 18 => new IPAddress(Gateway.AsSpan(2)), // struct rtvia: the family, then the address
        _ => null,
    };

    /// <summary>
    /// True if the kernel created the route from router advertisements. The kernel renews only its own route,
    /// not a copy.
    /// </summary>
    public bool IsAdvertised => IsIpv6 && Protocol == Rtnetlink.RTPROT_RA && Expires is not null;

    /// <summary>True if connmgr derived the route from one that keeps its metric.</summary>
    public bool IsDerived => Protocol == OwnProtocol;

    /// <summary>True if the kernel no longer uses the route, and will delete it soon.</summary>
    public bool HasRunOut => Expires == 0;

    /// <summary>
    /// Parses the payload of RTM_NEWROUTE. Returns false if it is malformed, not a default route of the main
    /// table, only for a type of service, or cached.
    /// </summary>
    public static bool TryRead(ReadOnlySpan<byte> payload, out KernelRoute route)
    {
        route = null!;
        return payload.Length >= HeaderSize && payload[1] == 0 && TryReadAny(payload, out route)
            && route.IsOfMainTable;
    }

    /// <summary>
    /// Parses the payload of RTM_NEWROUTE. Returns false if it is malformed, or not a route made by
    /// <see cref="ToSubnet"/> or <see cref="InTable"/>.
    /// </summary>
    public static bool TryReadOwn(ReadOnlySpan<byte> payload, out KernelRoute route)
    {
        route = null!;
        return payload.Length >= HeaderSize && payload[5] == OwnProtocol && TryReadAny(payload, out route)
            && (payload[1] != 0 || !route.IsOfMainTable);
    }

    /// <summary>
    /// Parses the payload of RTM_NEWROUTE. Returns false if it is malformed, a default route, or not in the
    /// main table.
    /// </summary>
    public static bool TryReadPrefix(ReadOnlySpan<byte> payload, out KernelRoute route)
    {
        route = null!;
        return payload.Length >= HeaderSize && payload[1] != 0 && TryReadAny(payload, out route)
            && route.IsOfMainTable;
    }

    /// <summary>
    /// Parses the payload of RTM_NEWROUTE or RTM_DELROUTE. Returns false if it is malformed, not a unicast
    /// route of the main table to a single address, or to none of the given addresses.
    /// </summary>
    public static bool TryReadHost(
        ReadOnlySpan<byte> payload, IReadOnlyList<IpNumber> addresses, out KernelRoute route)
    {
        route = null!;
        if (addresses.Count == 0 || payload.Length < HeaderSize || payload[7] != TypeUnicast
            || payload[1] != (payload[0] == FamilyIpv6 ? 128 : 32))
        {
            return false;
        }
        AttributeReader attributes = new(payload[HeaderSize..]);
        while (attributes.TryRead(out NetlinkAttribute attribute))
        {
            if (attribute.Type == (int)RouteAttributeType.Destination
                && IpNumber.TryRead(attribute.Value, out IpNumber address) && addresses.Contains(address))
            {
                return TryReadAny(payload, out route);
            }
        }
        return false;
    }

    private static RouteAttribute Make(RouteAttributeType type, byte[] value) => new((ushort)type, value);

    private static bool TryReadAny(ReadOnlySpan<byte> payload, out KernelRoute route)
    {
        route = null!;
        if (payload[0] is not (FamilyIpv4 or FamilyIpv6) || payload[2] > 128 || payload[3] != 0
            || (NetlinkWire.UInt32(payload[8..]) & Cloned) != 0)
        {
            return false;
        }
        if (!RouteAttribute.TryReadAll(payload[HeaderSize..], out List<RouteAttribute> attributes))
        {
            return false;
        }
        uint table = payload[4];
        uint metric = 0;
        uint? expires = null;
        List<RouteAttribute> kept = new(attributes.Count);
        foreach (RouteAttribute attribute in attributes)
        {
            ReadOnlySpan<byte> value = attribute.Value;
            switch ((RouteAttributeType)attribute.Number)
            {
                case RouteAttributeType.Table when value.Length >= 4:
                    table = NetlinkWire.UInt32(value);
                    break;
                case RouteAttributeType.Priority when value.Length >= 4:
                    metric = NetlinkWire.UInt32(value);
                    break;
                case RouteAttributeType.CacheInfo:
                    expires = RouteAttribute.ExpiresOf(value);
                    break;
                default:
                    if ((RouteAttributeType)attribute.Number == RouteAttributeType.Multipath)
                    {
                        RouteAttribute.CleanHops(attribute.Value);
                    }
                    kept.Add(attribute);
                    break;
            }
        }
        if (table != MainTable && (payload[5] != OwnProtocol || !SourceRule.IsOwnTable(table)))
        {
            return false;
        }
        byte[] header = payload[..HeaderSize].ToArray();
        header[4] = (byte)MainTable;
        if (table != MainTable)
        {
            header[4] = 0; // RT_TABLE_UNSPEC: the attribute says which
            kept.Add(Make(RouteAttributeType.Table, BitConverter.GetBytes(table)));
        }
        header[8] &= RouteAttribute.AcceptedFlags;
        header.AsSpan(9, 3).Clear();
        route = new KernelRoute(header, [.. kept], metric, expires);
        return true;
    }

    /// <summary>
    /// True if both routes are equal except for the metric, the lifetime and RTNH_F_ONLINK. A copy may need
    /// that flag although its original does not have it.
    /// </summary>
    public bool IsCopyOf(KernelRoute other)
    {
        if (!_header.AsSpan(0, 8).SequenceEqual(other._header.AsSpan(0, 8))
            || ((_header[8] ^ other._header[8]) & ~RouteAttribute.OnLink) != 0
            || _attributes.Length != other._attributes.Length)
        {
            return false;
        }
        for (int i = 0; i < _attributes.Length; i++)
        {
            if (_attributes[i].Type != other._attributes[i].Type
                || !_attributes[i].Value.AsSpan().SequenceEqual(other._attributes[i].Value))
            {
                return false;
            }
        }
        return true;
    }

    /// <summary>True if both use the same device and gateway.</summary>
    public bool HasSameHop(KernelRoute other) =>
        Ifindex == other.Ifindex && Gateway.AsSpan().SequenceEqual(other.Gateway.AsSpan());

    /// <summary>True if both lead to the same subnet.</summary>
    public bool HasSameDestination(KernelRoute other) => _header[1] == other._header[1]
        && Find(RouteAttributeType.Destination).AsSpan()
            .SequenceEqual(other.Find(RouteAttributeType.Destination).AsSpan());

    /// <summary>The address of a host route; null for any other.</summary>
    public IPAddress? Host =>
        _header[1] == (IsIpv6 ? 128 : 32) && Find(RouteAttributeType.Destination) is { Length: 4 or 16 } bytes
            ? new IPAddress(bytes)
            : null;

    /// <summary>
    /// True if the other route has the preferred source and the metrics that this one names. An attribute
    /// that this route lacks matches any value.
    /// </summary>
    public bool HasAttributesIn(KernelRoute other)
    {
        foreach (RouteAttributeType type in (ReadOnlySpan<RouteAttributeType>)
            [RouteAttributeType.PreferredSource, RouteAttributeType.Metrics])
        {
            if (Find(type) is { } value && !value.AsSpan().SequenceEqual(other.Find(type).AsSpan()))
            {
                return false;
            }
        }
        return true;
    }

    private byte[]? Find(RouteAttributeType type)
    {
        foreach (RouteAttribute attribute in _attributes)
        {
            if (attribute.Number == (int)type)
            {
                return attribute.Value;
            }
        }
        return null;
    }

    /// <summary>
    /// Returns the message that adds or deletes this route, with sequence number and port id 0.
    /// </summary>
    /// <param name="type">RTM_NEWROUTE or RTM_DELROUTE.</param>
    /// <param name="flags">NLM_F_* besides NLM_F_REQUEST.</param>
    /// <param name="isPart">True to delete one nexthop of an IPv6 multipath route. The kernel reports only
    /// the protocol of its first nexthop.</param>
    public byte[] ToMessage(ushort type, ushort flags, bool isPart = false)
    {
        bool byId = NexthopId != 0;
        int size = NetlinkReader.HeaderSize + HeaderSize + 16;
        foreach (RouteAttribute attribute in _attributes)
        {
            size += NetlinkWire.Align(4 + attribute.Value.Length);
        }
        NetlinkWriter writer = new(new byte[size]);
        byte[] header = (byte[])_header.Clone();
        header[5] = isPart ? (byte)0 : header[5];
        writer.Append(header);
        foreach (RouteAttribute attribute in _attributes)
        {
            // The kernel reports both the nexthop object and its target, but accepts only one of the two.
            if (!byId || !attribute.IsOfNexthop)
            {
                writer.Attribute(attribute.Type, attribute.Value);
            }
        }
        Span<byte> number = stackalloc byte[4];
        if (Metric != 0)
        {
            BitConverter.TryWriteBytes(number, Metric);
            writer.Attribute((ushort)RouteAttributeType.Priority, number);
        }
        if (Expires is { } seconds && type == RouteMessage.NewRoute)
        {
            BitConverter.TryWriteBytes(number, Math.Max(1, seconds));
            writer.Attribute((ushort)RouteAttributeType.Expires, number);
        }
        return writer.Finish(type, flags);
    }

    /// <summary>
    /// Describes the route like `ip route`, without the metric: `default via 198.18.1.1 dev eth0`.
    /// </summary>
    /// <param name="nameOf">Returns the name of a device.</param>
    public string Words(Func<int, string> nameOf)
    {
        string type = Type switch
        {
            1 => "",
            6 => "blackhole ",
            7 => "unreachable ",
            8 => "prohibit ",
            9 => "throw ",
            _ => $"type {Type} "
        };
        string words = $"{type}default{(SourceLength > 0 ? $" from {SourceWords()}" : "")}";
        if (NexthopId != 0)
        {
            words += $" nhid {NexthopId}";
        }
        if (Hops.Count == 0)
        {
            return words + HopWords(nameOf);
        }
        foreach (RouteAttribute[] hop in Hops)
        {
            words += $" nexthop{Leg(hop).HopWords(nameOf)}";
        }
        return words;
    }

    private string HopWords(Func<int, string> nameOf) =>
        (Gateway is null ? "" : $" via {(Gateway.Length == 18 ? "inet6 " : "")}{Router}")
        + (Ifindex == 0 ? "" : $" dev {nameOf(Ifindex)}")
        + ((_header[8] & RouteAttribute.OnLink) != 0 ? " onlink" : "");

    private string SourceWords() =>
        Find(RouteAttributeType.Source) is { Length: 4 or 16 } source
            ? $"{new IPAddress(source)}/{SourceLength}"
            : $"?/{SourceLength}";
}
