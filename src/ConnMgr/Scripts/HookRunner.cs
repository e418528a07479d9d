using ConnMgr.EventLoop;
using ConnMgr.Logging;
using ConnMgr.Native;

namespace ConnMgr.Scripts;

/// <summary>
/// Runs the programs of the hook directory after a switch, one after the other, each for at most 10 s. Nothing waits for
/// them; a newer switch takes the place of what has not begun yet.
/// </summary>
internal sealed class HookRunner(Loop loop, Log log, string directory) : IDisposable
{
    private const int MaxHooks = 64;

    private static readonly TimeSpan Limit = TimeSpan.FromSeconds(10);

    private readonly Queue<string> _left = [];
    private Dictionary<string, string> _told = []; // by hook: the link that it knows to be in use
    private (string Ifname, string Old, string Reason) _switch;
    private bool _isNew;
    private Child? _running;

    /// <summary>Runs all of them for a switch, now or after the one that is running.</summary>
    /// <param name="ifname">The link that is in use now.</param>
    /// <param name="old">The one before; empty if there was none.</param>
    /// <param name="reason">Why, in words.</param>
    public void Run(string ifname, string old, string reason)
    {
        _switch = (ifname, old, reason);
        _isNew = true;
        _left.Clear();
        RunNext();
    }

    /// <summary>
    /// As run-parts (Debian's and BusyBox's) has it: letters, digits, `_` and `-`, so that what editors and packages leave behind
    /// (`x~`, `.x.swp`, `x.opkg-new`) is not run. `.sh` may follow, as none of those ends so.
    /// </summary>
    public static bool IsHookName(string name)
    {
        ReadOnlySpan<char> stem = name.EndsWith(".sh", StringComparison.Ordinal) ? name.AsSpan(0, name.Length - 3) : name;
        foreach (char c in stem)
        {
            if (!char.IsAsciiLetterOrDigit(c) && c is not ('_' or '-'))
            {
                return false;
            }
        }
        return stem.Length > 0;
    }

    private void RunNext()
    {
        if (_running is null && _isNew)
        {
            _isNew = false;
            Begin();
        }
        while (_running is null && _left.TryDequeue(out string? name))
        {
            Start(name);
        }
    }

    private void Begin()
    {
        if (DirectoryNames.Read(directory, MaxHooks, IsHookName, out int more, out int errno) is not { } names)
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
        if (more > 0)
        {
            log.Event(
                EventKind.Hook, $"{directory}: more than {MaxHooks} hooks, ignoring the last {more}", LogLevel.Warn);
        }
        Dictionary<string, string> told = [];
        foreach (string name in names)
        {
            if (_told.TryGetValue(name, out string? known))
            {
                told[name] = known;
            }
            if (known != _switch.Ifname)
            {
                _left.Enqueue(name);
            }
        }
        _told = told;
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
        string old = _told.GetValueOrDefault(name, _switch.Old);
        _told[name] = _switch.Ifname;
        _running = Child.Start(
            loop, Limit, [path],
            [.. ScriptEnvironment.Base, $"IFNAME={_switch.Ifname}", $"OLD={old}", $"REASON={_switch.Reason}"],
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
        if (exit.Failure is null)
        {
            log.Debug($"hook {Log.Quote(name)}: done{said}");
        }
        else
        {
            log.Event(EventKind.Hook, $"hook {Log.Quote(name)}: {exit.Failure}{said}", LogLevel.Warn);
        }
    }

    /// <summary>One that runs is not killed; its deadline ends with us.</summary>
    public void Dispose() => _running?.Dispose();
}
