using ConnMgr.Firewall;

namespace ConnMgr.Tests.Firewall;

public class ForeignRulesTests
{
    private readonly ForeignRules _rules = new();

    [Fact]
    public void Nothing_is_probed_while_nothing_changes()
    {
        Assert.False(Take(0, at: 0));
        Assert.False(Take(0, at: 100));
    }

    [Fact]
    public void A_program_that_adds_rule_after_rule_causes_one_probe()
    {
        for (int i = 1; i <= 10; i++)
        {
            Assert.False(Take(i, at: i * 0.3));
        }
        Assert.False(Take(10, at: 3.9));
        Assert.True(Take(10, at: 4.0));
        Assert.False(Take(10, at: 4.1));
    }

    [Fact]
    public void The_next_probe_waits_for_half_a_minute()
    {
        _ = Take(1, at: 0);
        Assert.True(Take(1, at: 1));
        Assert.False(Take(2, at: 2));
        Assert.False(Take(2, at: 30.9));
        Assert.True(Take(2, at: 31));
    }

    [Fact]
    public void What_may_be_the_daemons_own_change_does_not_count()
    {
        Assert.False(Take(1, at: 0, mayBeOwn: true));
        Assert.False(Take(1, at: 100));
    }

    private bool Take(int changes, double at, bool mayBeOwn = false) =>
        _rules.Take(changes, mayBeOwn, TimeSpan.FromSeconds(at));
}
