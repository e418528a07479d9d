using ConnMgr.Netlink;

namespace ConnMgr.Routing;

/// <summary>What a step does.</summary>
internal enum RouteVerb
{
    /// <summary>Adds a route where none stands: RTM_NEWROUTE with NLM_F_CREATE and NLM_F_EXCL.</summary>
    Add,

    /// <summary>Takes the place of what stands there, or adds: RTM_NEWROUTE with NLM_F_CREATE and NLM_F_REPLACE.</summary>
    Replace,

    /// <summary>RTM_DELROUTE; that the route is absent already is success.</summary>
    Delete,

    /// <summary>Writes down where a link's route belongs, before the kernel's table no longer says so.</summary>
    Remember,
}

/// <summary>One step of a <see cref="RoutePlan"/>. Each is atomic; between any two the device may lose power.</summary>
/// <param name="Verb">What it does.</param>
/// <param name="IsIpv6">The family.</param>
/// <param name="Route">The route; null for <see cref="RouteVerb.Remember"/>.</param>
/// <param name="Words">What it does, in words: `put back at metric 10: default via 198.18.1.1 dev eth0`.</param>
/// <param name="Needs">A step without whose success this one must not be taken; null: none.</param>
internal sealed record RouteStep(
    RouteVerb Verb, bool IsIpv6, KernelRoute? Route, string Words, RouteStep? Needs = null)
{
    private const ushort Replacing = 0x100; // NLM_F_REPLACE
    private const ushort Exclusive = 0x200; // NLM_F_EXCL
    private const ushort Create = 0x400; // NLM_F_CREATE

    /// <summary>The route is one nexthop of an IPv6 multipath route.</summary>
    public bool IsPart { get; init; }

    /// <summary>It restores what another program has removed.</summary>
    public bool IsRestoring { get; init; }

    /// <summary>What is remembered, and of which link.</summary>
    public OwnMetric Metric { get; init; }

    /// <summary>The link of <see cref="Metric"/>.</summary>
    public string Link { get; init; } = "";

    /// <summary>The netlink request, to be acknowledged; empty if the step is not one for the kernel.</summary>
    public byte[] ToMessage() => Verb switch
    {
        RouteVerb.Add => Route!.ToMessage(
            RouteMessage.NewRoute, NetlinkMessage.FlagAcknowledge | Create | Exclusive),
        RouteVerb.Replace => Route!.ToMessage(
            RouteMessage.NewRoute, NetlinkMessage.FlagAcknowledge | Create | Replacing),
        RouteVerb.Delete => Route!.ToMessage(RouteMessage.DelRoute, NetlinkMessage.FlagAcknowledge, IsPart),
        _ => [],
    };
}
