using ConnMgr.Control;
using ConnMgr.EventLoop;
using ConnMgr.Native;
using Timer = ConnMgr.EventLoop.Timer;

namespace ConnMgr;

/// <summary>
/// Runs the programs of the hook directory after a switch, one after the other, each for at most 10 s. Nothing waits for
/// them; what a newer switch makes obsolete before it has begun is not run.
/// </summary>
internal sealed class HookRunner(Loop loop, Timer timer, Func<TimeSpan> clock, Log log, string directory) : IDisposable
{
    private const int MaxHooks = 64;

    private static readonly TimeSpan Limit = TimeSpan.FromSeconds(10);

    private readonly Queue<string> _left = [];
    private string[] _environment = [];
    private Child? _running;
    private (string Ifname, string Old, string Reason)? _waiting;

    /// <summary>Runs all of them for a switch, now or after those that are running.</summary>
    /// <param name="ifname">The link that is in use now.</param>
    /// <param name="old">The one before; empty if there was none.</param>
    /// <param name="reason">Why, in words.</param>
    public void Run(string ifname, string old, string reason)
    {
        if (_running is not null)
        {
            // What they have not been told of is left out; all of it, if the link is again the one that they know.
            string known = _waiting?.Old ?? old;
            _waiting = ifname == known ? null : (ifname, known, reason);
            return;
        }
        if (DirectoryNames.Read(directory, MaxHooks, out int errno) is not { } names)
        {
            if (errno != Errno.ENOENT)
            {
                log.Event(EventKind.Hook, $"{directory}: {Errno.Text(errno)}", LogLevel.Warn);
            }
            return;
        }
        if (names.Count > 0 && FileKind.Of(directory) is not { IsTrusted: true, IsDirectory: true })
        {
            log.Event(
                EventKind.Hook, $"{directory}: not root's, or others can write to it: no hook is run", LogLevel.Warn);
            return;
        }
        _environment = [.. ScriptEnvironment.Base, $"IFNAME={ifname}", $"OLD={old}", $"REASON={reason}"];
        foreach (string name in names)
        {
            _left.Enqueue(name);
        }
        RunNext();
    }

    private void RunNext()
    {
        while (_running is null && _left.TryDequeue(out string? name))
        {
            Start(name);
        }
        if (_running is null && _waiting is var (ifname, old, reason))
        {
            _waiting = null;
            Run(ifname, old, reason);
        }
    }

    private void Start(string name)
    {
        string path = Path.Combine(directory, name);
        FileKind? kind = FileKind.Of(path);
        if (kind is not { IsRegular: true, IsExecutable: true })
        {
            log.Debug($"hook {Log.Quote(name)}: no executable regular file, ignoring");
            return;
        }
        if (kind is not { IsTrusted: true })
        {
            log.Event(
                EventKind.Hook, $"hook {Log.Quote(name)}: not root's, or others can write to it, ignoring", LogLevel.Warn);
            return;
        }
        _running = Child.Start(
            loop, timer, clock(), Limit, [path], _environment,
            exit =>
            {
                _running = null;
                End(name, exit);
                RunNext();
            },
            out string? failure);
        if (failure is not null)
        {
            log.Event(EventKind.Hook, $"hook {Log.Quote(name)}: {failure}", LogLevel.Warn);
        }
    }

    private void End(string name, ChildExit exit)
    {
        string said = exit.Output.Length > 0 ? $", saying {Log.Quote(exit.Output.TrimEnd())}" : "";
        log.Event(
            EventKind.Hook, $"hook {Log.Quote(name)}: {exit.Failure ?? "done"}{said}",
            exit.Failure is null ? LogLevel.Debug : LogLevel.Warn);
    }

    /// <summary>One that runs is not killed; its deadline ends with us.</summary>
    public void Dispose() => _running?.Dispose();
}
