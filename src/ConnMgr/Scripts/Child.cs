using System.Text;
using ConnMgr.EventLoop;
using ConnMgr.Native;
using Tmds.Linux;

namespace ConnMgr.Scripts;

/// <summary>The result of a child process.</summary>
/// <param name="Code">The exit status, 0 to 255, or -1 if the process did not exit by itself.</param>
/// <param name="Failure">The failure as a phrase; null for exit status 0.</param>
/// <param name="Output">The start of its output, stdout and stderr together.</param>
internal readonly record struct ChildExit(int Code, string? Failure, string Output);

/// <summary>Handles the next part of the output of a child process.</summary>
internal delegate void ChildOutput(ReadOnlySpan<byte> bytes);

/// <summary>
/// A process that runs a script. The loop starts it without a shell, reads its output, enforces its deadline
/// and reaps it.
/// </summary>
internal sealed class Child : IDisposable
{
    private const int PidfdOpen = 434; // __NR_pidfd_open, the same on every architecture
    private const int KeptOutput = 4096;
    private const int ReadSize = 65536; // a pipe's capacity, so that one wake-up empties it
    private static readonly byte[] ReadBuffer = GC.AllocateUninitializedArray<byte>(ReadSize, pinned: true);

    private readonly Loop _loop;
    private readonly Action<ChildExit> _exited;
    private readonly ChildOutput? _listener;
    private readonly Deadline _deadline;
    private TimeSpan _limit;
    private readonly int _pid;
    private readonly int _pidfd;
    private readonly ulong _pidfdToken;
    private readonly StringBuilder _output = new();
    private int _pipe;
    private ulong _pipeToken;
    private bool _timedOut;
    private bool _disposed;

    private Child(Loop loop, TimeSpan limit, int pid, int pidfd, int pipe,
        Action<ChildExit> exited, ChildOutput? listener)
    {
        _loop = loop;
        _exited = exited;
        _listener = listener;
        _limit = limit;
        _pid = pid;
        _pipe = pipe;
        _pipeToken = loop.Add(pipe, ReadOutput);
        _pidfd = pidfd;
        _pidfdToken = loop.Add(_pidfd, Reap);
        _deadline = loop.AddTimer(Kill);
        _deadline.Set(loop.Now + limit);
    }

    /// <summary>
    /// Starts <paramref name="argv"/>, whose first word is a path, with exactly <paramref
    /// name="environment"/> and in its own process group. Kills the whole group after <paramref
    /// name="limit"/>. Calls <paramref name="exited"/> once, from the loop. If the start fails, returns null
    /// and sets <paramref name="failure"/>. <paramref name="listener"/>, if not null, receives all of the
    /// output. <paramref name="input"/> becomes its standard input; -1 for /dev/null.
    /// </summary>
    public static unsafe Child? Start(
        Loop loop, TimeSpan limit, string[] argv, IReadOnlyList<string> environment,
        Action<ChildExit> exited, out string? failure, ChildOutput? listener = null, int input = -1)
    {
        Child? child = StartOnce(
            loop, limit, argv, environment, exited, out failure, out int errno, listener, input);
        if (errno != Errno.EMFILE || !loop.ReleaseSpares())
        {
            return child;
        }
        child = StartOnce(loop, limit, argv, environment, exited, out failure, out _, listener, input);
        if (child is null)
        {
            loop.HoldSpares(); // otherwise the end of the process does
        }
        return child;
    }

    private static unsafe Child? StartOnce(
        Loop loop, TimeSpan limit, string[] argv, IReadOnlyList<string> environment,
        Action<ChildExit> exited, out string? failure, out int errno, ChildOutput? listener,
        int input)
    {
        errno = 0;
        int* ends = stackalloc int[2];
        if (LibC.pipe2(ends, LibC.O_CLOEXEC) < 0)
        {
            errno = Errno.Last;
            failure = Errno.Text(errno);
            return null;
        }
        Errno.Check(LibC.fcntl(ends[0], LibC.F_SETFL, LibC.O_NONBLOCK));

        int pid;
        int error;
        LibcExtra.posix_spawn_file_actions_t actions;
        LibcExtra.posix_spawnattr_t attributes;
        sigset_t none;
        sigset_t reset;
        _ = LibC.sigemptyset(&none);
        _ = LibC.sigemptyset(&reset);
        ReadOnlySpan<int> handled =
            [LibcExtra.SIGHUP, LibcExtra.SIGINT, LibcExtra.SIGPIPE, LibcExtra.SIGTERM];
        foreach (int signal in handled)
        {
            _ = LibC.sigaddset(&reset, signal);
        }

        _ = LibcExtra.posix_spawn_file_actions_init(&actions);
        _ = LibcExtra.posix_spawnattr_init(&attributes);
        using NativeStrings arguments = new(argv);
        using NativeStrings variables = new(environment);
        fixed (byte* devNull = "/dev/null\0"u8)
        {
            _ = input < 0
                ? LibcExtra.posix_spawn_file_actions_addopen(&actions, 0, devNull, LibC.O_RDONLY, 0)
                : LibcExtra.posix_spawn_file_actions_adddup2(&actions, input, 0);
            _ = LibcExtra.posix_spawn_file_actions_adddup2(&actions, ends[1], 1);
            _ = LibcExtra.posix_spawn_file_actions_adddup2(&actions, ends[1], 2);
            // The daemon's own descriptors are close-on-exec; this also closes those that the daemon
            // inherited.
            _ = LibcExtra.posix_spawn_file_actions_addclosefrom_np(&actions, 3);
            _ = LibcExtra.posix_spawnattr_setflags(
                &attributes,
                LibcExtra.POSIX_SPAWN_SETPGROUP | LibcExtra.POSIX_SPAWN_SETSIGDEF
                | LibcExtra.POSIX_SPAWN_SETSIGMASK);
            _ = LibcExtra.posix_spawnattr_setpgroup(&attributes, 0);
            _ = LibcExtra.posix_spawnattr_setsigmask(&attributes, &none);
            _ = LibcExtra.posix_spawnattr_setsigdefault(&attributes, &reset);
            error = LibcExtra.posix_spawn(
                &pid, arguments.Pointer[0], &actions, &attributes, arguments.Pointer, variables.Pointer);
        }
        _ = LibcExtra.posix_spawnattr_destroy(&attributes);
        _ = LibcExtra.posix_spawn_file_actions_destroy(&actions);
        _ = LibC.close(ends[1]);

        // The pid cannot be reused yet: only this process reaps it.
        int pidfd = error == 0 ? (int)LibC.syscall(PidfdOpen, pid, 0) : -1;
        if (pidfd < 0)
        {
            errno = error != 0 ? error : Errno.Last;
            failure = $"{(error != 0 ? "" : "pidfd_open: ")}{Errno.Text(errno)}";
            _ = LibC.close(ends[0]);
            if (error == 0)
            {
                // Without a pidfd it would run unwatched, so kill it. It ends at once, so this does not
                // block.
                LibcExtra.siginfo info;
                _ = LibC.kill(-pid, LibcExtra.SIGKILL);
                _ = LibcExtra.waitid(LibcExtra.P_PID, (uint)pid, &info, LibcExtra.WEXITED);
            }
            return null;
        }
        failure = null;
        return new Child(loop, limit, pid, pidfd, ends[0], exited, listener);
    }

    /// <summary>
    /// Reads the available output. Keeps the start and drops the rest, so that a flood neither blocks nor
    /// uses memory.
    /// </summary>
    private unsafe void ReadOutput()
    {
        nint count;
        fixed (byte* buffer = ReadBuffer)
        {
            count = (nint)LibC.read(_pipe, buffer, ReadSize);
        }
        if (count > 0)
        {
            _listener?.Invoke(ReadBuffer.AsSpan(0, (int)count));
            int room = Math.Max(0, KeptOutput - _output.Length);
            _output.Append(Encoding.UTF8.GetString(ReadBuffer.AsSpan(0, (int)Math.Min(room, count))));
        }
        else if (count == 0 || Errno.Last != Errno.EAGAIN)
        {
            ClosePipe();
        }
    }

    /// <summary>Changes the limit; the time counts from now.</summary>
    public void LimitTo(TimeSpan limit)
    {
        _limit = limit;
        _deadline.Set(_loop.Now + limit);
    }

    private void Kill()
    {
        _timedOut = true;
        _ = LibC.kill(-_pid, LibcExtra.SIGKILL);
        _ = LibC.kill(_pid, LibcExtra.SIGKILL); // in case it has moved to another group
    }

    private unsafe void Reap()
    {
        LibcExtra.siginfo info = default;
        if (LibcExtra.waitid(LibcExtra.P_PIDFD, (uint)_pidfd, &info, LibcExtra.WEXITED) < 0)
        {
            if (Errno.Last == Errno.EINTR)
            {
                return;
            }
            info.si_code = 0; // another part of the process has reaped it
        }
        if (_pipe >= 0)
        {
            ReadOutput(); // do not wait for the end: a grandchild may keep the pipe open
        }

        bool normal = info.si_code == LibcExtra.CLD_EXITED;
        int code = normal ? info.si_status : -1;
        string? failure =
            _timedOut ? $"killed: it took longer than {(int)_limit.TotalSeconds} s"
            : info.si_code == 0 ? "unknown exit status"
            : !normal ? $"killed by signal {info.si_status}"
            : code != 0 ? $"exit status {code}"
            : null;
        string output = _output.ToString();
        Dispose();
        _exited(new ChildExit(code, failure, output));
    }

    private void ClosePipe()
    {
        if (_pipe >= 0)
        {
            _loop.Remove(_pipe, _pipeToken);
            _ = LibC.close(_pipe);
            _pipe = -1;
        }
    }

    /// <summary>Releases the child. If it still runs, it continues unwatched.</summary>
    public void Dispose()
    {
        if (_disposed)
        {
            return;
        }
        _disposed = true;
        _deadline.Dispose();
        ClosePipe();
        _loop.Remove(_pidfd, _pidfdToken);
        _ = LibC.close(_pidfd);
        _loop.HoldSpares();
    }
}
