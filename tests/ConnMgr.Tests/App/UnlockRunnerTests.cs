using ConnMgr.Native;

namespace ConnMgr.Tests.App;

/// <summary>`connmgr unlock` with a recorder in place of fwcfg.sh.</summary>
public sealed class UnlockRunnerTests
{
    [Fact]
    public void The_script_takes_the_place_of_the_verb()
    {
        using VerbFiles files = new();
        TestScript.Write(
            files.Path, "fwcfg.sh", "echo \"$*\"; echo \"$CONNMGR_RUN_DIR\"; echo not quite >&2; exit 1");
        VerbRun run = Unlock(files);
        Assert.Equal(["unlock", files.Path], run.Output);
        Assert.Equal(["not quite"], run.Error);
        Assert.Equal(1, run.Exit);
    }

    [Fact]
    public void A_script_that_is_missing_is_an_error_of_the_configuration()
    {
        using VerbFiles files = new();
        VerbRun run = Unlock(files);
        Assert.Equal([$"connmgr: {files.Path}/fwcfg.sh: No such file or directory"], run.Error);
        Assert.Equal(78, run.Exit);
    }

    [Theory]
    [InlineData(true)]
    [InlineData(false)]
    public void A_daemon_that_runs_is_named(bool runs)
    {
        using VerbFiles files = new();
        TestScript.Write(files.Path, "fwcfg.sh", "exit 0");
        files.Write("connmgr.pid", "1\n"); // a daemon that was killed leaves it behind, without the lock
        // .NET locks a file that it opens, so open it only in place of a daemon.
        using FileStream? daemon = runs ? File.OpenRead($"{files.Path}/connmgr.pid") : null;
        if (daemon is not null)
        {
            int fd = (int)daemon.SafeFileHandle.DangerousGetHandle();
            Errno.Check(LibcExtra.flock(fd, LibcExtra.LOCK_EX));
        }
        VerbRun run = Unlock(files);
        string[] warning =
        [
            "connmgr: a daemon is running. Unless it was started with -d, it locks again at once: "
                + "stop it first",
        ];
        Assert.Equal(runs ? warning : [], run.Error);
        Assert.Equal(0, run.Exit); // it unlocks all the same
    }

    private static VerbRun Unlock(VerbFiles files) =>
        VerbRun.Of("unlock", "--script-dir", files.Path, "--run-dir", files.Path);
}
