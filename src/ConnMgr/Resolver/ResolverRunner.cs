using System.Net;
using ConnMgr.Config;
using ConnMgr.EventLoop;
using ConnMgr.Links;
using ConnMgr.Logging;
using ConnMgr.Native;
using ConnMgr.Netlink;
using ConnMgr.Probe;
using ConnMgr.Scripts;

namespace ConnMgr.Resolver;

/// <summary>
/// Runs `resolv_conf.sh`, which makes the device's resolver ask the name servers of the link in use: at once
/// when another link comes into use, and at the next tick when name servers, addresses or links have changed.
/// After a run that wrote a file, runs the script once more, because another program may have written to the
/// file meanwhile; a run that finds the wanted content changes nothing. With --resolv-conf off, only restores
/// what an earlier daemon has left. Never blocks.
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
    private const string Script = "resolv_conf.sh";
    private const string Failed = "resolv_conf.sh fails";
    private const string ResolvConf = "/etc/resolv.conf";
    private const int FileLimit = 65536; // bytes

    /// <summary>The first line of every file that the script writes: $BEGIN in the script.</summary>
    internal const string Mark = "# connmgr: the name servers of the link in use\n";

    // openresolv takes long on a busy device.
    private readonly ScriptLane _lane = new(loop, environment) { Limit = TimeSpan.FromSeconds(30) };
    private readonly string _script = Path.Combine(options.ScriptDirectory, Script);
    private readonly ServerFiles _files = new(options.RunDirectory);
    private string? _inUse; // the link of the last run
    private int _seenState = -1;
    private int _seenServers = -1;
    private int _failures; // in a row
    private int _wait; // ticks until a failed run is repeated; 0 for none
    private bool _isStopping;

    /// <summary>
    /// True if an earlier daemon was killed, or lost power, before it restored the resolver. After a power
    /// cut the run directory is empty, but a persistent resolv.conf still has our text.
    /// </summary>
    public static bool HasTraces(string runDirectory) =>
        File.Exists(Path.Combine(runDirectory, "resolv.conf.target"))
        || File.Exists(Path.Combine(runDirectory, "resolv.conf.written"))
        || File.Exists(Path.Combine(runDirectory, "resolv.conf.flags"))
        || (SmallFile.Read(ResolvConf, FileLimit, out _, out _) ?? "").Contains(
            Mark, StringComparison.Ordinal);

    /// <summary>True while the script runs.</summary>
    public bool IsBusy => _lane.IsBusy;

    /// <summary>
    /// What the last run has done, or why it failed, as a phrase; empty before the first run has ended.
    /// </summary>
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
    /// Runs the script if name servers or addresses have changed, and repeats a failed run: after one tick,
    /// then after increasing delays of up to two minutes. Call it every tick.
    /// </summary>
    public void Tick(ConnectionView view)
    {
        if (_files.HaveChanged())
        {
            RunAtNextTick();
        }
        bool isRepeated = _wait > 0 && --_wait == 0;
        if (view.InUse is { } link && !_isStopping && !IsBusy
            && (isRepeated || state.Version != _seenState || servers.Version != _seenServers))
        {
            Run(view, link.Name);
        }
    }

    /// <summary>
    /// Runs the script at the next tick, because the links or their name servers may have changed.
    /// </summary>
    public void RunAtNextTick() => _seenState = -1;

    /// <summary>Runs the script to restore the platform's own resolver configuration.</summary>
    public void Stop()
    {
        if (!_isStopping && (_inUse is not null || HasTraces(options.RunDirectory)))
        {
            _lane.Run([_script, "restore", options.ResolvConf ?? "auto"], OnScriptEnded);
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
            foreach (IPAddress server in servers.OfPlatform(about))
            {
                words.Add($"{link.Name}={server}");
            }
        }
        _lane.Run([.. words], OnScriptEnded);
    }

    private void OnScriptEnded(ChildExit exit)
    {
        ResolverReport report = ResolverReport.Read(exit.Output);
        if (exit.Failure is { } failure)
        {
            string last = exit.Output.TrimEnd().Split('\n')[^1];
            string reason = last.Length > 0 ? $"{failure}, saying {ForeignText.Quote(last)}" : failure;
            EventFacts facts = EventFacts.Failed(EventKind.Route, Script, reason);
            Words = facts.Text;
            log.Once(Failed, facts);
            _wait = 1 << Math.Min(_failures++, 6);
        }
        else
        {
            _failures = _wait = 0;
            string did = report.Did.Length > 0 ? ForeignText.Quote(report.Did) : "nothing";
            LogLevel level = log.Over(Failed) || did != Words ? LogLevel.Info : LogLevel.Debug;
            Words = did;
            log.Event(EventKind.Route, $"{Script}: {did}", level);
        }
        if (!_isStopping && exit.Failure is null)
        {
            servers.Learn(report.Links, report.Asked);
        }
    }

    /// <summary>Releases a running script. It is not killed.</summary>
    public void Dispose() => _lane.Dispose();
}
