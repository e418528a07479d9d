using ConnMgr.Net;
using ConnMgr.Netlink;
using ConnMgr.Routing;

namespace ConnMgr.Links;

/// <summary>
/// Makes the <see cref="RoutePlan"/> of the daemon's links, with the standby routes in the order in which the links would
/// be chosen. Pure; keeps the last plan, since it is asked for at each wake-up.
/// </summary>
internal sealed class RoutePlanner
{
    private RoutePlan? _plan;
    private string _planOf = "";

    /// <summary>What there is to do for the routes to lead over a link.</summary>
    /// <param name="state">What the kernel has; the routes must have been read to their end.</param>
    /// <param name="links">All links, in the order of preference.</param>
    /// <param name="choice">The link that the routes are to lead over.</param>
    /// <param name="ownMetrics">What earlier plans have remembered.</param>
    public RoutePlan Plan(
        KernelState state, IReadOnlyList<Link> links, Link choice,
        IReadOnlyDictionary<(bool IsIpv6, string Link), OwnMetric> ownMetrics)
    {
        string of = $"{state.Version} {choice.Name} "
            + string.Join(' ', links.Select(
                link => $"{link.Name} {(int)Selector.ClassOf(link)}{(IsStandby(link) ? "" : "-")}"));
        if (_plan is null || of != _planOf)
        {
            _planOf = of;
            _plan = MakePlan(state, links, choice, ownMetrics);
        }
        return _plan;
    }

    /// <summary>The plan is being carried out: the next one is made anew.</summary>
    public void Forget() => _plan = null;

    private static RoutePlan MakePlan(
        KernelState state, IReadOnlyList<Link> links, Link choice,
        IReadOnlyDictionary<(bool IsIpv6, string Link), OwnMetric> ownMetrics)
    {
        Dictionary<Link, int> ranks = [];
        foreach (Link link in links.Where(IsStandby).OrderBy(Selector.ClassOf).ThenBy(link => link.Kind))
        {
            ranks[link] = ranks.Count;
        }
        RoutedLink Routed(Link link) => new(
            link.Facts.Ifindex, link.Name,
            link.Kind switch { LinkKind.Ethernet => 10, LinkKind.WiFi => 20, _ => 50 },
            ranks.TryGetValue(link, out int rank) ? rank : null);
        Dictionary<Link, RoutedLink> routed =
            links.Where(link => link.Facts.Ifindex != 0).ToDictionary(link => link, Routed);
        return RoutePlan.Of(new RouteInput(
            state.Defaults, [.. state.Lost], [.. routed.Values],
            routed.TryGetValue(choice, out RoutedLink? chosen) ? chosen : Routed(choice),
            choice.Facts.Ipv4.HasAddress, choice.Facts.Ipv6.HasAddress, ownMetrics));
    }

    /// <summary>A link that is down keeps its route where it is; the kernel passes it over.</summary>
    private static bool IsStandby(Link link) => link.State.IsUp() && !link.IsInterrupted;
}
