using ConnMgr.Net;
using ConnMgr.Netlink;
using ConnMgr.Routing;

namespace ConnMgr.Links;

/// <summary>
/// Makes the <see cref="RoutePlan"/> for the daemon's links, with the standby routes in the order in which
/// the links would be chosen. Pure. Caches the last plan, because every wake-up asks for it.
/// </summary>
internal sealed class RoutePlanner
{
    private RoutePlan? _plan;

    // What the plan was made of.
    private int _version;
    private Link? _choice;
    private Link[] _links = [];
    private int[] _marks = [];

    /// <summary>Returns the changes that make the default routes use a link.</summary>
    /// <param name="state">The kernel's state; the dump of the routes must be complete.</param>
    /// <param name="links">All links, most preferred first.</param>
    /// <param name="choice">The link that the routes are to use.</param>
    /// <param name="ownMetrics">The metrics that earlier plans recorded.</param>
    public RoutePlan Plan(
        KernelState state, IReadOnlyList<Link> links, Link choice,
        IReadOnlyDictionary<(bool IsIpv6, string Link), OwnMetric> ownMetrics)
    {
        if (_plan is null || !IsOf(state, links, choice))
        {
            (_version, _choice, _links) = (state.Version, choice, [.. links]);
            _marks = Array.ConvertAll(_links, MarkOf);
            _plan = RoutePlan.Of(InputOf(state, links, choice, ownMetrics));
        }
        return _plan;
    }

    private bool IsOf(KernelState state, IReadOnlyList<Link> links, Link choice)
    {
        bool isSame = state.Version == _version && choice == _choice && links.Count == _links.Length;
        for (int i = 0; isSame && i < _links.Length; i++)
        {
            isSame = links[i] == _links[i] && MarkOf(links[i]) == _marks[i];
        }
        return isSame;
    }

    /// <summary>What a plan depends on besides the kernel's state and what never changes of a link.</summary>
    private static int MarkOf(Link link) =>
        ((int)Selector.ClassOf(link) << 2) | (IsStandby(link) ? 2 : 0) | (link.IsBlocked ? 1 : 0);

    /// <summary>Returns the changes that hide the blocked links, when there is no link to use.</summary>
    public static RoutePlan Hide(
        KernelState state, IReadOnlyList<Link> links,
        IReadOnlyDictionary<(bool IsIpv6, string Link), OwnMetric> ownMetrics) =>
        RoutePlan.OfNone(InputOf(state, links, null, ownMetrics));

    /// <summary>Drops the cached plan, because it is being carried out.</summary>
    public void Forget() => _plan = null;

    /// <summary>
    /// The metric of a link's default that has none of its own: distinct, and in the order of kind and index.
    /// </summary>
    public static uint UsualMetric(LinkKind kind, int index) =>
        (uint)index + (kind switch { LinkKind.Ethernet => 10u, LinkKind.WiFi => 20, _ => 50 });

    private static RouteInput InputOf(
        KernelState state, IReadOnlyList<Link> links, Link? choice,
        IReadOnlyDictionary<(bool IsIpv6, string Link), OwnMetric> ownMetrics)
    {
        Dictionary<Link, int> ranks = [];
        foreach (Link link in links.Where(link => IsStandby(link) && !link.IsBlocked)
            .OrderBy(link => link.Rank).OrderBy(link => (int)Selector.ClassOf(link)))
        {
            ranks[link] = ranks.Count;
        }
        RoutedLink Routed(Link link) => new(
            link.Facts.Ifindex, link.Name,
            UsualMetric(link.Kind, link.Index),
            ranks.TryGetValue(link, out int rank) ? rank : null)
        {
            IsDead = !IsStandby(link) || link.IsBlocked || link.State == LinkState.Failed,
            IsBlocked = link.IsBlocked,
            LacksIpv4 = !link.Facts.Ipv4.HasAddress,
            LacksIpv6 = !link.Facts.Ipv6.HasAddress,
        };
        Dictionary<Link, RoutedLink> routed = [];
        foreach (Link link in links.Where(link => link.Facts.Ifindex != 0))
        {
            routed.Add(link, Routed(link));
        }
        RoutedLink chosen = choice is null ? new RoutedLink(0, "", 0, null)
            : routed.GetValueOrDefault(choice) ?? Routed(choice);
        return new RouteInput(
            state.Defaults, [.. state.Lost], [.. routed.Values], chosen, ownMetrics)
        {
            Addresses = state.Addresses,
            Subnets = state.Subnets,
            Rules = state.HasRules ? state.Rules : null,
            Hosts = state.Hosts,
            Routers = state.Routers,
        };
    }

    /// <summary>
    /// True if the link's route may be moved. A link that is down keeps its route in place; the kernel skips
    /// it.
    /// </summary>
    private static bool IsStandby(Link link) => link.State.IsUp() && !link.IsInterrupted;
}
