using ConnMgr.Netlink;

namespace ConnMgr.Routing;

/// <content>
/// Hides the routes of links that must not send anything: an unreachable default is put behind those of
/// all other links, and the routes of the hidden ones are moved behind it. So the kernel sends nothing
/// over them, not even between a loss of carrier of the preferred link and the daemon's reaction. The
/// platform's routes are kept, so that the link can be used again.
/// </content>
internal sealed partial class FamilyPlan
{
    private const uint WallMetric = 200_000_000; // behind the metrics that platforms use

    /// <summary>
    /// Hides the routes of the blocked links. Returns the metric before which those of all others must be.
    /// </summary>
    /// <param name="needed">Receives the routes of connmgr that must stay.</param>
    private uint HideBlocked(HashSet<TableRoute> needed)
    {
        uint limit = uint.MaxValue; // of the routes that cannot be moved
        bool hasAny = false;
        foreach (RoutedLink link in _input.Links)
        {
            if (link.IsBlocked)
            {
                hasAny |= _table.Exists(entry => FamilyTable.IsOf(entry.Route, link));
                foreach (KernelRoute origin in _table.Origins(link.Ifindex))
                {
                    bool isPlain = origin.SourceLength == 0;
                    hasAny |= isPlain;
                    limit = isPlain ? Math.Min(limit, origin.Metric) : limit;
                }
            }
        }
        if (!hasAny || Wall(limit) is not { } wall)
        {
            return uint.MaxValue;
        }
        needed.Add(wall);
        foreach (TableRoute entry in (TableRoute[])[.. _table.Entries])
        {
            if (entry.Metric < wall.Metric && OwnerOf(entry.Route) is { IsBlocked: true } link
                && !_table.Stays(entry.Route))
            {
                MoveBehind(wall.Metric, link, entry);
            }
        }
        return wall.Metric;
    }

    /// <summary>
    /// Returns the unreachable default, and adds it if it is missing; null if there is no metric for it.
    /// </summary>
    private TableRoute? Wall(uint limit)
    {
        bool isFree = limit > WallMetric; // all routes can be moved
        TableRoute? wall = _table.Find(entry => !entry.Route.IsUnicast && entry.Route.IsDerived
            && (isFree ? entry.Metric == WallMetric : entry.Metric < limit));
        uint metric = isFree ? WallMetric : limit > Top + 1 ? _table.LastFreeBefore(limit) : 0;
        if (wall is null && metric > 0)
        {
            KernelRoute route = KernelRoute.Unreachable(_isIpv6, metric);
            Add(route, $"no way at metric {metric}, a link is over its budget");
            wall = _table.Find(entry => entry.Route == route);
        }
        return wall;
    }

    private void MoveBehind(uint wall, RoutedLink link, TableRoute entry)
    {
        RouteStep? copy = null;
        if (!entry.Route.IsDerived
            && !_table.Exists(other => other.Metric > wall && other.Route.IsCopyOf(entry.Route)))
        {
            OwnMetric known = _own.GetValueOrDefault(link.Name);
            uint own = entry.Metric > Top && known.Placed != entry.Metric ? entry.Metric
                : known.Own > Top ? known.Own
                : link.UsualMetric;
            uint metric = _table.FirstFreeFrom(wall + 1);
            Remember(link, new OwnMetric(own, metric), needs: null);
            copy = Add(
                entry.Route.At(metric), $"hidden, metric {entry.Metric} -> {metric}");
        }
        if (_table.IsFirstMatch(entry))
        {
            Delete(entry, copy, $"removed from metric {entry.Metric}");
        }
    }
}
