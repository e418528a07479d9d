using ConnMgr.Links;
using ConnMgr.Probe;

namespace ConnMgr.Tests.Links;

/// <summary>The selector with 1, 2, 3, 8 and 16 links.</summary>
public class SelectorLinkCountTests
{
    private static readonly FamilyFacts Connected = new(HasAddress: true, HasWayOut: true, Fingerprint: 1);
    private static readonly TimeSpan Later = TimeSpan.FromMinutes(1); // nothing is waited for any more

    private TimeSpan _now = Later;

    [Theory]
    [MemberData(nameof(ManyLinks.Counts), MemberType = typeof(ManyLinks))]
    public void Each_link_is_left_for_the_next_when_it_fails(int count)
    {
        Link[] links = LinksOf(count);
        Selector selector = new(links, TimeSpan.Zero);
        foreach (Link link in links)
        {
            Up(link);
            Answer(link, ProbeOutcome.ServiceAnswered);
        }
        for (int i = 0; i < count; i++)
        {
            Assert.True(selector.Decide(_now));
            Assert.Same(links[i], selector.Choice);
            _now += TimeSpan.FromSeconds(1);
            links[i].SetFacts(links[i].Facts with { Ipv4 = Connected with { Fingerprint = 2 } }, _now);
            Answer(links[i], ProbeOutcome.NoAnswer);
        }
    }

    /// <summary>All sets of up to 8 links, and 2,000 of 16.</summary>
    [Theory]
    [MemberData(nameof(ManyLinks.Counts), MemberType = typeof(ManyLinks))]
    public void The_first_that_is_up_is_chosen_and_a_confirmed_one_before_it(int count)
    {
        Random random = new(count);
        for (int set = 1; set < (count > 8 ? 2000 : 1 << count); set++)
        {
            int up = count > 8 ? random.Next(1, 1 << count) : set;
            int confirmed = up & random.Next(1 << count);
            Link[] links = LinksOf(count);
            for (int i = 0; i < count; i++)
            {
                if ((up >> i & 1) != 0)
                {
                    Up(links[i]);
                }
                if ((confirmed >> i & 1) != 0)
                {
                    Answer(links[i], ProbeOutcome.ServiceAnswered);
                }
            }
            Selector selector = new(links, TimeSpan.Zero);
            Assert.True(selector.Decide(_now));
            int best = int.TrailingZeroCount(confirmed != 0 ? confirmed : up);
            Assert.Same(links[best], selector.Choice);
        }
    }

    [Fact]
    public void A_decision_costs_at_most_linearly()
    {
        long[] costs = [.. ((int[])[1, 2, 3, 8, 16, 32]).Select(CostOf)];
        Assert.All(costs, cost => Assert.InRange(cost, 0, 200)); // the reason is a text; else nothing
    }

    /// <summary>The bytes that the decision allocates after the first link has failed.</summary>
    private long CostOf(int count)
    {
        Link[] links = LinksOf(count);
        Selector selector = new(links, TimeSpan.Zero);
        long cost = 0;
        for (int round = 0; round < 3; round++)
        {
            foreach (Link link in links)
            {
                Up(link);
                Answer(link, ProbeOutcome.ServiceAnswered);
            }
            _ = selector.Decide(_now);
            _now += TimeSpan.FromSeconds(1);
            long before = GC.GetAllocatedBytesForCurrentThread();
            _ = selector.Decide(_now);
            cost = GC.GetAllocatedBytesForCurrentThread() - before;
        }
        return cost;
    }

    private static Link[] LinksOf(int count) => ManyLinks.Of(count, idle: TimeSpan.FromSeconds(16));

    private void Up(Link link) => link.SetFacts(new LinkFacts(2, true, true, Connected, default), _now);

    private void Answer(Link link, ProbeOutcome outcome) =>
        link.OnProbeEnded(new ProbeResult(outcome, ""), _now);
}
