using ConnMgr.Cli;
using ConnMgr.Config;
using ConnMgr.Native;
using ConnMgr.Scripts;
using Tmds.Linux;

namespace ConnMgr.App;

/// <summary>
/// `connmgr unlock`: removes the lockdown by `fwcfg.sh unlock`, and ends with its exit status.
/// </summary>
internal static unsafe class UnlockRunner
{
    /// <summary>Executes the script in place of this process. Returns only if that fails: 78.</summary>
    public static ExitCode Run(Options options)
    {
        if (IsDaemonRunning(options.RunDirectory))
        {
            StandardOutput.Complain(
                "connmgr: a daemon is running. Unless it was started with -d, it locks again at once: "
                + "stop it first");
        }
        string script = Path.Combine(options.ScriptDirectory, "fwcfg.sh");
        using NativeStrings arguments = new([script, "unlock"]);
        using NativeStrings environment = new(ScriptEnvironment.Of(options));
        _ = LibC.execve(arguments.Pointer[0], arguments.Pointer, environment.Pointer);
        int errno = Errno.Last; // before the console overwrites it
        StandardOutput.Complain($"connmgr: {script}: {Errno.Text(errno)}");
        return ExitCode.Config;
    }

    /// <summary>True if a daemon holds the lock on the file with its pid.</summary>
    private static bool IsDaemonRunning(string directory)
    {
        using NativeStrings path = new([Path.Combine(directory, "connmgr.pid")]);
        int fd = LibC.open(path.Pointer[0], LibC.O_RDONLY | LibC.O_CLOEXEC | LibC.O_NONBLOCK);
        if (fd < 0)
        {
            return false;
        }
        bool isLocked = LibcExtra.flock(fd, LibcExtra.LOCK_EX | LibcExtra.LOCK_NB) < 0;
        _ = LibC.close(fd);
        return isLocked;
    }
}
