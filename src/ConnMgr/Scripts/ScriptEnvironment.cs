using ConnMgr.Config;

namespace ConnMgr.Scripts;

/// <summary>The environment of scripts: none of the daemon's own but what is named here.</summary>
internal static class ScriptEnvironment
{
    /// <summary>PATH and the locale.</summary>
    public static readonly string[] Base =
    [
        $"PATH={Environment.GetEnvironmentVariable("PATH") ?? "/usr/sbin:/usr/bin:/sbin:/bin"}",
        "LC_ALL=C",
    ];

    /// <summary>
    /// What the project's own scripts get; <see cref="NamesVariable"/> is the first. The names are those in force: what the file
    /// says by now may be another thing, and was perhaps refused.
    /// </summary>
    public static List<string> Of(Options options, NetifNames names) => [NamesVariable(names), .. Of(options)];

    /// <summary>The same without the names: a script that wants them reads `netif_names`.</summary>
    public static List<string> Of(Options options) =>
    [
        .. Base,
        $"CONNMGR_CONFIG_DIR={options.ConfigDirectory}",
        $"CONNMGR_RUN_DIR={options.RunDirectory}",
        $"CONNMGR_EXECUTABLE={Environment.ProcessPath}",
        // Where an ordinary user may not write to iptables' own.
        .. Environment.GetEnvironmentVariable("XTABLES_LOCKFILE") is { } path ? new[] { $"XTABLES_LOCKFILE={path}" } : [],
    ];

    /// <summary>The names of the interfaces, in the order of netif_names.</summary>
    public static string NamesVariable(NetifNames names) =>
        $"CONNMGR_NETIF_NAMES={names.Ethernet} {names.WiFi} {names.Wan} {names.AccessPoint} {names.Bridge}";
}
