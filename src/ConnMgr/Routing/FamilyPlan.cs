using ConnMgr.Netlink;

namespace ConnMgr.Routing;

/// <summary>
/// The part of a <see cref="RoutePlan"/> for one address family. It maintains the table as it will be after
/// the steps so far.
/// </summary>
internal sealed partial class FamilyPlan
{
    /// <summary>
    /// The metric for routes that belong to no link (of a VPN, a blackhole): behind all links.
    /// </summary>
    private const uint ForeignMetric = 100;

    private readonly RouteInput _input;
    private readonly bool _isIpv6;
    private readonly uint _top; // the preferred metric; in IPv6, the kernel turns 0 into 1024
    private readonly List<RouteStep> _steps;
    private readonly List<TableRoute> _table = []; // sorted by metric
    private readonly List<KernelRoute> _forSources = [];
    private readonly HashSet<uint> _used = []; // metrics
    private readonly Dictionary<int, RoutedLink> _links = [];
    private readonly Dictionary<string, OwnMetric> _own = [];
    private readonly Func<int, string> _nameOf;
    private readonly bool _hasAddress;
    private readonly bool _hasRoute;

    /// <summary>A route of the table. <see cref="IsPart"/>: one nexthop of an IPv6 multipath route.</summary>
    private sealed class TableRoute(KernelRoute route, bool isPart)
    {
        public KernelRoute Route { get; } = route;

        public bool IsPart { get; } = isPart;

        public uint Metric => Route.Metric;
    }

    public FamilyPlan(RouteInput input, bool isIpv6, List<RouteStep> steps)
    {
        _input = input;
        _isIpv6 = isIpv6;
        _top = isIpv6 ? 1u : 0u;
        _steps = steps;
        _nameOf = NameOf;
        foreach (RoutedLink link in input.Links)
        {
            _links[link.Ifindex] = link;
            if (input.OwnMetrics.TryGetValue((isIpv6, link.Name), out OwnMetric own))
            {
                _own[link.Name] = own;
            }
        }
        Fill();
        _hasAddress = isIpv6 ? input.HasIpv6Address : input.HasIpv4Address;
        _hasRoute = OriginalOf(input.Chosen).Route is not null || InFrontOf(input.Chosen) is not null;
    }

    /// <summary>True if the chosen link has an address and a default route.</summary>
    public bool HasWayOut => _hasAddress && _hasRoute;

    /// <summary>What the chosen link lacks, as a phrase.</summary>
    public string Lacks => _hasRoute ? "no address" : "no default route";

    /// <summary>True if the preferred routes did not have to change.</summary>
    public bool IsInPlace { get; private set; } = true;

    /// <summary>
    /// True if all routes that other programs removed are restored, and the standby routes are sorted.
    /// </summary>
    public bool IsOrdered { get; private set; } = true;

    /// <summary>Appends the steps to the plan.</summary>
    public void Make()
    {
        int before = _steps.Count;
        RestoreLost();
        IsOrdered = _steps.Count == before;
        if (HasWayOut)
        {
            TakeOver();
        }
        else
        {
            ClearFront();
        }
        before = _steps.Count;
        OrderStandby();
        IsOrdered &= _steps.Count == before;
    }

    private void Fill()
    {
        foreach (KernelRoute route in _input.Routes)
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
                    _table.Add(new TableRoute(route.Leg(hop), isPart: true));
                }
                continue;
            }
            _table.Add(new TableRoute(route, isPart: false));
        }
        List<TableRoute> sorted = _table.OrderBy(route => route.Metric); // stable
        _table.Clear();
        _table.AddRange(sorted);
    }

    /// <summary>Returns the link of the route; null for a route that uses no link, or several.</summary>
    private RoutedLink? OwnerOf(KernelRoute route) =>
        route.IsUnicast && route.Hops.Count == 0 ? _links.GetValueOrDefault(route.Ifindex) : null;

    private static bool IsOf(KernelRoute route, RoutedLink link) =>
        route.IsUnicast && route.Hops.Count == 0 && route.Ifindex == link.Ifindex;

    // -- what the link has ----------------------------------------------------------------------------------

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
        TableRoute? movable = _table.Find(entry => entry.Metric > _top && IsOf(entry.Route, link)
            && !entry.Route.IsDerived && !Stays(entry.Route));
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

    // -- the front ------------------------------------------------------------------------------------------

    /// <summary>
    /// Returns the route that must be preferred. An existing one stays unless the link's router has changed.
    /// In IPv4, a DHCP client that received another router adds its route at the metric that the link's route
    /// had; in IPv6 several routers may coexist. Of advertised routes, the one with the best preference
    /// counts, with its current attributes.
    /// </summary>
    private KernelRoute Wanted()
    {
        RoutedLink link = _input.Chosen;
        KernelRoute? front = InFrontOf(link)?.Route;
        if (front is null)
        {
            (KernelRoute? original, bool stays) = OriginalOf(link);
            return stays ? original!.Derive(_top) : original!.At(_top);
        }
        if (front.IsDerived)
        {
            KernelRoute current = OriginOf(front)!;
            KernelRoute best = BestOrigin(link.Ifindex)!;
            KernelRoute origin = OriginRank(best) < OriginRank(current) ? best : current;
            return origin.Derive(_top);
        }
        if (!_isIpv6 && _own.TryGetValue(link.Name, out OwnMetric own) && own.Own > _top)
        {
            TableRoute[] there = [.. _table.Where(
                entry => entry.Metric == own.Own && IsOf(entry.Route, link)
                    && !entry.Route.IsDerived)];
            if (there.Length == 1 && !there[0].Route.IsCopyOf(front))
            {
                return there[0].Route.At(_top);
            }
        }
        return front;
    }

    private void TakeOver()
    {
        KernelRoute? stood = InFrontOf(_input.Chosen)?.Route;
        KernelRoute wanted = Wanted();
        TableRoute? kept = _table.Find(entry => entry.Metric <= _top && entry.Route.IsCopyOf(wanted));
        List<TableRoute> others = [.. Front().Where(entry => IsInTheWay(entry, kept))];
        if (kept is not null && !CanDelete(others, left: null))
        {
            // The kernel would delete it, or another route of the link, instead of one of the others.
            others = [kept, .. Front().Where(entry => entry != kept)];
            kept = null;
        }
        Dictionary<TableRoute, RouteStep?> copies = PutAside(others, except: kept is null && others.Count > 0
            && others[0].Route != wanted && stood is not null && !stood.IsCopyOf(wanted) ? stood : null);
        RouteStep? replace = null;
        if (kept is null)
        {
            IsInPlace = false;
            // It carries the traffic until the replace.
            TableRoute? left = others.Count == 1 ? others[0] : others
                .OrderBy(entry => (entry.Route.IsUnicast ? 0 : 4) + (IsStale(entry.Route) ? 2 : 0)
                    + (CanDelete(others, entry) ? 0 : 1))
                .FirstOrDefault();
            DeleteFromFront(others.Where(entry => entry != left), copies);
            bool isRestoring = LostOf(_input.Chosen)?.HasSameHop(wanted) == true
                && !HasDefault(_input.Chosen);
            replace = Do(
                RouteVerb.Replace, wanted, $"took over{FromWords(wanted)}", isRestoring);
            _table.RemoveAll(entry => entry == left);
            _table.Insert(0, new TableRoute(wanted, isPart: false));
            _used.Add(_top);
        }
        DeleteFromFront(others, copies);
        DeleteDuplicates(wanted, replace);
    }

    private IEnumerable<TableRoute> Front() => _table.TakeWhile(entry => entry.Metric <= _top);

    private string FromWords(KernelRoute wanted)
    {
        (KernelRoute? original, bool stays) = OriginalOf(_input.Chosen);
        return original is null || !original.HasSameHop(wanted) || original.Metric <= _top
            ? $" at metric {_top}"
            : stays ? $" at metric {_top}, as at {original.Metric}"
            : $", metric {original.Metric} -> {_top}";
    }

    /// <summary>
    /// True for a route in front that must go: not the chosen link's own, derived, or any if none is kept.
    /// </summary>
    private bool IsInTheWay(TableRoute entry, TableRoute? kept) =>
        entry != kept && (!IsOf(entry.Route, _input.Chosen) || entry.Route.IsDerived || kept is null);

    /// <summary>
    /// Removes other links' routes from the front, because the chosen link lacks this family; unless a route
    /// that does not forward packets would then be the best.
    /// </summary>
    private void ClearFront()
    {
        List<TableRoute> others = [.. Front().Where(
            entry => !IsOf(entry.Route, _input.Chosen) || entry.Route.IsDerived)];
        if (_table.Find(entry => entry.Metric > _top) is { Route.IsUnicast: false })
        {
            others.RemoveAll(entry => !IsStale(entry.Route));
        }
        DeleteFromFront(others, PutAside(others, except: null));
    }

    /// <summary>True for a copy whose original is gone, and no other route has its nexthop.</summary>
    private bool IsStale(KernelRoute route) => route.IsDerived && OriginOf(route) is null
        && !_table.Exists(entry => !entry.Route.IsDerived && entry.Route.HasSameHop(route));

    /// <summary>Copies routes from the front to their own metrics, except a stale one.</summary>
    private Dictionary<TableRoute, RouteStep?> PutAside(List<TableRoute> entries, KernelRoute? except)
    {
        IsInPlace &= entries.Count == 0;
        Dictionary<TableRoute, RouteStep?> copies = [];
        // A route that does not forward packets must not come before one that does.
        foreach (TableRoute entry in entries.OrderBy(entry => entry.Route.IsUnicast ? 0 : 1))
        {
            copies[entry] = entry.Route == except ? null : PutAside(entry.Route);
        }
        return copies;
    }

    /// <summary>
    /// Copies a route from the front to its own metric. Null if its link has a route there already.
    /// </summary>
    private RouteStep? PutAside(KernelRoute route)
    {
        if (route.IsDerived)
        {
            return PutDerivedAside(route);
        }
        if (_table.Exists(entry => entry.Metric > _top && entry.Route.IsCopyOf(route)))
        {
            return null;
        }
        return Place(OwnerOf(route), route, "put back");
    }

    /// <summary>
    /// Keeps a copy as a standby route. An advertised route replaces its copy there; a default for some
    /// sources, or over several devices, does not.
    /// </summary>
    private RouteStep? PutDerivedAside(KernelRoute copy)
    {
        if (OriginOf(copy) is not { } origin || StandsForLink(origin)
            || _table.Exists(entry => entry.Metric > _top && entry.Route.IsDerived
                && entry.Route.HasSameHop(copy)))
        {
            return null;
        }
        uint metric = FirstFreeFrom(Math.Max(origin.Metric, _top + 1));
        return metric <= _top ? null : Add(copy.At(metric), $"put back at metric {metric}");
    }

    /// <summary>Adds a route at the first free metric, starting from its link's own.</summary>
    private RouteStep Place(RoutedLink? link, KernelRoute route, string verb)
    {
        OwnMetric known = link is null ? default : _own.GetValueOrDefault(link.Name);
        uint own = known.Own > _top ? known.Own : link?.UsualMetric ?? ForeignMetric;
        uint metric = FirstFreeFrom(own);
        if (link is not null && metric != (known.Own > _top ? known.Placed : own))
        {
            Remember(link, new OwnMetric(own, metric), needs: null);
        }
        return Add(route.At(metric), $"{verb} at metric {metric}");
    }

    /// <summary>
    /// Deletes the route's former entry, and what a client has added again, so that a link has one default.
    /// An advertised route belongs to the kernel, and stays.
    /// </summary>
    private void DeleteDuplicates(KernelRoute wanted, RouteStep? needs)
    {
        bool isNoted = false;
        foreach (TableRoute entry in (TableRoute[])[.. _table])
        {
            if (entry.Metric <= _top || Stays(entry.Route)
                || !entry.Route.IsCopyOf(wanted)
                || !MayDelete(entry))
            {
                continue;
            }
            OwnMetric known = _own.GetValueOrDefault(_input.Chosen.Name);
            if (!isNoted && !entry.Route.IsDerived && known.Placed != entry.Metric)
            {
                // If another route of the link has the same metric, do not mistake that one for its new
                // router.
                bool isShared = _table.Exists(
                    other => other != entry && other.Metric == entry.Metric
                        && IsOf(other.Route, _input.Chosen));
                uint own = isShared ? FirstFreeFrom(entry.Metric) : entry.Metric;
                Remember(_input.Chosen, new OwnMetric(own, own), needs);
            }
            isNoted = true;
            Delete(entry, needs, $"removed from metric {entry.Metric}");
        }
    }

    /// <summary>
    /// Restores routes that another program's replace removed, behind the preferred one. The chosen link's
    /// becomes preferred.
    /// </summary>
    private void RestoreLost()
    {
        foreach (RoutedLink link in _input.Links)
        {
            if ((link != _input.Chosen || !HasWayOut) && LostOf(link) is { } lost && !HasDefault(link))
            {
                if (lost.Metric > _top && !_used.Contains(lost.Metric))
                {
                    Add(lost, $"restored at metric {lost.Metric}");
                }
                else
                {
                    Place(link, lost, "restored");
                }
                _steps[^1] = _steps[^1] with { IsRestoring = true };
            }
        }
    }

    // -- steps ----------------------------------------------------------------------------------------------

    private RouteStep Add(KernelRoute route, string deed)
    {
        int at = _table.FindIndex(entry => entry.Metric > route.Metric);
        _table.Insert(at < 0 ? _table.Count : at, new TableRoute(route, isPart: false));
        _used.Add(route.Metric);
        return Do(RouteVerb.Add, route, deed);
    }

    private void Delete(TableRoute entry, RouteStep? needs, string deed)
    {
        _steps.Add(new RouteStep(RouteVerb.Delete, _isIpv6, entry.Route, deed, needs)
        {
            IsPart = entry.IsPart,
            NameOf = _nameOf,
        });
        _table.Remove(entry);
        if (!_table.Exists(other => other.Metric == entry.Metric))
        {
            _used.Remove(entry.Metric);
        }
    }

    private RouteStep Do(RouteVerb verb, KernelRoute route, string deed, bool isRestoring = false)
    {
        RouteStep step = new(verb, _isIpv6, route, deed) { IsRestoring = isRestoring, NameOf = _nameOf };
        _steps.Add(step);
        return step;
    }

    private void Remember(RoutedLink link, OwnMetric metric, RouteStep? needs)
    {
        _own[link.Name] = metric;
        _steps.Add(new RouteStep(RouteVerb.Remember, _isIpv6, null, "", needs)
        {
            Link = link.Name,
            Metric = metric
        });
    }

    private string NameOf(int ifindex) =>
        _links.TryGetValue(ifindex, out RoutedLink? link) ? link.Name : $"device {ifindex}";
}
