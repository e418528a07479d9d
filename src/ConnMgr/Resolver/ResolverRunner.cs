using System.Net;
using ConnMgr.Config;
using ConnMgr.EventLoop;
using ConnMgr.Links;
using ConnMgr.Logging;
using ConnMgr.Netlink;
using ConnMgr.Probe;
using ConnMgr.Scripts;

namespace ConnMgr.Resolver;

/// <summary>
/// Runs `resolv_conf.sh`, which makes the device's resolver ask the name servers of the link in use: at once
/// when another link is in use, and at the next tick when name servers or addresses have changed. After its
/// own writing it runs once more: another program may have written meanwhile, and a run that finds what it
/// would write changes nothing. It never blocks.
/// </summary>
/// <param name="loop">Reports the script's end.</param>
/// <param name="log">Receives what the script has done, and its failures.</param>
/// <param name="options">The target, and the script's path.</param>
/// <param name="environment">The script's environment variables.</param>
/// <param name="state">The kernel's state.</param>
/// <param name="servers">Receives the name servers of each link.</param>
internal sealed class ResolverRunner(
    Loop loop, Log log, Options options, IReadOnlyList<string> environment, KernelState state,
    NameServers servers) : IDisposable
{
    private const string Failed = "resolv_conf.sh fails";

    // On a busy device openresolv takes long.
    private readonly ScriptLane _lane = new(loop, environment, TimeSpan.FromSeconds(30));
    private readonly string _script = Path.Combine(options.ScriptDirectory, "resolv_conf.sh");
    private string? _inUse; // the link of the last run
    private int _seenState = -1;
    private int _seenServers = -1;
    private int _failures; // in a row
    private int _wait; // ticks until a failed run is repeated; 0 for none
    private bool _isStopping;

    /// <summary>True while the script runs.</summary>
    public bool IsBusy => _lane.IsBusy;

    /// <summary>What the last run has done, or why it failed, as a phrase; empty before its end.</summary>
    public string Words { get; private set; } = "";

    /// <summary>Follows the link in use. Call it after each decision.</summary>
    public void Settle(ConnectionView view)
    {
        if (view.InUse is { } link && link.Name != _inUse && !_isStopping)
        {
            Run(view, link.Name);
        }
    }

    /// <summary>
    /// Follows changes of name servers and addresses, and repeats a failed run: after a tick, then after
    /// longer and longer, up to two minutes. Call it every tick.
    /// </summary>
    public void Tick(ConnectionView view)
    {
        bool isRepeated = _wait > 0 && --_wait == 0;
        if (view.InUse is { } link && !_isStopping && !IsBusy
            && (isRepeated || state.Version != _seenState || servers.Version != _seenServers))
        {
            Run(view, link.Name);
        }
    }

    /// <summary>Gives the resolver back to the platform.</summary>
    public void Stop()
    {
        // An earlier daemon that was killed has not restored it.
        bool hasWritten = _inUse is not null
            || File.Exists(Path.Combine(options.RunDirectory, "resolv.conf.written"))
            || File.Exists(Path.Combine(options.RunDirectory, "resolv.conf.flags"));
        if (!_isStopping && hasWritten)
        {
            _lane.Run([_script, "restore", options.ResolvConf!], End);
        }
        _isStopping = true;
    }

    private void Run(ConnectionView view, string name)
    {
        _inUse = name;
        (_seenState, _seenServers) = (state.Version, servers.Version);
        List<string> words = [_script, "use", options.ResolvConf!, name];
        foreach (LinkView link in view.Links)
        {
            ServerLink about = KernelFacts.ServersOf(state, link.Kind, link.Name, link.Facts, link.Index);
            foreach (IPAddress server in servers.OfNetifd(about))
            {
                words.Add($"{link.Name}={server}");
            }
        }
        _lane.Run([.. words], End);
    }

    private void End(ChildExit exit)
    {
        ResolverReport report = ResolverReport.Read(exit.Output);
        if (exit.Failure is { } failure)
        {
            string last = exit.Output.TrimEnd().Split('\n')[^1];
            Words = $"resolv_conf.sh: {failure}"
                + (last.Length > 0 ? $", saying {ForeignText.Quote(last)}" : "");
            log.Once(Failed, EventKind.Route, Words);
            _wait = 1 << Math.Min(_failures++, 6);
        }
        else
        {
            _failures = _wait = 0;
            string did = report.Did.Length > 0 ? ForeignText.Quote(report.Did) : "nothing";
            LogLevel level = log.Over(Failed) || did != Words ? LogLevel.Info : LogLevel.Debug;
            Words = did;
            log.Event(EventKind.Route, $"resolv_conf.sh: {did}", level);
        }
        if (!_isStopping && exit.Failure is null)
        {
            servers.Learn(report.Links, report.Asked);
        }
    }

    /// <summary>Releases a running script. It is not killed.</summary>
    public void Dispose() => _lane.Dispose();
}
