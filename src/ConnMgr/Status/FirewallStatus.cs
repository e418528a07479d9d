namespace ConnMgr.Status;

/// <summary>The lockdown, as part of <see cref="Status"/>.</summary>
internal sealed class FirewallStatus
{
    /// <summary>The rules are in force.</summary>
    public bool IsLocked { get; init; }

    /// <summary>How addresses get into the kernel: `sets` or `rules`.</summary>
    public required string Backend { get; init; }

    /// <summary>Why it is not sets; empty if it is.</summary>
    public string BackendReason { get; init; } = "";

    /// <summary>What is done with DNS replies: `hold` or `sniff`.</summary>
    public required string Dns { get; init; }

    /// <summary>Why they are not held; empty if they are.</summary>
    public string DnsReason { get; init; } = "";

    /// <summary>How often the rules were restored after somebody else had changed them.</summary>
    public int Mends { get; init; }

    /// <summary>Entries of the whitelist, and how many of them are addresses or prefixes.</summary>
    public int Entries { get; init; }

    /// <inheritdoc cref="Entries"/>
    public int Literals { get; init; }

    /// <summary>Addresses that are open because of a name.</summary>
    public int Holes { get; init; }

    /// <summary>The first of the entries, each with its holes.</summary>
    public required IReadOnlyList<EntryStatus> Listed { get; init; }

    /// <summary>Entries and holes that are not listed, since there are too many.</summary>
    public int UnlistedEntries { get; init; }

    /// <inheritdoc cref="UnlistedEntries"/>
    public int UnlistedHoles { get; init; }

    public long Questions { get; init; }

    /// <summary>Replies that opened something before they went on; and of them, those that had to go on before it was open.</summary>
    public long Held { get; init; }

    /// <inheritdoc cref="Held"/>
    public long Late { get; init; }

    /// <summary>How often replies passed unseen because too many came at once.</summary>
    public long Overruns { get; init; }

    /// <summary>Addresses of whitelisted names that no name may open.</summary>
    public long BadAddresses { get; init; }

    /// <summary>Replies by what they were worth: the first are answers, the others were refused.</summary>
    public required IReadOnlyList<(string Verdict, long Count)> Replies { get; init; }
}

/// <summary>An entry of the whitelist and the addresses that are open because of it.</summary>
/// <param name="Text">As in the file.</param>
/// <param name="IsLiteral">An address or prefix: always open, without holes.</param>
internal sealed record EntryStatus(string Text, bool IsLiteral)
{
    public List<HoleStatus> Holes { get; } = [];
}

/// <summary>One address that is open.</summary>
/// <param name="Address">The address.</param>
/// <param name="Name">The name that it belongs to; there may be more.</param>
/// <param name="Age">Since it was opened.</param>
/// <param name="Left">Until it ends, unless it is renewed.</param>
/// <param name="IsConnected">A connection through it was open lately.</param>
internal readonly record struct HoleStatus(string Address, string Name, TimeSpan Age, TimeSpan Left, bool IsConnected);
