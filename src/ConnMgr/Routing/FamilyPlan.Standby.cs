using ConnMgr.Netlink;

namespace ConnMgr.Routing;

/// <content>
/// Sorts the routes behind the preferred one. When the link of that one loses its carrier, the kernel itself
/// proceeds to the next metric, which must belong to the link that the daemon would choose.
/// </content>
internal sealed partial class FamilyPlan
{
    /// <summary>Appends the steps that sort these routes.</summary>
    public void OrderStandby()
    {
        HashSet<TableRoute> needed = [];
        uint limit = HideBlocked(needed); // the best metric of the links handled so far
        RoutedLink[] ranked = [.. _input.Links.Where(link => link.Rank is not null && link != _input.Chosen)
            .OrderBy(link => -(long)link.Rank!)];
        RoutedLink[] lame = Lame(ranked);
        RoutedLink[] standby = [.. lame, .. ranked.Where(link => !lame.Contains(link))]; // worst first
        Dictionary<TableRoute, RouteStep?> yielding = CopyFront(lame);
        uint least = LeastMetric(standby); // of the link at hand, so that the better ones fit before it
        if (_table.FirstObstacle() is { } obstacle && obstacle > Top + standby.Length)
        {
            limit = Math.Min(limit, obstacle);
            least = least < limit ? least : Top + (uint)standby.Length;
        }
        uint lameLimit = uint.MaxValue; // of the routes of such links that cannot be moved
        foreach (RoutedLink link in standby)
        {
            KernelRoute? origin = _table.BestOrigin(link.Ifindex);
            bool isLame = lame.Contains(link);
            limit = isLame ? limit : Math.Min(limit, lameLimit);
            if (_table.MovableOf(link) is { } entry)
            {
                limit = Math.Min(limit, MoveStandby(link, entry, least, limit));
            }
            else if (origin is not null && !isLame)
            {
                limit = Math.Min(limit, CopyStandby(link, origin, limit, needed));
            }
            else if (FamilyTable.StandsForLink(origin) && origin!.Metric > Top)
            {
                lameLimit = Math.Min(lameLimit, origin.Metric);
            }
            least--;
        }
        DeleteFromFront(yielding.Keys, yielding);
        DeleteUnneededCopies(needed, keepsChosen: !HasWayOut && !lame.Contains(_input.Chosen));
    }

    /// <summary>
    /// Returns the links without an address of the family, also the chosen one, if one of <paramref
    /// name="others"/> has an address and a default: they must come after it. Otherwise none.
    /// </summary>
    private RoutedLink[] Lame(RoutedLink[] others) =>
        others.Any(link => !link.Lacks(_isIpv6)
            && (_table.HasDefault(link) || _table.BestOrigin(link.Ifindex) is not null))
            ? [.. _input.Links.Where(link => link.Lacks(_isIpv6) && !link.IsBlocked)]
            : [];

    /// <summary>
    /// Copies the preferred routes of these links to their own metrics. Returns the routes to delete from the
    /// front as soon as the other links are sorted.
    /// </summary>
    private Dictionary<TableRoute, RouteStep?> CopyFront(RoutedLink[] links)
    {
        Dictionary<TableRoute, RouteStep?> copies = [];
        foreach (TableRoute entry in (TableRoute[])[.. _table.Front()])
        {
            if (OwnerOf(entry.Route) is { } link && links.Contains(link))
            {
                copies[entry] = entry.Route.IsDerived ? null : PutAside(entry.Route);
            }
        }
        return copies;
    }

    /// <summary>
    /// Returns the least metric for the worst link; each better link gets one less. If the links fit between
    /// the preferred route and the routes that must not come first, the range begins there, else behind all
    /// of these routes.
    /// </summary>
    /// <param name="standby">The links, worst first.</param>
    private uint LeastMetric(RoutedLink[] standby)
    {
        uint least = Top + (uint)standby.Length;
        uint last = Top;
        bool isTight = false;
        for (int i = 0; i < standby.Length; i++)
        {
            if (_table.MovableOf(standby[i]) is { } entry)
            {
                isTight |= entry.Metric < least - i && _table.MayDelete(entry);
                last = Math.Max(last, entry.Metric);
            }
        }
        return isTight && last < MostMetric ? last + (uint)standby.Length : least;
    }

    private const uint MostMetric = int.MaxValue;

    /// <summary>
    /// Moves the link's route to a metric better than <paramref name="limit"/> and not below <paramref
    /// name="least"/>, or back to its own metric if that suffices.
    /// </summary>
    private uint MoveStandby(RoutedLink link, TableRoute entry, uint least, uint limit)
    {
        OwnMetric known = _own.GetValueOrDefault(link.Name);
        uint own = known.Placed == entry.Metric && known.Own > Top ? known.Own : entry.Metric;
        TableRoute? atOwn = own == entry.Metric ? null
            : _table.Find(other => other.Metric == own && other.Route.IsCopyOf(entry.Route));
        bool mayGoBack = own < limit && own >= least && own != entry.Metric
            && (atOwn is not null || !_table.IsUsed(own));
        if (entry.Metric < limit && entry.Metric >= least && !mayGoBack)
        {
            return entry.Metric;
        }
        uint metric = mayGoBack ? own
            : entry.Metric < least ? _table.FirstFreeFrom(least)
            : _table.LastFreeBefore(limit);
        metric = metric < limit ? metric : _table.LastFreeBefore(limit);
        if (metric < least && entry.Metric < limit && !mayGoBack)
        {
            return entry.Metric; // there is no room before the limit
        }
        if (metric >= limit || metric == 0 || metric == entry.Metric || !_table.MayDelete(entry))
        {
            return entry.Metric;
        }
        RouteStep? copy = null;
        Remember(link, new OwnMetric(own, metric), needs: null);
        if (atOwn is null || metric != own)
        {
            copy = Add(entry.Route.At(metric),
                $"moved, metric {entry.Metric} -> {metric}");
        }
        Delete(entry, copy, $"removed from metric {entry.Metric}");
        return metric;
    }

    /// <summary>
    /// Copies a route that must keep its metric to a metric better than <paramref name="limit"/>, unless its
    /// own is. A route for some sources only is always copied.
    /// </summary>
    private uint CopyStandby(RoutedLink link, KernelRoute origin, uint limit, HashSet<TableRoute> needed)
    {
        if (FamilyTable.StandsForLink(origin) && origin.Metric > Top && origin.Metric < limit)
        {
            return origin.Metric;
        }
        TableRoute? copy = _table.Find(entry => entry.Metric > Top
            && entry.Metric < limit
            && entry.Route.IsDerived
            && FamilyTable.IsOf(entry.Route, link) && entry.Route.HasSameHop(origin));
        uint metric = copy?.Metric ?? _table.FirstFreeFrom(Math.Max(origin.Metric, Top + 1));
        if (metric >= limit)
        {
            metric = _table.LastFreeBefore(limit);
        }
        if (metric == 0)
        {
            return origin.Metric;
        }
        KernelRoute wanted = origin.Derive(metric);
        if (copy is null)
        {
            Add(wanted, $"copied to metric {metric}");
            needed.Add(_table.Find(entry => entry.Route == wanted)!);
            return metric;
        }
        needed.Add(copy);
        if (!copy.Route.IsCopyOf(wanted))
        {
            Do(RouteVerb.Replace, wanted, $"renewed at metric {metric}");
        }
        return metric;
    }

    /// <summary>
    /// Deletes copies behind the preferred route whose original is gone, or which the order does not need.
    /// </summary>
    /// <param name="needed">The copies that the order needs.</param>
    /// <param name="keepsChosen">True if no route of the chosen link is preferred, so that its copy may be
    /// the last default.</param>
    private void DeleteUnneededCopies(HashSet<TableRoute> needed, bool keepsChosen)
    {
        foreach (TableRoute entry in (TableRoute[])[.. _table.Entries])
        {
            if (entry.Metric <= Top || !entry.Route.IsDerived || needed.Contains(entry)
                || !_table.MayDelete(entry))
            {
                continue;
            }
            RoutedLink? link = OwnerOf(entry.Route);
            if (_table.OriginOf(entry.Route) is null
                || (link == _input.Chosen ? !keepsChosen : link is { Rank: not null }))
            {
                Delete(entry, needs: null, $"removed from metric {entry.Metric}");
            }
        }
    }
}
