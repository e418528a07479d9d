namespace ConnMgr.Netlink;

/// <summary>
/// Remembers the defaults of each device, and finds those that another program's replace has removed while
/// the device kept its carrier and its address: netifd does this to every link whose network has no metric. A
/// deleted default does not count. Pure.
/// </summary>
internal sealed class LostRoutes
{
    private Dictionary<(int Ifindex, bool IsIpv6), KernelRoute> _known = [];
    private readonly Dictionary<(int Ifindex, bool IsIpv6), KernelRoute> _lost = [];

    /// <summary>The missing routes, as they were.</summary>
    public IReadOnlyCollection<KernelRoute> Routes => _lost.Values;

    /// <summary>Processes the routes after a dump.</summary>
    /// <param name="routes">All defaults.</param>
    /// <param name="mayHaveRoute">Tells whether a device has a carrier and an address of the family.</param>
    /// <param name="wasReplaced">Tells whether another program has replaced a default at that metric since
    /// the last dump.</param>
    public void Update(
        IReadOnlyList<KernelRoute> routes, Func<int, bool, bool> mayHaveRoute,
        Func<bool, uint, bool> wasReplaced)
    {
        HashSet<(int, bool)> present = [];
        Dictionary<(int, bool), KernelRoute> best = [];
        foreach (KernelRoute route in routes)
        {
            if (!route.IsUnicast || route.IsDerived || route.HasRunOut)
            {
                continue;
            }
            foreach (KernelRoute leg in route.Legs)
            {
                present.Add((leg.Ifindex, route.IsIpv6));
            }
            (int, bool) key = (route.Ifindex, route.IsIpv6);
            if (route.Ifindex != 0 && route.SourceLength == 0 && !route.IsAdvertised
                && (!best.TryGetValue(key, out KernelRoute? better) || route.Metric < better.Metric))
            {
                best[key] = route;
            }
        }
        foreach (((int Ifindex, bool IsIpv6) key, KernelRoute route) in _known)
        {
            if (!present.Contains(key) && wasReplaced(key.IsIpv6, route.Metric))
            {
                _lost[key] = route;
            }
        }
        foreach ((int Ifindex, bool IsIpv6) key in (ICollection<(int, bool)>)[.. _lost.Keys])
        {
            if (present.Contains(key) || !mayHaveRoute(key.Ifindex, key.IsIpv6))
            {
                _lost.Remove(key);
            }
        }
        _known = best;
    }
}
