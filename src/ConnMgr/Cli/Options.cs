using System.Net;
using ConnMgr.Probe;
using ConnMgr.Selection;

namespace ConnMgr.Cli;

/// <summary>What is to be done.</summary>
internal enum Verb
{
    /// <summary>No verb: be the daemon.</summary>
    Run,

    /// <summary>Say what is wrong with the configuration.</summary>
    Check,
}

/// <summary>The command line, checked.</summary>
internal sealed record Options
{
    public Verb Verb { get; init; }

    public bool IsFirewallDisabled { get; init; }

    /// <summary>Where `netif_names` and `whitelist` are.</summary>
    public required string ConfigDirectory { get; init; }

    public required string ScriptDirectory { get; init; }

    public required string RunDirectory { get; init; }

    /// <summary>The services that a probe talks to; any right answer counts.</summary>
    public required IReadOnlyList<EchoService> Echo { get; init; }

    /// <summary>The second opinions; of each family the first is used. Empty: none.</summary>
    public required IReadOnlyList<IPAddress> Ping { get; init; }

    /// <summary>Name servers for the daemon's own questions, before all others.</summary>
    public required IReadOnlyList<IPAddress> Resolvers { get; init; }

    /// <summary>Silence on a link before it is probed.</summary>
    public required TimeSpan Idle { get; init; }

    public WanProbe WanProbe { get; init; }

    /// <summary>Flows over the old link are left alone after a switch.</summary>
    public bool KeepFlows { get; init; }

    /// <summary>The attribute daemon's; null: run without.</summary>
    public string? AttrdSocket { get; init; }

    public LogTarget LogTarget { get; init; }

    public LogLevel LogLevel { get; init; }
}
