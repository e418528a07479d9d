namespace ConnMgr.Status;

/// <summary>The status of the lockdown.</summary>
internal sealed class FirewallStatus
{
    /// <summary>True while the rules are in force.</summary>
    public bool IsLocked { get; init; }

    /// <summary>True while init_firewall.sh runs and the lockdown is not in force yet.</summary>
    public bool IsBeingLocked { get; init; }

    /// <summary>True if --audit is given: the lockdown then drops nothing.</summary>
    public bool IsAudit { get; init; }

    /// <summary>How addresses are opened in the kernel: `nft`, `sets` or `rules`.</summary>
    public required string Backend { get; init; }

    /// <summary>
    /// Why connmgr does not use a better backend; empty for nft, and for a backend that the user selected.
    /// </summary>
    public string BackendReason { get; init; } = "";

    /// <summary>How DNS replies are handled: `hold` or `sniff`.</summary>
    public required string Dns { get; init; }

    /// <summary>Why replies are not held; empty if they are.</summary>
    public string DnsReason { get; init; } = "";

    /// <summary>Which name servers may be asked, as a phrase.</summary>
    public string NameServers { get; init; } = "any";

    /// <summary>The addresses that the lockdown opens to the device because the daemon probes them.</summary>
    public IReadOnlyList<string> Probed { get; init; } = [];

    /// <summary>The ports at which <see cref="Probed"/> are open, e.g. `tcp:80 udp:5683`.</summary>
    public string ProbePorts { get; init; } = "";

    /// <summary>
    /// With what status firewall.user failed, so that the device is locked without it; null if it succeeded
    /// or does not exist.
    /// </summary>
    public ushort? UserStatus { get; init; }

    /// <summary>True if another program's rules overwrite the mark of the daemon's packets.</summary>
    public bool IsMarkOverwritten { get; init; }

    /// <summary>
    /// Describes what this device drops although the lockdown admits it, one phrase per case; empty if
    /// nothing is known.
    /// </summary>
    public IReadOnlyList<string> Drops { get; init; } = [];

    /// <summary>The base chains of other programs that the dropped packets pass.</summary>
    public IReadOnlyList<string> OtherChains { get; init; } = [];

    /// <summary>
    /// The number of times connmgr restored the rules after another program had changed them.
    /// </summary>
    public int Repairs { get; init; }

    /// <summary>The number of runs of init_firewall.sh that failed.</summary>
    public int Failures { get; init; }

    /// <summary>True if the last run of init_firewall.sh failed.</summary>
    public bool HasLastFailed { get; init; }

    /// <summary>The number of whitelist entries.</summary>
    public int Entries { get; init; }

    /// <summary>The number of whitelist entries that are addresses or prefixes.</summary>
    public int Literals { get; init; }

    /// <summary>The number of addresses that are open because of a name.</summary>
    public int Holes { get; init; }

    /// <summary>The first entries, each with its holes.</summary>
    public required IReadOnlyList<EntryStatus> Listed { get; init; }

    /// <summary>The number of entries that are not listed because there are too many.</summary>
    public int UnlistedEntries { get; init; }

    /// <summary>The number of holes that are not listed because there are too many.</summary>
    public int UnlistedHoles { get; init; }

    /// <summary>
    /// The aliases of whitelisted names that stay valid longest. The lockdown opens the addresses of their
    /// targets too.
    /// </summary>
    public IReadOnlyList<AliasStatus> Aliases { get; init; } = [];

    public long Questions { get; init; }

    /// <summary>The number of replies that were held.</summary>
    public long Held { get; init; }

    /// <summary>The number of held replies that were released before their addresses were open.</summary>
    public long Late { get; init; }

    /// <summary>
    /// The number of replies that were dropped because they claimed to answer an open question but did not
    /// (hold only).
    /// </summary>
    public long Dropped { get; init; }

    /// <summary>The number of times the queue was full, so that replies passed unread.</summary>
    public long Overruns { get; init; }

    /// <summary>The number of addresses of whitelisted names that the lockdown must never open.</summary>
    public long BadAddresses { get; init; }

    /// <summary>
    /// The number of replies by result: the first entry counts answers, the others refused replies.
    /// </summary>
    public required IReadOnlyList<(string Verdict, long Count)> Replies { get; init; }
}

/// <summary>An entry of the whitelist with the addresses that it opens.</summary>
/// <param name="Text">The text of the entry in the file.</param>
/// <param name="IsLiteral">True for an address or prefix, which is always open and has no holes.</param>
internal sealed record EntryStatus(string Text, bool IsLiteral)
{
    public List<HoleStatus> Holes { get; } = [];
}

/// <summary>An open address.</summary>
/// <param name="Address">The address.</param>
/// <param name="Name">One of its names.</param>
/// <param name="Age">The time since it was opened.</param>
/// <param name="Left">The time until it is closed, unless it is renewed.</param>
/// <param name="IsConnected">True if a connection through it was open recently.</param>
internal readonly record struct HoleStatus(
    string Address, string Name, TimeSpan Age, TimeSpan Left, bool IsConnected);

/// <summary>An alias: a step from a whitelisted name towards the name that has its addresses.</summary>
/// <param name="Name">The name, or the target of another step.</param>
/// <param name="Target">The name whose addresses are wanted for it.</param>
/// <param name="Left">The time until the alias ends, unless it is renewed.</param>
internal readonly record struct AliasStatus(string Name, string Target, TimeSpan Left);
