using ConnMgr.Netlink;

namespace ConnMgr.Routing;

/// <summary>A route of a <see cref="FamilyTable"/>.</summary>
/// <param name="route">The route.</param>
/// <param name="isPart">True for one nexthop of an IPv6 multipath route.</param>
internal sealed class TableRoute(KernelRoute route, bool isPart)
{
    /// <summary>The route.</summary>
    public KernelRoute Route { get; } = route;

    /// <summary>True for one nexthop of an IPv6 multipath route.</summary>
    public bool IsPart { get; } = isPart;

    /// <inheritdoc cref="KernelRoute.Metric"/>
    public uint Metric => Route.Metric;
}

/// <summary>
/// The default routes of one family as they will be after the steps of a <see cref="FamilyPlan"/> so far, and
/// the questions that the plan asks about them: which route of a link is preferred, which must keep its
/// metric, which metric is free, and which one the kernel would delete. Pure.
/// </summary>
internal sealed partial class FamilyTable
{
    private readonly bool _isIpv6;
    private readonly RivalRouters _routers;
    private readonly List<TableRoute> _entries = []; // sorted by metric
    private readonly List<KernelRoute> _forSources = [];
    private readonly HashSet<uint> _used = []; // metrics

    /// <param name="isIpv6">The family.</param>
    /// <param name="routes">The default routes of both families.</param>
    /// <param name="routers">The routers that advertise themselves beside others.</param>
    public FamilyTable(bool isIpv6, IReadOnlyList<KernelRoute> routes, RivalRouters routers)
    {
        _isIpv6 = isIpv6;
        _routers = routers;
        Top = isIpv6 ? 1u : 0;
        foreach (KernelRoute route in routes)
        {
            if (route.IsIpv6 != _isIpv6)
            {
                continue;
            }
            if (route.SourceLength > 0)
            {
                if (route.IsUnicast && !route.HasRunOut)
                {
                    _forSources.Add(route);
                }
                continue;
            }
            _used.Add(route.Metric);
            if (route.HasRunOut)
            {
                continue;
            }
            if (_isIpv6 && route.Hops.Count > 0 && route.NexthopId == 0)
            {
                // In IPv6, the nexthops are separate routes that share a metric.
                foreach (RouteAttribute[] hop in route.Hops)
                {
                    _entries.Add(new TableRoute(route.Leg(hop), isPart: true));
                }
                continue;
            }
            _entries.Add(new TableRoute(route, isPart: false));
        }
        List<TableRoute> sorted = _entries.OrderBy(route => route.Metric); // stable
        _entries.Clear();
        _entries.AddRange(sorted);
    }

    /// <summary>The preferred metric; in IPv6, the kernel turns 0 into 1024.</summary>
    public uint Top { get; }

    /// <summary>The routes for all sources, sorted by metric; do not change the list.</summary>
    public IReadOnlyList<TableRoute> Entries => _entries;

    /// <summary>Returns the first such route; null if there is none.</summary>
    public TableRoute? Find(Predicate<TableRoute> isIt) => _entries.Find(isIt);

    /// <summary>True if there is such a route.</summary>
    public bool Exists(Predicate<TableRoute> isIt) => _entries.Exists(isIt);

    /// <summary>The preferred routes, also those of other links.</summary>
    public IEnumerable<TableRoute> Front() => _entries.TakeWhile(entry => entry.Metric <= Top);

    /// <summary>Adds a route behind those of the same metric.</summary>
    public void Add(KernelRoute route)
    {
        int at = _entries.FindIndex(entry => entry.Metric > route.Metric);
        _entries.Insert(at < 0 ? _entries.Count : at, new TableRoute(route, isPart: false));
        _used.Add(route.Metric);
    }

    /// <summary>Puts a route before all others, in the place of one of them.</summary>
    public void Replace(TableRoute? replaced, KernelRoute route)
    {
        _entries.RemoveAll(entry => entry == replaced);
        _entries.Insert(0, new TableRoute(route, isPart: false));
        _used.Add(route.Metric);
    }

    /// <summary>Removes a route.</summary>
    public void Remove(TableRoute entry)
    {
        _entries.Remove(entry);
        if (!_entries.Exists(other => other.Metric == entry.Metric))
        {
            _used.Remove(entry.Metric);
        }
    }

    /// <summary>True if a route has this metric, or had it when its lifetime ended.</summary>
    public bool IsUsed(uint metric) => _used.Contains(metric);

    /// <summary>
    /// The first free metric, starting from this one. The last metric is followed by the first one behind
    /// the preferred route.
    /// </summary>
    public uint FirstFreeFrom(uint metric)
    {
        while (_used.Contains(metric))
        {
            metric = metric == uint.MaxValue ? Top + 1 : metric + 1;
        }
        return metric;
    }

    /// <summary>
    /// The last free metric before <paramref name="limit"/> and behind the preferred route; 0 if there is
    /// none.
    /// </summary>
    public uint LastFreeBefore(uint limit)
    {
        uint metric = limit - 1;
        while (metric > Top && _used.Contains(metric))
        {
            metric--;
        }
        return metric > Top ? metric : 0;
    }

    /// <summary>
    /// The metric of the first route behind the preferred ones at which the kernel's look-up ends, so that it
    /// never reaches the routes behind; null if there is none. A route that forwards nothing ends every
    /// look-up. In IPv4, a route of a nexthop object ends the look-up for a socket that is bound to another
    /// device (fib_table_lookup, net/ipv4/fib_trie.c), so no probe would leave.
    /// </summary>
    public uint? FirstObstacle() => Find(entry => entry.Metric > Top && !entry.Route.IsDerived
        && (!entry.Route.IsUnicast || (!_isIpv6 && entry.Route.NexthopId != 0)))?.Metric;

    /// <summary>True if the route uses the link alone.</summary>
    public static bool IsOf(KernelRoute route, RoutedLink link) =>
        route.IsUnicast && route.Hops.Count == 0 && route.Ifindex == link.Ifindex;
}
