using ConnMgr.Config;
using ConnMgr.EventLoop;
using ConnMgr.Logging;
using ConnMgr.Native;
using ConnMgr.Net;
using ConnMgr.Netlink;
using ConnMgr.Routing;
using ConnMgr.Scripts;

namespace ConnMgr.Links;

/// <summary>
/// Moves the default routes to a link: by a <see cref="RoutePlan"/> over rtnetlink, or by `switch_route.sh`
/// if the implementer configured that.
/// </summary>
internal sealed class SwitchRunner : IDisposable
{
    /// <summary>The line that identifies connmgr's own switch_route.sh.</summary>
    private const string OwnScript = "\n# This is connmgr's own switch_route.sh.\n";

    private const int ScriptLimit = 65536; // bytes

    private static readonly TimeSpan AdvertisedRereading = TimeSpan.FromSeconds(16);

    private readonly Loop _loop;
    private readonly Log _log;
    private readonly Options _options;
    private readonly KernelState _state;
    private readonly RouteMonitor _routes;
    private readonly Action<Link, string?> _ended;
    private readonly ScriptLane _lane;
    private readonly RouteWriteRunner _writer;
    private readonly CachedFile _script;
    private Begun _begun = new(IsNewScript: false, null);
    private bool _isByScript;
    private TimeSpan _readAt;
    private uint _seenDump;

    /// <param name="loop">Reports the script's end.</param>
    /// <param name="log">Receives the steps, and the output of the script.</param>
    /// <param name="options">How to switch, and the script's path.</param>
    /// <param name="environment">The script's environment variables.</param>
    /// <param name="state">The kernel's state; receives the address of the netlink socket that changes
    /// routes.</param>
    /// <param name="routes">Rereads advertised routes now and then.</param>
    /// <param name="ended">Receives the link, and what went wrong as a phrase; null on success.</param>
    public SwitchRunner(
        Loop loop, Log log, Options options, IReadOnlyList<string> environment, KernelState state,
        RouteMonitor routes,
        Action<Link, string?> ended)
    {
        _loop = loop;
        _log = log;
        _options = options;
        _state = state;
        _routes = routes;
        _ended = ended;
        _lane = new ScriptLane(loop, environment);
        _writer = new RouteWriteRunner(options.RunDirectory);
        _script = new CachedFile(ScriptPath, ScriptLimit);
        state.OwnPort = _writer.PortId;
        _isByScript = options.Switch == SwitchMode.Script;
    }

    /// <summary>What <see cref="Begin"/> has done.</summary>
    /// <param name="IsNewScript">A script moves the routes from now on.</param>
    /// <param name="Outcome">That of the plan; null if the script switches.</param>
    private sealed record Begun(bool IsNewScript, Outcome? Outcome);

    /// <summary>The result of carrying out a plan.</summary>
    /// <param name="Done">The steps that the kernel has carried out.</param>
    /// <param name="Failure">The first step that failed, and why; empty if none did.</param>
    private sealed record Outcome(List<RouteStep> Done, string Failure);

    private string ScriptPath => Path.Combine(_options.ScriptDirectory, "switch_route.sh");

    /// <summary>True while a script runs.</summary>
    public bool IsBusy => _lane.IsBusy;

    /// <summary>
    /// The links' own metrics that earlier plans recorded; null while a script moves the routes.
    /// </summary>
    public IReadOnlyDictionary<(bool IsIpv6, string Link), OwnMetric>? OwnMetrics =>
        _isByScript ? null : _writer.OwnMetrics;

    /// <inheritdoc cref="RouteTableSocket.DeviceTo"/>
    public int DeviceTo(IpNumber peer) => _writer.DeviceTo(peer);

    /// <summary>Loads what is recorded about these links, unless that has been done.</summary>
    public void Know(IEnumerable<string> links) => _writer.Know(links);

    /// <summary>
    /// Carries out the plan of a switch. It logs and reports nothing, because the device has no way out until
    /// the routes are right: <see cref="Finish"/> does that.
    /// </summary>
    /// <param name="plan">The changes to make over rtnetlink; null if the script switches.</param>
    public void Begin(RoutePlan? plan)
    {
        bool wasByScript = _isByScript;
        _isByScript = CheckScript();
        _begun = new Begun(
            _isByScript && !wasByScript, plan is null || _isByScript ? null : Run(plan));
    }

    /// <summary>
    /// Logs and reports the plan that has been carried out, or starts the script. A script is killed after 10
    /// s.
    /// </summary>
    /// <param name="link">The link to switch to.</param>
    public void Finish(Link link)
    {
        if (_begun.IsNewScript)
        {
            _log.Event(EventKind.Switch, $"routes are moved by {ScriptPath}, which is not connmgr's own");
        }
        if (_begun.Outcome is not { } outcome)
        {
            _lane.Run([ScriptPath, link.Name], exit => OnScriptEnded(link, exit));
            return;
        }
        LogSteps(outcome);
        _ended(link, outcome.Failure.Length > 0 ? outcome.Failure : null);
    }

    /// <summary>Restores and sorts the default routes of the links that are not in use.</summary>
    public void Tidy(RoutePlan plan)
    {
        Outcome outcome = Run(plan);
        foreach (RouteStep step in outcome.Done.Where(step => step.IsRestoring))
        {
            _log.Event(
                EventKind.Route,
                $"IPv{(step.IsIpv6 ? 6 : 4)}: {step.Words}: another program had replaced it");
        }
        LogSteps(outcome);
        if (outcome.Failure.Length > 0)
        {
            _log.Debug(outcome.Failure);
        }
    }

    /// <summary>
    /// Rereads the routes where the kernel reports no change: when the lifetime of an advertised route has
    /// run out, and now and then, because a router may have changed its preference.
    /// </summary>
    public void Tick()
    {
        TimeSpan now = _loop.Now;
        if (_routes.LastDump != _seenDump)
        {
            _seenDump = _routes.LastDump;
            _readAt = now;
        }
        else if (_state.Defaults.Exists(route => route.IsAdvertised && now - _readAt >= Lifetime(route)))
        {
            _routes.ResyncRoutes();
        }
    }

    private static TimeSpan Lifetime(KernelRoute route)
    {
        TimeSpan left = TimeSpan.FromSeconds(route.Expires ?? 0);
        return left < AdvertisedRereading ? left : AdvertisedRereading;
    }

    /// <summary>Carries out a plan.</summary>
    private Outcome Run(RoutePlan plan)
    {
        List<RouteStep> done = new(plan.Steps.Count);
        string failure = "";
        _writer.Run(
            plan.Steps,
            done.Add,
            (step, reason) => failure = failure.Length > 0 ? failure
                : $"IPv{(step.IsIpv6 ? 6 : 4)}: {step.Words}: {reason}");
        return new Outcome(done, failure);
    }

    private void LogSteps(Outcome outcome)
    {
        for (int i = 0; _log.IsDebug && i < outcome.Done.Count; i++)
        {
            _log.Debug($"IPv{(outcome.Done[i].IsIpv6 ? 6 : 4)}: {outcome.Done[i].Words}");
        }
    }

    /// <summary>
    /// True if an implementer's own script moves the routes: with `auto`, a script without the identifying
    /// line. Read it before each switch, since it may be replaced while the daemon runs.
    /// </summary>
    private bool CheckScript()
    {
        if (_options.Switch != SwitchMode.Auto)
        {
            return _options.Switch == SwitchMode.Script;
        }
        string text = _script.Text;
        return text.Length > 0 && !text.Contains(OwnScript, StringComparison.Ordinal);
    }

    private void OnScriptEnded(Link link, in ChildExit exit)
    {
        if (exit.Output.Length > 0 && (_log.IsDebug || exit.Failure is not null))
        {
            _log.Debug($"switch_route.sh: {ForeignText.Quote(exit.Output.TrimEnd())}");
        }
        string lastLine = exit.Output.TrimEnd().Split('\n')[^1];
        string said = lastLine.Length > 0 ? $", saying {ForeignText.Quote(lastLine)}" : "";
        _ended(link, exit.Failure is null ? null : $"switch_route.sh: {exit.Failure}{said}");
    }

    public void Dispose()
    {
        _lane.Dispose();
        _writer.Dispose();
    }
}
