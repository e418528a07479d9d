using ConnMgr.Net;
using ConnMgr.Probe;

namespace ConnMgr.Links;

/// <summary>
/// What the connection core has decided and knows, as of one wake-up. It is immutable: the lockdown, the status, the
/// attributes, the hooks and the ending of old flows read it, and keep no copies of its parts.
/// </summary>
internal sealed record ConnectionView
{
    /// <summary>All links, the preferred ones first.</summary>
    public IReadOnlyList<LinkView> Links { get; init; } = [];

    /// <summary>The name of the link that is to be used; null before the first decision.</summary>
    public string? Choice { get; init; }

    /// <summary>Why it was chosen, in words.</summary>
    public string Reason { get; init; } = "";

    /// <summary>When it was chosen.</summary>
    public TimeSpan ChosenAt { get; init; }

    /// <summary>
    /// The choice if it is in front in each family that it has, else the link that the kernel's default route leads over:
    /// by IPv4 if IPv4 has a way out, else by IPv6. Null: none of ours.
    /// </summary>
    public LinkView? InUse { get; init; }

    /// <summary>Since when <see cref="InUse"/> is what it is.</summary>
    public TimeSpan InUseSince { get; init; }

    /// <summary>The name of the link that IPv4's default route in front leads over; null: none of ours.</summary>
    public string? InUseIpv4 { get; init; }

    /// <summary>The same of IPv6.</summary>
    public string? InUseIpv6 { get; init; }

    /// <summary>The name of the choice, if it is up and the routes lead over it as they should; else null.</summary>
    public string? InPlace { get; init; }

    public SwitchReport Switch { get; init; } = new();

    /// <summary>A link by its name; null if there is none.</summary>
    public LinkView? Find(string name)
    {
        foreach (LinkView link in Links)
        {
            if (link.Name == name)
            {
                return link;
            }
        }
        return null;
    }
}

/// <summary>One link of a <see cref="ConnectionView"/>. The members are those of <see cref="Link"/>.</summary>
internal sealed record LinkView(
    LinkKind Kind,
    string Name,
    bool IsMetered,
    LinkState State,
    string Words,
    TimeSpan Since,
    TimeSpan? UpSince,
    LinkFacts Facts,
    bool IsProbing,
    bool IsAssumed,
    ProbeResult? LastProbe,
    TimeSpan ProbeEndedAt,
    ProbeTally Tally);

/// <summary>How far a switch is.</summary>
internal enum SwitchState
{
    /// <summary>The routes are as they should be, or there is nothing to switch to.</summary>
    None,
    UnderWay,

    /// <summary>It is tried again.</summary>
    Failed,
}

/// <summary>The switches since the start.</summary>
internal sealed record SwitchReport
{
    public SwitchState State { get; init; }

    /// <summary>Why the last switch failed; empty unless <see cref="State"/> is Failed.</summary>
    public string Failure { get; init; } = "";

    /// <summary>Switches that ended well, other than repairs.</summary>
    public int Succeeded { get; init; }

    /// <summary>Attempts that failed.</summary>
    public int Failed { get; init; }

    /// <summary>Routes that were restored after another program had changed them.</summary>
    public int Repairs { get; init; }

    /// <summary>What the last switch took, from the decision to the proof; null if there was none.</summary>
    public TimeSpan? LastTook { get; init; }

    /// <summary>When a route was last restored; null if never.</summary>
    public TimeSpan? LastRepairAt { get; init; }
}
