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
