using System.Net;
using ConnMgr.Logging;
using ConnMgr.Probe;

namespace ConnMgr.Config;

/// <summary>What is to be done.</summary>
internal enum Verb
{
    /// <summary>No verb: be the daemon.</summary>
    Run,

    /// <summary>Say what is wrong with the configuration.</summary>
    Check,

    /// <summary>Make a link the way out, without a daemon.</summary>
    Route,

    /// <summary>Take the lockdown away.</summary>
    Unlock,

    /// <summary>Run one probe, and say what is done when.</summary>
    Probe,

    // These talk to a running daemon.
    Status,
    Events,
    Metrics,
    Reload,
}

/// <summary>What is done with a reply to a question for a whitelisted name.</summary>
internal enum DnsMode
{
    /// <summary>It waits until its holes are in the kernel.</summary>
    Hold,

    /// <summary>Only a copy of it is read, so that the first packet to a new address may be lost.</summary>
    Sniff,

    /// <summary>The former where kernel and rules allow it, else the latter.</summary>
    Auto,
}

/// <summary>How the daemon moves the default routes.</summary>
internal enum SwitchMode
{
    /// <summary>By switch_route.sh if the implementer has replaced ours, else over netlink.</summary>
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

    /// <summary>Only while it is in use and under suspicion.</summary>
    Suspect,

    /// <summary>As any other link.</summary>
    Always,
}

/// <summary>What the lockdown is made of.</summary>
internal enum FirewallBackend
{
    /// <summary>nf_tables where they work, else iptables.</summary>
    Auto,

    /// <summary>nf_tables, by the program nft.</summary>
    Nft,

    /// <summary>iptables, with address sets where the kernel has them.</summary>
    Iptables,
}

/// <summary>The command line, checked.</summary>
internal sealed record Options
{
    public Verb Verb { get; init; }

    public bool IsFirewallDisabled { get; init; }

    public FirewallBackend Firewall { get; init; }

    /// <summary>
    /// If the device cannot be locked at the start, the daemon manages the links of the open device, and goes on trying.
    /// Else it shuts the device and ends.
    /// </summary>
    public bool ManagesLinksUnlocked { get; init; }

    /// <summary>Where `netif_names` and `whitelist` are.</summary>
    public required string ConfigDirectory { get; init; }

    public required string ScriptDirectory { get; init; }

    public required string RunDirectory { get; init; }

    /// <summary>Its scripts are run after each switch.</summary>
    public required string HookDirectory { get; init; }

    /// <summary>The services that a probe asks; any right answer counts.</summary>
    public required IReadOnlyList<ProbeUrl> Services { get; init; }

    /// <summary>`probe`: the interface; null is the one that the default route leads over.</summary>
    public string? ProbeInterface { get; init; }

    /// <summary>The second opinions; of each family the first is used. Empty: none.</summary>
    public required IReadOnlyList<IPAddress> Ping { get; init; }

    /// <summary>Name servers for the daemon's own questions, before all others.</summary>
    public required IReadOnlyList<IPAddress> Resolvers { get; init; }

    /// <summary>Servers whose answers to the device's own questions may open holes. Empty: any.</summary>
    public required IReadOnlyList<IPAddress> DnsServers { get; init; }

    public DnsMode Dns { get; init; }

    /// <summary>The NFQUEUE in which replies wait.</summary>
    public ushort QueueNumber { get; init; }

    /// <summary>Names of the whitelist may have private addresses.</summary>
    public bool AllowsPrivateAnswers { get; init; }

    /// <summary>Silence on a link before it is probed.</summary>
    public required TimeSpan Idle { get; init; }

    public WanProbe WanProbe { get; init; }

    /// <summary>How the default routes are moved.</summary>
    public SwitchMode Switch { get; init; }

    /// <summary>The kernel goes on using routes over links without carrier until the daemon has moved them.</summary>
    public bool KeepsLinkdownRoutes { get; init; }

    /// <summary>Flows over the old link are left alone after a switch.</summary>
    public bool KeepFlows { get; init; }

    /// <summary>The attribute daemon's; null: run without.</summary>
    public string? AttrdSocket { get; init; }

    /// <summary>`status` and `events`: as JSON.</summary>
    public bool IsJson { get; init; }

    /// <summary>`status`: again and again.</summary>
    public bool Watches { get; init; }

    /// <summary>`route`: the links that are named; one is right.</summary>
    public IReadOnlyList<string> RouteTo { get; init; } = [];

    /// <summary>`events`: go on as they come.</summary>
    public bool Follows { get; init; }

    public LogTarget LogTarget { get; init; }

    public LogLevel LogLevel { get; init; }
}
