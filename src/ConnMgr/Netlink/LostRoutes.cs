namespace ConnMgr.Netlink;

/// <summary>
/// Remembers the default of each device, and finds those that another program's replace has removed while the
/// device stayed up and kept an address. netifd removes the default of every link in this way if its network
/// has no metric. A default that was deleted does not count. Pure.
/// </summary>
internal sealed class LostRoutes
{
    private Dictionary<(int Ifindex, bool IsIpv6), KernelRoute> _known = [];
    private readonly Dictionary<(int Ifindex, bool IsIpv6), KernelRoute> _lost = [];

    // Defaults from events: since the last dump began, and before it. Needed because netifd may replace a new
    // route before any dump contains it.
    private readonly List<KernelRoute> _added = [];
    private readonly List<KernelRoute> _addedBeforeDump = [];
    private readonly List<KernelRoute> _claimed = [];

    // The devices whose default connmgr has restored.
    private readonly HashSet<(int Ifindex, bool IsIpv6)> _restored = [];

    // The devices whose default is lost, or has been restored, and was named by netifd.
    private readonly HashSet<(int Ifindex, bool IsIpv6)> _named = [];

    /// <summary>The missing routes, as they were.</summary>
    public IReadOnlyCollection<KernelRoute> Routes => _lost.Values;

    /// <summary>
    /// Returns the origin of the device's default if connmgr has restored it: `netifd` if netifd has named
    /// it, `replaced` if it is a copy of the route before another program's replace; null if connmgr has not
    /// restored it.
    /// </summary>
    public string? OriginOf(int ifindex, bool isIpv6) =>
        !_restored.Contains((ifindex, isIpv6)) ? null
        : _named.Contains((ifindex, isIpv6)) ? "netifd" : "replaced";

    /// <summary>Call it when a dump begins.</summary>
    public void BeginDump()
    {
        _addedBeforeDump.AddRange(_added);
        _added.Clear();
    }

    /// <summary>Processes the event of a default that another program has added or deleted.</summary>
    public void See(KernelRoute route, bool isDeleted)
    {
        const int Most = 64; // limits the memory that a storm of events needs
        foreach (List<KernelRoute> some in (ReadOnlySpan<List<KernelRoute>>)[_added, _addedBeforeDump])
        {
            _ = some.RemoveAll(each => each.Ifindex == route.Ifindex && each.IsIpv6 == route.IsIpv6
                && (!isDeleted || each.Metric == route.Metric));
        }
        if (!isDeleted)
        {
            _restored.Remove((route.Ifindex, route.IsIpv6));
        }
        if (!isDeleted && MayBeLost(route) && _added.Count + _addedBeforeDump.Count < Most)
        {
            _added.Add(route);
        }
    }

    /// <summary>
    /// Stores defaults that another program believes to exist. Those that are missing in the next dump are
    /// lost.
    /// </summary>
    public void Claim(IEnumerable<KernelRoute> routes)
    {
        _claimed.Clear();
        _claimed.AddRange(routes);
    }

    /// <summary>Processes the routes after a dump.</summary>
    /// <param name="routes">All defaults.</param>
    /// <param name="mayHaveRoute">Tells whether a device is up and has an address of the family.</param>
    /// <param name="wasReplaced">Tells whether another program has replaced a default at that metric since
    /// the last dump.</param>
    /// <returns>True if the set of devices that have lost a default has changed.</returns>
    public bool Update(
        IReadOnlyList<KernelRoute> routes, Func<int, bool, bool> mayHaveRoute,
        Func<bool, uint, bool> wasReplaced)
    {
        HashSet<(int, bool)> before = [.. _lost.Keys];
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
            if (MayBeLost(route)
                && (!best.TryGetValue(key, out KernelRoute? better) || route.Metric < better.Metric))
            {
                best[key] = route;
            }
        }
        foreach (KernelRoute route in _known.Values.Concat(_addedBeforeDump).Concat(_added))
        {
            if (!present.Contains((route.Ifindex, route.IsIpv6)) && wasReplaced(route.IsIpv6, route.Metric))
            {
                _lost[(route.Ifindex, route.IsIpv6)] = route;
                _named.Remove((route.Ifindex, route.IsIpv6));
            }
        }
        _restored.IntersectWith(present);
        foreach (KernelRoute route in _claimed)
        {
            _lost[(route.Ifindex, route.IsIpv6)] = route;
            if (!_restored.Contains((route.Ifindex, route.IsIpv6)))
            {
                _named.Add((route.Ifindex, route.IsIpv6));
            }
        }
        foreach ((int Ifindex, bool IsIpv6) key in (ICollection<(int, bool)>)[.. _lost.Keys])
        {
            if (present.Contains(key) || !mayHaveRoute(key.Ifindex, key.IsIpv6))
            {
                bool IsOfDevice(KernelRoute each) => (each.Ifindex, each.IsIpv6) == key;
                if (present.Contains(key) && before.Contains(key)
                    && !_added.Exists(IsOfDevice) && !_addedBeforeDump.Exists(IsOfDevice))
                {
                    _restored.Add(key);
                }
                _lost.Remove(key);
            }
        }
        _named.RemoveWhere(key => !_restored.Contains(key) && !_lost.ContainsKey(key));
        _known = best;
        _addedBeforeDump.Clear();
        _claimed.Clear();
        return !before.SetEquals(_lost.Keys);
    }

    private static bool MayBeLost(KernelRoute route) =>
        route is { IsUnicast: true, IsDerived: false, HasRunOut: false, SourceLength: 0, IsAdvertised: false }
        && route.Ifindex != 0;
}
