using System.CommandLine;
using System.CommandLine.Help;
using System.CommandLine.Invocation;
using System.CommandLine.Parsing;
using System.Net;
using System.Text;
using ConnMgr.Config;
using ConnMgr.Logging;
using ConnMgr.Native;
using ConnMgr.Net;
using ConnMgr.Probe;
using static ConnMgr.Cli.OptionKinds;

namespace ConnMgr.Cli;

/// <summary>Parses the command line. It reads no file and opens no socket.</summary>
internal static partial class CommandLine
{
    /// <summary>The exit statuses of all verbs, for their help.</summary>
    private const string OfAll =
        "71  the kernel refused a request\n74  standard output could not be written\n";

    /// <summary>The exit statuses of the verbs that ask a daemon.</summary>
    private const string OfAsking = "69  no daemon answers\n" + NotPermitted;

    private const string NotPermitted =
        "77  you may not ask it: only root, its user, and members of its --control-group may\n";

    /// <summary>
    /// Parses <paramref name="args"/>. Returns null if the program must end with <paramref
    /// name="exitCode"/>: after --help, --version, or an error, whose message has been printed. A verb
    /// without a daemon takes the options that <paramref name="args"/> lacks from <paramref
    /// name="service"/>, the options of the daemon; null for the defaults. After an error, `check` goes on
    /// with the files: it gets its directories, and <paramref name="exitCode"/> is Usage.
    /// </summary>
    public static Options? Read(string[] args, out ExitCode exitCode, Options? service = null)
    {
        RootCommand root = NewRoot();
        ParseResult parsed = root.Parse(args, new ParserConfiguration { ResponseFileTokenReplacer = null });
        List<string> errors = [.. parsed.Errors.Select(error => error.Message).Distinct()];
        AddMisplaced(parsed, root, errors);
        if (args is [['[', ..], ..])
        {
            // The parser would treat it as a directive.
            errors.Add($"Unrecognized command or argument '{args[0]}'.");
        }
        if (errors.Count > 0)
        {
            foreach (string message in errors)
            {
                StandardOutput.Complain($"connmgr: {message}");
            }
            if (Suggestion.For(parsed) is { } meant)
            {
                StandardOutput.Complain($"connmgr: did you mean '{meant}'?");
            }
            string verb = parsed.CommandResult.Command is VerbCommand { Name: { } name } ? $" {name}" : "";
            StandardOutput.Complain($"connmgr: try 'connmgr{verb} --help'");
            exitCode = ExitCode.Usage;
            return parsed.CommandResult.Command.Name == "check" && !Has(parsed, Start)
                ? FilesToCheck(parsed, OptionsOf(root.Parse(["check"]))) : null;
        }
        if (parsed.Action is not null && parsed.Action != root.Action)
        {
            // --help or --version
            StandardOutput.Write(Encoding.UTF8.GetBytes(TextOf(parsed)));
            exitCode = ExitCode.Ok;
            return null;
        }

        exitCode = ExitCode.Ok;
        Options options = OptionsOf(parsed);
        bool hasServices = Has(parsed, Probe) || Has(parsed, Echo);
        return service is null ? options : options with
        {
            ConfigDirectory = options.HasConfigDirectory ? options.ConfigDirectory : service.ConfigDirectory,
            ScriptDirectory = options.HasScriptDirectory ? options.ScriptDirectory : service.ScriptDirectory,
            RunDirectory = options.HasRunDirectory ? options.RunDirectory : service.RunDirectory,
            HasRunDirectory = options.HasRunDirectory || service.HasRunDirectory,
            Services = hasServices ? options.Services : service.Services,
            Ping = Has(parsed, Ping) || Has(parsed, NoPing) ? options.Ping : service.Ping,
            Resolvers = Has(parsed, Resolvers) ? options.Resolvers : service.Resolvers,
            MarkBit = Has(parsed, MarkBit) ? options.MarkBit : service.MarkBit,
        };
    }

    /// <summary>The verbs and their options: what the help lists, and what is accepted.</summary>
    internal static RootCommand NewRoot()
    {
        RootCommand root = new(
            "Keeps a gateway connected: watches Ethernet, Wi-Fi and LTE, finds out over which of them the "
            + "cloud answers, and moves the default route to the best one. Runs in the foreground until "
            + "SIGTERM or SIGINT.")
        {
            DisableFirewall, Firewall, OnFirewallFailure, Audit, ConfigDirectory, ScriptDirectory,
            RunDirectory, StateDirectory,
            HookDirectory,
            Probe, Echo, Ping, NoPing, Resolvers,
            DnsServers, ResolvConf, DnsOption, QueueNumber, MarkBit, AllowPrivateAnswers, Idle,
            WanProbeOption, OverBudget,
            SwitchOption, KeepLinkdownRoutes, KeepFlows, ControlGroup, AttrdSocket, NoAttrd, LogOption,
            Verbose,
        };
        VerbCommand check = new(
            "check", "print what is wrong with the configuration and the daemon's options, line by line; "
            + "without options, with those of /etc/default/connmgr, or of /etc/config/connmgr on OpenWrt",
            "0   no error\n78  a file is wrong\n")
        {
            Start,
        };
        foreach (Option option in root.Options)
        {
            if (option is not (HelpOption or VersionOption))
            {
                check.Options.Add(option);
            }
        }
        check.Validators.Add(result => RejectRepeated(result, check));
        root.Subcommands.Add(check);
        root.Subcommands.Add(new VerbCommand(
            "probe", "run one probe without a daemon, and print each step with its time; options that you do "
            + "not give are as in /etc/default/connmgr, or in /etc/config/connmgr on OpenWrt",
            "0   the link is confirmed\n1   it is not\n77  a capability is missing\n")
        {
            ProbeInterface, Probe, Echo, Ping, NoPing, Resolvers, MarkBit, ConfigDirectory,
        });
        VerbCommand status = new(
            "status", "show which link is in use and why, and the state of each link",
            "0   a link (LINK) is confirmed\n"
            + "1   none is; or one is, but this device drops what the lockdown admits, firewall.user failed, "
            + "or the lockdown of an earlier start cuts a daemon with -d off\n"
            + "2   none is, but a metered one is assumed to work\n"
            + "3   one is, but --audit is on: nothing is blocked\n" + OfAsking)
        {
            StatusLink, Json, Watch, RunDirectory,
        };
        VerbCommand events = new(
            "events", "show what has happened, with times and reasons", "0   done\n" + OfAsking)
        {
            Json, Follow, LastEvents, Since, RunDirectory,
        };
        VerbCommand metrics = new(
            "metrics", "print the status for Prometheus", "0   done\n" + OfAsking)
        {
            OpenMetrics, RunDirectory,
        };
        VerbCommand reload = new(
            "reload", "make the daemon read its configuration again, and print what has changed",
            "0   done\n78  refused: nothing has changed\n" + OfAsking)
        {
            Json, RunDirectory,
        };
        root.Subcommands.Add(status);
        root.Subcommands.Add(new VerbCommand(
            "audit", "of a daemon with --audit: list what was used, and whether the whitelist covers it",
            "0   done\n1   there are more lines for the whitelist than one answer has room for\n"
            + "69  the daemon runs without --audit, or none answers\n" + NotPermitted)
        {
            Json, WhitelistLines, RunDirectory,
        });
        root.Subcommands.Add(events);
        root.Subcommands.Add(metrics);
        root.Subcommands.Add(reload);
        root.Subcommands.Add(new VerbCommand(
            "use", "prefer a link by hand while it is good; the daemon's restart ends that",
            "0   done\n" + OfAsking)
        {
            UseLink, For, RunDirectory,
        });
        root.Subcommands.Add(new VerbCommand(
            "wait-online", "wait until a link is confirmed, or a metered one is assumed to work",
            "0   a link works\n1   none did within the time\n" + NotPermitted)
        {
            Timeout, RunDirectory,
        });
        root.Subcommands.Add(new VerbCommand(
            "route", "move the default routes to a link, now and without a daemon",
            "0   done\n1   not done, stderr says why\n78  netif_names is wrong\n")
        {
            RouteTo, ConfigDirectory, RunDirectory,
        });
        root.Subcommands.Add(new VerbCommand(
            "unlock", "remove the lockdown; stop the daemon first, or it locks again",
            "0   unlocked\n1   not completely, stderr says why\n78  fwcfg.sh is missing\n")
        {
            ScriptDirectory, RunDirectory,
        });
        root.SetAction(static _ => 0); // makes it valid to give no verb
        root.Directives.Clear();
        root.Options.FirstOrDefault(static option => option is VersionOption)!.Action = new SayVersion();
        foreach (Argument link in (Argument[])[StatusLink, UseLink, ProbeInterface, RouteTo])
        {
            link.Validators.Add(RequireName);
        }
        AttrdSocket.Validators.Add(result => Require(
            result, Encoding.UTF8.GetByteCount(result.GetValueOrDefault<string>() ?? "") is >= 1 and <= 107,
            "--attrd-socket: a path of 1 to 107 bytes"));
        ResolvConf.Validators.Add(result => Require(
            result, result.GetValueOrDefault<string>() is "off" or "auto" or ['/', _, ..],
            "--resolv-conf: off, auto or an absolute path"));
        root.Validators.Add(result => RejectRepeated(result, root));
        root.Validators.Add(RequireFirewall);
        check.Validators.Add(RequireFirewall);
        return root;
    }

    /// <summary>What --help or --version prints.</summary>
    internal static string TextOf(ParseResult parsed)
    {
        using StringWriter said = new();
        _ = parsed.Invoke(new InvocationConfiguration { Output = said });
        if (parsed.Action is HelpAction && parsed.CommandResult.Command is VerbCommand verb)
        {
            said.Write("Exit status:\n");
            string usage = $"64  wrong command line{(verb.Arguments.Count > 0 ? ", or no such link" : "")}\n";
            string[] lines = (verb.Statuses + usage + OfAll).Split(
                '\n', StringSplitOptions.RemoveEmptyEntries);
            lines.AsSpan().Sort(string.CompareOrdinal);
            foreach (string line in lines)
            {
                said.Write($"  {line}\n");
            }
            said.Write('\n');
        }
        return said.ToString();
    }

    /// <summary>Reports options in front of a verb that the verb does not have.</summary>
    private static void AddMisplaced(ParseResult parsed, RootCommand root, List<string> errors)
    {
        Command verb = parsed.CommandResult.Command;
        foreach (SymbolResult given in parsed.RootCommandResult.Children)
        {
            if (verb != root && given is OptionResult { Implicit: false, Option: { } option }
                && option is not (HelpOption or VersionOption) && !verb.Options.Contains(option))
            {
                errors.Add($"{option.Name} is not an option of '{verb.Name}'");
            }
        }
    }

    /// <summary>True if the command line has the option.</summary>
    private static bool Has(ParseResult parsed, Option option) =>
        parsed.GetResult(option) is { Implicit: false };

    /// <summary>
    /// Where the files are, and whether the lockdown needs them, if other options are wrong. The parser
    /// returns no values then, so this takes the words.
    /// </summary>
    private static Options FilesToCheck(ParseResult parsed, Options standard)
    {
        return standard with
        {
            IsFirewallDisabled = parsed.GetResult(DisableFirewall) is { Implicit: false },
            ConfigDirectory = WordOf(ConfigDirectory) ?? standard.ConfigDirectory,
            ScriptDirectory = WordOf(ScriptDirectory) ?? standard.ScriptDirectory,
            HasScriptDirectory = WordOf(ScriptDirectory) is not null,
            RunDirectory = WordOf(RunDirectory) ?? standard.RunDirectory,
        };

        string? WordOf(Option option) =>
            parsed.GetResult(option) is { Tokens: [.., { Value: { Length: > 0 } word }] } ? word : null;
    }

    private static Options OptionsOf(ParseResult parsed) =>
        new()
        {
            Verb = parsed.CommandResult.Command.Name switch
            {
                "check" => Verb.Check,
                "probe" => Verb.Probe,
                "status" => Verb.Status,
                "audit" => Verb.Audit,
                "events" => Verb.Events,
                "metrics" => Verb.Metrics,
                "reload" => Verb.Reload,
                "use" => Verb.Use,
                "wait-online" => Verb.WaitOnline,
                "route" => Verb.Route,
                "unlock" => Verb.Unlock,
                _ => Verb.Run,
            },
            IsJson = parsed.GetValue(Json),
            Watches = parsed.GetValue(Watch),
            Follows = parsed.GetValue(Follow),
            RouteTo = parsed.GetValue(RouteTo),
            Link = parsed.GetValue(StatusLink) ?? (parsed.GetValue(UseLink) is "auto" ? null
                : parsed.GetValue(UseLink)),
            Last = NumberOf(parsed.GetValue(LastEvents)),
            Seconds = NumberOf(parsed.GetValue(Since)) ?? NumberOf(parsed.GetValue(For))
                ?? NumberOf(parsed.GetValue(Timeout)),
            Audits = parsed.GetValue(Audit),
            ChecksStart = parsed.GetValue(Start),
            ListsWhitelist = parsed.GetValue(WhitelistLines),
            IsOpenMetrics = parsed.GetValue(OpenMetrics),
            IsFirewallDisabled = parsed.GetValue(DisableFirewall),
            Firewall = parsed.GetRequiredValue(Firewall) switch
            {
                "nft" => FirewallBackend.Nft,
                "iptables" => FirewallBackend.Iptables,
                _ => FirewallBackend.Auto,
            },
            ManagesLinksUnlocked = parsed.GetValue(OnFirewallFailure) == "manage-links",
            ConfigDirectory = parsed.GetRequiredValue(ConfigDirectory),
            HasConfigDirectory = Has(parsed, ConfigDirectory),
            ScriptDirectory = parsed.GetRequiredValue(ScriptDirectory),
            HasScriptDirectory = Has(parsed, ScriptDirectory),
            RunDirectory = parsed.GetRequiredValue(RunDirectory),
            StateDirectory = parsed.GetValue(StateDirectory),
            BlocksOverBudget = parsed.GetValue(OverBudget) == "never",
            HasRunDirectory = Has(parsed, RunDirectory),
            ControlGroup = parsed.GetValue(ControlGroup),
            HookDirectory = parsed.GetRequiredValue(HookDirectory),
            Services = ServicesOf(parsed.GetValue(Echo) ?? [], parsed.GetValue(Probe) ?? []),
            ProbeInterface = parsed.GetValue(ProbeInterface),
            Ping = parsed.GetValue(NoPing) ? [] : parsed.GetRequiredValue(Ping),
            Resolvers = parsed.GetRequiredValue(Resolvers),
            DnsServerMode = ServerModeOf(parsed.GetRequiredValue(DnsServers)),
            DnsServers = ServerModeOf(parsed.GetRequiredValue(DnsServers)) == DnsServerMode.Listed
                ? parsed.GetRequiredValue(DnsServers)
                : [],
            ResolvConf = parsed.GetRequiredValue(ResolvConf) is "off" ? null
                : parsed.GetRequiredValue(ResolvConf),
            Dns = parsed.GetRequiredValue(DnsOption) switch
            {
                "hold" => DnsMode.Hold,
                "sniff" => DnsMode.Sniff,
                _ => DnsMode.Auto,
            },
            QueueNumber = (ushort)parsed.GetValue(QueueNumber),
            MarkBit = parsed.GetValue(MarkBit),
            AllowsPrivateAnswers = parsed.GetValue(AllowPrivateAnswers),
            Idle = parsed.GetValue(Idle) ?? new IdleLimits(),
            WanProbe = parsed.GetRequiredValue(WanProbeOption) switch
            {
                "never" => WanProbe.Never,
                "always" => WanProbe.Always,
                _ => WanProbe.Suspect,
            },
            Switch = parsed.GetRequiredValue(SwitchOption) switch
            {
                "netlink" => SwitchMode.Netlink,
                "script" => SwitchMode.Script,
                _ => SwitchMode.Auto,
            },
            KeepsLinkdownRoutes = parsed.GetValue(KeepLinkdownRoutes),
            KeepFlows = parsed.GetValue(KeepFlows),
            AttrdSocket = parsed.GetValue(NoAttrd) ? null : parsed.GetRequiredValue(AttrdSocket),
            LogTarget = parsed.GetRequiredValue(LogOption) switch
            {
                "stderr" => LogTarget.Stderr,
                "syslog" => LogTarget.Syslog,
                _ => LogTarget.Auto,
            },
            LogLevel = parsed.GetValue(Verbose) ? LogLevel.Debug : LogLevel.Info,
        };

    /// <summary>The parser returns no server for `auto`, and the unspecified address for `any`.</summary>
    private static DnsServerMode ServerModeOf(IPAddress[] servers) =>
        servers.Length == 0 ? DnsServerMode.Auto
        : ReferenceEquals(servers[0], IPAddress.Any) ? DnsServerMode.Any
        : DnsServerMode.Listed;

    private static ProbeUrl[] ServicesOf(ProbeUrl[] old, ProbeUrl[] urls)
    {
        ProbeUrl[] services = [.. old, .. urls];
        return services.Length > 0 ? services : [new ProbeUrl(ProbeScheme.Echo, "echo.afero.io", 80)];
    }

    /// <summary>
    /// Carries out --version. The library's own action would find the version by reflection.
    /// </summary>
    private sealed class SayVersion : SynchronousCommandLineAction
    {
        public override bool ClearsParseErrors => true;

        public override int Invoke(ParseResult parseResult)
        {
            parseResult.InvocationConfiguration.Output.WriteLine(BuildInfo.Revision);
            return 0;
        }
    }

    /// <summary>A verb, and the exit statuses that its help lists: lines of a number and a phrase.</summary>
    private sealed class VerbCommand(string name, string description, string statuses)
        : Command(name, description)
    {
        public string Statuses => statuses;
    }

    private static int? NumberOf(int value) => value == 0 ? null : value; // 0: not given

    private static void RejectRepeated(CommandResult result, Command command)
    {
        foreach (Option option in command.Options)
        {
            if (option.Arity is { MinimumNumberOfValues: 1, MaximumNumberOfValues: 1 }
                && result.GetResult(option) is { IdentifierTokenCount: > 1 })
            {
                result.AddError($"{option.Name} is given twice");
            }
        }
    }

    private static void RequireFirewall(CommandResult result) => Require(
        result, !result.GetValue(Audit) || !result.GetValue(DisableFirewall),
        "--audit needs the firewall: not with -d");

    private static void RequireName(ArgumentResult result)
    {
        if (result.Tokens is [Token { Value: { } word }])
        {
            // The parser takes an option that it does not know for the argument.
            Require(
                result, InterfaceName.IsValid(word),
                word is ['-', ..] ? $"Unrecognized command or argument '{word}'."
                    : $"not an interface name: {ForeignText.Quote(word)}");
        }
    }
}
