using ConnMgr.Cli;
using ConnMgr.Config;
using ConnMgr.Links;
using ConnMgr.Logging;
using ConnMgr.Native;
using ConnMgr.Netlink;
using ConnMgr.Routing;

namespace ConnMgr.App;

/// <summary>`connmgr route IFNAME`: switches the default routes to a link, once, without a daemon.</summary>
internal static class RouteRunner
{
    private const int Rounds = 4;

    /// <summary>
    /// Runs the verb. The exit status is 0, 64 (no link of that name), 78 (bad netif_names) or 1.
    /// </summary>
    public static ExitCode Run(Options options)
    {
        if (ReadNames(options.ConfigDirectory, options.RunDirectory) is not { } names)
        {
            return ExitCode.Config;
        }
        string[] known = [.. names.Links.Select(link => link.Name)];
        string wanted = options.RouteTo ?? "";
        if (!known.Contains(wanted))
        {
            Complain($"{ForeignText.Quote(wanted)} is not a link: the links are {string.Join(", ", known)}");
            return ExitCode.Usage;
        }
        using RouteWriteRunner writer = new(options.RunDirectory);
        writer.Know(known);
        return Switch(writer, names.Links, wanted);
    }

    /// <summary>
    /// Makes a plan and carries it out. Repeats both if the table has changed meanwhile or a step has
    /// failed.
    /// </summary>
    private static ExitCode Switch(RouteWriteRunner writer, IReadOnlyList<NamedLink> links, string wanted)
    {
        List<string> failures = [];
        bool hasSaid = false;
        for (int round = 0; round < Rounds; round++)
        {
            KernelState state = new();
            List<KernelRoute> routes = [];
            List<KernelRoute> subnets = [];
            if (!writer.TryRead(state, routes, subnets))
            {
                failures = ["cannot list the routes"];
                continue;
            }
            RoutePlan plan = RoutePlan.Of(InputOf(state, routes, subnets, writer, links, wanted));
            if (plan.Lacks.Length > 0)
            {
                Complain($"{wanted} has no way out ({plan.Lacks})");
                return ExitCode.Failed;
            }
            if (plan.Steps.Count == 0)
            {
                if (!hasSaid)
                {
                    Say($"{wanted} already has the preferred default routes");
                }
                return ExitCode.Ok;
            }
            failures.Clear();
            writer.Run(
                plan.Steps,
                step => Say($"IPv{(step.IsIpv6 ? 6 : 4)}: {step.Words}"),
                (step, reason) =>
                    failures.Add($"IPv{(step.IsIpv6 ? 6 : 4)}: failed: {step.Words}: {reason}"));
            hasSaid = true;
        }
        foreach (string failure in failures)
        {
            Complain(failure);
        }
        return failures.Count == 0 ? ExitCode.Ok : ExitCode.Failed;
    }

    private static RouteInput InputOf(
        KernelState state, List<KernelRoute> routes, List<KernelRoute> subnets, RouteWriteRunner writer,
        IReadOnlyList<NamedLink> links, string wanted)
    {
        RoutedLink[] routed = [.. links.Select(link =>
        {
            LinkFacts facts = KernelFacts.Of(state, link.Name);
            return new RoutedLink(
                facts.Ifindex, link.Name, RoutePlanner.UsualMetric(link.Kind, link.Index), Rank: null)
            {
                LacksIpv4 = !facts.Ipv4.HasAddress,
                LacksIpv6 = !facts.Ipv6.HasAddress,
            };
        })];
        RoutedLink chosen = routed.FirstOrDefault(link => link.Name == wanted)!;
        return new RouteInput(
            routes, [], [.. routed.Where(link => link.Ifindex != 0)], chosen, writer.OwnMetrics)
        {
            Addresses = state.Addresses,
            Subnets = subnets,
            Routers = state.Routers,
            Rules = state.HasRules ? state.Rules : null,
        };
    }

    /// <summary>Returns the names that the daemon passes to its scripts, or those of the files.</summary>
    private static NetifNames? ReadNames(string directory, string runDirectory)
    {
        if (Environment.GetEnvironmentVariable("CONNMGR_NETIF_NAMES") is { Length: > 0 } said)
        {
            string lines = said;
            if (said.Split(' ') is [string ethernet, string wifi, string wan, _, _])
            {
                // A daemon of an earlier version passes five names without keys. The last two are not
                // links.
                lines = $"ETH_INTERFACE_0='{ethernet}'\nWIFISTA_INTERFACE_0='{wifi}'\n"
                    + $"WAN_INTERFACE_0='{wan}'\nWIFIAP_INTERFACE_0=\nBRIDGE_INTERFACE_0=";
            }
            if (NetifNames.TryParse(lines, out NetifNames names, [], []))
            {
                return names;
            }
            Complain("CONNMGR_NETIF_NAMES: not the names of interfaces");
            return null;
        }
        ConfigFiles files = ConfigFiles.Read(directory, runDirectory, withWhitelist: false);
        foreach ((LogLevel level, string text) in files.Remarks)
        {
            if (level == LogLevel.Error)
            {
                StandardOutput.Complain(text);
            }
        }
        return files.NetifNames;
    }

    private static void Say(string words) => StandardOutput.Line(words);

    private static void Complain(string words) => StandardOutput.Complain($"connmgr route: {words}");
}
