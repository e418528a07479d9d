using ConnMgr.Netlink;

namespace ConnMgr.Routing;

/// <summary>What a step does.</summary>
internal enum RouteVerb
{
    /// <summary>Adds a route where there is none: RTM_NEWROUTE with NLM_F_CREATE and NLM_F_EXCL.</summary>
    Add,

    /// <summary>
    /// Adds a route in front of those with the same destination and metric: RTM_NEWROUTE with NLM_F_CREATE.
    /// </summary>
    Prepend,

    /// <summary>
    /// Replaces the existing route, or adds it: RTM_NEWROUTE with NLM_F_CREATE and NLM_F_REPLACE.
    /// </summary>
    Replace,

    /// <summary>Deletes a route (RTM_DELROUTE); deleting an absent one succeeds.</summary>
    Delete,

    /// <summary>Adds a policy rule (RTM_NEWRULE); adding an existing one changes nothing.</summary>
    AddRule,

    /// <summary>Deletes a policy rule (RTM_DELRULE); deleting an absent one succeeds.</summary>
    DeleteRule,

    /// <summary>Records a link's own metric, before the kernel's table no longer shows it.</summary>
    Remember,
}

/// <summary>
/// One step of a <see cref="RoutePlan"/>. Each is atomic; the device may lose power between any two.
/// </summary>
/// <param name="Verb">What it does.</param>
/// <param name="IsIpv6">The family.</param>
/// <param name="Route">The route; null for a rule and for <see cref="RouteVerb.Remember"/>.</param>
/// <param name="Deed">What it does, as a phrase: `put back at metric 10`.</param>
/// <param name="Needs">A step that must have succeeded before this one is carried out; null for none.</param>
internal sealed record RouteStep(
    RouteVerb Verb, bool IsIpv6, KernelRoute? Route, string Deed, RouteStep? Needs = null)
{
    private const ushort Replacing = 0x100; // NLM_F_REPLACE
    private const ushort Exclusive = 0x200; // NLM_F_EXCL
    private const ushort Create = 0x400; // NLM_F_CREATE

    /// <summary>Returns the name of a device for <see cref="Words"/>; null if those name no route.</summary>
    public Func<int, string>? NameOf { get; init; }

    /// <summary>
    /// The step as a line of the log: `put back at metric 10: default via 198.18.1.1 dev eth0`. Built only
    /// when it is read, so that log text does not delay the routes.
    /// </summary>
    public string Words => NameOf is null ? Deed : $"{Deed}: {Route!.Words(NameOf)}";

    /// <summary>True if the route is one nexthop of an IPv6 multipath route.</summary>
    public bool IsPart { get; init; }

    /// <summary>True if it restores a route that another program has removed.</summary>
    public bool IsRestoring { get; init; }

    /// <summary>The policy rule to add or delete.</summary>
    public SourceRule? Rule { get; init; }

    /// <summary>The metric to record.</summary>
    public OwnMetric Metric { get; init; }

    /// <summary>The link of <see cref="Metric"/>.</summary>
    public string Link { get; init; } = "";

    /// <summary>
    /// Returns the netlink request, with an acknowledgement requested; empty if the step is not for the
    /// kernel.
    /// </summary>
    public byte[] ToMessage() => Verb switch
    {
        RouteVerb.Add => Route!.ToMessage(
            RouteMessage.NewRoute, NetlinkMessage.FlagAcknowledge | Create | Exclusive),
        RouteVerb.Prepend => Route!.ToMessage(
            RouteMessage.NewRoute, NetlinkMessage.FlagAcknowledge | Create),
        RouteVerb.Replace => Route!.ToMessage(
            RouteMessage.NewRoute, NetlinkMessage.FlagAcknowledge | Create | Replacing),
        RouteVerb.Delete => Route!.ToMessage(RouteMessage.DelRoute, NetlinkMessage.FlagAcknowledge, IsPart),
        RouteVerb.AddRule => Rule!.ToMessage(
            RouteMessage.NewRule, NetlinkMessage.FlagAcknowledge | Create | Exclusive),
        RouteVerb.DeleteRule => Rule!.ToMessage(RouteMessage.DelRule, NetlinkMessage.FlagAcknowledge),
        _ => [],
    };
}
