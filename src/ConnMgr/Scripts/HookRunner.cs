using ConnMgr.EventLoop;
using ConnMgr.Logging;
using ConnMgr.Native;

namespace ConnMgr.Scripts;

/// <summary>
/// Runs the programs of the hook directory after each switch, one at a time, each for at most 10 s. The
/// daemon does not wait for them; a newer switch replaces hooks that have not started.
/// </summary>
internal sealed class HookRunner(Loop loop, Log log, string directory) : IDisposable
{
    private const int MaxHooks = 64;

    private static readonly TimeSpan Limit = TimeSpan.FromSeconds(10);

    private readonly Queue<string> _left = [];
    private Dictionary<string, string> _told = []; // by hook: the link in use that it was last told
    private (string Ifname, string Old, string Reason) _switch;
    private bool _isNew;
    private Child? _running;

    /// <summary>Runs all hooks for a switch, now or after the running one.</summary>
    /// <param name="ifname">The link in use now.</param>
    /// <param name="old">The link before; empty if there was none.</param>
    /// <param name="reason">The reason as a phrase.</param>
    public void Run(string ifname, string old, string reason)
    {
        _switch = (ifname, old, reason);
        _isNew = true;
        _left.Clear();
        RunNext();
    }

    /// <summary>
    /// True for the names that run-parts of Debian and BusyBox accepts: letters, digits, `_` and `-`. This
    /// skips the files that editors and packages leave behind (`x~`, `.x.swp`, `x.opkg-new`). A suffix
    /// `.sh` is accepted too, since none of these files has it.
    /// </summary>
    public static bool IsHookName(string name)
    {
        ReadOnlySpan<char> stem = name.EndsWith(".sh", StringComparison.Ordinal) ? name.AsSpan()[..^3] : name;
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
        List<string>? names =
            DirectoryNames.Read(directory, MaxHooks, IsHookName, out int more, out int errno);
        if (names is null)
        {
            if (errno != Errno.ENOENT)
            {
                Fail(directory, Errno.Text(errno));
            }
            return;
        }
        if (names.Count > 0 && FileKind.Of(directory) is not { IsTrusted: true, IsDirectory: true })
        {
            Fail(directory, "not owned by root, or writable by others: running no hooks");
            return;
        }
        if (more > 0)
        {
            Fail(directory, $"more than {MaxHooks} hooks, ignoring the last {more}");
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
            log.Debug($"hook {ForeignText.Quote(name)}: not an executable regular file, ignoring");
            return;
        }
        if (kind is not { IsTrusted: true })
        {
            Fail($"hook {ForeignText.Quote(name)}", "not owned by root, or writable by others, ignoring");
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
                OnEnded(name, exit);
                RunNext();
            },
            out string? failure);
        if (failure is not null)
        {
            Fail($"hook {ForeignText.Quote(name)}", failure);
        }
    }

    private void OnEnded(string name, ChildExit exit)
    {
        string output = exit.Output.Length > 0 ? $", output {ForeignText.Quote(exit.Output.TrimEnd())}" : "";
        if (exit.Failure is null)
        {
            log.Debug($"hook {ForeignText.Quote(name)}: done{output}");
        }
        else
        {
            Fail($"hook {ForeignText.Quote(name)}", $"{exit.Failure}{output}");
        }
    }

    private void Fail(string what, string reason) =>
        log.Event(EventFacts.Failed(EventKind.Hook, what, reason), LogLevel.Warn);

    /// <summary>Releases a running hook. It is not killed, and its deadline ends.</summary>
    public void Dispose() => _running?.Dispose();
}
