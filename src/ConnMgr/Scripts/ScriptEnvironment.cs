using ConnMgr.Config;
using ConnMgr.Native;

namespace ConnMgr.Scripts;

/// <summary>
/// The environment of scripts. They inherit only the daemon's variables that are named here.
/// </summary>
internal static class ScriptEnvironment
{
    /// <summary>PATH and the locale.</summary>
    public static readonly string[] Base =
    [
        $"PATH={Environment.GetEnvironmentVariable("PATH") ?? "/usr/sbin:/usr/bin:/sbin:/bin"}",
        "LC_ALL=C",
    ];

    /// <summary>
    /// Returns the environment of the project's own scripts; <see cref="NamesVariable"/> is the first. The
    /// names are those in force: the file may have changed since, and the daemon may have refused the
    /// change.
    /// </summary>
    public static List<string> Of(Options options, NetifNames names) =>
        [NamesVariable(names), .. Of(options)];

    /// <summary>Returns the same without the names, for scripts that read `netif_names` themselves.</summary>
    public static List<string> Of(Options options) =>
    [
        .. Base,
        $"CONNMGR_CONFIG_DIR={options.ConfigDirectory}",
        $"CONNMGR_RUN_DIR={options.RunDirectory}",
        $"CONNMGR_EXECUTABLE={Environment.ProcessPath}",
        // Set if an ordinary user may not write to the default lock file of iptables.
        .. Environment.GetEnvironmentVariable("XTABLES_LOCKFILE") is { } path
            ? new[] { $"XTABLES_LOCKFILE={path}" }
            : [],
    ];

    /// <summary>
    /// Returns the path of an executable file as a script finds it; null if there is none. Ignores
    /// directories of PATH that are not absolute.
    /// </summary>
    /// <param name="program">The file name.</param>
    /// <param name="environment">The environment of the script, as `NAME=value`.</param>
    public static string? Find(string program, IReadOnlyList<string> environment)
    {
        foreach (string variable in environment)
        {
            if (!variable.StartsWith("PATH=", StringComparison.Ordinal))
            {
                continue;
            }
            foreach (string directory in variable[5..].Split(':'))
            {
                string path = Path.Combine(directory, program);
                if (directory.StartsWith('/')
                    && FileKind.Of(path, followsLinks: true) is { IsRegular: true, IsExecutable: true })
                {
                    return path;
                }
            }
        }
        return null;
    }

    /// <summary>Returns the variable with the interface names, in the form of netif_names.</summary>
    public static string NamesVariable(NetifNames names) => $"CONNMGR_NETIF_NAMES={names.ToText()}";
}
