using ConnMgr.Cli;
using ConnMgr.Config;
using ConnMgr.EventLoop;
using ConnMgr.Links;
using ConnMgr.Logging;
using ConnMgr.Native;
using ConnMgr.Netlink;
using ConnMgr.Scripts;

namespace ConnMgr.App;

/// <summary>
/// `connmgr check`: reports what a start with the same options would find wrong, without a daemon. Changes
/// nothing.
/// </summary>
internal static class CheckRunner
{
    private static readonly TimeSpan ShellLimit = TimeSpan.FromSeconds(10);

    /// <summary>Reports the errors and warnings, or with --start only what ends a start.</summary>
    /// <param name="options">The options.</param>
    /// <param name="hasWrongOptions">True if other options were wrong, which has been printed.</param>
    /// <returns>64 if options were wrong, else 0 if there is no error, else 78.</returns>
    public static ExitCode Run(Options options, bool hasWrongOptions)
    {
        ExitCode files = options.ChecksStart ? TryStart(options) : CheckFiles(options);
        return hasWrongOptions ? ExitCode.Usage : files;
    }

    /// <summary>
    /// Reports what makes <see cref="Startup"/> and the first lockdown end the daemon with 78. Everything
    /// else that is wrong does not keep a daemon from starting.
    /// </summary>
    private static ExitCode TryStart(Options options)
    {
        ConfigFiles files = ConfigFiles.Read(
            options.ConfigDirectory, options.RunDirectory, withWhitelist: false);
        if (files is { NetifNames: null, IsShort: false })
        {
            foreach ((LogLevel level, string text) in files.Remarks)
            {
                if (level == LogLevel.Error)
                {
                    StandardOutput.Line(text);
                }
            }
            return ExitCode.Config;
        }
        if (options.IsFirewallDisabled || options.ManagesLinksUnlocked)
        {
            return ExitCode.Ok;
        }
        string script = Path.Combine(options.ScriptDirectory, "init_firewall.sh");
        if (!File.Exists(script))
        {
            StandardOutput.Line($"{script}: no such file: the device cannot be locked");
            return ExitCode.Config;
        }
        string[] tools = ["nft", "iptables", "iptables-nft", "iptables-legacy"];
        if (Array.TrueForAll(tools, tool => ScriptEnvironment.Find(tool, ScriptEnvironment.Base) is null))
        {
            StandardOutput.Line("nft and iptables: not installed: the device cannot be locked");
            return ExitCode.Config;
        }
        return ExitCode.Ok;
    }

    private static ExitCode CheckFiles(Options options)
    {
        bool isLocking = !options.IsFirewallDisabled;
        ConfigFiles files = ConfigFiles.Read(
            options.ConfigDirectory, runDirectory: null, withWhitelist: isLocking);
        foreach ((LogLevel level, string text) in files.Remarks)
        {
            StandardOutput.Line(level == LogLevel.Warn ? $"{text} (warning)" : text);
        }
        foreach (string text in WarningsOf(options))
        {
            StandardOutput.Line($"{text} (warning)");
        }
        bool isGood = !files.HasErrors;
        string script = Path.Combine(options.ScriptDirectory, "init_firewall.sh");
        if (isLocking && options.HasScriptDirectory && !File.Exists(script))
        {
            StandardOutput.Line($"{script}: no such file: the device could not be locked");
            isGood = false;
        }

        // On a running system, the init script may have written other names into the run directory.
        if ((ConfigFiles.Read(options.ConfigDirectory, options.RunDirectory, withWhitelist: false).NetifNames
            ?? files.NetifNames) is { } names)
        {
            CompareInterfaces(
                $"{options.ConfigDirectory}/netif_names", [.. names.Links.Select(link => link.Name)]);
        }
        string user = Path.Combine(options.ConfigDirectory, "firewall.user");
        bool hasUser = isLocking && File.Exists(user);
        string rules = (hasUser ? SmallFile.Read(user, limit: 65536, out _, out _) : null) ?? "";
        if (FirewallUserFile.InterfacesIn(rules) is { Count: > 0 } interfaces)
        {
            CompareInterfaces(user, interfaces);
        }
        if (hasUser && FaultOf(user) is { } fault)
        {
            StandardOutput.Line($"{user}: {fault}");
            isGood = false;
            hasUser = false;
        }
        if (!isGood)
        {
            return ExitCode.Config;
        }
        string whitelist = isLocking
            ? $"; the whitelist has {TextLayout.Count(files.Whitelist.Count, "entry", "entries")}: "
                + $"{TextLayout.Count(files.Whitelist.NameCount, "name", "names")}, "
                + TextLayout.Count(
                    files.Whitelist.LiteralCount, "address or prefix", "addresses and prefixes")
            : "; without a firewall, no whitelist is read";
        StandardOutput.Line($"{options.ConfigDirectory}: no errors{whitelist}");
        if (hasUser)
        {
            StandardOutput.Line(
                $"{user}: its syntax is correct; only the lockdown shows whether its commands work");
        }
        return ExitCode.Ok;
    }

    /// <summary>Warns of options that are valid, but rarely intended.</summary>
    private static IEnumerable<string> WarningsOf(Options options)
    {
        if (options.Audits)
        {
            yield return "--audit: the device would not be locked, nothing is blocked: never ship it";
        }
        if (options.ManagesLinksUnlocked && !options.IsFirewallDisabled)
        {
            yield return "--on-firewall-failure manage-links: a device that cannot be locked stays open";
        }
        // An image may be built on another machine, so this is no error.
        string[] tools = options.IsFirewallDisabled ? [] : options.Firewall switch
        {
            FirewallBackend.Nft => ["nft"],
            FirewallBackend.Iptables => ["iptables"],
            _ => ["nft", "iptables"],
        };
        if (tools.Length > 0
            && Array.TrueForAll(tools, tool => ScriptEnvironment.Find(tool, ScriptEnvironment.Base) is null))
        {
            yield return $"{string.Join(" and ", tools)}: not installed: the device could not be locked";
        }
        _ = GroupFile.Find(options.ControlGroup, out string failure);
        if (failure.Length > 0)
        {
            yield return $"--control-group: {failure}";
        }
    }

    /// <summary>
    /// Warns of each interface of a file that does not exist. That is no error: a modem may be unplugged, and
    /// an image may be built on another machine.
    /// </summary>
    private static void CompareInterfaces(string file, IReadOnlyCollection<string> names)
    {
        using Loop loop = new();
        KernelState table = new();
        using RouteMonitor routes = new(loop, table);
        loop.Run(() =>
        {
            if (routes.IsSettled)
            {
                loop.Stop();
            }
        });
        if (InterfaceHint.For(table, names, isComplete: true) is { } hint)
        {
            StandardOutput.Line($"{file}: {hint} (warning)");
        }
    }

    /// <summary>Runs `sh -n` and returns what the shell says; null if the syntax is right.</summary>
    private static string? FaultOf(string path)
    {
        using Loop loop = new();
        string? fault = null;
        using Child? shell = Child.Start(
            loop, ShellLimit, ["/bin/sh", "-n", path], ScriptEnvironment.Base,
            exit =>
            {
                string said = exit.Output.Trim();
                string place = $"{path}: ";
                said = said.StartsWith(place, StringComparison.Ordinal) ? said[place.Length..] : said;
                fault = exit.Failure is null || said.Length == 0 ? exit.Failure : ForeignText.Quote(said);
                loop.Stop();
            },
            out string? failure);
        if (shell is null)
        {
            return $"cannot run sh: {failure}";
        }
        loop.Run(static () => { });
        return fault;
    }
}
