using ConnMgr.Logging;

namespace ConnMgr.Tests.Logging;

public class EventRingTests
{
    private readonly EventRing _ring = new();

    [Fact]
    public void Events_are_kept_in_order_with_both_times()
    {
        Add(EventKind.Link, "eth0 is up", 3);
        Add(EventKind.Decision, "using eth0", 4);
        Assert.Equal(["1 3 Link eth0 is up", "2 4 Decision using eth0"], _ring.Events.Select(
            kept => $"{kept.Number} {kept.At.TotalSeconds} {kept.Kind} {kept.Text}"));
        Assert.Equal(DateTime.UnixEpoch.AddSeconds(4), _ring.Events[1].WallAt);
    }

    [Fact]
    public void The_oldest_goes_when_there_are_500()
    {
        for (int i = 1; i <= 501; i++)
        {
            Add(EventKind.Link, $"{i}", i);
        }
        Assert.Equal(500, _ring.Events.Count);
        Assert.Equal("2", _ring.Events[0].Text);
        Assert.Equal(501, _ring.LastNumber);
        Assert.Equal(501, _ring.Total(EventKind.Link));
    }

    [Fact]
    public void A_flood_of_probes_does_not_push_out_decisions()
    {
        for (int i = 0; i < 300; i++)
        {
            Add(EventKind.Decision, $"decision {i}", i);
        }
        for (int i = 0; i < 5000; i++)
        {
            Add(i % 2 == 0 ? EventKind.Probe : EventKind.Reply, $"{i}", i);
        }
        Assert.Equal(300, _ring.Events.Count(kept => kept.Kind == EventKind.Decision));
        Assert.Equal(500, _ring.Events.Count);
        Assert.Equal("4999", _ring.Events[^1].Text);
    }

    [Theory]
    [InlineData(nameof(EventKind.Reload))]
    [InlineData(nameof(EventKind.Attrd))]
    [InlineData(nameof(EventKind.Hook))]
    [InlineData(nameof(EventKind.Firewall))]
    public void A_flood_of_what_is_not_about_links_pushes_out_only_itself(string name)
    {
        EventKind kind = Enum.Parse<EventKind>(name);
        for (int i = 0; i < 440; i++)
        {
            Add(i % 2 == 0 ? EventKind.Decision : EventKind.Link, $"decision {i}", i);
        }
        for (int i = 0; i < 5000; i++)
        {
            Add(kind, $"{i}", i);
        }
        Assert.Equal("decision 0", _ring.Events[0].Text);
        Assert.Equal(490, _ring.Events.Count);
        Assert.Equal(
            Enumerable.Range(4950, 50).Select(i => $"{i}"), _ring.Events.Skip(440).Select(kept => kept.Text));
        Assert.Equal(5000, _ring.Total(kind));
    }

    [Fact]
    public void A_flood_of_decisions_leaves_a_quarter_to_probes()
    {
        for (int i = 0; i < 5000; i++)
        {
            Add(EventKind.Probe, $"{i}", i);
        }
        for (int i = 0; i < 375; i++)
        {
            Add(EventKind.Decision, $"{i}", i);
        }
        Assert.Equal(125, _ring.Events.Count(kept => kept.Kind == EventKind.Probe));
    }

    [Fact]
    public void The_same_twice_in_a_row_is_one_with_a_count_and_a_new_number()
    {
        Add(EventKind.Switch, "failed", 1);
        Add(EventKind.Switch, "failed", 2);
        Add(EventKind.Switch, "failed", 3);
        Event only = Assert.Single(_ring.Events);
        Assert.Equal((3, 3, 3.0), (only.Times, only.Number, only.At.TotalSeconds));
        Assert.Equal(3, _ring.Total(EventKind.Switch));
    }

    [Fact]
    public void Text_is_bounded_each_and_in_total()
    {
        for (int i = 0; i < 600; i++)
        {
            Add(EventKind.Link, i + new string('x', 1000), i);
        }
        Assert.All(_ring.Events, kept => Assert.Equal(EventRing.MaxText, kept.Text.Length));
        Assert.True(_ring.Events.Sum(kept => kept.Text.Length) <= EventRing.MaxTotalText);
        Assert.True(_ring.Events.Count > 200);
    }

    private void Add(EventKind kind, string text, int seconds) => _ring.Add(
        kind, LogLevel.Info, text, TimeSpan.FromSeconds(seconds), DateTime.UnixEpoch.AddSeconds(seconds));
}
