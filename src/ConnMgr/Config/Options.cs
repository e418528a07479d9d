using System.Net;
using ConnMgr.Logging;
using ConnMgr.Probe;

namespace ConnMgr.Config;

/// <summary>The verb of the command line.</summary>
internal enum Verb
{
    /// <summary>No verb: run as the daemon.</summary>
    Run,

    /// <summary>Report the errors of the configuration.</summary>
    Check,

    /// <summary>Switch the default routes to a link, without a daemon.</summary>
    Route,

    /// <summary>Remove the lockdown.</summary>
    Unlock,

    /// <summary>Run one probe, and print each step with its time.</summary>
    Probe,

    // These verbs talk to a running daemon.
    Audit,
    Status,
    Events,
    Metrics,
    Reload,
    Use,

    /// <summary>Wait until the daemon reports a link that works.</summary>
    WaitOnline,
}

/// <summary>How a reply to a question for a whitelisted name is handled.</summary>
internal enum DnsMode
{
    /// <summary>Hold the reply until its holes are in the kernel.</summary>
    Hold,

    /// <summary>Read only a copy of the reply, so the first packet to a new address may be lost.</summary>
    Sniff,

    /// <summary>Hold if the kernel and the rules allow it, else sniff.</summary>
    Auto,
}

/// <summary>Which name servers may be asked, and whose answers count.</summary>
internal enum DnsServerMode
{
    /// <summary>
    /// Those that the device uses. Name servers that run on the device may ask any server.
    /// </summary>
    Auto,

    Any,

    /// <summary>Those of a list.</summary>
    Listed,
}

/// <summary>How the daemon moves the default routes.</summary>
internal enum SwitchMode
{
    /// <summary>
    /// By switch_route.sh if the implementer has replaced connmgr's own, else over netlink.
    /// </summary>
    Auto,

    /// <summary>By rtnetlink messages.</summary>
    Netlink,

    /// <summary>By switch_route.sh.</summary>
    Script,
}

/// <summary>When the metered link may be probed.</summary>
internal enum WanProbe
{
    Never,

    /// <summary>Only while the link is in use and under suspicion.</summary>
    Suspect,

    /// <summary>Like any other link.</summary>
    Always,
}

/// <summary>The mechanism of the lockdown.</summary>
internal enum FirewallBackend
{
    /// <summary>nf_tables if available, else iptables.</summary>
    Auto,

    /// <summary>nf_tables, by the program nft.</summary>
    Nft,

    /// <summary>iptables, with address sets if the kernel has them.</summary>
    Iptables,
}

/// <summary>The validated command line.</summary>
internal sealed record Options
{
    public const string StandardRunDirectory = "/var/run/connmgr";

    public Verb Verb { get; init; }

    public bool IsFirewallDisabled { get; init; }

    public FirewallBackend Firewall { get; init; }

    /// <summary>
    /// True: if the device cannot be locked at the start, the daemon manages the links of the open device,
    /// and keeps trying to lock it. False: it closes the device and exits.
    /// </summary>
    public bool ManagesLinksUnlocked { get; init; }

    /// <summary>True to drop nothing, and to list what the lockdown would have to admit.</summary>
    public bool Audits { get; init; }

    /// <summary>For `check`: only what would end the daemon's start with 64 or 78.</summary>
    public bool ChecksStart { get; init; }

    /// <summary>For `audit`: print lines for the whitelist.</summary>
    public bool ListsWhitelist { get; init; }

    /// <summary>For `metrics`: as OpenMetrics.</summary>
    public bool IsOpenMetrics { get; init; }

    /// <summary>The directory of `netif_names` and `whitelist`.</summary>
    public required string ConfigDirectory { get; init; }

    /// <summary>True if the command line names the directory of the configuration.</summary>
    public bool HasConfigDirectory { get; init; }

    public required string ScriptDirectory { get; init; }

    /// <summary>True if the command line names the directory of the scripts.</summary>
    public bool HasScriptDirectory { get; init; }

    public required string RunDirectory { get; init; }

    /// <summary>
    /// The directory of what must survive a reboot; null for /var/lib/connmgr, or where that is in memory,
    /// that of the configuration.
    /// </summary>
    public string? StateDirectory { get; init; }

    /// <summary>
    /// True if a link that has used up its budget must not send anything; false if it is used when no other
    /// link works.
    /// </summary>
    public bool BlocksOverBudget { get; init; }

    /// <summary>True if the command line names the run directory.</summary>
    public bool HasRunDirectory { get; init; }

    /// <summary>
    /// The name of the group whose members may use the verbs that only read; null for none.
    /// </summary>
    public string? ControlGroup { get; init; }

    /// <summary>The directory of the scripts that run after each switch.</summary>
    public required string HookDirectory { get; init; }

    /// <summary>The services that a probe asks; a correct answer of any one suffices.</summary>
    public required IReadOnlyList<ProbeUrl> Services { get; init; }

    /// <summary>For `probe`: the interface; null for the one that carries the default route.</summary>
    public string? ProbeInterface { get; init; }

    /// <summary>
    /// The addresses to ping if no service answers; the first of each family is used. Empty for none.
    /// </summary>
    public required IReadOnlyList<IPAddress> Ping { get; init; }

    /// <summary>Name servers for the daemon's own questions, asked before all others.</summary>
    public required IReadOnlyList<IPAddress> Resolvers { get; init; }

    /// <summary>Which name servers may be asked, and whose answers may open holes.</summary>
    public DnsServerMode DnsServerMode { get; init; }

    /// <summary>The servers of <see cref="DnsServerMode.Listed"/>; else empty.</summary>
    public required IReadOnlyList<IPAddress> DnsServers { get; init; }

    /// <summary>
    /// What keeps the resolver on the name servers of the link in use: null for nothing, `auto` for what the
    /// platform has, else the path of a file to write.
    /// </summary>
    public string? ResolvConf { get; init; }

    public DnsMode Dns { get; init; }

    /// <summary>The NFQUEUE in which replies wait.</summary>
    public ushort QueueNumber { get; init; }

    /// <summary>The bit of the firewall mark that the daemon's own packets have, 0 to 30.</summary>
    public int MarkBit { get; init; }

    /// <summary>True if names of the whitelist may have private addresses.</summary>
    public bool AllowsPrivateAnswers { get; init; }

    /// <summary>How long a link may be silent before it is probed.</summary>
    public IdleLimits Idle { get; init; } = new();

    public WanProbe WanProbe { get; init; }

    /// <summary>How the daemon moves the default routes.</summary>
    public SwitchMode Switch { get; init; }

    /// <summary>
    /// True to let the kernel use routes over links without carrier until the daemon has moved them.
    /// </summary>
    public bool KeepsLinkdownRoutes { get; init; }

    /// <summary>True to leave flows over the old link alone after a switch.</summary>
    public bool KeepFlows { get; init; }

    /// <summary>The path of the attribute daemon's socket; null to run without it.</summary>
    public string? AttrdSocket { get; init; }

    /// <summary>For `status` and `events`: output as JSON.</summary>
    public bool IsJson { get; init; }

    /// <summary>For `status`: describe only this link; for `use`: prefer it. Null for none.</summary>
    public string? Link { get; init; }

    /// <summary>For `events`: at most this many, the newest; null for all.</summary>
    public int? Last { get; init; }

    /// <summary>
    /// For `events`: those of this time before now; for `use`: for how long; for `wait-online`: the limit.
    /// Null for no limit.
    /// </summary>
    public int? Seconds { get; init; }

    /// <summary>For `status`: repeat until interrupted.</summary>
    public bool Watches { get; init; }

    /// <summary>For `route`: the named link.</summary>
    public string? RouteTo { get; init; }

    /// <summary>For `events`: print new ones until interrupted.</summary>
    public bool Follows { get; init; }

    public LogTarget LogTarget { get; init; }

    public LogLevel LogLevel { get; init; }
}
