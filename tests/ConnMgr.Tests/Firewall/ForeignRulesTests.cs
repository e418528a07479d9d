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
    public void A_program_that_adds_rule_after_rule_causes_a_probe_after_a_second_and_every_half_minute()
    {
        List<int> probes = [];
        for (int i = 0; i <= 700; i++)
        {
            if (Take(i + 1, at: i * 0.1))
            {
                probes.Add(i);
            }
        }
        Assert.Equal([10, 310, 610], probes);
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

    private bool Take(int changes, double at)
    {
        TimeSpan now = TimeSpan.FromSeconds(at);
        bool mustProbe = _rules.TakeDue(changes, now);
        Assert.True(_rules.NextDeadline > now); // the loop does not spin
        return mustProbe;
    }
}
