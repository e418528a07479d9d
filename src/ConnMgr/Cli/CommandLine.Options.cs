using System.CommandLine;
using System.Net;
using ConnMgr.Config;
using ConnMgr.Logging;
using ConnMgr.Net;
using ConnMgr.Probe;
using static ConnMgr.Cli.OptionKinds;

namespace ConnMgr.Cli;

/// <content>The options and arguments of all verbs, with their help.</content>
internal static partial class CommandLine
{
    private static readonly Option<bool> DisableFirewall = new("--disable-firewall", "-d")
    {
        Description = "firewall-disabled mode: no firewall script, no whitelist, no DNS extraction",
    };

    private static readonly Option<string> Firewall = OneOf(
        "--firewall", "what locks the device down; auto is nft where it works, else iptables", "auto",
        "auto", "nft", "iptables");

    private static readonly Option<string> OnFirewallFailure = OneOf(
        "--on-firewall-failure",
        "what to do if the device cannot be locked down: shut it and end with 71 or 78 (exit), or "
        + "manage the links of the open device and go on trying (manage-links)",
        "exit", "exit", "manage-links");

    private static readonly Option<bool> Audit = new("--audit")
    {
        Description = "block nothing, and record what is used, so that you can write the whitelist "
            + "('connmgr audit'); never ship it",
    };

    private static readonly Option<bool> Start = new("--start")
    {
        Description = "report only what would end the daemon at its start with 64 or 78; init scripts ask "
            + "this",
    };

    private static readonly Option<bool> WhitelistLines = new("--whitelist")
    {
        Description = "lines for the whitelist, without what it covers",
    };

    private static readonly Option<string> ConfigDirectory = Directory(
        "--config-dir", "/etc/af-conn", "holds whitelist, netif_names and, if wanted, firewall.user");

    private static readonly Option<string> ScriptDirectory = Directory(
        "--script-dir", "/usr/lib/af-conn", "holds switch_route.sh and the other scripts");

    private static readonly Option<string> RunDirectory = Directory(
        "--run-dir", Options.StandardRunDirectory, "holds the daemon's socket and state while it runs");

    private static readonly Option<string> StateDirectory = Directory(
        "--state-dir", null,
        "keeps what metered links have used of their budgets; must survive a reboot [default: "
        + "/var/lib/connmgr, or --config-dir where /var is in memory]");

    private static readonly Option<string> HookDirectory = Directory(
        "--hook-dir", "/etc/connmgr.d", "its programs are run, in order, after each switch");

    private static readonly Option<ProbeUrl[]> Probe = new("--probe")
    {
        Description = "a service that a probe asks: echo://HOST[:PORT], http://HOST[:PORT]/PATH#204, "
            + "http://HOST[:PORT]/PATH#=TEXT, tls://HOST[:PORT], mqtt://HOST[:PORT], coap://HOST[:PORT] or "
            + "tcp://HOST:PORT; may be repeated, any correct answer counts [default: "
            + "echo://echo.afero.io:80]",
        HelpName = "URL",
        DefaultValueFactory = _ => [],
        CustomParser = result => Each(result, static (string text, out ProbeUrl value, out string error) =>
            ProbeUrl.TryParse(text, out value, out error)),
    };

    private static readonly Option<ProbeUrl[]> Echo = new("--echo")
    {
        Description = "the same as --probe echo://HOST:PORT; without PORT it is 80",
        HelpName = "HOST[:PORT]",
        DefaultValueFactory = _ => [],
        CustomParser = result => Each(result, static (string text, out ProbeUrl value, out string error) =>
            ProbeUrl.TryParseEcho(text, out value, out error)),
    };

    private static readonly Argument<string?> ProbeInterface = new("IFNAME")
    {
        Description = "the interface; without it, the one that the default route leads over",
        Arity = ArgumentArity.ZeroOrOne,
    };

    private static readonly Option<IPAddress[]> Ping = Addresses(
        "--ping",
        "what to ping if no service answers correctly, to tell a dead link from a dead service; may be "
            + "repeated, one of each family",
        IPAddress.Parse("8.8.8.8"));

    private static readonly Option<bool> NoPing = new("--no-ping") { Description = "do not ping" };

    private static readonly Option<IPAddress[]> Resolvers = Addresses(
        "--resolver",
        "name server for the daemon's own questions; may be repeated [default: those of each link]");

    private static readonly Option<IPAddress[]> DnsServers = new("--dns-servers")
    {
        Description = "the name servers that the firewall lets the device ask, and whose answers open "
            + "addresses: those that the device is configured to use (auto), these (ADDR,...), or all (any). "
            + "With auto, a resolver program on the device may ask all",
        HelpName = "auto|any|ADDR,ADDR...",
        DefaultValueFactory = _ => [],
        CustomParser = result =>
        {
            List<IPAddress> servers = [];
            string list = result.Tokens[0].Value;
            if (list == "any")
            {
                return [IPAddress.Any];
            }
            foreach (string word in list == "auto" ? [] : list.Split(','))
            {
                if (!LiteralAddress.TryParse(word, out IPAddress server))
                {
                    result.AddError($"--dns-servers: not an IP address: {ForeignText.Quote(word)}");
                    return null;
                }
                servers.Add(server);
            }
            return [.. servers];
        },
    };

    private static readonly Option<string> ResolvConf = new("--resolv-conf")
    {
        Description = "after each switch, make the device ask the name servers of the link in use: auto "
            + "finds out how this system does that; FILE is written, as a resolv.conf or, if its name ends "
            + "in .servers, for dnsmasq",
        HelpName = "off|auto|FILE",
        DefaultValueFactory = _ => "off",
    };

    private static readonly Option<string> DnsOption = OneOf(
        "--dns",
        "whether a DNS reply waits until its addresses are open (hold), or a copy of it is read (sniff); "
        + "auto is hold where kernel and rules allow it", "auto", "hold", "sniff", "auto");

    private static readonly Option<int> QueueNumber = Number(
        "--queue-num", "N", "the NFQUEUE of --dns hold", 5353, 0, 65535);

    private static readonly Option<int> MarkBit = Number(
        "--mark-bit", "N", "the bit of the firewall mark that connmgr's own packets have",
        LinkSocket.StandardMarkBit, 0, 30);

    private static readonly Option<bool> AllowPrivateAnswers = new("--allow-private-answers")
    {
        Description = "accept whitelisted names that resolve to private addresses",
    };

    private static readonly Option<IdleLimits> Idle = new("--idle")
    {
        Description = "silence on a link before it is probed, perhaps per kind (ethernet, wifi, wan), e.g. "
            + "ethernet=16,wan=300 [default: 16]",
        HelpName = "SECONDS|KIND=SECONDS,...",
        CustomParser = result =>
        {
            IdleLimits? limits = IdleLimits.Parse(result.Tokens[0].Value);
            Require(
                result, limits is not null,
                "--idle: 2 to 3600, or KIND=SECONDS,... of the kinds ethernet, wifi and wan");
            return limits;
        },
    };

    private static readonly Option<string> WanProbeOption = OneOf(
        "--wan-probe",
        "when to probe a metered link: never, while it is in use and seems dead (suspect), or like other "
            + "links (always)",
        "suspect", "never", "suspect", "always");

    private static readonly Option<string> OverBudget = OneOf(
        "--over-budget",
        "how to use a metered link that has used up its budget of the month (netif_names): only if no other "
            + "link works (last), or not at all (never)",
        "last", "last", "never");

    private static readonly Option<string> SwitchOption = OneOf(
        "--switch",
        "who moves the default routes: the daemon (netlink), switch_route.sh (script), or that script only "
            + "if you have replaced connmgr's own (auto)",
        "auto", "auto", "netlink", "script");

    private static readonly Option<bool> KeepLinkdownRoutes = new("--keep-linkdown-routes")
    {
        Description = "do not make the kernel skip the routes of links without carrier "
            + "(ignore_routes_with_linkdown)",
    };

    private static readonly Option<bool> KeepFlows = new("--keep-flows")
    {
        Description = "leave flows over the old link alone after a switch",
    };

    private static readonly Option<string> LogOption = OneOf(
        "--log",
        "where to log; auto is stderr if that is a terminal or /dev/log is missing, else syslog", "auto",
        "auto", "stderr", "syslog");

    private static readonly Option<bool> Verbose = new("--verbose", "-v") { Description = "log more" };

    private static readonly Option<string?> ControlGroup = new("--control-group")
    {
        Description = "the members of this group, too, may use status, events and metrics "
            + "[default: only root and the user of the daemon]",
        HelpName = "GROUP",
    };

    private static readonly Option<string> AttrdSocket = new("--attrd-socket")
    {
        Description = "the attribute daemon",
        HelpName = "PATH",
        DefaultValueFactory = _ => "/var/run/IPC.ATTRD",
    };

    private static readonly Option<bool> NoAttrd = new("--no-attrd")
    {
        Description = "run without the attribute daemon"
    };

    private static readonly Option<bool> Json = new("--json") { Description = "as JSON" };

    private static readonly Option<bool> OpenMetrics = new("--openmetrics")
    {
        Description = "as OpenMetrics 1.0, with its names of counters and its end; without it, in the text "
            + "format of Prometheus, which node_exporter reads",
    };

    private static readonly Option<bool> Watch = new("--watch")
    {
        Description = "repeat every second, until interrupted"
    };

    private static readonly Option<bool> Follow = new("--follow", "-f")
    {
        Description = "then print each new event, until interrupted"
    };

    private static readonly Option<int> LastEvents = new("--last", "-n")
    {
        Description = "only the newest N",
        HelpName = "N",
        CustomParser = result => CountIn(result, result.Tokens[0].Value, 1, 500),
    };

    private static readonly Option<int> Since = Time(
        "--since", "only events of this last period: 90s, 10m, 2h, 1d");

    private static readonly Option<int> For = Time(
        "--for", "how long: 90s, 10m, 2h, 1d [default: without end]");

    private static readonly Option<int> Timeout = Time(
        "--timeout", "end with 1 after this time: 90s, 10m [default: 60s]");

    private static readonly Argument<string?> StatusLink = new("LINK")
    {
        Description = "only this link",
        Arity = ArgumentArity.ZeroOrOne,
    };

    private static readonly Argument<string> UseLink = new("LINK")
    {
        Description = "the link, or auto to end the preference",
    };

    private static readonly Argument<string> RouteTo = new("IFNAME")
    {
        Description = "a link of netif_names",
    };
}
