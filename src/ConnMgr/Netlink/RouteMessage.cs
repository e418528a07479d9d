using System.Buffers.Binary;
using System.Net;
using System.Text;

namespace ConnMgr.Netlink;

/// <summary>A network device, from RTM_NEWLINK.</summary>
/// <param name="Ifindex">The interface index, above 0.</param>
/// <param name="Name">The name, up to 15 bytes.</param>
/// <param name="Flags">IFF_*, &lt;linux/if.h&gt;.</param>
/// <param name="HardwareAddress">
/// The 6 bytes of an Ethernet address as a number; 0 for a device without one.
/// </param>
/// <param name="OtherNames">
/// The alternative names (IFLA_ALT_IFNAME, `ip link property add dev eth0 altname lan`), each between two
/// slashes: `/lan/enp1s0/`. Empty if there are none; null if the message does not say.
/// </param>
internal sealed record Device(
    int Ifindex, string Name, uint Flags, ulong HardwareAddress, string? OtherNames = "")
{
    private const uint Up = 0x1; // IFF_UP
    private const uint Running = 0x40; // IFF_RUNNING

    /// <summary>IFF_UP: the device is administratively up.</summary>
    public bool IsAdminUp => (Flags & Up) != 0;

    /// <summary>IFF_RUNNING: the device has carrier, or its driver does not report carrier.</summary>
    public bool IsRunning => (Flags & Running) != 0;

    /// <summary>Returns the 6 bytes of the Ethernet address; all zero for a device without one.</summary>
    public byte[] MacAddress()
    {
        Span<byte> bytes = stackalloc byte[8];
        BinaryPrimitives.WriteUInt64BigEndian(bytes, HardwareAddress);
        return bytes[2..].ToArray();
    }
}

/// <summary>
/// An address of a device, from RTM_NEWADDR. Two objects are equal if they are the same address of the same
/// device, even if scope and flags differ.
/// </summary>
internal sealed class DeviceAddress(int ifindex, IPAddress address, IPNetwork prefix, byte scope, uint flags)
    : IEquatable<DeviceAddress>
{
    private const uint DadFailed = 0x08; // IFA_F_DADFAILED
    private const uint Tentative = 0x40; // IFA_F_TENTATIVE
    private const uint Optimistic = 0x04; // IFA_F_OPTIMISTIC

    /// <summary>The interface index.</summary>
    public int Ifindex => ifindex;

    /// <summary>The local address; on a point-to-point link, not the peer's.</summary>
    public IPAddress Address => address;

    /// <summary>The prefix on the link; that of the peer's address, if there is one.</summary>
    public IPNetwork Prefix => prefix;

    /// <summary>RT_SCOPE_*, &lt;linux/rtnetlink.h&gt;.</summary>
    public byte Scope => scope;

    /// <summary>IFA_F_*, &lt;linux/if_addr.h&gt;.</summary>
    public uint Flags => flags;

    /// <summary>
    /// True if packets to the cloud may have this source: the scope is wider than the link, the address is
    /// not in 169.254.0.0/16 (RFC 3927 section 2.7: routers do not forward it), and duplicate address
    /// detection neither runs nor has failed. A deprecated address counts: the kernel uses it while there is
    /// no better one (RFC 6724 section 5, rule 3).
    /// </summary>
    public bool IsUsable =>
        Scope < Rtnetlink.RT_SCOPE_LINK && (Flags & DadFailed) == 0
            && ((Flags & Tentative) == 0 || (Flags & Optimistic) != 0) && !IsIpv4LinkLocal;

    // Some programs add such an address with link scope; others, like `ip address add`, with a wider scope.
    private bool IsIpv4LinkLocal
    {
        get
        {
            Span<byte> bytes = stackalloc byte[16];
            return Address.TryWriteBytes(bytes, out int length) && length == 4
                && bytes[0] == 169 && bytes[1] == 254;
        }
    }

    public bool Equals(DeviceAddress? other) =>
        other is not null && Ifindex == other.Ifindex && Address.Equals(other.Address)
            && Prefix.Equals(other.Prefix);

    public override bool Equals(object? obj) => Equals(obj as DeviceAddress);

    public override int GetHashCode() => Address.GetHashCode() ^ Ifindex;
}

/// <summary>A default route of the main table, or one nexthop of such a route.</summary>
/// <param name="IsIpv6">True for IPv6.</param>
/// <param name="Ifindex">The output device; 0 if the route forwards nothing
/// (for example, a blackhole).</param>
/// <param name="Metric">RTA_PRIORITY; the lowest is preferred.</param>
/// <param name="Gateway">The gateway; null on a point-to-point link.</param>
/// <param name="IsDead">True if the kernel passes over the route (RTNH_F_DEAD): its device has no carrier,
/// and ignore_routes_with_linkdown is set.</param>
internal sealed record DefaultRoute(
    bool IsIpv6, int Ifindex, uint Metric, IPAddress? Gateway, bool IsDead = false);

/// <summary>
/// Parses the rtnetlink messages that connmgr uses (rtnetlink(7), &lt;linux/rtnetlink.h&gt;). Each method
/// returns false for a malformed or irrelevant message.
/// </summary>
internal static class RouteMessage
{
    public const ushort NewLink = 16; // RTM_NEWLINK
    public const ushort DelLink = 17;
    public const ushort GetLink = 18;
    public const ushort NewAddress = 20;
    public const ushort DelAddress = 21;
    public const ushort GetAddress = 22;
    public const ushort NewRoute = 24;
    public const ushort DelRoute = 25;
    public const ushort GetRoute = 26;
    public const ushort NewNeighbour = Rtnetlink.RTM_NEWNEIGH;
    public const ushort GetNeighbour = Rtnetlink.RTM_GETNEIGH;
    public const ushort NewRule = Rtnetlink.RTM_NEWRULE;
    public const ushort DelRule = Rtnetlink.RTM_DELRULE;
    public const ushort GetRule = Rtnetlink.RTM_GETRULE;
    public const ushort NewNetconf = 80; // RTM_NEWNETCONF

    private const byte FamilyIpv4 = 2; // AF_INET
    private const byte FamilyIpv6 = 10; // AF_INET6
    private const byte FamilyBridge = 7; // AF_BRIDGE
    private const int MaxOtherNames = 1024; // characters; a name has up to 127

    /// <summary>Parses struct ifinfomsg and its attributes.</summary>
    public static bool TryReadLink(ReadOnlySpan<byte> payload, out Device device)
    {
        device = null!;
        // The kernel announces a bridge port a second time, on behalf of the bridge. Ignore that message: it
        // does not describe the device.
        if (payload.Length < 16 || payload[0] == FamilyBridge)
        {
            return false;
        }
        int ifindex = (int)NetlinkWire.UInt32(payload[4..]);
        uint flags = NetlinkWire.UInt32(payload[8..]);
        string? name = null;
        string? otherNames = "";
        ulong hardwareAddress = 0;
        AttributeReader attributes = new(payload[16..]);
        while (attributes.TryRead(out NetlinkAttribute attribute))
        {
            switch (attribute.Type)
            {
                case 3: // IFLA_IFNAME
                    name = Name(attribute.Value);
                    break;
                case 1 when attribute.Value.Length == 6: // IFLA_ADDRESS
                    Span<byte> number = [0, 0, .. attribute.Value];
                    hardwareAddress = BinaryPrimitives.ReadUInt64BigEndian(number);
                    break;
                case 11: // IFLA_WIRELESS: an event of a Wi-Fi driver, which names little else
                    otherNames = null;
                    break;
                case 52: // IFLA_PROP_LIST
                    otherNames = OtherNames(attribute.Value);
                    break;
            }
        }
        if (ifindex <= 0 || string.IsNullOrEmpty(name))
        {
            return false;
        }
        device = new Device(ifindex, name, flags, hardwareAddress, otherNames);
        return true;
    }

    private static string OtherNames(ReadOnlySpan<byte> properties)
    {
        string names = "";
        AttributeReader attributes = new(properties);
        while (attributes.TryRead(out NetlinkAttribute attribute))
        {
            if (attribute.Type == 53 && names.Length < MaxOtherNames) // IFLA_ALT_IFNAME
            {
                names += (names.Length == 0 ? "/" : "") + Name(attribute.Value) + "/";
            }
        }
        return names;
    }

    private static string Name(ReadOnlySpan<byte> value)
    {
        int end = value.IndexOf((byte)0);
        return Encoding.UTF8.GetString(end < 0 ? value : value[..end]);
    }

    /// <summary>Parses struct ifaddrmsg and its attributes.</summary>
    public static bool TryReadAddress(ReadOnlySpan<byte> payload, out DeviceAddress address)
    {
        address = null!;
        if (payload.Length < 8)
        {
            return false;
        }
        byte family = payload[0];
        byte prefixLength = payload[1];
        uint flags = payload[2];
        byte scope = payload[3];
        int ifindex = (int)NetlinkWire.UInt32(payload[4..]);
        IPAddress? local = null;
        IPAddress? peer = null;
        AttributeReader attributes = new(payload[8..]);
        while (attributes.TryRead(out NetlinkAttribute attribute))
        {
            switch (attribute.Type)
            {
                case 1: // IFA_ADDRESS: the peer's, or the same as IFA_LOCAL
                    peer = ToAddress(family, attribute.Value);
                    break;
                case 2: // IFA_LOCAL
                    local = ToAddress(family, attribute.Value);
                    break;
                case 8: // IFA_FLAGS: 32 bits, more than the header holds
                    flags = attribute.AsUInt32;
                    break;
            }
        }
        local ??= peer;
        peer ??= local;
        if (ifindex <= 0 || local is null || peer is null || prefixLength > peer.GetAddressBytes().Length * 8)
        {
            return false;
        }
        address = new DeviceAddress(ifindex, local, Network(peer, prefixLength), scope, flags);
        return true;
    }

    /// <summary>
    /// Parses struct rtmsg and its attributes, and adds one route for each nexthop. Returns false if the
    /// message is not about a default route of the main table.
    /// </summary>
    public static bool TryReadDefaultRoute(ReadOnlySpan<byte> payload, List<DefaultRoute> found)
    {
        if (payload.Length < 12)
        {
            return false;
        }
        byte family = payload[0];
        byte destinationLength = payload[1];
        uint table = payload[4];
        byte type = payload[7];
        bool isCached = (NetlinkWire.UInt32(payload[8..]) & 0x200) != 0; // RTM_F_CLONED
        // A default that is only for some sources or types of service does not count as a default.
        bool isForSome = payload[2] != 0 /* rtm_src_len */ || payload[3] != 0 /* rtm_tos */;
        if (family is not (FamilyIpv4 or FamilyIpv6) || destinationLength != 0 || isCached || isForSome
            || type is not (1 or 6 or 7 or 8 or 9) /* RTN_UNICAST, RTN_BLACKHOLE to RTN_THROW */)
        {
            return false;
        }

        int ifindex = 0;
        uint metric = 0;
        IPAddress? gateway = null;
        ReadOnlySpan<byte> nexthops = default;
        AttributeReader attributes = new(payload[12..]);
        while (attributes.TryRead(out NetlinkAttribute attribute))
        {
            switch (attribute.Type)
            {
                case 4: // RTA_OIF
                    ifindex = (int)attribute.AsUInt32;
                    break;
                case 5: // RTA_GATEWAY
                    gateway = ToAddress(family, attribute.Value);
                    break;
                case 6: // RTA_PRIORITY
                    metric = attribute.AsUInt32;
                    break;
                case 9: // RTA_MULTIPATH
                    nexthops = attribute.Value;
                    break;
                case 15: // RTA_TABLE
                    table = attribute.AsUInt32;
                    break;
            }
        }
        if (table != 254) // RT_TABLE_MAIN
        {
            return false;
        }

        bool isIpv6 = family == FamilyIpv6;
        if (type != 1)
        {
            found.Add(new DefaultRoute(isIpv6, 0, metric, null)); // IPv6 names the loopback device
            return true;
        }
        if (ifindex > 0)
        {
            found.Add(new DefaultRoute(isIpv6, ifindex, metric, gateway, IsDead(payload[8])));
        }
        ReadNexthops(family, metric, nexthops, found);
        return true;
    }

    /// <summary>Parses consecutive struct rtnexthop, each with its own attributes.</summary>
    private static void ReadNexthops(
        byte family, uint metric, ReadOnlySpan<byte> rest, List<DefaultRoute> found)
    {
        while (rest.Length >= 8)
        {
            ushort length = NetlinkWire.UInt16(rest);
            if (length < 8 || length > rest.Length)
            {
                return;
            }
            int ifindex = (int)NetlinkWire.UInt32(rest[4..]);
            IPAddress? gateway = null;
            AttributeReader attributes = new(rest[8..length]);
            while (attributes.TryRead(out NetlinkAttribute attribute))
            {
                if (attribute.Type == 5) // RTA_GATEWAY
                {
                    gateway = ToAddress(family, attribute.Value);
                }
            }
            if (ifindex > 0)
            {
                found.Add(new DefaultRoute(
                    family == FamilyIpv6, ifindex, metric, gateway, IsDead(rest[2])));
            }
            rest = rest[Math.Min(rest.Length, NetlinkWire.Align(length))..];
        }
    }

    private static bool IsDead(byte flags) => (flags & 0x1 /* RTNH_F_DEAD */) != 0;

    private static IPAddress? ToAddress(byte family, ReadOnlySpan<byte> value) =>
        value.Length == (family == FamilyIpv6 ? 16 : 4) && family is FamilyIpv4 or FamilyIpv6
            ? new IPAddress(value)
            : null;

    private static IPNetwork Network(IPAddress address, byte prefixLength)
    {
        byte[] bytes = address.GetAddressBytes();
        for (int bit = prefixLength; bit < bytes.Length * 8; bit++)
        {
            bytes[bit / 8] &= (byte)~(0x80 >> (bit % 8));
        }
        return new IPNetwork(new IPAddress(bytes), prefixLength);
    }
}
