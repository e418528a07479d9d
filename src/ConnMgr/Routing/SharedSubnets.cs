using System.Net;
using ConnMgr.Netlink;

namespace ConnMgr.Routing;

/// <summary>
/// Two links in one LAN, such as eth0 and wlan0 behind the same router: both have a route to the same subnet,
/// and the kernel uses the older one. The router and the LAN's name server would be reached over the other
/// link, which may be dead. So a copy of the chosen link's route is put in front; the kernel's own routes
/// stay as they are. Pure.
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
            IPNetwork subnet = address.Prefix;
            bool isIpv6 = address.Address.AddressFamily == System.Net.Sockets.AddressFamily.InterNetworkV6;
            if (address.Ifindex != input.Chosen.Ifindex || !address.IsUsable || subnet.PrefixLength == 0
                || subnet.PrefixLength > (isIpv6 ? LongestIpv6 : LongestIpv4)
                || !IsShared(input, input.Chosen, subnet))
            {
                continue;
            }
            KernelRoute route = KernelRoute.ToSubnet(address.Ifindex, subnet, address.Address);
            if (wanted.Exists(other => other.HasSameDestination(route)))
            {
                continue; // a second address there
            }
            wanted.Add(route);
            if (!input.Subnets.Any(route.IsCopyOf))
            {
                steps.Add(new RouteStep(
                    RouteVerb.Prepend, isIpv6, route, $"reach {subnet} over {input.Chosen.Name}"));
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

    /// <summary>True if another link has an address in the same subnet.</summary>
    internal static bool IsShared(RouteInput input, RoutedLink than, IPNetwork subnet)
    {
        foreach (DeviceAddress address in input.Addresses)
        {
            if (address.Ifindex != than.Ifindex && address.Prefix.Equals(subnet)
                && input.Links.Any(link => link.Ifindex == address.Ifindex))
            {
                return true;
            }
        }
        return false;
    }
}
