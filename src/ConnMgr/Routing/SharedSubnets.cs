using System.Net;
using System.Net.Sockets;
using ConnMgr.Netlink;

namespace ConnMgr.Routing;

/// <summary>
/// If two links are in one LAN, such as eth0 and wlan0 behind the same router, both have a route to the same
/// subnet, and the kernel uses the older one. The router and the LAN's name server would be reached over the
/// other link, which may be dead. So a copy of the chosen link's route is put in front; the kernel's own
/// routes stay as they are. The same applies if one subnet contains the other, because the kernel prefers the
/// longer prefix. Pure.
/// </summary>
internal static class SharedSubnets
{
    private const int LongestIpv4 = 30; // a subnet with several hosts
    private const int LongestIpv6 = 126;

    /// <summary>
    /// Appends the steps that add the missing copies, and delete those of other links, except for those that
    /// are <paramref name="wanted"/> already.
    /// </summary>
    public static void Add(RouteInput input, List<KernelRoute> wanted, List<RouteStep> steps)
    {
        foreach (DeviceAddress address in input.Addresses)
        {
            bool isIpv6 = address.Address.AddressFamily == AddressFamily.InterNetworkV6;
            if (address.Ifindex != input.Chosen.Ifindex || !address.IsUsable)
            {
                continue;
            }
            foreach (IPNetwork subnet in OfOthers(input, address))
            {
                KernelRoute route = KernelRoute.ToSubnet(address.Ifindex, subnet, address.Address);
                if (wanted.Exists(other => other.HasSameDestination(route)))
                {
                    continue; // another address of the link in the same subnet
                }
                wanted.Add(route);
                if (!input.Subnets.Any(route.IsCopyOf))
                {
                    steps.Add(new RouteStep(
                        RouteVerb.Prepend, isIpv6, route, $"reach {subnet} over {input.Chosen.Name}"));
                }
            }
        }
        foreach (KernelRoute route in input.Subnets)
        {
            if (route.IsOfMainTable && !wanted.Exists(route.IsCopyOf))
            {
                steps.Add(new RouteStep(
                    RouteVerb.Delete, route.IsIpv6, route,
                    route.Host is { } host ? $"delete the older route to the name server {host}"
                        : "delete an older route to a shared subnet"));
            }
        }
    }

    /// <summary>
    /// Returns the subnets that other links have in the LAN of this address: the same subnet; or, behind the
    /// same router, also one that contains it or lies within it. They stay there if a link loses its default.
    /// </summary>
    internal static List<IPNetwork> OfOthers(RouteInput input, DeviceAddress address)
    {
        List<IPNetwork> subnets = [];
        foreach (DeviceAddress other in input.Addresses)
        {
            IPNetwork subnet = other.Prefix;
            int longest = subnet.BaseAddress.AddressFamily == AddressFamily.InterNetworkV6
                ? LongestIpv6
                : LongestIpv4;
            if (other.Ifindex != address.Ifindex && subnet.PrefixLength > 0 && subnet.PrefixLength <= longest
                && input.Links.Any(link => link.Ifindex == other.Ifindex)
                && (subnet.Equals(address.Prefix) || (Overlap(subnet, address.Prefix)
                    && (HaveSameRouter(input.Routes, address, other.Ifindex)
                        || HadSameRouter(input, address, other)))))
            {
                subnets.Add(subnet);
            }
        }
        return subnets;
    }

    private static bool Overlap(IPNetwork one, IPNetwork other) =>
        one.Contains(other.BaseAddress) || other.Contains(one.BaseAddress);

    /// <summary>
    /// True if both devices have a default of the family over the same router. Otherwise overlapping subnets
    /// belong to different LANs, such as 10.0.0.0/8 at a company and 10.42.0.0/24 of a phone.
    /// </summary>
    private static bool HaveSameRouter(
        IReadOnlyList<KernelRoute> routes, DeviceAddress address, int otherIfindex)
    {
        List<KernelRoute> legs =
        [
            .. routes.SelectMany(route => route.Legs).Where(leg => leg.Gateway is not null
                && leg.Gateway.Length == address.Address.GetAddressBytes().Length),
        ];
        return legs.Exists(leg => leg.Ifindex == address.Ifindex && legs.Exists(other =>
            other.Ifindex == otherIfindex && other.Gateway.AsSpan().SequenceEqual(leg.Gateway)));
    }

    /// <summary>
    /// True if one of the devices has no default of the family, and an earlier plan has found them behind the
    /// same router. A link that is dead or not in use may lose its default and keep its address; its subnet
    /// is still in the LAN then.
    /// </summary>
    private static bool HadSameRouter(RouteInput input, DeviceAddress one, DeviceAddress other)
    {
        bool isIpv6 = one.Address.AddressFamily == AddressFamily.InterNetworkV6;
        return (!HasDefault(input.Routes, one.Ifindex, isIpv6)
                || !HasDefault(input.Routes, other.Ifindex, isIpv6))
            && (HasCopy(input.Subnets, KernelRoute.ToSubnet(one.Ifindex, other.Prefix, one.Address))
                || HasCopy(input.Subnets, KernelRoute.ToSubnet(other.Ifindex, one.Prefix, other.Address)));
    }

    private static bool HasDefault(IReadOnlyList<KernelRoute> routes, int ifindex, bool isIpv6) =>
        routes.Any(route => route.IsIpv6 == isIpv6 && route.Legs.Any(leg => leg.Ifindex == ifindex));

    private static bool HasCopy(IReadOnlyList<KernelRoute> subnets, KernelRoute copy) =>
        subnets.Any(route => route.IsOfMainTable && route.IsIpv6 == copy.IsIpv6
            && route.Ifindex == copy.Ifindex && route.HasSameDestination(copy));
}
