using ConnMgr.Netlink;
using ConnMgr.Probe;
using ConnMgr.Routing;

namespace ConnMgr.Links;

/// <summary>The kinds of <see cref="News"/>.</summary>
internal enum NewsKind
{
    /// <summary>The 2 s tick has come. It also allows a failed switch to be tried again.</summary>
    Tick,

    /// <summary>The first evidence of a tick came in over the link.</summary>
    Evidence,

    /// <summary>A TCP segment or a DNS question to an address outside the link's own subnets left it.</summary>
    Outgoing,

    /// <summary>A probe of the link has ended.</summary>
    ProbeEnded,

    /// <summary>The link has other name servers than those that its last probe asked.</summary>
    ServersChanged,

    /// <summary>The switch that <see cref="CoreEffectKind.Switch"/> asked for has ended.</summary>
    SwitchEnded,

    /// <summary>The daemon has been told to stop: nothing is chosen any more.</summary>
    Stop,
}

/// <summary>One thing that the driver learned since the last wake-up.</summary>
/// <param name="Kind">What it is.</param>
/// <param name="At">When it was learned, in the loop's time.</param>
/// <param name="Link">The link that it is about; null for <see cref="NewsKind.Tick"/> and <see cref="NewsKind.Stop"/>.</param>
/// <param name="Probe">How the probe ended.</param>
/// <param name="Failure">Why the switch failed, in words; null if its runner reports success.</param>
internal readonly record struct News(
    NewsKind Kind, TimeSpan At, Link? Link = null, ProbeResult Probe = default, string? Failure = null);

/// <summary>What the kernel has, and how current that is.</summary>
/// <param name="State">Devices, addresses and default routes.</param>
/// <param name="IsSettled">No dump is under way: the routes may be judged.</param>
/// <param name="LastDump">The number of the dump that was begun last.</param>
/// <param name="RoutesAsOf">The number of the dump that the routes come from.</param>
/// <param name="OwnMetrics">What route plans have remembered; null while a script moves the routes, not the daemon.</param>
internal readonly record struct KernelView(
    KernelState State,
    bool IsSettled,
    uint LastDump,
    uint RoutesAsOf,
    IReadOnlyDictionary<(bool IsIpv6, string Link), OwnMetric>? OwnMetrics);
