using System.Net;
using ConnMgr.Net;
using ConnMgr.Netlink;

namespace ConnMgr.Routing;

/// <summary>
/// Host routes to name servers, as systemd-networkd makes them (RoutesToDNS=), do not follow the default
/// routes. If such a route leads over a dead link, the plan puts a route over the chosen link in front of
/// it, and deletes that route when the link has recovered. The other program's own route is never changed.
/// Over a link that works, the route stays in force: the server may be internal to that link's provider,
/// and unreachable over other links. A server on the dead link's own subnet is left alone too: no other
/// link leads there. Pure.
/// </summary>
internal static class NameServerRoutes
{
    /// <summary>Appends the steps that add missing routes; adds all to <paramref name="wanted"/>.</summary>
    public static void Add(RouteInput input, List<KernelRoute> wanted, List<RouteStep> steps)
    {
        foreach (KernelRoute host in input.Hosts)
        {
            if (host.Host is not { } server || wanted.Exists(host.HasSameDestination)
                || !IsOverDeadLink(input, host) || Better(input, host, server) is not { } route)
            {
                continue;
            }
            wanted.Add(route);
            if (!input.Subnets.Any(route.IsCopyOf))
            {
                steps.Add(new RouteStep(
                    RouteVerb.Prepend, route.IsIpv6, route,
                    $"reach the name server {server} over {input.Chosen.Name}"));
            }
        }
    }

    /// <summary>True if the kernel uses this one of the routes to its server, over a dead link.</summary>
    private static bool IsOverDeadLink(RouteInput input, KernelRoute host)
    {
        foreach (KernelRoute other in input.Hosts)
        {
            if (other.HasSameDestination(host) && other.Metric < host.Metric)
            {
                return false;
            }
        }
        foreach (RoutedLink link in input.Links)
        {
            if (link.Ifindex == host.Ifindex)
            {
                return link.IsDead && link.Ifindex != input.Chosen.Ifindex;
            }
        }
        return false;
    }

    /// <summary>
    /// Returns the route over the chosen link: on its own subnet, else by its default. Null if it has none of
    /// the family, or if the server is on the dead link's own subnet.
    /// </summary>
    private static KernelRoute? Better(RouteInput input, KernelRoute host, IPAddress server)
    {
        IpNumber number = IpNumber.Of(server);
        bool isNear = false;
        foreach (DeviceAddress address in input.Addresses)
        {
            if (!address.IsUsable || !number.IsIn(address.Prefix))
            {
                continue;
            }
            if (address.Ifindex == input.Chosen.Ifindex)
            {
                return KernelRoute.ToSubnet(
                    address.Ifindex, new IPNetwork(server, host.IsIpv6 ? 128 : 32), address.Address);
            }
            isNear |= address.Ifindex == host.Ifindex;
        }
        if (isNear || input.Chosen.Lacks(host.IsIpv6))
        {
            return null;
        }
        KernelRoute? best = null;
        foreach (KernelRoute route in input.Routes)
        {
            if (route.IsIpv6 != host.IsIpv6 || !route.IsUnicast || route.HasRunOut || route.SourceLength > 0)
            {
                continue;
            }
            foreach (KernelRoute leg in route.Legs)
            {
                best = leg.Ifindex == input.Chosen.Ifindex && (best is null || leg.Metric < best.Metric)
                    ? leg
                    : best;
            }
        }
        return best?.ToHost(host);
    }
}
