namespace ConnMgr.Netlink;

/// <summary>One attribute of a route, as the kernel reported it. Pure.</summary>
/// <param name="Type">RTA_* with its flags (NLA_F_NESTED), &lt;linux/rtnetlink.h&gt;.</param>
/// <param name="Value">The bytes after the attribute's header.</param>
internal readonly record struct RouteAttribute(ushort Type, byte[] Value)
{
    /// <summary>
    /// RTNH_F_PERVASIVE and RTNH_F_ONLINK. The kernel also reports other flags (dead, linkdown, offloaded),
    /// but refuses to add a route that has them.
    /// </summary>
    public const byte AcceptedFlags = 0x2 | OnLink;

    /// <summary>RTNH_F_ONLINK.</summary>
    public const byte OnLink = 0x4;

    private const ushort TypeMask = 0x3fff; // NLA_TYPE_MASK
    private const int HopSize = 8; // struct rtnexthop

    /// <summary>RTA_* without flags.</summary>
    public int Number => Type & TypeMask;

    /// <summary>True if the attribute describes the nexthop, not the route.</summary>
    public bool IsOfNexthop =>
        (RouteAttributeType)Number is RouteAttributeType.OutputInterface
        or RouteAttributeType.Gateway or RouteAttributeType.Via or RouteAttributeType.Multipath
        or RouteAttributeType.Encapsulation or RouteAttributeType.EncapsulationType;

    /// <summary>
    /// Returns rta_expires, the third number of struct rta_cacheinfo, which counts hundredths of a second, as
    /// seconds; null for 0, which means never.
    /// </summary>
    public static uint? ExpiresOf(ReadOnlySpan<byte> value)
    {
        int ticks = value.Length >= 12 ? (int)NetlinkWire.UInt32(value[8..]) : 0;
        return ticks == 0 ? null : ticks < 0 ? 0 : (uint)((ticks + 99) / 100);
    }

    /// <summary>
    /// Reads all attributes. Returns false if a length is invalid: never copy a route that was read
    /// incompletely.
    /// </summary>
    public static bool TryReadAll(ReadOnlySpan<byte> rest, out List<RouteAttribute> attributes)
    {
        attributes = [];
        while (rest.Length >= 4)
        {
            ushort length = NetlinkWire.UInt16(rest);
            if (length < 4 || length > rest.Length)
            {
                return false;
            }
            attributes.Add(new RouteAttribute(NetlinkWire.UInt16(rest[2..]), rest[4..length].ToArray()));
            rest = rest[Math.Min(rest.Length, NetlinkWire.Align(length))..];
        }
        return true;
    }

    /// <summary>Keeps only the flags of struct rtnexthop that the kernel accepts.</summary>
    public static void CleanHops(Span<byte> value)
    {
        while (value.Length >= HopSize)
        {
            value[2] &= AcceptedFlags;
            ushort length = NetlinkWire.UInt16(value);
            value = value[Math.Clamp(NetlinkWire.Align(length), HopSize, value.Length)..];
        }
    }

    /// <summary>
    /// Parses consecutive struct rtnexthop. Returns one list for each: its header as attribute 0, then its
    /// attributes.
    /// </summary>
    public static List<RouteAttribute[]> ReadHops(ReadOnlySpan<byte> value)
    {
        List<RouteAttribute[]> hops = [];
        while (value.Length >= HopSize)
        {
            ushort length = NetlinkWire.UInt16(value);
            if (length < HopSize || length > value.Length
                || !TryReadAll(value[HopSize..length], out List<RouteAttribute> own))
            {
                break;
            }
            hops.Add([new RouteAttribute(0, value[..HopSize].ToArray()), .. own]);
            value = value[Math.Min(value.Length, NetlinkWire.Align(length))..];
        }
        return hops;
    }
}

/// <summary>The attributes that a copy of a route depends on: RTA_*, &lt;linux/rtnetlink.h&gt;.</summary>
internal enum RouteAttributeType
{
    Destination = 1, // RTA_DST
    Source = 2, // RTA_SRC
    OutputInterface = 4, // RTA_OIF
    Gateway = 5, // RTA_GATEWAY
    Priority = 6, // RTA_PRIORITY
    PreferredSource = 7, // RTA_PREFSRC
    Metrics = 8, // RTA_METRICS
    Multipath = 9, // RTA_MULTIPATH
    CacheInfo = 12, // RTA_CACHEINFO
    Table = 15, // RTA_TABLE
    Via = 18, // RTA_VIA
    Preference = 20, // RTA_PREF
    EncapsulationType = 21, // RTA_ENCAP_TYPE
    Encapsulation = 22, // RTA_ENCAP
    Expires = 23, // RTA_EXPIRES
    NexthopId = 30, // RTA_NH_ID
}
