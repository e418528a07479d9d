using ConnMgr.Netlink;

namespace ConnMgr.Routing;

/// <content>
/// The routes that a link has: which is preferred, which keep their metric, and from which one the preferred
/// route is made.
/// </content>
internal sealed partial class FamilyPlan
{
    /// <summary>
    /// Returns the link's route that is already preferred and may stay so; a copy counts only while its
    /// original exists.
    /// </summary>
    private TableRoute? InFrontOf(RoutedLink link)
    {
        TableRoute? derived = null;
        foreach (TableRoute entry in _table)
        {
            if (entry.Metric > _top)
            {
                break;
            }
            if (!IsOf(entry.Route, link) || entry.Route.NexthopId != 0)
            {
                continue;
            }
            if (!entry.Route.IsDerived)
            {
                return entry;
            }
            if (derived is null && OriginOf(entry.Route) is not null)
            {
                derived = entry;
            }
        }
        return derived;
    }

    /// <summary>Returns the route that <paramref name="derived"/> is a copy of; null if it is gone.</summary>
    private KernelRoute? OriginOf(KernelRoute derived) =>
        Origins(derived.Ifindex).FirstOrDefault(origin => origin.HasSameHop(derived));

    /// <summary>
    /// Returns the best of the routes that keep their metric while a copy is preferred; null if there is
    /// none.
    /// </summary>
    private KernelRoute? BestOrigin(int ifindex)
    {
        KernelRoute? best = null;
        foreach (KernelRoute origin in Origins(ifindex))
        {
            if (best is null || OriginRank(origin) < OriginRank(best))
            {
                best = origin;
            }
        }
        return best;
    }

    /// <summary>
    /// Ranks plain defaults before those for some sources, then as the kernel does: reachable routers before
    /// others, by metric, by the preference of RFC 4191.
    /// </summary>
    private ulong OriginRank(KernelRoute route) =>
        (route.SourceLength > 0 ? 1UL << 35 : 0) + (_input.Routers.IsDead(route) ? 1UL << 34 : 0)
        + ((ulong)route.Metric << 2) + route.Preference switch { 1 => 0, 3 => 2, _ => 1UL };

    /// <summary>
    /// Returns the device's routes that must keep their metric: advertised routes, which the kernel renews
    /// only in place; nexthops of routes over several devices; defaults for some sources; and routes of
    /// nexthop objects. While such a route is preferred, the kernel finds no other route for a socket
    /// that is bound to another device (fib_table_lookup, net/ipv4/fib_trie.c), so probes fail.
    /// </summary>
    private IEnumerable<KernelRoute> Origins(int ifindex)
    {
        foreach (TableRoute entry in _table)
        {
            KernelRoute route = entry.Route;
            if (!route.IsUnicast || route.IsDerived)
            {
                continue;
            }
            if ((route.NexthopId != 0 || (route.IsAdvertised && entry.Metric > _top))
                && route.Ifindex == ifindex
                && route.Hops.Count == 0)
            {
                yield return route;
            }
            foreach (RouteAttribute[] hop in route.Hops)
            {
                KernelRoute leg = route.Leg(hop);
                if (leg.Ifindex == ifindex)
                {
                    yield return leg;
                }
            }
        }
        foreach (KernelRoute route in _forSources)
        {
            if (route.Ifindex == ifindex)
            {
                yield return route;
            }
        }
    }

    /// <summary>True if the route keeps its metric while a copy of it is preferred.</summary>
    private bool Stays(KernelRoute route) =>
        route.NexthopId != 0 || (route.IsAdvertised && route.Metric > _top);

    /// <summary>
    /// Returns the route to make the link's preferred route from; null if the link has no default.
    /// <c>Stays</c> is true if it keeps its metric, and a copy of it is preferred.
    /// </summary>
    private (KernelRoute? Route, bool Stays) OriginalOf(RoutedLink link)
    {
        KernelRoute? origin = BestOrigin(link.Ifindex);
        TableRoute? movable = StandbyOf(link);
        if (movable is not null && !(StandsForLink(origin) && origin!.Metric < movable.Metric))
        {
            return (movable.Route, false);
        }
        if (origin is not { SourceLength: 0 } && LostOf(link) is { } lost)
        {
            return (lost, false);
        }
        return (origin, true);
    }

    /// <summary>
    /// True if the kernel itself uses the route as the default of its link: one device, all sources.
    /// </summary>
    private static bool StandsForLink(KernelRoute? origin) =>
        origin is { SourceLength: 0 } && (origin.IsAdvertised || origin.NexthopId != 0);

    private KernelRoute? LostOf(RoutedLink link) =>
        _input.Lost.FirstOrDefault(
            route => route.IsIpv6 == _isIpv6 && route.SourceLength == 0
                && IsOf(route, link));

    private bool HasDefault(RoutedLink link) =>
        _table.Exists(entry => IsOf(entry.Route, link) && !IsStale(entry.Route));
}
