using ConnMgr.Netlink;

namespace ConnMgr.Routing;

/// <summary>
/// The part of a <see cref="RoutePlan"/> that is about one address family. It keeps the table as it will be after the
/// steps so far.
/// </summary>
internal sealed partial class FamilyPlan
{
    /// <summary>Routes that belong to no link (a VPN's, a blackhole) stand behind all links.</summary>
    private const uint NobodysMetric = 100;

    private readonly RouteInput _input;
    private readonly bool _isIpv6;
    private readonly uint _top; // the metric in front; in IPv6, 0 means 1024
    private readonly List<RouteStep> _steps;
    private readonly List<TableRoute> _table = []; // by metric
    private readonly List<KernelRoute> _forSources = [];
    private readonly HashSet<uint> _used = []; // metrics
    private readonly Dictionary<int, RoutedLink> _links = [];
    private readonly Dictionary<string, OwnMetric> _own = [];
    private readonly bool _hasAddress;
    private readonly bool _hasRoute;

    /// <summary>A route of the table; <see cref="IsPart"/>: one nexthop of an IPv6 multipath route.</summary>
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

    /// <summary>The chosen link has an address and a default.</summary>
    public bool HasWayOut => _hasAddress && _hasRoute;

    /// <summary>What it has not.</summary>
    public string Lacks => _hasRoute ? "no address" : "no default route";

    /// <summary>Nothing had to change in front.</summary>
    public bool IsInPlace { get; private set; } = true;

    /// <summary>What other programs have removed is there, and the standby routes are in order.</summary>
    public bool IsOrdered { get; private set; } = true;

    /// <summary>Adds the steps.</summary>
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
                // To IPv6 these are routes of their own that share a metric.
                foreach (RouteAttribute[] hop in route.Hops)
                {
                    _table.Add(new TableRoute(route.Leg(hop), isPart: true));
                }
                continue;
            }
            _table.Add(new TableRoute(route, isPart: false));
        }
        TableRoute[] sorted = [.. _table.OrderBy(route => route.Metric)]; // stable
        _table.Clear();
        _table.AddRange(sorted);
    }

    /// <summary>The link that the route leads over; null for a route over none or several.</summary>
    private RoutedLink? OwnerOf(KernelRoute route) =>
        route.IsUnicast && route.Hops.Count == 0 ? _links.GetValueOrDefault(route.Ifindex) : null;

    private static bool IsOf(KernelRoute route, RoutedLink link) =>
        route.IsUnicast && route.Hops.Count == 0 && route.Ifindex == link.Ifindex;

    // -- what the link has ----------------------------------------------------------------------------------------

    /// <summary>
    /// Its route that stands in front already and may stay there; one that was derived only while its original stands.
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

    /// <summary>The route that <paramref name="derived"/> was made of; null if it has gone.</summary>
    private KernelRoute? OriginOf(KernelRoute derived) =>
        Origins(derived.Ifindex).FirstOrDefault(origin => origin.HasSameHop(derived));

    /// <summary>The best of the routes that stay where they are while a copy gets in front; null if there is none.</summary>
    private KernelRoute? BestOrigin(int ifindex)
    {
        KernelRoute? best = null;
        foreach (KernelRoute origin in Origins(ifindex))
        {
            if (best is null || OriginRank(origin).CompareTo(OriginRank(best)) < 0)
            {
                best = origin;
            }
        }
        return best;
    }

    /// <summary>Plain defaults before those for some sources, better metrics, then RFC 4191's preference.</summary>
    private static (bool, uint, int) OriginRank(KernelRoute route) => (
        route.SourceLength > 0, route.Metric, route.Preference switch { 1 => 0, 3 => 2, _ => 1 });

    /// <summary>
    /// Over a device: advertised routes, which the kernel renews in their place only; nexthops of routes over several
    /// devices; defaults for some sources; and routes of nexthop objects: while one is in front, the kernel finds no
    /// other for a socket that is bound to another device (fib_table_lookup, net/ipv4/fib_trie.c), so that probes fail.
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
            if ((route.NexthopId != 0 || (route.IsAdvertised && entry.Metric > _top)) && route.Ifindex == ifindex && route.Hops.Count == 0)
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

    /// <summary>True if the route stays in its place while a copy gets in front.</summary>
    private bool Stays(KernelRoute route) => route.NexthopId != 0 || (route.IsAdvertised && route.Metric > _top);

    /// <summary>
    /// What to make the link's route in front of; null if the link has no default. <c>Stays</c>: it stays in its place,
    /// and a copy of it gets in front.
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

    /// <summary>True if the kernel itself uses the route as the default of its link: one device, all sources.</summary>
    private static bool StandsForLink(KernelRoute? origin) =>
        origin is { SourceLength: 0 } && (origin.IsAdvertised || origin.NexthopId != 0);

    private KernelRoute? LostOf(RoutedLink link) =>
        _input.Lost.FirstOrDefault(route => route.IsIpv6 == _isIpv6 && route.SourceLength == 0 && IsOf(route, link));

    private bool HasDefault(RoutedLink link) =>
        _table.Exists(entry => IsOf(entry.Route, link) && !IsStale(entry.Route));

    // -- the front ------------------------------------------------------------------------------------------------

    /// <summary>
    /// The route that has to be in front. One that stands there stays, unless the link's router has changed: a DHCP
    /// client that has got another one says so at the metric that the link's route had (IPv4; in IPv6 several routers
    /// may stand side by side); and of advertised routes the preferred one, as it is advertised now, counts.
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
            KernelRoute origin = OriginRank(best).CompareTo(OriginRank(current)) < 0 ? best : current;
            return origin.Derive(_top);
        }
        if (!_isIpv6 && _own.TryGetValue(link.Name, out OwnMetric own) && own.Own > _top)
        {
            TableRoute[] there = [.. _table.Where(entry => entry.Metric == own.Own && IsOf(entry.Route, link) && !entry.Route.IsDerived)];
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
            others.Insert(0, kept); // it would be deleted instead of another; so it has to come last
            kept = null;
        }
        Dictionary<TableRoute, RouteStep?> copies = PutAside(others, except: kept is null && others.Count > 0
            && others[0].Route != wanted && stood is not null && !stood.IsCopyOf(wanted) ? stood : null);
        RouteStep? replace = null;
        if (kept is null)
        {
            IsInPlace = false;
            // Until then it is the way out.
            TableRoute? left = others.OrderBy(entry => (!entry.Route.IsUnicast, IsStale(entry.Route)))
                .ThenBy(entry => !CanDelete(others, entry)).FirstOrDefault();
            DeleteFromFront(others.Where(entry => entry != left), copies);
            replace = Do(RouteVerb.Replace, wanted, $"took over{FromWords(wanted)}: {Words(wanted)}");
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
        return original is null || !original.HasSameHop(wanted) || original.Metric <= _top ? $" at metric {_top}"
            : stays ? $" at metric {_top}, as at {original.Metric}"
            : $", metric {original.Metric} -> {_top}";
    }

    /// <summary>In front only the link's own routes may stand; and of derived ones only the current one.</summary>
    private bool IsInTheWay(TableRoute entry, TableRoute? kept) =>
        entry != kept && (!IsOf(entry.Route, _input.Chosen) || entry.Route.IsDerived || kept is null);

    /// <summary>
    /// The chosen link lacks the family: nobody else stays in front in it. Unless a route that sends nothing on would be
    /// the best then.
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

    /// <summary>A copy whose original has gone.</summary>
    private bool IsStale(KernelRoute route) => route.IsDerived && OriginOf(route) is null;

    /// <summary>Copies routes from the front to metrics of their own, but for a stale one.</summary>
    private Dictionary<TableRoute, RouteStep?> PutAside(List<TableRoute> entries, KernelRoute? except)
    {
        IsInPlace &= entries.Count == 0;
        Dictionary<TableRoute, RouteStep?> copies = [];
        // What sends nothing on must not get in front of what does.
        foreach (TableRoute entry in entries.OrderBy(entry => !entry.Route.IsUnicast))
        {
            copies[entry] = entry.Route == except ? null : PutAside(entry.Route);
        }
        return copies;
    }

    /// <summary>Copies a route from the front to its own metric. Null if its link has it there already.</summary>
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
    /// An advertised route stands behind its copy; a default for some sources, or over several devices, does not stand in
    /// for it, so that the copy stays a standby route.
    /// </summary>
    private RouteStep? PutDerivedAside(KernelRoute copy)
    {
        if (OriginOf(copy) is not { } origin || StandsForLink(origin)
            || _table.Exists(entry => entry.Metric > _top && entry.Route.IsDerived && entry.Route.HasSameHop(copy)))
        {
            return null;
        }
        uint metric = FirstFreeFrom(Math.Max(origin.Metric, _top + 1));
        return metric <= _top ? null : Add(copy.At(metric), $"put back at metric {metric}: {Words(copy)}");
    }

    /// <summary>Adds a route at the first free metric from its link's own on.</summary>
    private RouteStep Place(RoutedLink? link, KernelRoute route, string verb)
    {
        OwnMetric known = link is null ? default : _own.GetValueOrDefault(link.Name);
        uint own = known.Own > _top ? known.Own : link?.UsualMetric ?? NobodysMetric;
        uint metric = FirstFreeFrom(own);
        if (link is not null && metric != (known.Own > _top ? known.Placed : own))
        {
            Remember(link, new OwnMetric(own, metric), needs: null);
        }
        return Add(route.At(metric), $"{verb} at metric {metric}: {Words(route)}");
    }

    /// <summary>
    /// Its former place, and what a client has put there again: one default a link. An advertised route is the kernel's,
    /// and stays.
    /// </summary>
    private void DeleteDuplicates(KernelRoute wanted, RouteStep? needs)
    {
        bool isNoted = false;
        foreach (TableRoute entry in (TableRoute[])[.. _table])
        {
            if (entry.Metric <= _top || Stays(entry.Route) || !entry.Route.IsCopyOf(wanted) || !MayDelete(entry))
            {
                continue;
            }
            OwnMetric known = _own.GetValueOrDefault(_input.Chosen.Name);
            if (!isNoted && !entry.Route.IsDerived && known.Placed != entry.Metric)
            {
                // Where another route of the link stands beside it, that one must not be taken for its new router.
                bool isShared = _table.Exists(
                    other => other != entry && other.Metric == entry.Metric && IsOf(other.Route, _input.Chosen));
                uint own = isShared ? FirstFreeFrom(entry.Metric) : entry.Metric;
                Remember(_input.Chosen, new OwnMetric(own, own), needs);
            }
            isNoted = true;
            Delete(entry, needs, $"removed from metric {entry.Metric}: {Words(entry.Route)}");
        }
    }

    /// <summary>What another program's replace removed gets a place behind again; the chosen link's gets in front.</summary>
    private void RestoreLost()
    {
        foreach (RoutedLink link in _input.Links)
        {
            if ((link != _input.Chosen || !HasWayOut) && LostOf(link) is { } lost && !HasDefault(link))
            {
                if (lost.Metric > _top && !_used.Contains(lost.Metric))
                {
                    Add(lost, $"restored at metric {lost.Metric}: {Words(lost)}");
                }
                else
                {
                    Place(link, lost, "restored");
                }
                _steps[^1] = _steps[^1] with { IsRestoring = true };
            }
        }
    }

    // -- steps ----------------------------------------------------------------------------------------------------

    private RouteStep Add(KernelRoute route, string words)
    {
        int at = _table.FindIndex(entry => entry.Metric > route.Metric);
        _table.Insert(at < 0 ? _table.Count : at, new TableRoute(route, isPart: false));
        _used.Add(route.Metric);
        return Do(RouteVerb.Add, route, words);
    }

    private void Delete(TableRoute entry, RouteStep? needs, string words)
    {
        _steps.Add(new RouteStep(RouteVerb.Delete, _isIpv6, entry.Route, words, needs) { IsPart = entry.IsPart });
        _table.Remove(entry);
        if (!_table.Exists(other => other.Metric == entry.Metric))
        {
            _used.Remove(entry.Metric);
        }
    }

    private RouteStep Do(RouteVerb verb, KernelRoute route, string words)
    {
        RouteStep step = new(verb, _isIpv6, route, words);
        _steps.Add(step);
        return step;
    }

    private void Remember(RoutedLink link, OwnMetric metric, RouteStep? needs)
    {
        _own[link.Name] = metric;
        _steps.Add(new RouteStep(RouteVerb.Remember, _isIpv6, null, "", needs) { Link = link.Name, Metric = metric });
    }

    private string Words(KernelRoute route) =>
        route.Words(ifindex => _links.TryGetValue(ifindex, out RoutedLink? link) ? link.Name : $"device {ifindex}");
}
