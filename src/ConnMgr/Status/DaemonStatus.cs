using ConnMgr.Links;

namespace ConnMgr.Status;

/// <summary>
/// A snapshot of the daemon for `connmgr status` and `connmgr metrics`. Ages are as of the snapshot.
/// </summary>
internal sealed class DaemonStatus
{
    /// <summary>The version, with the commit of the build.</summary>
    public required string Version { get; init; }

    /// <summary>Wall time, UTC.</summary>
    public DateTime Time { get; init; }

    /// <summary>The time since the start of the daemon.</summary>
    public TimeSpan Uptime { get; init; }

    /// <summary>Resident set, in bytes.</summary>
    public long MemoryBytes { get; init; }

    /// <summary>The number of wake-ups of the event loop.</summary>
    public long WakeUps { get; init; }

    /// <summary>The link that the kernel's routes use; null if there is none.</summary>
    public string? InUse { get; init; }

    /// <summary>The time since <see cref="InUse"/> last changed.</summary>
    public TimeSpan InUseFor { get; init; }

    /// <summary>The link over which IPv4 leaves; null if there is none.</summary>
    public string? InUseIpv4 { get; init; }

    /// <summary>The link over which IPv6 leaves; null if there is none.</summary>
    public string? InUseIpv6 { get; init; }

    /// <summary>The chosen link; null before the first decision.</summary>
    public string? Choice { get; init; }

    /// <summary>The reason for the choice, as a phrase.</summary>
    public string Reason { get; init; } = "";

    /// <summary>The time since the decision.</summary>
    public TimeSpan ReasonAge { get; init; }

    /// <summary>The state of the switch to the chosen link.</summary>
    public SwitchState Switch { get; init; }

    /// <summary>The failure of the last switch as a phrase; empty unless it failed.</summary>
    public string SwitchFailure { get; init; } = "";

    public SwitchCounts Switches { get; init; }

    /// <summary>The duration of the last switch from its decision; null if there was none.</summary>
    public TimeSpan? LastSwitchTook { get; init; }

    /// <summary>
    /// The time since the last repair of a route that another program changed; null if there was none.
    /// </summary>
    public TimeSpan? LastRepairAge { get; init; }

    /// <summary>
    /// Describes the flows over the old link that cannot be ended after a switch; null if all can be ended.
    /// </summary>
    public string? FlowLimit { get; init; }

    /// <summary>
    /// The state of the connection to attrd as a phrase; null if connmgr runs without attrd.
    /// </summary>
    public string? Attrd { get; init; }

    /// <summary>True while connmgr is connected to attrd.</summary>
    public bool IsAttrdConnected { get; init; }

    /// <summary>The services that probes ask.</summary>
    public IReadOnlyList<ServiceStatus> Services { get; init; } = [];

    public required IReadOnlyList<LinkStatus> Links { get; init; }

    /// <summary>Wall time of the daemon's start, UTC.</summary>
    public DateTime StartedAt { get; init; }

    /// <summary>Wall time of the last change of the link in use, UTC; null if there was none.</summary>
    public DateTime? ChangedAt { get; init; }

    /// <summary>Wall time of the end of the last reload, UTC; null if there was none.</summary>
    public DateTime? ReloadedAt { get; init; }

    /// <summary>True unless the last reload was refused.</summary>
    public bool IsReloadGood { get; init; } = true;

    /// <summary>How often the link in use changed, for each pair of old and new link.</summary>
    public IReadOnlyList<LinkChange> Changes { get; init; } = [];

    /// <summary>
    /// Describes the resolver's name servers that are not reached over the link in use; null if all are.
    /// </summary>
    public string? ResolverWarning { get; init; }

    /// <summary>The name servers that the device's resolver asks, as far as they are known.</summary>
    public IReadOnlyList<string> ResolverServers { get; init; } = [];

    /// <summary>What --resolv-conf has done, as a phrase; null if it is off.</summary>
    public string? ResolverWords { get; init; }

    /// <summary>The link that the user prefers by hand; null for none.</summary>
    public string? Preferred { get; init; }

    /// <summary>The time until the preference ends; null if it has no end.</summary>
    public TimeSpan? PreferredFor { get; init; }

    /// <summary>
    /// Describes the interfaces that exist if no link is in use and the interfaces of the links do not exist;
    /// else null.
    /// </summary>
    public string? Hint { get; init; }

    /// <summary>
    /// True in firewall-disabled mode if the lockdown of an earlier run of the daemon is still in force.
    /// </summary>
    public bool IsLockedByEarlier { get; init; }

    /// <summary>The status of the lockdown; null in firewall-disabled mode.</summary>
    public FirewallStatus? Firewall { get; init; }

    /// <summary>True if at least one link is confirmed.</summary>
    public bool IsAnyConfirmed => Links.Any(link => link.IsConfirmed);

    /// <summary>True if at least one metered link is assumed good without a probe.</summary>
    public bool IsAnyAssumed => Links.Any(link => link.IsAssumed);
}

/// <summary>One service that probes ask.</summary>
/// <param name="Url">The URL as in `--probe`.</param>
/// <param name="Strength">The most that it can prove: `content`, `protocol` or `connection`.</param>
/// <param name="Cost">The approximate cost of one correct answer in bytes of IP, both directions.</param>
/// <param name="IsProven">True if it has answered correctly over a link since the start.</param>
/// <param name="SuspectedBy">The link over which its last answer was wrong, while it is not proven; null if
/// there is none.</param>
/// <param name="IsSuspected">True if the log has a warning that it has not answered correctly over any
/// link.</param>
internal readonly record struct ServiceStatus(
    string Url, string Strength, int Cost, bool IsProven, string? SuspectedBy, bool IsSuspected);

/// <summary>The numbers of switches since the start.</summary>
internal readonly record struct SwitchCounts(int Succeeded, int Failed, int Repairs);

/// <summary>The status of one link.</summary>
internal sealed class LinkStatus
{
    public required string Name { get; init; }

    /// <summary>`ethernet`, `wifi` or `wan`.</summary>
    public required string Kind { get; init; }

    /// <summary>The number of the state (contract, section 4).</summary>
    public int StateValue { get; init; }

    /// <summary>The name of the state, e.g. `ITFUP_SS`.</summary>
    public required string State { get; init; }

    /// <summary>The state as a phrase that follows the name, e.g. `lost carrier`.</summary>
    public required string Words { get; init; }

    /// <summary>The time since the link entered the state.</summary>
    public TimeSpan StateFor { get; init; }

    /// <summary>The time since the link came up; null if it is down.</summary>
    public TimeSpan? UpFor { get; init; }

    public bool IsInUse { get; init; }

    public bool IsMetered { get; init; }

    /// <summary>True if a probe has confirmed the link.</summary>
    public bool IsConfirmed { get; init; }

    /// <summary>True if the link is metered, up, and assumed good without a probe.</summary>
    public bool IsAssumed { get; init; }

    /// <summary>The monthly budget of bytes; null if there is none.</summary>
    public BudgetStatus? Budget { get; init; }

    public AddressStatus Ipv4 { get; init; }

    public AddressStatus Ipv6 { get; init; }

    /// <summary>A description of the last evidence; null if there was none.</summary>
    public string? Evidence { get; init; }

    /// <summary>The time since the last evidence.</summary>
    public TimeSpan EvidenceAge { get; init; }

    /// <summary>The result of the last probe, e.g. `echo`; null if none has ended.</summary>
    public string? Probe { get; init; }

    /// <summary>The result of the last probe as a phrase.</summary>
    public string ProbeWords { get; init; } = "";

    /// <summary>The URL of the service that gave the correct or the wrong answer; null if none did.</summary>
    public string? ProbeService { get; init; }

    /// <summary>What the correct answer proves: `content` or `protocol`; null if there was none.</summary>
    public string? ProbeStrength { get; init; }

    /// <summary>The time since the last probe ended.</summary>
    public TimeSpan ProbeAge { get; init; }

    /// <summary>
    /// The round-trip time of the echo, or of the ping if there was no echo; null if neither was answered.
    /// </summary>
    public TimeSpan? RoundTrip { get; init; }

    public bool IsProbing { get; init; }

    public ProbeCounts Probes { get; init; }

    /// <summary>The number of failures within the last hour, at most 8.</summary>
    public int Failures { get; init; }

    /// <summary>The time since the last failure; null if there was none.</summary>
    public TimeSpan? FailureAge { get; init; }

    /// <summary>How long the link must still stay good before it replaces the link in use.</summary>
    public TimeSpan HoldLeft { get; init; }

    /// <summary>The bytes received, by the kernel's counters.</summary>
    public ulong BytesReceived { get; init; }

    /// <summary>The bytes sent, by the kernel's counters.</summary>
    public ulong BytesSent { get; init; }

    /// <summary>Wall time of the last correct answer; null if there was none.</summary>
    public DateTime? ProvedAt { get; init; }

    /// <summary>Times and bytes in use, and durations of probes; null in tests of other parts.</summary>
    public LinkUsage? Usage { get; init; }

    /// <summary>The IP bytes of the daemon's probes, in both directions.</summary>
    public long ProbeBytes { get; init; }

    /// <summary>
    /// <see cref="ProbeBytes"/> per day, at the average rate since the start. During the first minute,
    /// computed as if a whole minute had passed.
    /// </summary>
    public long ProbeBytesPerDay { get; init; }

    /// <summary>The smoothed round trip of the busy link; null if it has not been measured.</summary>
    public TimeSpan? BusyRoundTrip { get; init; }

    /// <summary>How long a packet may now wait for an answer before the link is probed.</summary>
    public TimeSpan Patience { get; init; }
}

/// <summary>The budget of a metered link.</summary>
internal sealed class BudgetStatus
{
    /// <summary>The bytes that may be used in a month, both directions.</summary>
    public long Bytes { get; init; }

    /// <summary>The bytes that have been used since the month of the budget began.</summary>
    public long Used { get; init; }

    /// <summary>The used part in percent.</summary>
    public long Percent { get; init; }

    /// <summary>`ok`, `warning` (80 % or more) or `over` (100 % or more).</summary>
    public string Level { get; init; } = "ok";

    /// <summary>True if the link must not send anything because its budget is used up.</summary>
    public bool IsBlocked { get; init; }

    /// <summary>When the next month of the budget begins; null until the clock could be trusted.</summary>
    public DateTime? ResetsAt { get; init; }

    /// <summary>Why the figures would not survive a reboot, as a phrase; null if they would.</summary>
    public string? Trouble { get; init; }
}

/// <summary>An address of a link and its gateway as text; null if there is none.</summary>
/// <param name="Address">The address.</param>
/// <param name="Gateway">The gateway.</param>
/// <param name="Origin">The origin of the default route if connmgr has restored it, else null: see
/// <see cref="Netlink.LostRoutes.OriginOf"/>.</param>
internal readonly record struct AddressStatus(string? Address, string? Gateway, string? Origin = null);

/// <summary>The number of ended probes by result.</summary>
internal readonly record struct ProbeCounts(int Echo, int WrongContent, int PingOnly, int NoAnswer);
