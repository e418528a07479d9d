using ConnMgr.EventLoop;
using ConnMgr.Logging;
using ConnMgr.Routing;

namespace ConnMgr.Tests.Routing;

/// <summary>The questions to netifd (contract, section 6). A script stands for ubus.</summary>
public sealed class NetifdRunnerTests : IDisposable
{
    private readonly string _directory = Directory.CreateTempSubdirectory("connmgr-test-").FullName;
    private readonly SkewedTime _time = new();
    private readonly Loop _loop;
    private readonly Log _log = new(LogTarget.Stderr, LogLevel.Error);
    private readonly List<string> _changes = [];
    private readonly List<TimeSpan> _changedAt = [];

    public NetifdRunnerTests()
    {
        _loop = new Loop(_time);
        Directory.CreateDirectory($"{_directory}/empty");
        File.WriteAllText($"{_directory}/empty/ubus", ""); // not executable
        TestScript.Write(
            _directory, "ubus",
            $"cd {_directory}; echo \"$*\" >>calls; (. ./answer); s=$?; echo >>ended; exit $s");
    }

    public void Dispose()
    {
        _log.Dispose();
        _loop.Dispose();
        Directory.Delete(_directory, recursive: true);
    }

    [Fact]
    public void It_reports_the_networks_when_they_have_changed()
    {
        using NetifdRunner netifd = New();
        Ask(netifd, Interface("eth0", "198.18.1.53"));
        Ask(netifd, Interface("eth0", "198.18.1.53"));
        Ask(netifd, Interface("eth0", "198.18.1.54"));
        Ask(netifd, "echo '{ \"interface\": [] }'");
        Ask(netifd, Interface("eth0", "198.18.1.53"));
        Assert.Equal(
            ["wan on eth0 asks 198.18.1.53", "wan on eth0 asks 198.18.1.54", ""], _changes[..3]);
        Assert.All(TestScript.Lines(_directory, "calls"), call =>
            Assert.Equal("call network.interface dump", call));
    }

    [Fact]
    public void It_asks_at_most_once_a_second()
    {
        using NetifdRunner netifd = New();
        Answer(Interface("eth$(wc -l <" + _directory + "/calls)", "198.18.1.53"));
        TimeSpan startedAt = _loop.Now;
        for (int i = 1; i <= 3; i++)
        {
            netifd.Ask();
            netifd.Ask();
            LoopRun.Until(_loop, () => _changes.Count == i);
        }
        Assert.Equal(3, TestScript.Lines(_directory, "calls").Length);
        Assert.True(_changedAt[1] - startedAt >= TimeSpan.FromSeconds(1));
        Assert.True(_changedAt[2] - startedAt >= TimeSpan.FromSeconds(2));
    }

    [Fact]
    public void A_ubus_that_fails_changes_nothing_and_is_no_warning()
    {
        using NetifdRunner netifd = New();
        Ask(netifd, Interface("eth0", "198.18.1.53"));
        Ask(netifd, "echo '{ \"interface\": [] }'; exit 4");
        Ask(netifd, Interface("eth0", "198.18.1.53"));
        Assert.Single(_changes);
        Assert.Empty(Said());
    }

    [Fact]
    public void An_answer_that_is_no_list_is_said_once_until_there_is_one()
    {
        using NetifdRunner netifd = New();
        Ask(netifd, "echo no such thing");
        Ask(netifd, "echo no such thing");
        Ask(netifd, Interface("eth0", "198.18.1.53"));
        Assert.Equal(["netifd: its answer is not a list of networks, ignoring"], Said());
        Ask(netifd, "echo '{ \"interface\": 7'");
        Ask(netifd, Interface("eth0", "198.18.1.53"));
        Assert.Equal(2, Said().Length);
        Assert.Single(_changes);
    }

    /// <summary>PATH may name directories that are not absolute, and files that cannot run.</summary>
    [Fact]
    public void Without_ubus_nothing_runs()
    {
        string relative = Path.GetRelativePath(Environment.CurrentDirectory, _directory);
        using NetifdRunner without = new(
            _loop, _log, [$"PATH={_directory}/empty:{relative}:"], _ => _changes.Add("from nowhere"));
        without.Ask();
        using NetifdRunner netifd = New();
        Ask(netifd, Interface("eth0", "198.18.1.53"));
        Ask(netifd, Interface("eth0", "198.18.1.53"));
        Assert.Equal(["wan on eth0 asks 198.18.1.53"], _changes);
        Assert.Equal(2, TestScript.Lines(_directory, "calls").Length);
    }

    private NetifdRunner New() => new(
        _loop, _log, ["HOME=/", $"PATH=/nowhere:{_directory}/empty:{_directory}:/usr/bin:/bin"], networks =>
        {
            _changedAt.Add(_loop.Now);
            _changes.Add(string.Join(", ", networks.Select(network =>
                $"{network.Name} on {network.Device} asks {string.Join(' ', network.NameServers)}")));
        });

    /// <summary>
    /// Asks, and waits until ubus has answered. The answer before has been handled: ubus runs once at a time.
    /// </summary>
    private void Ask(NetifdRunner netifd, string answer)
    {
        int before = TestScript.Lines(_directory, "ended").Length;
        Answer(answer);
        _time.Skew += TimeSpan.FromSeconds(1); // two questions are at least a second apart
        netifd.Ask();
        LoopRun.Until(_loop, () => TestScript.Lines(_directory, "ended").Length > before);
    }

    private void Answer(string commands) => File.WriteAllText($"{_directory}/answer", commands);

    private static string Interface(string device, string server) =>
        "printf '{ \"interface\": [ { \"interface\": \"wan\", \"up\": true, \"l3_device\": \"%s\", "
        + $"\"dns-server\": [ \"{server}\" ] }} ] }}' \"{device}\"";

    private string[] Said() => LogLines.Of(_log);
}
