using System.Net;
using System.Net.Sockets;
using ConnMgr.Config;
using ConnMgr.EventLoop;
using ConnMgr.Firewall;
using ConnMgr.Logging;
using ConnMgr.Tests.Capture;
using ConnMgr.Tests.Links;

namespace ConnMgr.Tests.Firewall;

/// <summary>
/// When init_firewall.sh runs, with what, and what its end means (contract, section 9), in a namespace. <see
/// cref="LockdownTests"/> has the tables of nft.
/// </summary>
public sealed class FirewallRunnerTests : IDisposable
{
    private readonly string _directory = Directory.CreateTempSubdirectory("connmgr-test-").FullName;
    private readonly SkewedTime _time = new();
    private readonly Loop _loop;
    private readonly Log _log = new(LogTarget.Stderr, LogLevel.Error);
    private readonly List<string?> _ended = [];
    private int _rules;

    public FirewallRunnerTests()
    {
        _time.Stop();
        _loop = new Loop(_time);
        Script("");
    }

    public void Dispose()
    {
        _log.Dispose();
        _loop.Dispose();
        Directory.Delete(_directory, recursive: true);
    }

    [Fact]
    public void The_script_is_told_what_to_do() => Run(runner =>
    {
        Script($"env | grep ^CONNMGR_ | sort >{_directory}/variables");
        runner.Choice = "iptables";
        runner.HasSets = false;
        runner.Queue = 5353;
        runner.Services = ["CONNMGR_PROBED=198.18.1.1"];
        Locked(runner);
        Assert.Equal(
            [
                "CONNMGR_AUDIT=no", "CONNMGR_FIREWALL=iptables", "CONNMGR_MARK_BIT=9",
                "CONNMGR_PROBED=198.18.1.1", "CONNMGR_QUEUE=5353", "CONNMGR_SETS=no", "CONNMGR_TEST=yes",
            ],
            TestScript.Lines(_directory, "variables"));
        runner.Choice = "auto";
        runner.HasSets = null;
        runner.Queue = null;
        runner.Services = [];
        Locked(runner);
        Assert.Equal(
            [
                "CONNMGR_AUDIT=no", "CONNMGR_FIREWALL=auto", "CONNMGR_MARK_BIT=9", "CONNMGR_QUEUE=",
                "CONNMGR_TEST=yes",
            ],
            TestScript.Lines(_directory, "variables"));
    });

    /// <summary>What another program changes during a run looks like the script's own changes.</summary>
    [Fact]
    public void It_runs_once_more_after_five_seconds() => Run(runner =>
    {
        Assert.False(runner.IsInForce);
        Assert.True(runner.IsDisturbed);
        Locked(runner);
        Assert.Equal((true, false, false), (runner.IsInForce, runner.IsDisturbed, runner.IsBusy));
        Skip(4);
        Assert.Equal(1, Calls());
        Skip(1.5);
        Ends(2);
        Skip(60);
        Assert.Equal((2, false), (Calls(), runner.IsBusy));
    });

    /// <summary>Two runs that are not alike: something else happens at the same time.</summary>
    [Fact]
    public void It_runs_again_while_two_runs_differ() => Run(runner =>
    {
        Script("for i in $(seq $(wc -l <${0%/*}/calls)); do iptables -P INPUT DROP; iptables -F INPUT; done");
        Locked(runner);
        for (int i = 2; i <= 5; i++)
        {
            Skip(90);
            Ends(i);
        }
        Skip(90);
        // The run itself, the second look, and three further ones.
        Assert.Equal((5, false), (Calls(), runner.IsBusy));
    });

    [Fact]
    public void A_foreign_change_is_repaired_at_once_however_often() => Run(runner =>
    {
        Script("iptables -F INPUT; iptables -P INPUT DROP");
        Locked(runner);
        DnsPathTests.Run("iptables -P INPUT ACCEPT");
        LoopRun.Until(_loop, () => runner.RepairCount == 1);
        Assert.True(runner.IsDisturbed);
        Ends(2);
        Assert.False(runner.IsDisturbed);
        Assert.Contains("another program changed the firewall, restoring it", Said());
        for (int i = 2; i <= 4; i++)
        {
            DnsPathTests.Run("iptables -P INPUT ACCEPT");
            LoopRun.Until(_loop, () => runner.RepairCount == i);
            Assert.True(runner.IsBusy);
            LoopRun.Until(_loop, () => !runner.IsBusy && !runner.IsDisturbed);
        }
        Assert.Contains(
            "another program changes the firewall again and again, restoring it each time", Said());
    });

    [Fact]
    public void Changes_of_the_daemon_itself_are_not_foreign() => Run(runner =>
    {
        Script("iptables -N AFERO_ALLOW_WHITELIST_OUTPUT; iptables -P INPUT DROP");
        Locked(runner);
        runner.SetChanging(true);
        DnsPathTests.Run("iptables -A AFERO_ALLOW_WHITELIST_OUTPUT -d 198.18.1.1 -j ACCEPT");
        Rounds();
        runner.SetChanging(false);
        Rounds();
        Assert.Equal(0, runner.RepairCount);
        runner.SetChanging(true);
        DnsPathTests.Run("iptables -P INPUT ACCEPT"); // no rule of an address
        LoopRun.Until(_loop, () => runner.RepairCount == 1);
    });

    [Theory]
    [InlineData(1, false, false)]
    [InlineData(75, true, false)]
    [InlineData(78, false, true)]
    public void A_failure_says_what_it_is(int code, bool isHeldUp, bool needsCorrection) => Run(runner =>
    {
        Script($"echo 'some reason'; exit {code}");
        runner.Run();
        Ends(1);
        Assert.Equal($"init_firewall.sh: exit status {code}, saying \"some reason\"", _ended[0]);
        Assert.Equal(
            (isHeldUp, needsCorrection, true, 1, false),
            (runner.IsHeldUp, runner.NeedsCorrection, runner.HasFailed, runner.FailureCount,
                runner.IsInForce));
        Skip(11);
        if (isHeldUp)
        {
            Ends(2); // another program has the lock: it is tried again
        }
        Assert.Equal(isHeldUp ? 2 : 1, Calls());
    });

    [Fact]
    public void A_missing_script_needs_correction() => Run(runner =>
    {
        File.Delete($"{_directory}/init_firewall.sh");
        runner.Run();
        Assert.StartsWith("init_firewall.sh: cannot run", Assert.Single(_ended), StringComparison.Ordinal);
        Assert.True(runner.NeedsCorrection);
    });

    [Fact]
    public void Once_locked_a_failure_is_retried_after_ten_seconds() => Run(runner =>
    {
        Locked(runner);
        Script("exit 1");
        runner.Run();
        Ends(2);
        Assert.Equal((true, true, true), (runner.HasFailed, runner.IsInForce, runner.IsDisturbed));
        Skip(8);
        Assert.Equal((2, false), (Calls(), runner.IsBusy));
        Script("");
        Skip(3);
        Ends(3);
        Assert.Equal((false, 1, false), (runner.HasFailed, runner.FailureCount, runner.IsDisturbed));
    });

    [Fact]
    public void Nobody_waits_longer_than_thirty_seconds_for_a_repair() => Run(runner =>
    {
        Locked(runner);
        Script("exit 1");
        runner.Run();
        Ends(2);
        _time.Skew += TimeSpan.FromSeconds(29);
        Assert.True(runner.IsDisturbed);
        _time.Skew += TimeSpan.FromSeconds(2);
        Assert.False(runner.IsDisturbed);
    });

    [Fact]
    public void After_a_stop_the_running_script_ends_and_no_other_begins() => Run(runner =>
    {
        Script($"while [ -e $0 ] && [ ! -e {_directory}/go ]; do sleep 0.02; done");
        runner.Run();
        LoopRun.Until(_loop, () => Calls() == 1);
        runner.Run(); // waits
        runner.Stop();
        Assert.True(runner.IsBusy);
        File.WriteAllText($"{_directory}/go", "");
        Ends(1);
        Assert.False(runner.IsBusy);
        runner.Run();
        Assert.False(runner.IsBusy);
        Skip(60);
        Assert.Equal(1, Calls());
    });

    /// <summary>Rules of addresses that have just been closed may still exist.</summary>
    [Fact]
    public void The_limit_follows_the_most_rules_since_the_last_good_run() => Run(runner =>
    {
        Script($"[ -e {_directory}/go ] || exec sleep 1000");
        _rules = 1000; // 30 s and 20 s
        runner.Run();
        LoopRun.Until(_loop, () => Calls() == 1);
        Skip(45);
        Assert.Empty(_ended);
        Skip(6);
        Ends(1);
        Assert.Contains("it took longer than 50 s", _ended[0], StringComparison.Ordinal);
        _rules = 0;
        runner.Run();
        LoopRun.Until(_loop, () => Calls() == 2);
        Skip(45);
        Assert.Single(_ended);
        Skip(6);
        Ends(2);
        File.WriteAllText($"{_directory}/go", "");
        Locked(runner);
        File.Delete($"{_directory}/go");
        runner.Run();
        LoopRun.Until(_loop, () => Calls() == 4);
        Skip(31);
        Ends(4);
        Assert.Contains("it took longer than 30 s", _ended[3], StringComparison.Ordinal);
    });

    [Fact]
    public void Closing_makes_the_policies_drop() => Run(runner =>
    {
        bool isClosed = false;
        runner.Choice = "iptables";
        runner.Close(() => isClosed = true);
        Assert.True(runner.IsBusy);
        LoopRun.Until(_loop, () => isClosed);
        Assert.Equal(["closed: the policies of INPUT, FORWARD and OUTPUT are DROP"], Said());
        using Socket socket = new(AddressFamily.InterNetwork, SocketType.Dgram, ProtocolType.Udp);
        Assert.Throws<SocketException>(
            () => socket.SendTo([1], new IPEndPoint(IPAddress.Parse("127.0.0.1"), 9)));
    });

    [Fact]
    public void A_program_is_found_as_the_scripts_find_it() => Run(runner =>
    {
        Assert.Equal($"{_directory}/init_firewall.sh", runner.Find("init_firewall.sh"));
        Assert.Null(runner.Find("no-such-program"));
    });

    [Fact]
    public void Rules_of_other_programs_are_a_reason_to_probe() => Run(runner =>
    {
        Locked(runner);
        Assert.False(runner.TakeForeignChange());
        Nft.Run("add table inet other");
        Nft.Run("add chain inet other input { type filter hook input priority 5; }");
        Nft.Run("add rule inet other input udp dport 9 drop");
        Rounds();
        Assert.False(runner.TakeForeignChange()); // it waits until that program has added all
        LoopRun.Until(_loop, () => runner.NextProbe < TimeSpan.MaxValue || runner.TakeForeignChange());
        _time.Skew += TimeSpan.FromSeconds(2);
        Assert.True(runner.TakeForeignChange());
        Assert.Equal(TimeSpan.MaxValue, runner.NextProbe);
    });

    private void Run(Action<FirewallRunner> test) => NetworkNamespace.Run(() =>
    {
        NetworkNamespace.RunIp("link set lo up");
        Options options = LinkRig.OptionsIn(_directory) with { MarkBit = 9 };
        using FirewallRunner runner = new(
            _loop, _log, options,
            ["CONNMGR_TEST=yes", $"PATH=:{_directory}:/usr/sbin:/usr/bin:/sbin:/bin"],
            (failure, _) => _ended.Add(failure))
        {
            CountRules = () => _rules,
        };
        runner.Choice = "iptables";
        runner.WatchIptables();
        test(runner);
    });

    /// <summary>Writes init_firewall.sh, which first records that it runs.</summary>
    private void Script(string body) =>
        TestScript.Write(_directory, "init_firewall.sh", $"echo >>${{0%/*}}/calls\n{body}");

    private int Calls() => TestScript.Lines(_directory, "calls").Length;

    /// <summary>Runs the script now, which succeeds.</summary>
    private void Locked(FirewallRunner runner)
    {
        int before = _ended.Count;
        runner.Run();
        Ends(before + 1);
        Assert.Null(_ended[^1]);
    }

    private void Ends(int count) => LoopRun.Until(_loop, () => _ended.Count == count);

    private void Skip(double seconds)
    {
        _time.Skew += TimeSpan.FromSeconds(seconds);
        Rounds();
    }

    private void Rounds() => LoopRun.Rounds(_loop);

    private string[] Said() => LogLines.Of(_log);
}
