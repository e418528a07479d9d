using ConnMgr.Firewall;

namespace ConnMgr.Tests.Firewall;

public class LockdownReportTests
{
    [Theory]
    [InlineData("sets: yes\nqueue: 5353\nprobes: mark\nended: 3\n", true, 5353, true, true)]
    [InlineData("sets: no\nqueue: none\nprobes: state\nended: unknown\n", false, null, false, false)]
    [InlineData("", false, null, false, false)]
    [InlineData("sets: yesyes\nqueue: 65536\nprobes: marked\nended", false, null, false, false)]
    [InlineData("Warning: something\r\nsets: yes\r\nqueue: 0\r\nended: 0", true, 0, true, false)]
    public void What_the_script_says_is_read(
        string output, bool hasSets, int? queue, bool knowsEnded, bool keepsMark) => Assert.Equal(
        new LockdownReport(hasSets, (ushort?)queue, knowsEnded) { KeepsMark = keepsMark },
        LockdownReport.Read(output));

    [Fact]
    public void A_script_that_failed_says_whether_the_device_is_still_locked()
    {
        const string Held = "init_firewall.sh: iptables: Another app is currently holding the xtables lock";
        Assert.True(LockdownReport.Read($"still-locked: yes\n{Held}\n").IsStillLocked);
        Assert.False(LockdownReport.Read(Held).IsStillLocked);
        Assert.False(LockdownReport.Read("still-locked: no\n").IsStillLocked);
    }

    [Theory]
    [InlineData("firewall.user: failed, 4", 4)]
    [InlineData("firewall.user: failed, 137\r", 137)]
    [InlineData("firewall.user: ok", null)]
    [InlineData("firewall.user: failed", null)]
    [InlineData("firewall.user: failed, four", null)]
    [InlineData("firewall.user: failed, 4\nfirewall.user: ok", null)]
    [InlineData("", null)]
    public void A_firewall_user_that_failed_is_read(string output, int? status) =>
        Assert.Equal((ushort?)status, LockdownReport.Read(output).UserStatus);

    [Theory]
    [InlineData(0, 30)]
    [InlineData(10_000, 230)]
    [InlineData(65_536, 1340)]
    public void The_limit_of_a_script_grows_with_the_open_addresses(int openCount, int seconds) =>
        Assert.Equal(seconds, FirewallRunner.LimitFor(openCount).TotalSeconds, tolerance: 1);

    [Fact]
    public void The_script_runs_ever_more_slowly_after_changes_that_are_undone()
    {
        RepairSchedule schedule = new();
        List<double> at = [];
        TimeSpan now = TimeSpan.FromSeconds(1000);
        for (int i = 0; i < 7; i++)
        {
            now = schedule.Next(now);
            at.Add(now.TotalSeconds);
            Assert.Equal(i == 3, schedule.IsPersistent);
        }
        Assert.Equal([1000, 1001, 1003, 1007, 1015, 1023, 1031], at);
    }

    [Fact]
    public void It_runs_at_once_after_a_minute_without_changes()
    {
        RepairSchedule schedule = new();
        TimeSpan now = schedule.Next(TimeSpan.FromSeconds(1000));
        now = schedule.Next(now);
        now = schedule.Next(now);
        TimeSpan later = now + TimeSpan.FromSeconds(60);
        Assert.Equal(later, schedule.Next(later));
        Assert.Equal(later + TimeSpan.FromSeconds(1), schedule.Next(later));
    }

    [Fact]
    public void What_was_to_come_is_not_waited_for_twice()
    {
        RepairSchedule schedule = new();
        TimeSpan now = TimeSpan.FromSeconds(1000);
        for (int i = 0; i < 9; i++)
        {
            Assert.InRange(schedule.Next(now), now, now + TimeSpan.FromSeconds(8));
        }
    }

    [Fact]
    public void A_wait_that_is_over_is_none()
    {
        RepairSchedule schedule = new();
        TimeSpan now = schedule.Next(TimeSpan.FromSeconds(1000));
        Assert.Equal(now + TimeSpan.FromSeconds(30), schedule.Next(now + TimeSpan.FromSeconds(30)));
    }

    [Fact]
    public void Changes_that_are_repaired_at_once_are_counted_too()
    {
        RepairSchedule schedule = new();
        TimeSpan now = TimeSpan.FromSeconds(1000);
        for (int i = 1; i <= 5; i++)
        {
            schedule.RepairNow(now + TimeSpan.FromSeconds(i));
            Assert.Equal(i == 4, schedule.IsPersistent);
        }
        schedule.RepairNow(now + TimeSpan.FromSeconds(65));
        Assert.Equal(1, schedule.Count);
    }
}
