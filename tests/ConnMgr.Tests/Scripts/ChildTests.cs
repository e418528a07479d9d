using System.Diagnostics;
using ConnMgr.EventLoop;
using ConnMgr.Scripts;

namespace ConnMgr.Tests.Scripts;

public sealed class ChildTests : IDisposable
{
    private readonly Loop _loop = new();
    private readonly string _directory = Directory.CreateTempSubdirectory("connmgr-test-").FullName;


    public void Dispose()
    {
        _loop.Dispose();
        Directory.Delete(_directory, recursive: true);
    }

    [Fact]
    public void Success_and_what_it_printed()
    {
        ChildExit exit = Run("echo out; echo err >&2");
        Assert.Equal((0, null, "out\nerr\n"), (exit.Code, exit.Failure, exit.Output));
    }

    [Theory]
    [InlineData("exit 3", 3, "exit status 3")]
    [InlineData("kill -TERM $$", -1, "killed by signal 15")]
    public void Failure_in_words(string script, int code, string failure)
    {
        ChildExit exit = Run(script);
        Assert.Equal((code, failure), (exit.Code, exit.Failure));
    }

    [Fact]
    public void A_script_that_hangs_is_killed_with_all_that_it_started()
    {
        ChildExit exit = Run("sleep 1000 & echo $! ; wait", limit: 2);
        Assert.Equal("killed: it took longer than 2 s", exit.Failure);
        int grandchild = int.Parse(exit.Output, System.Globalization.CultureInfo.InvariantCulture);
        Stopwatch patience = Stopwatch.StartNew();
        while (IsRunning(grandchild))
        {
            Assert.True(patience.Elapsed < TimeSpan.FromSeconds(10), "the grandchild lives on");
        }
    }

    [Fact]
    public void A_flood_of_output_neither_blocks_the_script_nor_grows()
    {
        ChildExit exit = Run(
            "i=0; while [ $i -lt 20 ]; do head -c 100000 /dev/zero | tr '\\0' x; i=$((i+1)); done; exit 7");
        Assert.Equal(7, exit.Code);
        Assert.InRange(exit.Output.Length, 1000, 4096);
    }

    [Fact]
    public void Output_that_is_no_text_is_survived() =>
        Assert.Equal(0, Run("head -c 5000 /dev/urandom").Code);

    [Fact]
    public void A_grandchild_that_holds_the_output_open_does_not_delay_the_end()
    {
        Stopwatch time = Stopwatch.StartNew();
        ChildExit exit = Run("sleep 30 & echo $!", limit: 20);
        Assert.Null(exit.Failure);
        Assert.True(time.Elapsed < TimeSpan.FromSeconds(15));
        Process.GetProcessById(int.Parse(exit.Output, System.Globalization.CultureInfo.InvariantCulture))
            .Kill();
    }

    [Fact]
    public void It_gets_its_arguments_as_they_are_and_exactly_the_environment_that_is_given()
    {
        string argument = "a 'b' $(touch pwned) ;\"*\"";
        ChildExit exit = Run("printf '%s|' \"$1\"; env | grep -v -e ^PWD= -e ^_= -e ^SHLVL= -e ^OLDPWD=",
            arguments: [argument]);
        Assert.Equal($"{argument}|PATH=/usr/bin:/bin\n", exit.Output);
    }

    [Fact]
    public void Its_standard_input_is_empty_and_it_inherits_no_descriptor()
    {
        ChildExit exit = Run("cat; ls /proc/self/fd | wc -l");
        Assert.Equal("4\n", exit.Output); // 0, 1, 2, and the one that ls uses to read the directory
    }

    [Fact]
    public void What_cannot_be_started_is_said()
    {
        Child? child = Child.Start(
            _loop, TimeSpan.FromSeconds(1), [Path.Combine(_directory, "missing")], [], _ => { },
            out string? failure);
        Assert.Null(child);
        Assert.Equal("No such file or directory", failure);
    }

    [Fact]
    public void In_a_lane_one_runs_one_waits_and_the_newest_wish_replaces_the_waiting_one()
    {
        string log = Path.Combine(_directory, "log");
        string script = Script($"echo begin $1 >>{log}; sleep 0.1; echo end $1 >>{log}");
        using ScriptLane lane = new(_loop, ["PATH=/usr/bin:/bin"]);
        List<string> ended = [];
        foreach (string name in new[] { "a", "b", "c", "d" })
        {
            lane.Run([script, name], _ =>
            {
                ended.Add(name);
                if (name == "d")
                {
                    _loop.Stop();
                }
            });
        }
        Assert.True(lane.IsBusy);
        _loop.Run(() => { });
        Assert.Equal(["a", "d"], ended);
        Assert.Equal(["begin a", "end a", "begin d", "end d"], File.ReadAllLines(log));
        Assert.False(lane.IsBusy);
    }

    [Fact]
    public void A_lane_survives_a_script_that_is_missing()
    {
        using ScriptLane lane = new(_loop, []);
        ChildExit? exit = null;
        lane.Run([Path.Combine(_directory, "missing")], e => exit = e);
        Assert.Contains("No such file or directory", exit!.Value.Failure, StringComparison.Ordinal);
        Assert.False(lane.IsBusy);
    }

    private ChildExit Run(string script, double limit = 10, string[]? arguments = null)
    {
        ChildExit? result = null;
        Child? child = Child.Start(
            _loop, TimeSpan.FromSeconds(limit), [Script(script), .. arguments ?? []], ["PATH=/usr/bin:/bin"],
            exit =>
            {
                result = exit;
                _loop.Stop();
            },
            out string? failure);
        Assert.True(child is not null, failure);
        _loop.Run(() => { });
        return result!.Value;
    }

    private string Script(string text) =>
        TestScript.Write(_directory, Guid.NewGuid().ToString("N"), text);

    /// <summary>A zombie that has not been reaped yet counts as ended.</summary>
    private static bool IsRunning(int pid)
    {
        try
        {
            return !File.ReadAllText($"/proc/{pid}/stat").Contains(") Z ", StringComparison.Ordinal);
        }
        catch (IOException)
        {
            return false;
        }
    }
}
