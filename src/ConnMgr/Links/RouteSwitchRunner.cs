using ConnMgr.Logging;
using ConnMgr.Netlink;
using ConnMgr.Routing;

namespace ConnMgr.Links;

/// <summary>Plans the routes of the daemon's links from the kernel's table, and carries the plans out over rtnetlink.</summary>
internal sealed class RouteSwitchRunner : IDisposable
{
    private readonly KernelState _table;
    private readonly List<Link> _links;
    private readonly RouteWriteRunner _writer;
    private RoutePlan? _plan;
    private string _planOf = "";

    /// <param name="table">What the kernel has.</param>
    /// <param name="links">The links, in the order of preference.</param>
    /// <param name="directory">The run directory.</param>
    public RouteSwitchRunner(KernelState table, List<Link> links, string directory)
    {
        _table = table;
        _links = links;
        _writer = new RouteWriteRunner(directory);
        table.OwnPort = _writer.PortId;
    }

    /// <summary>What there is to do for the routes to lead over <paramref name="choice"/>. To be asked once the routes are read.</summary>
    public RoutePlan Plan(Link choice)
    {
        string of = $"{_table.Version} {choice.Name} "
            + string.Join(' ', _links.Select(link => $"{Selector.ClassOf(link)}{(IsStandby(link) ? "" : "-")}"));
        if (_plan is null || of != _planOf)
        {
            _planOf = of;
            _plan = MakePlan(choice);
        }
        return _plan;
    }

    private RoutePlan MakePlan(Link choice)
    {
        _writer.Know(_links.Select(link => link.Name));
        Dictionary<Link, int> ranks = [];
        foreach (Link link in _links.Where(IsStandby).OrderBy(Selector.ClassOf).ThenBy(link => link.Kind))
        {
            ranks[link] = ranks.Count;
        }
        RoutedLink Routed(Link link) => new(
            link.Facts.Ifindex, link.Name, link.Kind switch { LinkKind.Ethernet => 10, LinkKind.WiFi => 20, _ => 50 },
            ranks.TryGetValue(link, out int rank) ? rank : null);
        Dictionary<Link, RoutedLink> routed = _links.Where(link => link.Facts.Ifindex != 0).ToDictionary(link => link, Routed);
        return RoutePlan.Of(new RouteInput(
            _table.Defaults, [.. _table.Lost], [.. routed.Values],
            routed.TryGetValue(choice, out RoutedLink? chosen) ? chosen : Routed(choice),
            choice.Facts.Ipv4.HasAddress, choice.Facts.Ipv6.HasAddress, _writer.OwnMetrics));
    }

    /// <summary>A link that is down keeps its route where it is; the kernel passes it over.</summary>
    private static bool IsStandby(Link link) => link.State.IsUp() && !link.IsInterrupted;

    /// <summary>Carries a plan out. Returns what failed, in words; empty if nothing did.</summary>
    public string Run(RoutePlan plan, Log log)
    {
        string failed = "";
        _plan = null;
        _writer.Run(
            plan.Steps,
            step => log.Debug($"IPv{(step.IsIpv6 ? 6 : 4)}: {step.Words}"),
            (step, reason) => failed = failed.Length > 0 ? failed
                : $"IPv{(step.IsIpv6 ? 6 : 4)}: {step.Words}: {reason}");
        return failed;
    }

    /// <inheritdoc/>
    public void Dispose() => _writer.Dispose();
}
