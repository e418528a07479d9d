using ConnMgr.Net;
using ConnMgr.Probe;

namespace ConnMgr.Links;

/// <summary>
/// What the connection core has decided and knows as of one wake-up. Immutable. The lockdown, status,
/// attributes, hooks and the killing of old flows read it and keep no copies of its parts.
/// </summary>
internal sealed record ConnectionView
{
    /// <summary>All links, most preferred first.</summary>
    public IReadOnlyList<LinkView> Links { get; init; } = [];

    /// <summary>The name of the chosen link; null before the first decision.</summary>
    public string? Choice { get; init; }

    /// <summary>The reason for the choice, as a phrase.</summary>
    public string Reason { get; init; } = "";

    /// <summary>When the link was chosen, in the loop's time.</summary>
    public TimeSpan ChosenAt { get; init; }

    /// <summary>
    /// The choice if it is in front in each family that it has, else the link that the kernel's default
    /// route leads over: by IPv4 if IPv4 has a way out, else by IPv6. Null if that is none of our links.
    /// </summary>
    public LinkView? InUse { get; init; }

    /// <summary>When <see cref="InUse"/> last changed.</summary>
    public TimeSpan InUseSince { get; init; }

    /// <summary>
    /// The name of the link that carries the preferred IPv4 default route; null if it is none of our links.
    /// </summary>
    public string? InUseIpv4 { get; init; }

    /// <summary>
    /// The name of the link that carries the preferred IPv6 default route; null if it is none of our links.
    /// </summary>
    public string? InUseIpv6 { get; init; }

    /// <summary>The name of the choice if it is up and the routes use it as they should; else null.</summary>
    public string? InPlace { get; init; }

    /// <summary>The name of the link that the user prefers by hand; null for none.</summary>
    public string? Preferred { get; init; }

    /// <summary>When that preference ends; the largest time for never.</summary>
    public TimeSpan PreferredUntil { get; init; }

    /// <summary>The progress and the counts of the switches.</summary>
    public SwitchReport Switch { get; init; } = SwitchReport.None;

    /// <summary>Returns the link of that name; null if there is none.</summary>
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

    /// <summary>The answer to a request about a link that does not exist, as a line.</summary>
    public string NoLink(string name)
    {
        string names = string.Join(", ", Links.Select(link => link.Name));
        return $"no link {name}: the links are {names}\n";
    }
}

/// <summary>
/// One link of a <see cref="ConnectionView"/>. The members have the meaning of those of <see cref="Link"/>.
/// </summary>
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
    TimeSpan ProbeTook,
    ProbeTally Tally,
    int Index = 0,
    TimeSpan? RoundTrip = null,
    LinkBudget Budget = default);

/// <summary>The progress of a switch.</summary>
internal enum SwitchState
{
    /// <summary>The routes are correct, or there is no link to switch to.</summary>
    None,
    UnderWay,

    /// <summary>The last attempt failed; the daemon retries.</summary>
    Failed,
}

/// <summary>Counts and times of the switches since the start.</summary>
internal sealed record SwitchReport
{
    /// <summary>The report before the first switch.</summary>
    public static readonly SwitchReport None = new();

    /// <summary>The progress of the current switch.</summary>
    public SwitchState State { get; init; }

    /// <summary>Why the last switch failed; empty unless <see cref="State"/> is Failed.</summary>
    public string Failure { get; init; } = "";

    /// <summary>The number of successful switches, repairs excluded.</summary>
    public int Succeeded { get; init; }

    /// <summary>The number of failed attempts.</summary>
    public int Failed { get; init; }

    /// <summary>The number of routes restored after another program changed them.</summary>
    public int Repairs { get; init; }

    /// <summary>
    /// The duration of the last switch, from the decision to the verification; null if there was none.
    /// </summary>
    public TimeSpan? LastTook { get; init; }

    /// <summary>When a route was last restored; null if never.</summary>
    public TimeSpan? LastRepairAt { get; init; }
}
