using System.Net;

namespace ConnMgr.Netlink;

/// <content>Routes that connmgr makes: of its own, and from others.</content>
internal sealed partial class KernelRoute
{
    /// <summary>Returns the same route at another metric, with the same lifetime.</summary>
    public KernelRoute At(uint metric) => new(_header, _attributes, metric, Expires);

    /// <summary>
    /// Returns the same route with RTNH_F_ONLINK, so that the kernel does not check that the gateway can be
    /// reached.
    /// </summary>
    public KernelRoute AsOnLink()
    {
        byte[] header = (byte[])_header.Clone();
        header[8] |= RouteAttribute.OnLink;
        return new KernelRoute(header, _attributes, Metric, Expires);
    }

    /// <summary>Returns the part of a multipath route over one nexthop, as a separate route.</summary>
    public KernelRoute Leg(RouteAttribute[] hop)
    {
        byte[] header = (byte[])_header.Clone();
        header[8] = hop[0].Value[2]; // rtnh_flags
        IEnumerable<RouteAttribute> common = _attributes.Where(attribute =>
            (RouteAttributeType)attribute.Number
                is not (RouteAttributeType.Multipath or RouteAttributeType.NexthopId));
        byte[] device = hop[0].Value[4..8];
        return new KernelRoute(
            header,
            [.. common, new RouteAttribute((ushort)RouteAttributeType.OutputInterface, device), .. hop[1..]],
            Metric,
            Expires);
    }

    /// <summary>
    /// Returns a plain default over the same device and gateway, for all sources, without a nexthop object or
    /// lifetime, and marked as derived. The original route keeps its metric; when it changes, the plan
    /// updates the copy.
    /// </summary>
    public KernelRoute Derive(uint metric)
    {
        byte[] header = (byte[])_header.Clone();
        header[2] = 0;
        header[5] = OwnProtocol;
        IEnumerable<RouteAttribute> kept = _attributes.Where(
            attribute => (RouteAttributeType)attribute.Number
                is not (RouteAttributeType.Source or RouteAttributeType.NexthopId));
        return new KernelRoute(header, [.. kept], metric, expires: null);
    }

    /// <summary>
    /// Returns the same route in a table other than the main one, at the most preferred metric, marked as
    /// connmgr's own.
    /// </summary>
    public KernelRoute InTable(uint table)
    {
        KernelRoute derived = Derive(IsIpv6 ? 1u : 0);
        derived._header[4] = 0; // RT_TABLE_UNSPEC: the attribute says which
        return new KernelRoute(
            derived._header,
            [.. derived._attributes, Make(RouteAttributeType.Table, BitConverter.GetBytes(table))],
            derived.Metric, expires: null);
    }

    /// <summary>
    /// Returns a default route that makes the kernel reject packets as unreachable, marked as connmgr's own.
    /// </summary>
    public static KernelRoute Unreachable(bool isIpv6, uint metric)
    {
        const byte TypeUnreachable = 7; // RTN_UNREACHABLE
        byte[] header =
        [
            isIpv6 ? FamilyIpv6 : FamilyIpv4, 0, 0, 0, (byte)MainTable, OwnProtocol, 0, TypeUnreachable,
            0, 0, 0, 0,
        ];
        return new KernelRoute(header, [], metric, expires: null);
    }

    /// <summary>Returns the default route that netifd adds for a network without a metric.</summary>
    /// <param name="ifindex">The device.</param>
    /// <param name="gateway">The router; 0.0.0.0 or :: if there is none.</param>
    public static KernelRoute Default(int ifindex, IPAddress gateway)
    {
        bool isOnLink = gateway.Equals(IPAddress.Any) || gateway.Equals(IPAddress.IPv6Any);
        bool isIpv6 = gateway.AddressFamily == System.Net.Sockets.AddressFamily.InterNetworkV6;
        byte[] header =
        [
            isIpv6 ? FamilyIpv6 : FamilyIpv4, 0, 0, 0, (byte)MainTable, Rtnetlink.RTPROT_STATIC,
            isOnLink && !isIpv6 ? Rtnetlink.RT_SCOPE_LINK : (byte)0, TypeUnicast, 0, 0, 0, 0,
        ];
        RouteAttribute[] attributes =
        [
            .. isOnLink
                ? Array.Empty<RouteAttribute>()
                : [Make(RouteAttributeType.Gateway, gateway.GetAddressBytes())],
            Make(RouteAttributeType.OutputInterface, BitConverter.GetBytes(ifindex)),
            .. isIpv6 ? [Make(RouteAttributeType.Preference, [0])] : Array.Empty<RouteAttribute>(),
        ];
        return new KernelRoute(header, attributes, isIpv6 ? Rtnetlink.IP6_RT_PRIO_USER : 0, expires: null);
    }

    /// <summary>Returns a route to the subnet of a device, marked as connmgr's own.</summary>
    /// <param name="ifindex">The device.</param>
    /// <param name="subnet">The subnet.</param>
    /// <param name="source">The device's address there.</param>
    public static KernelRoute ToSubnet(int ifindex, IPNetwork subnet, IPAddress source)
    {
        bool isIpv6 = source.AddressFamily == System.Net.Sockets.AddressFamily.InterNetworkV6;
        byte[] header =
        [
            isIpv6 ? FamilyIpv6 : FamilyIpv4, (byte)subnet.PrefixLength, 0, 0, (byte)MainTable, OwnProtocol,
            isIpv6 ? (byte)0 : Rtnetlink.RT_SCOPE_LINK, TypeUnicast, 0, 0, 0, 0,
        ];
        RouteAttribute[] attributes =
        [
            Make(RouteAttributeType.Destination, subnet.BaseAddress.GetAddressBytes()),
            Make(RouteAttributeType.OutputInterface, BitConverter.GetBytes(ifindex)),
            Make(RouteAttributeType.PreferredSource, source.GetAddressBytes()),
            .. isIpv6 ? [Make(RouteAttributeType.Preference, [0])] : Array.Empty<RouteAttribute>(),
        ];
        return new KernelRoute(header, attributes, isIpv6 ? 1u : 0, expires: null);
    }

    /// <summary>
    /// Returns a route to the destination of a host route that uses this default's device and gateway, marked
    /// as connmgr's own. The default must have a single device.
    /// </summary>
    public KernelRoute ToHost(KernelRoute host)
    {
        byte[] header =
        [
            host._header[0], host._header[1], 0, 0, (byte)MainTable, OwnProtocol, _header[6], TypeUnicast,
            _header[8], 0, 0, 0,
        ];
        IEnumerable<RouteAttribute> kept = _attributes.Where(
            attribute => (RouteAttributeType)attribute.Number
                is RouteAttributeType.OutputInterface or RouteAttributeType.Gateway or RouteAttributeType.Via
                or RouteAttributeType.PreferredSource or RouteAttributeType.Preference);
        return new KernelRoute(
            header,
            [Make(RouteAttributeType.Destination, host.Find(RouteAttributeType.Destination)!), .. kept],
            IsIpv6 ? 1u : 0, expires: null);
    }
}
