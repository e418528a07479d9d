using System.Text;
using ConnMgr.Cli;
using ConnMgr.Config;
using ConnMgr.EventLoop;
using ConnMgr.Firewall;
using ConnMgr.Logging;
using ConnMgr.Native;
using Tmds.Linux;

namespace ConnMgr.App;

/// <summary>The checks before the daemon runs: capabilities, configuration, and no other daemon.</summary>
internal static unsafe class Startup
{
    /// <summary>
    /// Runs the checks and then the daemon. Returns NoPermission, Config or OsError if a check fails, else
    /// the daemon's exit status.
    /// </summary>
    public static ExitCode Run(Options options, Log log, TimeSpan startedAt)
    {
        if (Capabilities.Missing() is { } missing)
        {
            log.Fatal($"not permitted: {missing} is missing (run as root or grant the capability)");
            return ExitCode.NoPermission;
        }
        ConfigFiles files = ConfigFiles.Read(
            options.ConfigDirectory, options.RunDirectory, withWhitelist: !options.IsFirewallDisabled);
        files.WriteTo(log, isFatal: files.NetifNames is null || files.IsShort);
        if (files.IsShort)
        {
            return ExitCode.OsError; // init restarts the daemon
        }
        if (files.NetifNames is not { } names)
        {
            return ExitCode.Config;
        }
        EndWithJail();
        if (!LockRunDirectory(options.RunDirectory, log))
        {
            return ExitCode.OsError;
        }

        using RunDirectoryPointer pointer = new(options.RunDirectory);
        using Loop loop = new();
        using CacheRunner? caches =
            options.IsFirewallDisabled ? null : new CacheRunner(loop, log, options, names);
        if (Capabilities.GiveUpOthers() is { } failure)
        {
            log.Warn($"cannot drop unneeded capabilities: {failure}, ignoring");
        }
        log.Info($"runs as {Capabilities.Describe()}");

        Daemon? daemon = null; // a signal before the loop runs waits in the pipe
        using Signals signals = new(
            loop, signal => daemon?.OnSignal(signal), LibcExtra.SIGTERM, LibcExtra.SIGINT, LibcExtra.SIGHUP);
        using (daemon = new Daemon(
            options, names, files.Whitelist, log, loop, startedAt, new Watchdog(), caches))
        {
            return daemon.Run();
        }
    }

    /// <summary>
    /// Asks the kernel for a SIGTERM when OpenWrt's ujail, our parent, dies. procd then starts another
    /// ujail. Until August 2026 a killed ujail left its process behind (procd, jail.c), which would keep
    /// the lock from the next daemon. The daemon does not end with any other parent.
    /// </summary>
    private static void EndWithJail()
    {
        string path = $"/proc/{LibC.getppid()}/cmdline";
        string program = (SmallFile.Read(path, 4096, out _, out _) ?? "").Split('\0')[0];
        if (program == "ujail" || program.EndsWith("/ujail", StringComparison.Ordinal))
        {
            _ = LibcExtra.prctl(LibcExtra.PR_SET_PDEATHSIG, LibcExtra.SIGTERM, 0, 0, 0);
        }
    }

    /// <summary>
    /// Locks the file with the pid, so that two daemons do not fight over the routes. The lock ends with the
    /// process. Returns true without a lock if the directory is not writable.
    /// </summary>
    private static bool LockRunDirectory(string directory, Log log)
    {
        using NativeStrings paths = new([directory, Path.Combine(directory, "connmgr.pid")]);
        _ = LibC.mkdir(paths.Pointer[0], 0x1ED /* 0755 */);
        int flags = LibC.O_RDWR | LibC.O_CREAT | LibC.O_CLOEXEC | LibC.O_NONBLOCK;
        int fd = LibC.open(paths.Pointer[1], flags, 0x1A4 /* 0644 */);
        if (fd < 0)
        {
            Errno.ThrowIfShortage(Errno.Last, directory);
            log.Warn(
                $"{directory}: {Errno.Text(Errno.Last)}, running without the lock against a second connmgr");
            return true;
        }
        if (LibcExtra.flock(fd, LibcExtra.LOCK_EX | LibcExtra.LOCK_NB) < 0)
        {
            Errno.ThrowIfShortage(Errno.Last, "flock");
            Span<byte> pid = stackalloc byte[16];
            int length;
            fixed (byte* bytes = pid)
            {
                length = Math.Max(0, (int)LibC.read(fd, bytes, pid.Length));
            }
            string owner = Encoding.ASCII.GetString(pid[..length]).Trim();
            log.Fatal(
                $"another connmgr is running: pid {owner} holds the lock on "
                + Path.Combine(directory, "connmgr.pid"));
            return false;
        }
        byte[] own = Encoding.ASCII.GetBytes($"{Environment.ProcessId}\n");
        fixed (byte* bytes = own)
        {
            if (LibC.ftruncate(fd, 0) < 0 || LibC.write(fd, bytes, own.Length) < 0)
            {
                log.Warn($"{directory}: {Errno.Text(Errno.Last)}, ignoring");
            }
        }
        return true; // the descriptor, and with it the lock, lives as long as the process
    }
}
