using ConnMgr.Links;
using ConnMgr.Net;
using ConnMgr.Probe;
using ConnMgr.Status;

namespace ConnMgr.Tests.Status;

public class UsageTallyTests
{
    private readonly UsageTally _tally;
    private string _counters = "";

    public UsageTallyTests() => _tally = new UsageTally(() => _counters);

    [Fact]
    public void The_time_and_the_bytes_of_the_link_in_use_are_counted()
    {
        Use("", 0, 0, 0);
        Use("eth0", 1, 100, 5);
        Use("eth0", 2, 150, 5);
        Use("wlan0", 11, 300, 5);
        Use("eth0", 15, 300, 45);
        Assert.Equal((13, 220UL), Figures("eth0", 18, 320, 45));
        Assert.Equal((4, 40UL), Figures("wlan0", 18, 320, 45));
        Assert.Equal((14, 225UL), Figures("eth0", 19, 325, 45)); // asking does not change the count
        Assert.Equal(TimeSpan.FromSeconds(15), _tally.ChangedAt);
        Assert.Equal(
            ["-eth0 1", "eth0-wlan0 1", "wlan0-eth0 1"],
            _tally.Changes.Select(change => $"{change.From}-{change.To} {change.Count}"));
    }

    [Fact]
    public void A_device_that_was_plugged_in_again_counts_from_zero()
    {
        Use("eth0", 1, 1000, 0);
        Assert.Equal((1, 30UL), Figures("eth0", 2, 30, 0));
    }

    [Fact]
    public void Probes_are_counted_once_by_their_duration()
    {
        foreach ((double end, double took, ProbeOutcome outcome) in ((double, double, ProbeOutcome)[])
            [(1, 0.010, ProbeOutcome.ServiceAnswered), (1, 0.010, ProbeOutcome.ServiceAnswered),
                (2, 0.011, ProbeOutcome.ServiceAnswered), (9, 7, ProbeOutcome.NoAnswer)])
        {
            _tally.Observe(
                new ConnectionView { Links = [Link("eth0", end, took, outcome)] }, device: null,
                TimeSpan.FromSeconds(end));
        }
        LinkUsage usage = _tally.Of("eth0", "", TimeSpan.FromSeconds(10));
        Assert.Equal([1, 1, 0, 0, 0, 0, 0, 0, 0, 1], usage.Durations);
        Assert.Equal(7.021, usage.DurationSum.TotalSeconds, 6);
        Assert.Equal(TimeSpan.FromSeconds(2), usage.ProvedAt);
    }

    [Fact]
    public void The_kernel_counts_for_the_device_if_the_link_has_an_alternative_name()
    {
        SetCounters(100, 0);
        ConnectionView view = new() { InUse = Link("lan0", 0, 0, ProbeOutcome.NoAnswer) };
        _tally.Observe(view, "eth0", TimeSpan.FromSeconds(1));
        Assert.Equal((1, 50UL), Figures("lan0", 2, 150, 0));
    }

    private void Use(string link, double at, int eth, int wifi)
    {
        SetCounters(eth, wifi);
        LinkView? inUse = link.Length == 0 ? null : Link(link, 0, 0, ProbeOutcome.NoAnswer);
        _tally.Observe(new ConnectionView { InUse = inUse }, device: null, TimeSpan.FromSeconds(at));
    }

    private (int Seconds, ulong Bytes) Figures(string link, double at, int eth, int wifi)
    {
        SetCounters(eth, wifi);
        LinkUsage usage = _tally.Of(link, _counters, TimeSpan.FromSeconds(at));
        return ((int)usage.InUse.TotalSeconds, usage.BytesInUse);
    }

    private void SetCounters(int eth, int wifi) => _counters =
        $"  eth0: {eth} 0 0 0 0 0 0 0 0 0 0 0 0 0 0 0\n wlan0: 0 0 0 0 0 0 0 0 {wifi} 0 0 0 0 0 0 0\n";

    private static LinkView Link(string name, double endedAt, double took, ProbeOutcome outcome) => new(
        LinkKind.Ethernet, name, false, LinkState.Confirmed, "", default, default, default, false, false,
        endedAt > 0 ? new ProbeResult(outcome, "") : null, TimeSpan.FromSeconds(endedAt),
        TimeSpan.FromSeconds(took), default);
}
