using System.Net;
using System.Net.Sockets;
using ConnMgr.Netlink;

namespace ConnMgr.Routing;

/// <summary>
/// If two links are in one LAN, a host there may connect to the address of the link that is not in use. The
/// replies must leave over that link: switches and access points drop packets whose source address they know
/// at another port. So packets from such an address use a routing table of their link, with the subnets of
/// that LAN and the link's default. Pure.
/// </summary>
/// <remarks>
/// The kernel deletes the routes of a link that goes down, and continues in the main table when a link's
/// table has no route. So a rule that remains is harmless.
/// </remarks>
internal static class ReplyRoutes
{
    /// <summary>Appends the steps that add missing rules and routes, and delete obsolete ones.</summary>
    public static void Add(RouteInput input, List<RouteStep> steps)
    {
        if (input.Rules is null)
        {
            return;
        }
        List<SourceRule> rules = [];
        List<KernelRoute> routes = [];
        foreach (DeviceAddress address in input.Addresses)
        {
            if (address.Ifindex != input.Chosen.Ifindex && address.IsUsable
                && input.Links.Any(link => link.Ifindex == address.Ifindex)
                && SharedSubnets.OfOthers(input, address) is { Count: > 0 } subnets)
            {
                uint table = SourceRule.TableOf(address.Ifindex);
                rules.Add(new SourceRule(address.Address, table));
                foreach (IPNetwork subnet in (IEnumerable<IPNetwork>)[address.Prefix, .. subnets])
                {
                    Want(KernelRoute.ToSubnet(address.Ifindex, subnet, address.Address), table, routes);
                }
                bool isIpv6 = address.Address.AddressFamily == AddressFamily.InterNetworkV6;
                if (DefaultOf(address.Ifindex, isIpv6, input.Routes) is { } way)
                {
                    Want(way, table, routes);
                }
            }
        }
        AddMissing(input, rules, routes, steps);
        DeleteObsolete(input, rules, routes, steps);
    }

    private static void Want(KernelRoute route, uint table, List<KernelRoute> routes)
    {
        KernelRoute moved = route.InTable(table);
        if (!routes.Exists(other => other.Table == table && other.IsIpv6 == moved.IsIpv6
            && other.HasSameDestination(moved)))
        {
            routes.Add(moved);
        }
    }

    /// <summary>Returns the default that the kernel would use for the device; null if it has none.</summary>
    private static KernelRoute? DefaultOf(int ifindex, bool isIpv6, IReadOnlyList<KernelRoute> routes)
    {
        KernelRoute? best = null;
        foreach (KernelRoute route in routes)
        {
            if (route.Ifindex == ifindex && route.IsIpv6 == isIpv6 && route.IsUnicast
                && route.Hops.Count == 0 && route.SourceLength == 0 && !route.HasRunOut
                && (best is null || route.Metric < best.Metric))
            {
                best = route;
            }
        }
        return best;
    }

    private static void AddMissing(
        RouteInput input, List<SourceRule> rules, List<KernelRoute> routes, List<RouteStep> steps)
    {
        foreach (KernelRoute route in routes)
        {
            if (!input.Subnets.Any(route.IsCopyOf))
            {
                steps.Add(new RouteStep(
                    RouteVerb.Replace, route.IsIpv6, route,
                    $"set a route for replies in table {route.Table}"));
            }
        }
        foreach (SourceRule rule in rules)
        {
            if (!input.Rules!.Contains(rule))
            {
                steps.Add(new RouteStep(
                    RouteVerb.AddRule, rule.IsIpv6, null,
                    $"send replies from {rule.Address} by table {rule.Table}")
                {
                    Rule = rule,
                });
            }
        }
    }

    private static void DeleteObsolete(
        RouteInput input, List<SourceRule> rules, List<KernelRoute> routes, List<RouteStep> steps)
    {
        foreach (SourceRule rule in input.Rules!)
        {
            if (!rules.Contains(rule))
            {
                steps.Add(new RouteStep(
                    RouteVerb.DeleteRule, rule.IsIpv6, null,
                    $"delete the rule for replies from {rule.Address}")
                {
                    Rule = rule,
                });
            }
        }
        foreach (KernelRoute route in input.Subnets)
        {
            // A wanted route to the same destination has replaced it.
            if (!route.IsOfMainTable && !routes.Exists(other => other.Table == route.Table
                && other.IsIpv6 == route.IsIpv6 && other.HasSameDestination(route)))
            {
                steps.Add(new RouteStep(
                    RouteVerb.Delete, route.IsIpv6, route,
                    $"delete a route for replies of table {route.Table}"));
            }
        }
    }
}
