using ConnMgr.Config;
using ConnMgr.EventLoop;
using ConnMgr.Firewall;
using ConnMgr.Logging;
using ConnMgr.Tests.Capture;
using ConnMgr.Tests.Links;

namespace ConnMgr.Tests.Firewall;

/// <summary>
/// What the end of init_firewall.sh leads to (contract, section 9). Scripts stand for init_firewall.sh;
/// <see cref="LockdownTests"/> has the change from nft to iptables.
/// </summary>
public sealed class LockRunnerTests : IDisposable
{
    private const string Good = "echo 'sets: yes'; echo 'queue: 5353'; echo 'ended: 0'";
    private const string Held = "echo 'still-locked: yes'; echo 'the lock is held'; exit 75";

    private readonly string _directory = Directory.CreateTempSubdirectory("connmgr-test-").FullName;
    private readonly SkewedTime _time = new();
    private readonly Loop _loop;
    private readonly Log _log = new(LogTarget.Stderr, LogLevel.Error);
    private readonly List<string> _calls = [];

    public LockRunnerTests()
    {
        _time.Stop();
        _loop = new Loop(_time);
    }

    public void Dispose()
    {
        _log.Dispose();
        _loop.Dispose();
        Directory.Delete(_directory, recursive: true);
    }

    [Fact]
    public void Each_run_is_prepared_and_its_report_is_handed_over() => Run(locker =>
    {
        Script(Good);
        Assert.False(locker.WasLocked);
        locker.Run();
        Assert.Equal(["prepare"], _calls);
        Until(() => _calls.Count == 2);
        Assert.Equal(["prepare", "locked 5353 first"], _calls);
        Assert.True(locker.WasLocked);
        Assert.Equal(["198.18.9.0/24"], Open()); // the literals are in the kernel
        locker.Run();
        Until(() => _calls.Count == 4);
        Assert.Equal(["prepare", "locked 5353"], _calls[2..]);
        Assert.Equal("iptables yes", TestScript.Lines(_directory, "calls")[0]);
    });

    /// <summary>Without sets each address has its own rules, which the script writes.</summary>
    [Fact]
    public void Rules_without_sets_are_written_by_another_run() => Run(locker =>
    {
        Script("echo 'sets: no'; echo 'queue: none'");
        TestScript.Write(_directory, "fwcfg.sh", "exit 0");
        locker.Run();
        Until(() => locker.WasLocked && TestScript.Lines(_directory, "calls").Length == 2
            && !locker.Firewall.IsBusy);
        Assert.Equal(["iptables yes", "iptables no"], TestScript.Lines(_directory, "calls"));
        Assert.Equal(
            ("rules", "iptables has no rules that match address sets"),
            (locker.Store.Backend.Name, locker.Store.Backend.Reason));
        locker.Store.Change(StoreRig.Read("198.18.9.0/24\n198.18.8.8"));
        Until(() => _calls.Contains("opened 198.18.8.8"));
    });

    [Fact]
    public void A_first_run_that_fails_closes_the_device() => Run(locker =>
    {
        Script("echo 'no such table'; exit 1");
        locker.Run();
        Until(() => locker.HasFailed);
        Assert.False(locker.WasLocked);
        Assert.Contains("cannot lock the firewall: init_firewall.sh: exit status 1, saying \"no such table\"",
            Said());
        Assert.Contains("closed: the policies of INPUT, FORWARD and OUTPUT are DROP", Said());
        Assert.Contains("-P OUTPUT DROP", Iptables(), StringComparison.Ordinal);
    });

    [Fact]
    public void A_later_run_that_fails_closes_it_too_but_is_not_the_end() => Run(locker =>
    {
        Script(Good);
        locker.Run();
        Until(() => locker.WasLocked);
        Script("exit 1");
        locker.Run();
        Until(() => Said().Any(text => text.StartsWith("closed: ", StringComparison.Ordinal)));
        Assert.False(locker.HasFailed);
        Script(Good);
        int before = _calls.Count;
        Skip(11); // it is tried again
        Until(() => _calls.Count > before && _calls[^1] == "locked 5353");
    });

    [Fact]
    public void A_held_lock_of_iptables_leaves_the_lockdown_of_before() => Run(locker =>
    {
        Script(Held);
        locker.Run();
        for (int i = 1; i <= 3; i++)
        {
            Until(() => locker.Firewall.FailureCount == i);
            Skip(11);
        }
        Assert.False(locker.HasFailed);
        Assert.Equal(
            [
                "the lockdown of before stays in force: init_firewall.sh: exit status 75, saying "
                + "\"the lock is held\", retrying; stop connmgr, then 'connmgr unlock' unlocks the device",
            ],
            Said());
        Assert.Contains("-P OUTPUT ACCEPT", Iptables(), StringComparison.Ordinal);
        Script(Good);
        Skip(11);
        Until(() => locker.WasLocked);
        Script(Held.Replace("held", "held again", StringComparison.Ordinal));
        locker.Run();
        Until(() => Said().Length == 2);
    });

    /// <summary>Without an earlier lockdown the device would stay open.</summary>
    [Fact]
    public void A_held_lock_without_a_lockdown_closes_the_device() => Run(locker =>
    {
        Script("exit 75");
        locker.Run();
        Until(() => Said().Any(text => text.StartsWith("closed: ", StringComparison.Ordinal)));
        Rounds();
        Assert.False(locker.HasFailed); // it is tried again
    });

    [Fact]
    public void An_audit_closes_nothing() => Run(
        locker =>
        {
            Script("exit 1");
            locker.Run();
            Until(() => locker.HasFailed);
            Assert.Contains("-P OUTPUT ACCEPT", Iptables(), StringComparison.Ordinal);
            Assert.DoesNotContain(Said(), text => text.StartsWith("closed", StringComparison.Ordinal));
        },
        options => options with { Audits = true });

    [Fact]
    public void The_script_runs_again_when_the_links_have_other_names() => Run(locker =>
    {
        Script(Good);
        locker.Run();
        Until(() => locker.WasLocked && !locker.Firewall.IsBusy);
        locker.Follow("");
        Assert.False(locker.Firewall.IsBusy);
        locker.Follow("wan is eth7, ");
        Assert.True(locker.Firewall.IsBusy);
        Until(() => !locker.Firewall.IsBusy);
        locker.Follow("wan is eth7, ");
        Assert.False(locker.Firewall.IsBusy);
    });

    [Fact]
    public void How_the_device_is_locked_is_logged() => Run(
        locker =>
        {
            Script(Good);
            locker.Run();
            Until(() => locker.WasLocked);
            locker.LogLocked(default, "hold", "");
            Assert.Matches(
                @"^AUDIT: nothing is dropped, ready in \d+ ms; addresses by sets; DNS: hold$", Said()[0]);
            Assert.Equal(
                "init_firewall.sh does not support --audit: the device is locked; stop connmgr, then "
                + "'connmgr unlock' unlocks the device", Said()[1]);
            locker.LogLocked(new LockdownReport { IsAudit = true }, "sniff", "it was asked for");
            Assert.EndsWith("; DNS: sniff, since it was asked for", Said()[2], StringComparison.Ordinal);
            Assert.Equal(3, Said().Length);
        },
        options => options with { Audits = true });

    private void Run(Action<LockRunner> test, Func<Options, Options>? change = null) =>
        NetworkNamespace.Run(() =>
    {
        NetworkNamespace.RunIp("link set lo up");
        Options options = LinkRig.OptionsIn(_directory) with { Firewall = FirewallBackend.Iptables };
        using LockRunner locker = new(
            _loop, _log, change?.Invoke(options) ?? options, StoreRig.Read("198.18.9.0/24"),
            ["PATH=/usr/sbin:/usr/bin:/sbin:/bin"],
            () => _calls.Add("prepare"), () => { }, prefix => _calls.Add($"opened {prefix}"),
            (in report, isFirst) => _calls.Add($"locked {report.Queue}{(isFirst ? " first" : "")}"));
        test(locker);
    });

    private void Script(string body) => TestScript.Write(
        _directory, "init_firewall.sh",
        $"echo \"$CONNMGR_FIREWALL $CONNMGR_SETS\" >>${{0%/*}}/calls\n{body}");

    private void Until(Func<bool> isDone) => LoopRun.Until(_loop, isDone);

    private void Skip(double seconds)
    {
        _time.Skew += TimeSpan.FromSeconds(seconds);
        Rounds();
    }

    private void Rounds()
    {
        int rounds = 0;
        Until(() => ++rounds > 5);
    }

    private static string[] Open() =>
    [
        .. LockdownTests.Run("ipset", "save").Split('\n')
            .Where(line => line.StartsWith("add afero4 ", StringComparison.Ordinal))
            .Select(line => line.Split(' ')[2]),
    ];

    private static string Iptables() => LockdownTests.Run("iptables", "-S");

    private string[] Said() => LogLines.Of(_log);
}
