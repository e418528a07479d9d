using ConnMgr.Netlink;

namespace ConnMgr.Routing;

/// <content>The steps that make the chosen link's route the preferred one, and put the others back.</content>
internal sealed partial class FamilyPlan
{
    /// <summary>
    /// Returns the route that must be preferred. An existing one stays unless the link's router has changed.
    /// In IPv4, a DHCP client that received another router adds its route at the metric that the link's route
    /// had; in IPv6 several routers may coexist. Of advertised routes, the one with the best preference
    /// counts, with its current attributes.
    /// </summary>
    private KernelRoute Wanted()
    {
        RoutedLink link = _input.Chosen;
        KernelRoute? front = _table.InFrontOf(link)?.Route;
        if (front is null)
        {
            (KernelRoute? original, bool stays) = OriginalOf(link);
            return stays ? original!.Derive(Top) : original!.At(Top);
        }
        if (front.IsDerived)
        {
            KernelRoute current = _table.OriginOf(front)!;
            KernelRoute best = _table.BestOrigin(link.Ifindex)!;
            KernelRoute origin = _table.OriginRank(best) < _table.OriginRank(current) ? best : current;
            return origin.Derive(Top);
        }
        if (!_isIpv6 && _own.TryGetValue(link.Name, out OwnMetric own) && own.Own > Top)
        {
            TableRoute[] there = [.. _table.Entries.Where(
                entry => entry.Metric == own.Own && FamilyTable.IsOf(entry.Route, link)
                    && !entry.Route.IsDerived)];
            if (there.Length == 1 && !there[0].Route.IsCopyOf(front))
            {
                return there[0].Route.At(Top);
            }
        }
        return front;
    }

    private void TakeOver()
    {
        KernelRoute? stood = _table.InFrontOf(_input.Chosen)?.Route;
        KernelRoute wanted = Wanted();
        TableRoute? kept = _table.Find(entry => entry.Metric <= Top && entry.Route.IsCopyOf(wanted));
        List<TableRoute> others = [.. _table.Front().Where(entry => IsInTheWay(entry, kept))];
        if (kept is not null && !_table.CanDelete(others, left: null))
        {
            // The kernel would delete it, or another route of the link, instead of one of the others.
            others = [kept, .. _table.Front().Where(entry => entry != kept)];
            kept = null;
        }
        Dictionary<TableRoute, RouteStep?> copies = PutAside(others, except: kept is null && others.Count > 0
            && others[0].Route != wanted && stood is not null && !stood.IsCopyOf(wanted) ? stood : null);
        RouteStep? replace = null;
        IsInPlace = kept is not null && others.Count == 0;
        if (kept is null)
        {
            // This route carries the traffic until the replacement.
            TableRoute? left = others.Count == 1 ? others[0] : others
                .OrderBy(entry => (entry.Route.IsUnicast ? 0 : 4) + (_table.IsStale(entry.Route) ? 2 : 0)
                    + (_table.CanDelete(others, entry) ? 0 : 1))
                .FirstOrDefault();
            DeleteFromFront(others.Where(entry => entry != left), copies);
            bool isRestoring = LostOf(_input.Chosen)?.HasSameHop(wanted) == true
                && !_table.HasDefault(_input.Chosen);
            replace = Do(
                RouteVerb.Replace, wanted, $"took over{FromWords(wanted)}", isRestoring);
            _table.Replace(left, wanted);
        }
        DeleteFromFront(others, copies);
        DeleteDuplicates(wanted, replace);
    }

    private string FromWords(KernelRoute wanted)
    {
        (KernelRoute? original, bool stays) = OriginalOf(_input.Chosen);
        return original is null || !original.HasSameHop(wanted) || original.Metric <= Top
            ? $" at metric {Top}"
            : stays ? $" at metric {Top}, as at {original.Metric}"
            : $", metric {original.Metric} -> {Top}";
    }

    /// <summary>
    /// True for a route in front that must be removed: that of another link, a derived one, or any if none
    /// is kept.
    /// </summary>
    private bool IsInTheWay(TableRoute entry, TableRoute? kept) =>
        entry != kept
        && (!FamilyTable.IsOf(entry.Route, _input.Chosen) || entry.Route.IsDerived || kept is null);

    /// <summary>
    /// Removes other links' routes from the front, because the chosen link lacks this family; unless a route
    /// that does not forward packets would then be the best.
    /// </summary>
    private void ClearFront()
    {
        List<TableRoute> others = [.. _table.Front().Where(
            entry => !FamilyTable.IsOf(entry.Route, _input.Chosen) || entry.Route.IsDerived)];
        if (_table.Find(entry => entry.Metric > Top) is { Route.IsUnicast: false })
        {
            others.RemoveAll(entry => !_table.IsStale(entry.Route));
        }
        int before = _steps.Count;
        DeleteFromFront(others, PutAside(others, except: null));
        IsInPlace = _steps.Count == before; // the kernel may offer no way to delete one of them
    }

    /// <summary>Copies routes from the front to their own metrics, except a stale one.</summary>
    private Dictionary<TableRoute, RouteStep?> PutAside(List<TableRoute> entries, KernelRoute? except)
    {
        Dictionary<TableRoute, RouteStep?> copies = [];
        // A route that does not forward packets must not come before one that does.
        foreach (TableRoute entry in entries.OrderBy(entry => entry.Route.IsUnicast ? 0 : 1))
        {
            copies[entry] = entry.Route == except ? null : PutAside(entry.Route);
        }
        return copies;
    }

    /// <summary>
    /// Copies a route from the front to its own metric. Null if its link has a route there already.
    /// </summary>
    private RouteStep? PutAside(KernelRoute route)
    {
        if (route.IsDerived)
        {
            return PutDerivedAside(route);
        }
        if (_table.Exists(entry => entry.Metric > Top && entry.Route.IsCopyOf(route)))
        {
            return null;
        }
        return Place(OwnerOf(route), route, "put back");
    }

    /// <summary>
    /// Keeps a copy as a standby route. An advertised route replaces its copy there; a default for some
    /// sources, or over several devices, does not.
    /// </summary>
    private RouteStep? PutDerivedAside(KernelRoute copy)
    {
        if (_table.OriginOf(copy) is not { } origin || FamilyTable.StandsForLink(origin)
            || _table.Exists(entry => entry.Metric > Top && entry.Route.IsDerived
                && entry.Route.HasSameHop(copy)))
        {
            return null;
        }
        uint metric = _table.FirstFreeFrom(Math.Max(origin.Metric, Top + 1));
        return metric <= Top ? null : Add(copy.At(metric), $"put back at metric {metric}");
    }

    /// <summary>Adds a route at the first free metric, starting from its link's own.</summary>
    private RouteStep Place(RoutedLink? link, KernelRoute route, string verb)
    {
        OwnMetric known = link is null ? default : _own.GetValueOrDefault(link.Name);
        uint own = known.Own > Top ? known.Own : link?.UsualMetric ?? ForeignMetric;
        uint metric = _table.FirstFreeFrom(own);
        if (link is not null && metric != (known.Own > Top ? known.Placed : own))
        {
            Remember(link, new OwnMetric(own, metric), needs: null);
        }
        return Add(route.At(metric), $"{verb} at metric {metric}");
    }

    /// <summary>
    /// Deletes the route's former entry, and what a client has added again, so that a link has one default.
    /// An advertised route belongs to the kernel, and stays.
    /// </summary>
    private void DeleteDuplicates(KernelRoute wanted, RouteStep? needs)
    {
        bool isNoted = false;
        foreach (TableRoute entry in (TableRoute[])[.. _table.Entries])
        {
            if (entry.Metric <= Top || _table.Stays(entry.Route)
                || !entry.Route.IsCopyOf(wanted)
                || !_table.MayDelete(entry))
            {
                continue;
            }
            OwnMetric known = _own.GetValueOrDefault(_input.Chosen.Name);
            if (!isNoted && !entry.Route.IsDerived && known.Placed != entry.Metric)
            {
                // If another route of the link has the same metric, do not mistake that one for its new
                // router.
                bool isShared = _table.Exists(
                    other => other != entry && other.Metric == entry.Metric
                        && FamilyTable.IsOf(other.Route, _input.Chosen));
                uint own = isShared ? _table.FirstFreeFrom(entry.Metric) : entry.Metric;
                Remember(_input.Chosen, new OwnMetric(own, own), needs);
            }
            isNoted = true;
            Delete(entry, needs, $"removed from metric {entry.Metric}");
        }
    }

    /// <summary>
    /// Restores routes that another program's replace removed, behind the preferred one. The chosen link's
    /// becomes preferred.
    /// </summary>
    private void RestoreLost()
    {
        foreach (RoutedLink link in _input.Links)
        {
            if ((link != _input.Chosen || !HasWayOut) && LostOf(link) is { } lost && !_table.HasDefault(link))
            {
                if (lost.Metric > Top && !_table.IsUsed(lost.Metric))
                {
                    Add(lost, $"restored at metric {lost.Metric}");
                }
                else
                {
                    Place(link, lost, "restored");
                }
                _steps[^1] = _steps[^1] with { IsRestoring = true };
            }
        }
    }

    /// <summary>
    /// Deletes those of the entries that can be deleted, in an order in which each description matches its
    /// own route first. Routes that forward packets go last.
    /// </summary>
    private void DeleteFromFront(IEnumerable<TableRoute> entries, Dictionary<TableRoute, RouteStep?> copies)
    {
        List<TableRoute> left = entries.Where(entry => _table.Entries.Contains(entry))
            .OrderBy(entry => entry.Route.IsUnicast ? 1 : 0);
        while (left.Find(_table.MayDelete) is { } entry)
        {
            Delete(entry, copies[entry], $"removed from metric {entry.Metric}");
            left.Remove(entry);
        }
    }
}
