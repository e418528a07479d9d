using System.Net;
using ConnMgr.EventLoop;
using ConnMgr.Firewall;
using ConnMgr.Logging;
using ConnMgr.Net;

namespace ConnMgr.Tests.Firewall;

/// <summary>A script replaces fwcfg.sh: it records its arguments, and fails when the test says so.</summary>
public sealed class AddressRuleRunnerTests : IDisposable
{
    // Each look at an idle runner advances the time by a second, so no test waits for 64 s.
    private readonly SkewedTime _time = new();
    private readonly Loop _loop;
    private readonly Deadline _step;
    private readonly string _directory = Directory.CreateTempSubdirectory("connmgr-test-").FullName;
    private readonly AddressRuleRunner _runner;
    private readonly List<IpPrefix> _wanted = [];
    private readonly Log _log = new(LogTarget.Stderr, LogLevel.Error);
    private readonly List<string> _ended = [];
    private readonly List<double> _begun = []; // seconds
    private TimeSpan _end = TimeSpan.MaxValue;

    public AddressRuleRunnerTests()
    {
        _loop = new Loop(_time);
        _step = _loop.AddTimer(() => { });
        string script = TestScript.Write(_directory, "fwcfg.sh", $"""
            echo "$*" >>{_directory}/calls
            for word; do
                [ ! -e "{_directory}/fail $word" ] || failed=$word
            done
            [ -z "$failed" ] || echo "no $failed"
            [ -z "$failed" ]
            """);
        _runner = new AddressRuleRunner(
            _loop, _log, script, ["PATH=/usr/bin:/bin"], prefixes => prefixes.AddRange(_wanted),
            () => _wanted.Count,
            isChanging =>
            {
                if (isChanging)
                {
                    _begun.Add(Now().TotalSeconds);
                }
            },
            prefix => _ended.Add(prefix.ToString()));
    }

    /// <summary>The logged events, warnings marked by `!`, without debug events.</summary>
    private string[] Said() =>
        [.. _log.Events.Events.Where(said => said.Level != LogLevel.Debug).Select(
            said => said.Level == LogLevel.Warn ? $"! {said.Text}" : said.Text)];

    public void Dispose()
    {
        _log.Dispose();
        _runner.Dispose();
        _step.Dispose();
        _loop.Dispose();
        Directory.Delete(_directory, recursive: true);
    }

    [Fact]
    public void An_address_is_opened_for_the_device_and_for_extenders_and_looked_at_again()
    {
        Open("198.18.1.1");
        Run(seconds: 60);
        Assert.Equal(
            ["add 198.18.1.1 connmgr", "add_forwarding 198.18.1.1 connmgr", "sync connmgr 198.18.1.1"],
            Calls());
        Assert.Equal(["198.18.1.1"], _ended);
        Assert.Empty(Said());
        Assert.InRange(_begun[1] - _begun[0], 4, 8);
    }

    [Fact]
    public void Prefixes_of_the_same_first_address_are_not_each_other()
    {
        _runner.Add(Prefix("198.18.1.0", 24), isUrgent: false);
        _runner.Add(Prefix("198.18.1.0", 25), isUrgent: false);
        _runner.Delete(Prefix("198.18.1.0", 24));
        Run(seconds: 1);
        Assert.Equal(
            [
                "add 198.18.1.0/24 connmgr", "add_forwarding 198.18.1.0/24 connmgr",
                "add 198.18.1.0/25 connmgr", "add_forwarding 198.18.1.0/25 connmgr",
                "del 198.18.1.0/24 connmgr", "del_forwarding 198.18.1.0/24 connmgr",
            ],
            Calls());
    }

    [Fact]
    public void What_cannot_be_closed_is_tried_again_and_again_and_said_once()
    {
        Fail("del", "sync");
        _runner.Delete(Prefix("198.18.1.1", 32));
        int done = 0;
        Run((300, TheFailure), (70, Done), (300, () => { }));
        Assert.Equal(done, Calls().Length);

        void TheFailure()
        {
            string[] calls = Calls();
            Assert.InRange(calls.Count(call => call == "del 198.18.1.1 connmgr"), 7, 12);
            Assert.Equal(["! fwcfg.sh del 198.18.1.1: exit status 1, saying \"no del\", retrying"], Said());
            Assert.All(_begun.Zip(_begun.Skip(1)), pair => Assert.InRange(pair.Second - pair.First, 1.5, 70));
            Assert.InRange(_begun[1] - _begun[0], 1.5, 4);
            Assert.InRange(_begun[^1] - _begun[^2], 60, 70);

            Fail();
        }

        void Done()
        {
            Assert.Equal("sync connmgr", Calls()[^1]);
            Assert.Equal("the rules of all addresses are correct again", Said()[1]);
            done = Calls().Length;
        }
    }

    [Fact]
    public void What_cannot_be_opened_is_tried_again_even_if_all_at_once_is_impossible()
    {
        Fail("198.18.1.1");
        Open("198.18.1.1");
        Open("198.18.1.2");
        Run((3, TheFailure), (30, () => { }));
        Assert.Equal("sync connmgr 198.18.1.1 198.18.1.2", Calls()[^1]);
        Assert.Equal(2, Said().Length);

        void TheFailure()
        {
            Assert.Equal(
                [
                    "add 198.18.1.1 connmgr", "add 198.18.1.2 connmgr", "add_forwarding 198.18.1.2 connmgr",
                "sync connmgr 198.18.1.1 198.18.1.2", "add 198.18.1.1 connmgr", "add 198.18.1.2 connmgr",
                "add_forwarding 198.18.1.2 connmgr",
            ],
                Calls());
            Fail();
        }
    }

    [Fact]
    public void A_newer_wish_is_not_undone_by_the_failure_of_an_older_one()
    {
        Fail("del", "sync");
        _runner.Delete(Prefix("198.18.1.1", 32));
        Run((1, () => Open("198.18.1.1")), (20, () => { }));
        Assert.Single(Calls(), call => call.StartsWith("del ", StringComparison.Ordinal));
    }

    [Fact]
    public void At_once_covers_what_waits_but_somebody_who_waits_comes_first()
    {
        _wanted.Add(Prefix("198.18.1.9", 32));
        Open("198.18.1.1");
        Open("198.18.1.2");
        _runner.Delete(Prefix("198.18.1.3", 32));
        _runner.Sync();
        Open("198.18.1.4", isUrgent: true);
        Assert.True(_runner.IsAdding(Prefix("198.18.1.2", 32)));
        Assert.False(_runner.IsAdding(Prefix("198.18.1.3", 32)));
        Run(seconds: 1);
        Assert.Equal(
            [
                "add 198.18.1.1 connmgr", "add_forwarding 198.18.1.1 connmgr", "add 198.18.1.4 connmgr",
                "add_forwarding 198.18.1.4 connmgr",
                "sync connmgr 198.18.1.9 198.18.1.1 198.18.1.2 198.18.1.4",
            ],
            Calls());
        Assert.Equal(["198.18.1.1", "198.18.1.4", "198.18.1.2"], _ended);
        Assert.Equal(0, _runner.Count);
    }

    private void Open(string address, bool isUrgent = false)
    {
        _wanted.Add(Prefix(address, 32));
        Assert.True(_runner.Add(Prefix(address, 32), isUrgent));
    }

    private static IpPrefix Prefix(string address, byte length) =>
        new(IpNumber.Of(IPAddress.Parse(address)), length);

    /// <summary>From now on each call with one of these words among its arguments fails.</summary>
    private void Fail(params string[] words)
    {
        foreach (string file in Directory.GetFiles(_directory, "fail *"))
        {
            File.Delete(file);
        }
        foreach (string word in words)
        {
            File.WriteAllText(Path.Combine(_directory, $"fail {word}"), "");
        }
    }

    private string[] Calls() => File.Exists(Path.Combine(_directory, "calls"))
        ? File.ReadAllLines(Path.Combine(_directory, "calls")) : [];

    private void Run(double seconds) => Run((seconds, () => { }));

    /// <summary>Lets a number of seconds pass, then runs the action; repeats for each pair.</summary>
    private void Run(params (double Seconds, Action Then)[] steps)
    {
        _step.Set(Now());
        _end = Now() + TimeSpan.FromSeconds(steps[0].Seconds);
        int at = 0;
        _loop.Run(() =>
        {
            if (_runner.Count == 0)
            {
                _time.Skew += TimeSpan.FromSeconds(1);
                _step.Set(Now());
                if (Now() >= _end)
                {
                    steps[at++].Then();
                    if (at == steps.Length)
                    {
                        _loop.Stop();
                        return;
                    }
                    _end = Now() + TimeSpan.FromSeconds(steps[at].Seconds);
                }
            }
        });
    }

    private TimeSpan Now() => _loop.Now;
}
