using ConnMgr.Netlink;
using ConnMgr.Probe;
using ConnMgr.Routing;

namespace ConnMgr.Links;

/// <summary>The kinds of <see cref="News"/>.</summary>
internal enum NewsKind
{
    /// <summary>The 2 s tick. It also allows a failed switch to be retried.</summary>
    Tick,

    /// <summary>The first evidence of a tick arrived over the link.</summary>
    Evidence,

    /// <summary>
    /// A TCP segment or a DNS question to an address outside the link's own subnets left over the link.
    /// </summary>
    Outgoing,

    /// <summary>A probe of the link has ended.</summary>
    ProbeEnded,

    /// <summary>The link's name servers differ from those that its last probe asked.</summary>
    ServersChanged,

    /// <summary>Another program has changed the firewall.</summary>
    FirewallChanged,

    /// <summary>The link has used up its budget of bytes, or a new one has begun.</summary>
    Budget,

    /// <summary>The switch that <see cref="CoreEffectKind.Switch"/> requested has ended.</summary>
    SwitchEnded,

    /// <summary>The daemon has been told to stop: the core makes no more decisions.</summary>
    Stop,
}

/// <summary>One event since the last wake-up.</summary>
/// <param name="Kind">The kind of event.</param>
/// <param name="At">When it happened, in the loop's time.</param>
/// <param name="Link">The link concerned; null for <see cref="NewsKind.Tick"/> and <see
/// cref="NewsKind.Stop"/>.</param>
/// <param name="Probe">The result of the probe.</param>
/// <param name="Failure">Why the switch failed, as a phrase; null if its runner reports success.</param>
/// <param name="Budget">How the budget affects the use of the link.</param>
internal readonly record struct News(
    NewsKind Kind, TimeSpan At, Link? Link = null, ProbeResult Probe = default, string? Failure = null,
    LinkBudget Budget = default);

/// <summary>The kernel's state, and how current it is.</summary>
/// <param name="State">Devices, addresses and default routes.</param>
/// <param name="IsSettled">No dump is running, so the routes may be judged.</param>
/// <param name="LastDump">The number of the dump that was started last.</param>
/// <param name="RoutesAsOf">The number of the dump that the routes come from.</param>
/// <param name="OwnMetrics">The links' own metrics that earlier route plans recorded; null while a script
/// moves the routes.</param>
internal readonly record struct KernelView(
    KernelState State,
    bool IsSettled,
    uint LastDump,
    uint RoutesAsOf,
    IReadOnlyDictionary<(bool IsIpv6, string Link), OwnMetric>? OwnMetrics);
