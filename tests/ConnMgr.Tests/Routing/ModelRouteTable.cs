using ConnMgr.Netlink;
using ConnMgr.Routing;

namespace ConnMgr.Tests.Routing;

/// <summary>
/// A model of the kernel's main table, default routes only: what RTM_NEWROUTE and RTM_DELROUTE do to it
/// (net/ipv4/fib_trie.c, fib_semantics.c; net/ipv6/ip6_fib.c, route.c). <see cref="RouteModelTests"/>
/// compares it with the kernel itself. Each nexthop of an IPv6 multipath route is a separate route.
/// </summary>
internal sealed class ModelRouteTable
{
    private const int Exists = 17; // EEXIST
    private const int Absent = 3; // ESRCH

    private readonly List<KernelRoute> _routes = [];

    public ModelRouteTable(IEnumerable<KernelRoute> routes)
    {
        foreach (KernelRoute route in routes)
        {
            _routes.AddRange(Split(route));
        }
    }

    public ModelRouteTable(ModelRouteTable other) => _routes.AddRange(other._routes);

    /// <summary>
    /// False if routes that look advertised were added by a user; then they may be part of a multipath route.
    /// </summary>
    public bool HasRealAdvertisements { get; init; } = true;

    /// <summary>The routes in the order in which the kernel looks them up, each family separately.</summary>
    public IReadOnlyList<KernelRoute> Routes => _routes;

    /// <summary>Applies a message as the kernel does. Returns 0 or the error number.</summary>
    public int Apply(RouteStep step) => step.Verb switch
    {
        RouteVerb.Add => Same(step.Route!).Any() ? Exists : Insert(step.Route!),
        RouteVerb.Replace => Replace(step.Route!),
        RouteVerb.Delete => Delete(step.Route!, step.IsPart),
        _ => 0,
    };

    /// <summary>
    /// NLM_F_APPEND: adds the route after those of the same metric. Duplicates are refused.
    /// </summary>
    public int Append(KernelRoute route) =>
        Same(route).Any(other => IsDuplicate(route, other)) ? Exists : Insert(route);

    /// <summary>
    /// The table as text. Each family's routes are sorted, because the kernel does not define the order of
    /// IPv6 siblings.
    /// </summary>
    public string Words() => string.Join('\n', _routes.Select(Word).Order(StringComparer.Ordinal));

    public static string Word(KernelRoute route) =>
        $"IPv{(route.IsIpv6 ? 6 : 4)} {route.Metric:D4} proto {route.Protocol} "
        + $"{route.Words(ifindex => $"{ifindex}")}{(route.Expires is null ? "" : " expires")} "
        + $"{Fingerprint(route)}";

    private static IEnumerable<KernelRoute> Split(KernelRoute route) =>
        route.IsIpv6 && route.Hops.Count > 0 && route.NexthopId == 0 ? route.Hops.Select(route.Leg) : [route];

    private IEnumerable<KernelRoute> Same(KernelRoute route) =>
        _routes.Where(other => other.IsIpv6 == route.IsIpv6
        && other.SourceLength == route.SourceLength && other.Metric == route.Metric
        && (route.SourceLength == 0 || SourceOf(route).SequenceEqual(SourceOf(other))));

    /// <summary>Everything that the kernel reported, as a text for comparisons.</summary>
    private static string Fingerprint(KernelRoute route) =>
        Convert.ToHexString(route.ToMessage(RouteMessage.DelRoute, 0));

    /// <summary>The prefix of the sources that an IPv6 route is for, as the message has it.</summary>
    private static ReadOnlySpan<byte> SourceOf(KernelRoute route)
    {
        NetlinkReader reader = new(route.ToMessage(RouteMessage.DelRoute, 0));
        Assert.True(reader.TryRead(out NetlinkMessage message));
        AttributeReader attributes = new(message.Payload[12..]); // behind struct rtmsg
        while (attributes.TryRead(out NetlinkAttribute attribute))
        {
            if (attribute.Type == (int)RouteAttributeType.Source)
            {
                return attribute.Value;
            }
        }
        return default;
    }

    private int Insert(KernelRoute route)
    {
        int at = _routes.FindIndex(other => other.Metric > route.Metric);
        _routes.Insert(at < 0 ? _routes.Count : at, route);
        return 0;
    }

    private int Replace(KernelRoute route)
    {
        KernelRoute[] same = [.. Same(route)];
        if (same.Length == 0)
        {
            return Insert(route);
        }
        if (!route.IsIpv6)
        {
            KernelRoute? identical = Array.Find(same, other => Fingerprint(other) == Fingerprint(route));
            if (identical is not null)
            {
                return identical == same[0] ? 0 : Exists;
            }
            _routes[_routes.IndexOf(same[0])] = route;
            return 0;
        }
        KernelRoute replaced = Array.Find(same, other => IsEcmp(other) == IsEcmp(route)) ?? same[0];
        _routes[_routes.IndexOf(replaced)] = route;
        if (IsEcmp(replaced))
        {
            _routes.RemoveAll(other => other != replaced && same.Contains(other) && IsEcmp(other));
        }
        return 0;
    }

    private int Delete(KernelRoute route, bool isPart)
    {
        KernelRoute? found = _routes.Find(
            other => other.IsIpv6 == route.IsIpv6 && other.SourceLength == route.SourceLength
            && (route.Metric == 0 || other.Metric == route.Metric)
            && (isPart || other.Protocol == route.Protocol)
            && (route.IsIpv6 ? MatchesIpv6(route, other) : MatchesIpv4(route, other)));
        if (found is null)
        {
            return Absent;
        }
        if (route.IsIpv6 && route.Gateway is null && IsEcmp(found))
        {
            uint metric = found.Metric;
            _routes.RemoveAll(other => other.IsIpv6 && other.Metric == metric && IsEcmp(other));
        }
        _routes.Remove(found);
        return 0;
    }

    /// <summary>Does what ip6_route_del does.</summary>
    private static bool MatchesIpv6(KernelRoute named, KernelRoute other)
    {
        if (other.NexthopId != 0)
        {
            return named.NexthopId == 0 || named.NexthopId == other.NexthopId;
        }
        return named.NexthopId == 0 && (named.Ifindex == 0 || named.Ifindex == other.Ifindex)
            && (named.Gateway is null || named.Gateway.AsSpan().SequenceEqual(other.Gateway.AsSpan()));
    }

    /// <summary>
    /// Does what fib_table_delete, fib_nh_match and fib_metrics_match do: each attribute that is given must
    /// be equal.
    /// </summary>
    private static bool MatchesIpv4(KernelRoute named, KernelRoute other)
    {
        if (named.Type != other.Type || named.Scope != other.Scope || !named.HasAttributesIn(other))
        {
            return false;
        }
        if (named.NexthopId != 0 || other.NexthopId != 0)
        {
            return named.NexthopId == other.NexthopId
                || (named.NexthopId == 0 && named.Ifindex == 0 && named.Gateway is null
                    && named.Hops.Count == 0);
        }
        if (named.Hops.Count == 0)
        {
            KernelRoute first = Legs(other)[0];
            return (named.Ifindex == 0 || named.Ifindex == first.Ifindex)
                && (named.Gateway is null || named.Gateway.AsSpan().SequenceEqual(first.Gateway.AsSpan()));
        }
        KernelRoute[] wanted = Legs(named);
        KernelRoute[] others = Legs(other);
        return others.Length <= wanted.Length && !others.Where((leg, i) => !leg.HasSameHop(wanted[i])).Any();
    }

    private static KernelRoute[] Legs(KernelRoute route) =>
        route.Hops.Count > 0 ? [.. route.Hops.Select(route.Leg)] : [route];

    private static bool IsDuplicate(KernelRoute route, KernelRoute other) => route.IsIpv6
        ? route.HasSameHop(other) && route.NexthopId == other.NexthopId && route.Type == other.Type
        : Fingerprint(route) == Fingerprint(other);

    /// <summary>Does what rt6_qualify_for_ecmp does.</summary>
    private bool IsEcmp(KernelRoute route) =>
        route.IsUnicast && route.NexthopId == 0 && route.Gateway is not null
        && !(HasRealAdvertisements && route.IsAdvertised);
}
