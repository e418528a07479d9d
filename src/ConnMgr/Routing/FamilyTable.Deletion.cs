using ConnMgr.Netlink;

namespace ConnMgr.Routing;

/// <content>
/// RTM_DELROUTE describes a route, and the kernel deletes the first route that matches the description, which
/// may be another one. The plan therefore deletes a route only if the description matches it first.
/// </content>
internal sealed partial class FamilyTable
{
    /// <summary>
    /// True if the kernel would delete this route, and one that forwards packets would be left.
    /// </summary>
    public bool MayDelete(TableRoute entry) =>
        IsFirstMatch(entry) && (IsStale(entry.Route) || !IsLastBeforeBlackhole(entry));

    /// <summary>True if RTM_DELROUTE with a description of this route deletes this one.</summary>
    public bool IsFirstMatch(TableRoute entry) =>
        _entries.Find(other => Fits(entry, other.Route)) == entry;

    /// <summary>
    /// True if, without the entry, no route that forwards packets would have the best metric.
    /// </summary>
    private bool IsLastBeforeBlackhole(TableRoute entry)
    {
        TableRoute? next = _entries.Find(other => other != entry);
        return entry.Route.IsUnicast && next is not null && next.Metric >= entry.Metric && !_entries.Exists(
            other => other != entry && other.Route.IsUnicast
                && (_isIpv6 ? other.Metric == next.Metric : other == next));
    }

    /// <summary>True if the description of the entry matches the other route, too.</summary>
    private bool Fits(TableRoute entry, KernelRoute other)
    {
        KernelRoute named = entry.Route;
        return _isIpv6
            ? named.Metric == other.Metric && (entry.IsPart || named.Protocol == other.Protocol)
                && FitsIpv6(named, other)
            : (named.Metric == 0 || named.Metric == other.Metric)
                && named.Protocol == other.Protocol && FitsIpv4(named, other);
    }

    /// <summary>
    /// Matches like ip6_route_del in net/ipv6/route.c: a route of a nexthop object matches whatever nexthop
    /// is named.
    /// </summary>
    private static bool FitsIpv6(KernelRoute named, KernelRoute other)
    {
        if (named.NexthopId != 0 || other.NexthopId != 0)
        {
            return other.NexthopId != 0 && (named.NexthopId == 0 || named.NexthopId == other.NexthopId);
        }
        return (named.Ifindex == 0 || named.Ifindex == other.Ifindex)
            && (named.Gateway is null || named.HasSameHop(other));
    }

    /// <summary>
    /// Matches like fib_table_delete and fib_nh_match in net/ipv4: of a multipath route, the kernel compares
    /// the first nexthop with a single one, or all of its nexthops with several.
    /// </summary>
    private static bool FitsIpv4(KernelRoute named, KernelRoute other)
    {
        if (named.Type != other.Type || named.Scope != other.Scope || !named.HasAttributesIn(other))
        {
            return false;
        }
        bool namesHop = named.Ifindex != 0 || named.Gateway is not null || named.Hops.Count > 0;
        if (named.NexthopId != 0 || other.NexthopId != 0)
        {
            return named.NexthopId == other.NexthopId || (named.NexthopId == 0 && !namesHop);
        }
        if (!namesHop)
        {
            return true;
        }
        if (named.Hops.Count == 0)
        {
            KernelRoute first = other.Hops.Count > 0 ? other.Leg(other.Hops[0]) : other;
            return named.Ifindex == first.Ifindex && (named.Gateway is null || named.HasSameHop(first));
        }
        int count = Math.Max(1, other.Hops.Count);
        for (int i = 0; i < count; i++)
        {
            if (i == named.Hops.Count
                || !named.Leg(named.Hops[i])
                    .HasSameHop(other.Hops.Count > 0 ? other.Leg(other.Hops[i]) : other))
            {
                return false;
            }
        }
        return true;
    }

    /// <summary>
    /// True if all entries but <paramref name="left"/> can be deleted while that one and the rest of the
    /// table stay.
    /// </summary>
    public bool CanDelete(IEnumerable<TableRoute> entries, TableRoute? left)
    {
        List<TableRoute> table = [.. _entries];
        List<TableRoute> rest = [.. entries.Where(entry => entry != left)];
        while (rest.Find(entry => table.Find(other => Fits(entry, other.Route)) == entry) is { } next)
        {
            rest.Remove(next);
            table.Remove(next);
        }
        return rest.Count == 0;
    }
}
