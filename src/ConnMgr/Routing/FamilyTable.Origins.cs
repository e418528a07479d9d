using ConnMgr.Netlink;

namespace ConnMgr.Routing;

/// <content>
/// The routes that a link has: which is preferred, which keep their metric, and from which one the preferred
/// route is made.
/// </content>
internal sealed partial class FamilyTable
{
    /// <summary>
    /// Returns the link's route that is already preferred and may stay so; a copy counts only while its
    /// original exists.
    /// </summary>
    public TableRoute? InFrontOf(RoutedLink link)
    {
        TableRoute? derived = null;
        foreach (TableRoute entry in _entries)
        {
            if (entry.Metric > Top)
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
    public KernelRoute? OriginOf(KernelRoute derived) =>
        Origins(derived.Ifindex).FirstOrDefault(origin => origin.HasSameHop(derived));

    /// <summary>
    /// Returns the best of the routes that keep their metric while a copy is preferred; null if there is
    /// none.
    /// </summary>
    public KernelRoute? BestOrigin(int ifindex)
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
    public ulong OriginRank(KernelRoute route) =>
        (route.SourceLength > 0 ? 1UL << 35 : 0) + (_routers.IsDead(route) ? 1UL << 34 : 0)
        + ((ulong)route.Metric << 2) + (ulong)route.PreferenceRank;

    /// <summary>
    /// Returns the device's routes that must keep their metric: advertised routes, which the kernel renews
    /// only in place; nexthops of routes over several devices; defaults for some sources; and routes of
    /// nexthop objects. While such a route is preferred, the kernel finds no other route for a socket
    /// that is bound to another device (fib_table_lookup, net/ipv4/fib_trie.c), so probes fail.
    /// </summary>
    public IEnumerable<KernelRoute> Origins(int ifindex)
    {
        foreach (TableRoute entry in _entries)
        {
            KernelRoute route = entry.Route;
            if (!route.IsUnicast || route.IsDerived)
            {
                continue;
            }
            if ((route.NexthopId != 0 || (route.IsAdvertised && entry.Metric > Top))
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
    public bool Stays(KernelRoute route) =>
        route.NexthopId != 0 || (route.IsAdvertised && route.Metric > Top);

    /// <summary>True for a copy whose original is gone, and no other route has its nexthop.</summary>
    public bool IsStale(KernelRoute route) => route.IsDerived && OriginOf(route) is null
        && !_entries.Exists(entry => !entry.Route.IsDerived && entry.Route.HasSameHop(route));

    /// <summary>
    /// The route that is moved among the standby routes, to give the link its place there; null if there is
    /// none, or if a route that must keep its metric already comes before it.
    /// </summary>
    public TableRoute? MovableOf(RoutedLink link)
    {
        TableRoute? movable = _entries.Find(
            entry => entry.Metric > Top && IsOf(entry.Route, link)
                && !entry.Route.IsDerived && !Stays(entry.Route));
        return movable is not null && BestOrigin(link.Ifindex) is { } origin && StandsForLink(origin)
            && origin.Metric < movable.Metric ? null : movable;
    }

    /// <summary>
    /// True if the kernel itself uses the route as the default of its link: one device, all sources.
    /// </summary>
    public static bool StandsForLink(KernelRoute? origin) =>
        origin is { SourceLength: 0 } && (origin.IsAdvertised || origin.NexthopId != 0);

    /// <summary>True if the link has a default that is no stale copy.</summary>
    public bool HasDefault(RoutedLink link) =>
        _entries.Exists(entry => IsOf(entry.Route, link) && !IsStale(entry.Route));
}
