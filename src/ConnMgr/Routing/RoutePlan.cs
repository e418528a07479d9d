using ConnMgr.Netlink;

namespace ConnMgr.Routing;

/// <summary>
/// The steps from the kernel's present default routes to those that the choice of a link requires. Pure: the
/// steps are data. If only some of them are carried out, no link loses its default, the device keeps its
/// connectivity, and a new plan made from the kernel's table completes the work.
/// </summary>
/// <remarks>
/// The order of the steps of a family: copy the preferred defaults of other links to their own metrics;
/// delete all but one of the preferred routes; replace that one; delete duplicates; sort the standby routes.
/// Last come host routes to name servers, the subnets that the link shares with another one, and the rules
/// for the other link's replies.
/// </remarks>
internal sealed class RoutePlan
{
    private RoutePlan(RouteInput input)
    {
        FamilyPlan ipv4 = new(input, isIpv6: false, Steps);
        FamilyPlan ipv6 = new(input, isIpv6: true, Steps);
        HasIpv4 = ipv4.HasWayOut;
        HasIpv6 = ipv6.HasWayOut;
        if (!HasIpv4 && !HasIpv6)
        {
            Lacks = $"IPv4: {ipv4.Lacks}; IPv6: {ipv6.Lacks}";
            ipv4.OrderStandby();
            ipv6.OrderStandby();
            IsOrdered = Steps.Count == 0;
            return;
        }
        // The family in which the link has a default goes first.
        foreach (FamilyPlan family in HasIpv4 ? (FamilyPlan[])[ipv4, ipv6] : [ipv6, ipv4])
        {
            family.Make();
        }
        IsInPlace = ipv4.IsInPlace && ipv6.IsInPlace;
        int before = Steps.Count;
        List<KernelRoute> wanted = [];
        NameServerRoutes.Add(input, wanted, Steps);
        SharedSubnets.Add(input, wanted, Steps);
        ReplyRoutes.Add(input, Steps);
        IsOrdered = ipv4.IsOrdered && ipv6.IsOrdered && Steps.Count == before;
    }

    private RoutePlan(RouteInput input, bool isIpv6First)
    {
        new FamilyPlan(input, isIpv6First, Steps).OrderStandby();
        new FamilyPlan(input, !isIpv6First, Steps).OrderStandby();
        IsOrdered = Steps.Count == 0;
    }

    /// <summary>The steps, in order; empty if the table is correct.</summary>
    public List<RouteStep> Steps { get; } = [];

    /// <summary>
    /// True if the link's route is preferred in each family in which it has a default, and no other route is.
    /// There may still be steps, for duplicates or the order of the standby routes.
    /// </summary>
    public bool IsInPlace { get; }

    /// <summary>
    /// True if no link lacks a default that another program has removed, the standby routes are sorted,
    /// shared subnets are reached over the link, and replies from other links' addresses there leave over
    /// those links.
    /// </summary>
    public bool IsOrdered { get; } = true;

    /// <summary>True if the link has an IPv4 address and default.</summary>
    public bool HasIpv4 { get; }

    /// <summary>True if the link has an IPv6 address and default.</summary>
    public bool HasIpv6 { get; }

    /// <summary>
    /// Why the link cannot be preferred, by family; empty if it has an address and a default. The plan then
    /// only sorts the routes of the links.
    /// </summary>
    public string Lacks { get; } = "";

    /// <summary>Makes the plan.</summary>
    public static RoutePlan Of(RouteInput input) => new(input);

    /// <summary>Makes the plan of a device that has no link to use: it hides the blocked ones.</summary>
    public static RoutePlan OfNone(RouteInput input) => new(input, isIpv6First: false);
}
