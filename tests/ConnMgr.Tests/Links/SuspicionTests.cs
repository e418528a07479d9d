using ConnMgr.Config;
using ConnMgr.Links;
using ConnMgr.Net;
using ConnMgr.Probe;

namespace ConnMgr.Tests.Links;

public class SuspicionTests
{
    private static readonly LinkFacts Up = new(2, true, true, new FamilyFacts(true, true, 1), default);
    private static readonly LinkFacts NoAddress = Up with { Ipv4 = default };
    private static readonly ProbeResult Echo = new(ProbeOutcome.ServiceAnswered, "echo");
    private static readonly ProbeResult None = new(ProbeOutcome.NoAnswer, "none");

    [Fact]
    public void Two_seconds_after_something_left_in_vain_an_early_probe_starts()
    {
        Link link = Confirmed(LinkKind.Ethernet);
        link.SeeOutgoing(At(10.3));
        link.SeeOutgoing(At(11)); // the first one counts
        Assert.Equal(At(12.3), link.NextDeadline);
        link.Advance(At(12.2));
        Assert.False(link.IsProbing);
        link.Advance(At(12.3));
        Assert.True(link.IsUnderSuspicion);
        Assert.True(Assert.Single(link.Effects).IsEarly);
        link.OnProbeEnded(None, At(14.3));
        Assert.Equal(LinkState.Failed, link.State);
        Assert.Equal(TimeSpan.MaxValue, link.NextDeadline);
    }

    [Fact]
    public void Evidence_clears_it()
    {
        Link link = Confirmed(LinkKind.Ethernet);
        link.SeeOutgoing(At(10));
        link.SeeEvidence(At(10.1));
        Assert.Equal(TimeSpan.MaxValue, link.NextDeadline);
        link.SeeOutgoing(At(10.2));
        link.Tick(hadEvidence: true, At(12)); // the evidence came before the packet
        Assert.NotEqual(TimeSpan.MaxValue, link.NextDeadline);
        link.SeeEvidence(At(12.1));
        Assert.Equal(TimeSpan.MaxValue, link.NextDeadline);
    }

    [Fact]
    public void At_most_one_in_16_seconds_doubled_by_each_success_up_to_10_minutes()
    {
        Link link = Confirmed(LinkKind.Ethernet);
        TimeSpan at = At(10);
        List<double> gaps = [];
        for (int i = 0; i < 8; i++)
        {
            TimeSpan next = EarlyProbe(link, at);
            gaps.Add((next - at).TotalSeconds);
            at = next;
        }
        Assert.Equal([2, 32, 64, 128, 256, 512, 600, 600], gaps);
        link.SeeEvidence(at + At(1));
        Assert.Equal(16, (EarlyProbe(link, at) - at).TotalSeconds);
    }

    [Fact]
    public void An_outage_or_another_probe_ends_it()
    {
        Link link = Confirmed(LinkKind.Ethernet);
        link.SeeOutgoing(At(10));
        link.SetFacts(NoAddress, At(10.1));
        link.SetFacts(Up, At(10.2));
        Assert.Equal(TimeSpan.MaxValue, link.NextDeadline);
        link.SeeOutgoing(At(11));
        link.Probe("another reason", isEarly: false, At(11.1));
        Assert.Equal(TimeSpan.MaxValue, link.NextDeadline);
        link.SeeOutgoing(At(11.2)); // packets during a probe are the probe's own
        Assert.Equal(TimeSpan.MaxValue, link.NextDeadline);
        Assert.False(link.IsUnderSuspicion);
    }

    [Theory]
    [InlineData("never", true, false)]
    [InlineData("suspect", true, true)]
    [InlineData("suspect", false, false)]
    public void A_metered_link_is_suspected_only_while_in_use_and_if_allowed(
        string wanProbe, bool isInUse, bool isProbed)
    {
        Link link = new(LinkKind.Wan, "wwan0", At(16), Enum.Parse<WanProbe>(wanProbe, ignoreCase: true));
        link.SetFacts(Up, At(0));
        link.SetSurroundings(new Surroundings(isInUse, LinkClass.C, false));
        link.SeeOutgoing(At(10));
        link.Advance(At(12));
        Assert.Equal(isProbed, link.IsProbing);
    }

    [Fact]
    public void The_others_are_probed_beside_a_suspect_and_a_link_when_it_is_chosen()
    {
        Link eth = Confirmed(LinkKind.Ethernet);
        Link wifi = Confirmed(LinkKind.WiFi);
        Link wan = Confirmed(LinkKind.Wan);
        Crosscheck crosscheck = new([eth, wifi, wan]);
        Update(crosscheck, eth, eth, At(4));
        Assert.False(eth.IsProbing); // confirmed 4 s ago

        eth.SeeOutgoing(At(10));
        eth.Advance(At(12));
        Update(crosscheck, eth, eth, At(12));
        Assert.True(wifi is { IsProbing: true, IsUnderSuspicion: false } && !wan.IsProbing);
        wifi.OnProbeEnded(Echo, At(12.1));
        Update(crosscheck, eth, eth, At(12.1));
        Assert.False(wifi.IsProbing);
        eth.OnProbeEnded(None, At(14));
        Update(crosscheck, wifi, eth, At(16.05));
        Assert.False(wifi.IsProbing);

        eth.SetFacts(default, At(30));
        Update(crosscheck, wan, eth, At(30));
        Update(crosscheck, wifi, wan, At(31));
        Assert.True(wifi.IsProbing && !wan.IsProbing);
    }

    /// <summary>A reload that adds another link lets the comparison go on.</summary>
    [Theory, InlineData(false), InlineData(true)]
    public void A_link_whose_echo_alone_is_not_answered_three_times_loses_its_confirmation(bool isReloaded)
    {
        Link eth = Confirmed(LinkKind.Ethernet);
        Link wifi = Confirmed(LinkKind.WiFi);
        Crosscheck crosscheck = new([eth, wifi]);
        Update(crosscheck, eth, eth, At(0));
        TimeSpan now = At(14);
        List<double> probes = [];
        while (eth.State == LinkState.Confirmed)
        {
            now += Link.TickPeriod;
            eth.Tick(true, now);
            if (now == At(16))
            {
                eth.Probe("idle", isEarly: false, now);
            }
            if (eth.IsProbing)
            {
                probes.Add(now.TotalSeconds);
                eth.OnProbeEnded(new ProbeResult(ProbeOutcome.PingOnly, ""), now);
                Update(crosscheck, eth, eth, now);
                Assert.True(wifi.IsProbing);
                wifi.OnProbeEnded(Echo, now);
                Update(crosscheck, eth, eth, now);
                if (isReloaded)
                {
                    Link added = new(LinkKind.Ethernet, $"eth{probes.Count}", At(16), WanProbe.Suspect);
                    crosscheck.SetLinks([added, eth, wifi]);
                }
            }
        }
        Assert.Equal([16, 20, 24], probes);
        Assert.Equal(LinkState.Unconfirmed, eth.State);
        Assert.Equal(1, eth.Failures.Count(now));
    }

    [Fact]
    public void When_the_service_is_down_for_all_nobody_loses_it_and_each_is_asked_once()
    {
        Link eth = Confirmed(LinkKind.Ethernet);
        Link wifi = Confirmed(LinkKind.WiFi);
        Crosscheck crosscheck = new([eth, wifi]);
        Update(crosscheck, eth, eth, At(0));
        eth.Probe("idle", isEarly: false, At(16));
        int probes = 0;
        for (int i = 0; i < 100; i++)
        {
            foreach (Link link in (Link[])[eth, wifi])
            {
                probes += link.IsProbing ? 1 : 0;
                link.OnProbeEnded(new ProbeResult(ProbeOutcome.PingOnly, ""), At(16 + (i * 0.01)));
                Update(crosscheck, eth, eth, At(16 + (i * 0.01)));
            }
        }
        Assert.Equal(2, probes);
        Assert.True(eth.State == LinkState.Confirmed && wifi.State == LinkState.Confirmed);
    }

    private static TimeSpan At(double seconds) => TimeSpan.FromSeconds(seconds);

    private static Link Confirmed(LinkKind kind)
    {
        Link link = new(kind, kind.ToString(), At(16), WanProbe.Suspect);
        link.SetFacts(Up, At(0));
        link.OnProbeEnded(Echo, At(0));
        link.ClearEffects();
        return link;
    }

    /// <summary>
    /// A packet leaves at once, and the early probe that follows succeeds. Returns when the probe started.
    /// </summary>
    private static TimeSpan EarlyProbe(Link link, TimeSpan now)
    {
        link.SeeOutgoing(now);
        TimeSpan at = link.NextDeadline;
        link.Advance(at);
        Assert.True(link.IsUnderSuspicion);
        link.OnProbeEnded(Echo, at);
        return at;
    }

    /// <summary>Does with the cross-check what the core does in one wake-up.</summary>
    private static void Update(Crosscheck crosscheck, Link? choice, Link? inUse, TimeSpan now)
    {
        crosscheck.Compare(now);
        crosscheck.Follow(choice, inUse, now);
    }
}
