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
    private readonly List<RouteStep> _steps;
    private readonly FamilyTable _table;
    private readonly Dictionary<int, RoutedLink> _links = [];
    private readonly Dictionary<string, OwnMetric> _own = [];
    private readonly Func<int, string> _nameOf;
    private readonly bool _hasAddress;
    private readonly bool _hasRoute;

    public FamilyPlan(RouteInput input, bool isIpv6, List<RouteStep> steps)
    {
        _input = input;
        _isIpv6 = isIpv6;
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
        _table = new FamilyTable(isIpv6, input.Routes, input.Routers);
        _hasAddress = !input.Chosen.Lacks(isIpv6);
        _hasRoute = OriginalOf(input.Chosen).Route is not null || _table.InFrontOf(input.Chosen) is not null;
    }

    /// <inheritdoc cref="FamilyTable.Top"/>
    private uint Top => _table.Top;

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

    /// <summary>Returns the link of the route; null for a route that uses no link, or several.</summary>
    private RoutedLink? OwnerOf(KernelRoute route) =>
        route.IsUnicast && route.Hops.Count == 0 ? _links.GetValueOrDefault(route.Ifindex) : null;

    private RouteStep Add(KernelRoute route, string deed)
    {
        _table.Add(route);
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

    /// <summary>
    /// Returns the route to make the link's preferred route from; null if the link has no default.
    /// <c>Stays</c> is true if it keeps its metric, and a copy of it is preferred.
    /// </summary>
    private (KernelRoute? Route, bool Stays) OriginalOf(RoutedLink link)
    {
        KernelRoute? origin = _table.BestOrigin(link.Ifindex);
        if (_table.MovableOf(link) is { } movable)
        {
            return (movable.Route, false);
        }
        if (origin is not { SourceLength: 0 } && LostOf(link) is { } lost)
        {
            return (lost, false);
        }
        return (origin, true);
    }

    private KernelRoute? LostOf(RoutedLink link) =>
        _input.Lost.FirstOrDefault(
            route => route.IsIpv6 == _isIpv6 && route.SourceLength == 0
                && FamilyTable.IsOf(route, link));

    private string NameOf(int ifindex) =>
        _links.TryGetValue(ifindex, out RoutedLink? link) ? link.Name : $"device {ifindex}";
}
