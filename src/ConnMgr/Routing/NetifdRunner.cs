using ConnMgr.EventLoop;
using ConnMgr.Logging;
using ConnMgr.Native;
using ConnMgr.Net;
using ConnMgr.Scripts;

namespace ConnMgr.Routing;

/// <summary>
/// Asks OpenWrt's netifd which networks are up, by `ubus call network.interface dump`, because only netifd
/// knows the device and the name servers of a network. Without ubus it does nothing. It never blocks, and
/// asks at most once a second.
/// </summary>
internal sealed class NetifdRunner : IDisposable
{
    private const string Unreadable = "netifd is unreadable";

    private static readonly TimeSpan Gap = TimeSpan.FromSeconds(1);

    private readonly Loop _loop;
    private readonly Log _log;
    private readonly ScriptLane _lane;
    private readonly string? _program;
    private readonly Action<List<NetifdNetwork>> _changed;
    private readonly Deadline _due;
    private TimeSpan _askedAt = TimeSpan.MinValue;
    private List<NetifdNetwork> _networks = [];

    /// <param name="loop">Where answers arrive.</param>
    /// <param name="log">Receives the changes.</param>
    /// <param name="environment">The program's environment; the program is searched in its PATH.</param>
    /// <param name="changed">Receives the networks that are up, whenever they have changed.</param>
    public NetifdRunner(Loop loop, Log log, IReadOnlyList<string> environment,
        Action<List<NetifdNetwork>> changed)
    {
        _loop = loop;
        _log = log;
        _lane = new ScriptLane(loop, environment);
        _changed = changed;
        _program = Find(environment);
        _due = loop.AddTimer(Run);
    }

    /// <summary>Schedules a question, because something has changed.</summary>
    public void Ask()
    {
        if (_program is not null && !_due.IsSet)
        {
            TimeSpan now = _loop.Now;
            _due.Set(_askedAt == TimeSpan.MinValue || now - _askedAt >= Gap ? now : _askedAt + Gap);
        }
    }

    private static string? Find(IReadOnlyList<string> environment)
    {
        const string Variable = "PATH=";
        string path = environment.FirstOrDefault(each => each.StartsWith(Variable, StringComparison.Ordinal))
            ?? Variable;
        foreach (string directory in path[Variable.Length..].Split(':'))
        {
            string program = Path.Combine(directory, "ubus");
            if (directory.StartsWith('/') && FileKind.Of(program) is { IsRegular: true, IsExecutable: true })
            {
                return program;
            }
        }
        return null;
    }

    private void Run()
    {
        _askedAt = _loop.Now;
        NetifdNetworks answer = new();
        _lane.Run(
            [_program!, "call", "network.interface", "dump"], exit => OnUbusEnded(answer, exit), answer.Take);
    }

    private void OnUbusEnded(NetifdNetworks answer, in ChildExit exit)
    {
        if (exit.Failure is { } failure)
        {
            // At boot netifd may not run yet. When it starts, it sets addresses, which triggers another
            // question.
            _log.Debug($"netifd: {failure}, saying {ForeignText.Quote(exit.Output.TrimEnd())}");
            return;
        }
        if (answer.Finish() is not { } networks)
        {
            _log.Once(Unreadable, EventKind.Link, "netifd: its answer is not a list of networks, ignoring");
            return;
        }
        _ = _log.Over(Unreadable);
        if (IsSame(networks, _networks))
        {
            return;
        }
        _networks = networks;
        _log.Event(EventKind.Link, $"netifd: {Describe(networks)}", LogLevel.Debug);
        _changed(networks);
    }

    private static bool IsSame(List<NetifdNetwork> some, List<NetifdNetwork> others)
    {
        for (int i = 0; i < some.Count && i < others.Count; i++)
        {
            if (!some[i].IsSameAs(others[i]))
            {
                return false;
            }
        }
        return some.Count == others.Count;
    }

    private static string Describe(List<NetifdNetwork> networks) => networks.Count == 0
        ? "no network is up"
        : string.Join("; ", networks.Select(network =>
            $"{ForeignText.Quote(network.Name)} is {network.Device}, "
            + $"name servers {string.Join(' ', network.NameServers)}"));

    public void Dispose()
    {
        _due.Dispose();
        _lane.Dispose();
    }
}
