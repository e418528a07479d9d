namespace ConnMgr.Routing;

/// <summary>
/// The steps that lead from the default routes which the kernel has to those which the choice of a link demands. Pure:
/// the steps are data. Whatever part of them is carried out, no link has lost its default, the device has the way out
/// that it had, and a new plan made from the kernel's table completes the work.
/// </summary>
/// <remarks>
/// The order of the steps of a family: copy the defaults of other links that stand in front to metrics of their own;
/// delete all but one of those in front; replace that one; delete what is doubled; put the standby routes in order.
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
            return;
        }
        // The family that has a way out goes first.
        foreach (FamilyPlan family in HasIpv4 ? (FamilyPlan[])[ipv4, ipv6] : [ipv6, ipv4])
        {
            family.Make();
        }
        IsInPlace = ipv4.IsInPlace && ipv6.IsInPlace;
        IsOrdered = ipv4.IsOrdered && ipv6.IsOrdered;
    }

    /// <summary>What is to be done, in this order; empty if the table is right.</summary>
    public List<RouteStep> Steps { get; } = [];

    /// <summary>
    /// The link is in front in each family in which it has a way out, and nothing else is. (There may be steps all the
    /// same: duplicates, the order of the standby routes.)
    /// </summary>
    public bool IsInPlace { get; }

    /// <summary>No link lacks a default that another program has removed, and the standby routes are in order.</summary>
    public bool IsOrdered { get; } = true;

    /// <summary>The link has a way out by IPv4.</summary>
    public bool HasIpv4 { get; }

    /// <summary>The link has a way out by IPv6.</summary>
    public bool HasIpv6 { get; }

    /// <summary>Why there is no plan, by family; empty if the link has a way out.</summary>
    public string Lacks { get; } = "";

    /// <summary>Makes the plan.</summary>
    public static RoutePlan Of(RouteInput input) => new(input);
}
