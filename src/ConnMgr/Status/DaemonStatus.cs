namespace ConnMgr.Status;

/// <summary>What `connmgr status` and `connmgr metrics` tell: a picture of one moment. Ages are at that moment.</summary>
internal sealed class DaemonStatus
{
    /// <summary>With the commit that it was built from.</summary>
    public required string Version { get; init; }

    /// <summary>Wall time, UTC.</summary>
    public DateTime Time { get; init; }

    public TimeSpan Uptime { get; init; }

    /// <summary>Resident set, in bytes.</summary>
    public long MemoryBytes { get; init; }

    /// <summary>How often the loop has woken up.</summary>
    public long WakeUps { get; init; }

    /// <summary>The link that the kernel's routes lead over; null if there is none.</summary>
    public string? InUse { get; init; }

    public TimeSpan InUseFor { get; init; }

    /// <summary>The link that is to be used; null before the first decision.</summary>
    public string? Choice { get; init; }

    /// <summary>Why, in words.</summary>
    public string Reason { get; init; } = "";

    /// <summary>Since the decision.</summary>
    public TimeSpan ReasonAge { get; init; }

    public SwitchState Switch { get; init; }

    /// <summary>What went wrong with the last switch, in words; empty unless it failed.</summary>
    public string SwitchFailure { get; init; } = "";

    public SwitchCounts Switches { get; init; }

    /// <summary>How long the last switch took, from its decision on; null if there was none.</summary>
    public TimeSpan? LastSwitchTook { get; init; }

    /// <summary>Since the last time that somebody else had changed the routes; null if nobody has.</summary>
    public TimeSpan? LastRepairAge { get; init; }

    /// <summary>In words: `connected`, or what is wrong; null without attrd.</summary>
    public string? Attrd { get; init; }

    public bool IsAttrdConnected { get; init; }

    public required IReadOnlyList<LinkStatus> Links { get; init; }

    /// <summary>Null in firewall-disabled mode.</summary>
    public FirewallStatus? Firewall { get; init; }

    /// <summary>At least one link is confirmed.</summary>
    public bool IsAnyConfirmed
    {
        get
        {
            foreach (LinkStatus link in Links)
            {
                if (link.IsConfirmed)
                {
                    return true;
                }
            }
            return false;
        }
    }
}

/// <summary>How far a switch is.</summary>
internal enum SwitchState
{
    /// <summary>The routes are as they should be, or there is nothing to switch to.</summary>
    None,
    UnderWay,

    /// <summary>It will be tried again.</summary>
    Failed,
}

/// <summary>Since the start.</summary>
internal readonly record struct SwitchCounts(int Succeeded, int Failed, int Repairs);

/// <summary>One link.</summary>
internal sealed class LinkStatus
{
    public required string Name { get; init; }

    /// <summary>`ethernet`, `wifi` or `wan`.</summary>
    public required string Kind { get; init; }

    /// <summary>The number that section 4 of the contract gives the state.</summary>
    public int StateValue { get; init; }

    /// <summary>Its name, e.g. `ITFUP_SS`.</summary>
    public required string State { get; init; }

    /// <summary>The state in words that fit behind the name, e.g. `lost carrier`.</summary>
    public required string Words { get; init; }

    /// <summary>How long it has been in that state.</summary>
    public TimeSpan StateFor { get; init; }

    /// <summary>How long it has been up; null if it is not.</summary>
    public TimeSpan? UpFor { get; init; }

    public bool IsInUse { get; init; }

    public bool IsMetered { get; init; }

    public bool IsConfirmed { get; init; }

    public AddressStatus Ipv4 { get; init; }

    public AddressStatus Ipv6 { get; init; }

    /// <summary>What the last evidence was; null if there was none.</summary>
    public string? Evidence { get; init; }

    public TimeSpan EvidenceAge { get; init; }

    /// <summary>How the last probe ended, e.g. `echo`; null if none has ended.</summary>
    public string? Probe { get; init; }

    /// <summary>In words.</summary>
    public string ProbeWords { get; init; } = "";

    /// <summary>Since its end.</summary>
    public TimeSpan ProbeAge { get; init; }

    /// <summary>Of the echo, or else of the ping; null if neither was answered.</summary>
    public TimeSpan? RoundTrip { get; init; }

    public bool IsProbing { get; init; }

    public ProbeCounts Probes { get; init; }

    /// <summary>Within the last hour, at most 8.</summary>
    public int Failures { get; init; }

    /// <summary>Since the last failure; null if there was none.</summary>
    public TimeSpan? FailureAge { get; init; }

    /// <summary>How long it has to stay good, from now on, before the link in use is left for it.</summary>
    public TimeSpan HoldLeft { get; init; }

    /// <summary>By the kernel's counters.</summary>
    public ulong BytesReceived { get; init; }

    /// <inheritdoc cref="BytesReceived"/>
    public ulong BytesSent { get; init; }

    /// <summary>What the daemon's probes have cost, in bytes of IP, both ways.</summary>
    public long ProbeBytes { get; init; }
}

/// <summary>One address of a link, and its gateway, in words; null if there is none.</summary>
internal readonly record struct AddressStatus(string? Address, string? Gateway);

/// <summary>How many probes have ended, by their ends.</summary>
internal readonly record struct ProbeCounts(int Echo, int WrongContent, int PingOnly, int NoAnswer);
