using System.Text;
using ConnMgr.Dns;
using ConnMgr.Firewall;

namespace ConnMgr.Tests.Firewall;

public class ResolutionsTests
{
    [Fact]
    public void Exact_names_are_due_at_the_start_each_once()
    {
        Resolutions resolutions = new(Read("a.example\n*.wild.example\nb.example\n198.18.5.1"), Seconds(5));
        Assert.Equal(Seconds(5), resolutions.NextDeadline);
        Assert.Equal("a.example b.example", Due(resolutions, 5));
        Assert.Equal(TimeSpan.MaxValue, resolutions.NextDeadline);
    }

    [Fact]
    public void A_name_is_due_again_well_before_its_holes_end()
    {
        Resolutions resolutions = new(Read("a.example"), Seconds(0));
        Due(resolutions, 0);
        resolutions.Answered(Name("a.example"), 4000, Seconds(10));
        Assert.Equal(Seconds(3010), resolutions.NextDeadline);
        Assert.Equal("", Due(resolutions, 3009));
        Assert.Equal("a.example", Due(resolutions, 3010));
    }

    /// <summary>
    /// With addresses of one family alone, that family's lifetime is the longest wait: a name server that
    /// never answers for the other must not cost 144 questions a day and name.
    /// </summary>
    [Theory]
    [InlineData(0, 600)]
    [InlineData(700, 600)]
    [InlineData(3900, 2925)]
    [InlineData(604800, 2925)]
    public void A_failure_is_tried_again_after_longer_and_longer_times_until_an_answer(
        int lifetime, int longest)
    {
        Resolutions resolutions = new(Read("a.example"), Seconds(0));
        List<double> waits = [];
        for (int i = 0; i < 12; i++)
        {
            TimeSpan now = resolutions.NextDeadline;
            Assert.True(resolutions.TryTake(now, out _));
            resolutions.Failed(Name("a.example"), now, lifetime);
            waits.Add((resolutions.NextDeadline - now).TotalSeconds);
        }
        Assert.Equal([2, 4, 8, 16, 32, 64, 128, 256, 512, longest, longest, longest], waits);
        resolutions.Answered(Name("a.example"), 4000, Seconds(5000));
        resolutions.Failed(Name("a.example"), Seconds(8000));
        Assert.Equal(Seconds(8002), resolutions.NextDeadline);
    }

    [Fact]
    public void Another_way_out_makes_failed_names_due_at_once()
    {
        Resolutions resolutions = new(Read("a.example\nb.example\nc.example"), Seconds(0));
        Due(resolutions, 0);
        resolutions.Failed(Name("a.example"), Seconds(1));
        resolutions.Answered(Name("b.example"), 4000, Seconds(1));
        resolutions.Retry(Seconds(2)); // c is being asked for
        Assert.Equal("a.example", Due(resolutions, 2));
    }

    /// <summary>The question over the old link may still fail.</summary>
    [Fact]
    public void A_name_that_is_being_asked_for_forgets_its_failures_over_the_other_link()
    {
        Resolutions resolutions = new(Read("a.example"), Seconds(0));
        for (int i = 0; i < 12; i++)
        {
            TimeSpan now = resolutions.NextDeadline;
            Assert.True(resolutions.TryTake(now, out _));
            resolutions.Failed(Name("a.example"), now);
        }
        TimeSpan last = resolutions.NextDeadline;
        Assert.True(resolutions.TryTake(last, out _));
        resolutions.Retry(last);
        resolutions.Failed(Name("a.example"), last);
        Assert.Equal(last + Seconds(2), resolutions.NextDeadline);
    }

    [Fact]
    public void A_new_whitelist_keeps_the_times_of_its_old_names()
    {
        Resolutions resolutions = new(Read("a.example\nb.example"), Seconds(0));
        Due(resolutions, 0);
        resolutions.Answered(Name("a.example"), 4000, Seconds(1));
        resolutions.Change(Read("c.example\nb.example\n*.wild.example\na.example"), Seconds(10));
        Assert.Equal("c.example", Due(resolutions, 10)); // b is being asked for
        resolutions.Answered(Name("gone.example"), 4000, Seconds(11));
        resolutions.Answered(Name("x.wild.example"), 4000, Seconds(11));
        resolutions.Failed(Name("b.example"), Seconds(11));
        Assert.Equal("b.example", Due(resolutions, 13));
        Assert.Equal("a.example", Due(resolutions, 3001));
    }

    [Fact]
    public void An_empty_whitelist_is_never_due() =>
        Assert.Equal(TimeSpan.MaxValue, new Resolutions(Whitelist.Empty, Seconds(0)).NextDeadline);

    /// <summary>A heap of 30,000 names has 15 levels.</summary>
    [Fact]
    public void What_a_name_costs_does_not_grow_with_the_names()
    {
        Resolutions resolutions = new(
            Read(string.Join('\n', Enumerable.Range(0, 30_000).Select(i => $"n{i}.example"))), Seconds(0));
        for (int i = 0; i < 1000; i++)
        {
            TimeSpan now = resolutions.NextDeadline;
            long before = resolutions.Work;
            Assert.True(resolutions.TryTake(now, out int entry));
            resolutions.Answered(resolutions.Whitelist.NameOf(entry), 3900 + i, now);
            Assert.InRange(resolutions.Work - before, 1, 64);
        }
    }

    /// <summary>Compares the class with a plain search through all names.</summary>
    [Fact]
    public void The_earliest_name_comes_first_whatever_happened()
    {
        Random random = new(3);
        const int Names = 60;
        Resolutions resolutions = new(
            Read(string.Join('\n', Enumerable.Range(0, Names).Select(i => $"n{i}.example"))), Seconds(0));
        Dictionary<string, int> due = Enumerable.Range(0, Names).ToDictionary(i => $"n{i}.example", _ => 0);
        HashSet<string> asked = [];
        for (int now = 0; now < 20_000; now += random.Next(20))
        {
            int least = due.Where(pair => !asked.Contains(pair.Key))
                .Select(pair => pair.Value).DefaultIfEmpty(int.MaxValue).Min();
            Assert.Equal(
                least == int.MaxValue ? TimeSpan.MaxValue : Seconds(least), resolutions.NextDeadline);
            Assert.Equal(least <= now, resolutions.TryTake(Seconds(now), out int entry));
            if (least <= now)
            {
                string name = resolutions.Whitelist.TextOf(entry);
                Assert.Equal(least, due[name]);
                asked.Add(name);
            }
            if (asked.Count > random.Next(20))
            {
                string answered = asked.First();
                int lifetime = 3900 + random.Next(4000);
                resolutions.Answered(Name(answered), lifetime, Seconds(now));
                due[answered] = now + (lifetime * 3 / 4);
                asked.Remove(answered);
            }
        }
    }

    private static string Due(Resolutions resolutions, int at)
    {
        List<string> names = [];
        while (resolutions.TryTake(Seconds(at), out int entry))
        {
            names.Add(resolutions.Whitelist.TextOf(entry));
        }
        return string.Join(' ', names);
    }

    private static Whitelist Read(string text) => WhitelistReader.Read(Encoding.ASCII.GetBytes(text), [], []);

    private static DnsName Name(string text) => DnsName.TryParse(text, out DnsName name) ? name : default;

    private static TimeSpan Seconds(int seconds) => TimeSpan.FromSeconds(seconds);
}
