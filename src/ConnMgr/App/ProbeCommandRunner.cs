using System.Net;
using ConnMgr.Cli;
using ConnMgr.Config;
using ConnMgr.EventLoop;
using ConnMgr.Links;
using ConnMgr.Logging;
using ConnMgr.Native;
using ConnMgr.Net;
using ConnMgr.Netlink;
using ConnMgr.Probe;
using ConnMgr.Routing;

namespace ConnMgr.App;

/// <summary>
/// `connmgr probe [IFNAME]`: runs one probe like the daemon, with or without a daemon running, and prints
/// each step with its time. Changes nothing in the system.
/// </summary>
internal sealed class ProbeCommandRunner : IDisposable
{
    private const int FileLimit = 65536;

    private readonly Options _options;
    private readonly Loop _loop;
    private readonly KernelState _table;
    private ProbeRunner? _prober;
    private TimeSpan _startedAt;
    private ExitCode _exitCode = ExitCode.Failed;

    private ProbeCommandRunner(Options options, Loop loop, KernelState table)
    {
        _options = options;
        _loop = loop;
        _table = table;
    }

    /// <returns>0 if the link is confirmed, 1 if not, 64 if there is no such interface, 77 without
    /// permission.</returns>
    public static ExitCode Run(Options options)
    {
        if (Capabilities.Missing() is { } missing)
        {
            StandardOutput.Complain(
                $"connmgr: not permitted: {missing} is missing (run as root, or give the capability)");
            return ExitCode.NoPermission;
        }
        using Loop loop = new();
        KernelState table = new();
        using RouteMonitor routes = new(loop, table);
        using ProbeCommandRunner command = new(options, loop, table);
        loop.Run(() => command.Begin(routes));
        return command._exitCode;
    }

    /// <summary>Starts the probe once the kernel's state has been read completely.</summary>
    private void Begin(RouteMonitor routes)
    {
        if (_prober is not null || !routes.IsSettled)
        {
            return;
        }
        if ((_options.ProbeInterface ?? NameInFront()) is not { } name)
        {
            End(ExitCode.Failed, "there is no default route: name an interface");
            return;
        }
        LinkFacts facts = KernelFacts.Of(_table, name);
        if (facts.Ifindex == 0)
        {
            End(ExitCode.Usage, "there is no interface of that name");
            return;
        }
        if (!facts.IsConnected)
        {
            End(
                ExitCode.Failed,
                $"{name} {(facts.Runs ? "has no address or no way out" : "is down, or has no carrier")}");
            return;
        }

        _startedAt = _loop.Now;
        Say($"probe of {name} by {string.Join(", ", _options.Services)}");
        if (ReversePathFilter.IsStrict(
            Read(ReversePathFilter.Path("all")),
            Read(ReversePathFilter.Path(_table.Find(name)?.Name ?? name))))
        {
            Say($"rp_filter of {name} is strict: answers are lost unless the default route leads over it");
        }
        // No service is known to have answered before, so treat all as proven: a wrong answer counts.
        HashSet<string> proven = [.. _options.Services.Select(service => service.ToString())];
        _prober = new ProbeRunner(
            _loop, name, new ProbeSettings(_options.Services, _options.Ping, proven), OnProbeEnded, Say);
        NameServers servers = new(_options.Resolvers);
        servers.Refresh();
        IEnumerable<IPAddress> gateways = KernelFacts.Gateways(_table, facts.Ifindex);
        NamedLink link = LinkOf(name);
        _prober.Start(
            !facts.Ipv4.IsConnected,
            servers.Of(KernelFacts.ServersOf(_table, link.Kind, name, facts, link.Index), gateways),
            isEarly: false, limit: null, _startedAt);
    }

    private void OnProbeEnded(ProbeResult result)
    {
        string verdict = result.Outcome switch
        {
            ProbeOutcome.ServiceAnswered => $"confirmed by {result.Proof}",
            ProbeOutcome.WrongContent => "wrong content",
            ProbeOutcome.PingOnly => "not confirmed",
            _ => "not reachable",
        };
        Say($"{verdict}: {result.Detail}, {_prober!.Bytes} bytes");
        _exitCode = result.Outcome == ProbeOutcome.ServiceAnswered ? ExitCode.Ok : ExitCode.Failed;
        _loop.Stop();
    }

    private void End(ExitCode exitCode, string words)
    {
        StandardOutput.Complain($"connmgr: {words}");
        _exitCode = exitCode;
        _loop.Stop();
    }

    private void Say(string words) =>
        StandardOutput.Line($"{Duration.Milliseconds(_loop.Now - _startedAt),11}  {words}");

    private string? NameInFront()
    {
        DefaultRoute? front = _table.InFront(isIpv6: false) ?? _table.InFront(isIpv6: true);
        return front is null ? null : _table.Find(front.Ifindex)?.Name;
    }

    /// <summary>
    /// The link of netif_names, for the sections of resolv.conf.auto. For any other device, only a section
    /// with its own name counts, as for a second link of a kind.
    /// </summary>
    private NamedLink LinkOf(string name)
    {
        NetifNames? names = ConfigFiles.Read(
            _options.ConfigDirectory, _options.RunDirectory, withWhitelist: false).NetifNames;
        return names?.Links.FirstOrDefault(link => link.Name == name) ?? new NamedLink(LinkKind.Wan, 1, name);
    }

    private static string? Read(string path) => SmallFile.Read(path, FileLimit, out _, out _);

    /// <inheritdoc/>
    public void Dispose() => _prober?.Dispose();
}
