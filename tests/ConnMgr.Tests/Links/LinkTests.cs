using ConnMgr.Config;
using ConnMgr.Links;
using ConnMgr.Net;
using ConnMgr.Netlink;
using ConnMgr.Probe;

namespace ConnMgr.Tests.Links;

public class LinkTests
{
    private static readonly FamilyFacts Connected = new(HasAddress: true, HasWayOut: true, Fingerprint: 1);
    private static readonly ProbeResult Echo = new(ProbeOutcome.ServiceAnswered, "echo");
    private static readonly ProbeResult PingOnly = new(ProbeOutcome.PingOnly, "ping");
    private static readonly ProbeResult Wrong = new(ProbeOutcome.WrongContent, "portal");
    private static readonly ProbeResult None = new(ProbeOutcome.NoAnswer, "none");

    private static readonly LinkFacts Up = new(2, IsAdminUp: true, IsRunning: true, Connected, default);
    private static readonly LinkFacts NoRoute = Up with { Ipv4 = new(true, false, 1) };
    private static readonly LinkFacts NoAddress = Up with { Ipv4 = default };
    private static readonly LinkFacts NoCarrier = Up with { IsRunning = false };

    [Fact]
    public void Comes_up_unconfirmed_and_is_probed_at_once()
    {
        Link link = Ethernet();
        link.SetFacts(Up, At(1));
        Assert.Equal("ITFDOWN_SU -> ITFUP_SU: is up, not yet confirmed; probe: came up", Effects(link));
        link.OnProbeEnded(Echo, At(1.1));
        Assert.Equal("ITFUP_SU -> ITFUP_SS: echo", Effects(link));
    }

    [Fact]
    public void Is_up_only_with_address_and_way_out_in_whatever_order_they_come()
    {
        foreach (LinkFacts[] order in new LinkFacts[][] { [NoAddress, NoRoute, Up], [NoCarrier, NoRoute, Up],
            [default, Up] })
        {
            Link link = Ethernet();
            foreach (LinkFacts facts in order[..^1])
            {
                link.SetFacts(facts, At(1));
                Assert.False(link.State.IsUp());
            }
            link.SetFacts(order[^1], At(2));
            Assert.Equal(LinkState.Unconfirmed, link.State);
        }
    }

    [Theory]
    [InlineData(0, "lost its device")]
    [InlineData(1, "is administratively down")]
    [InlineData(2, "lost carrier")]
    [InlineData(3, "got another device")]
    public void Goes_down_at_once(int how, string words)
    {
        Link link = Confirmed(Ethernet());
        LinkFacts facts = how switch
        {
            0 => default,
            1 => Up with { IsAdminUp = false },
            2 => NoCarrier,
            _ => Up with { Ifindex = 3, Ipv4 = default },
        };
        link.SetFacts(facts, At(10));
        Assert.StartsWith($"ITFUP_SS -> ITFDOWN_SU: {words}", Effects(link), StringComparison.Ordinal);
        Assert.Equal(1, link.Failures.Count(At(10)));
    }

    [Fact]
    public void Loss_of_the_route_counts_after_a_second()
    {
        Link link = Confirmed(Ethernet());
        link.SetFacts(NoRoute, At(10));
        Assert.True(link.IsInterrupted);
        Assert.Equal(At(11), link.NextDeadline);
        link.Advance(At(10.999));
        Assert.Equal(LinkState.Confirmed, link.State);
        link.Advance(At(11));
        Assert.Equal("ITFUP_SS -> ITFDOWN_SX: lost its way out", Effects(link));
        Assert.Equal(1, link.Failures.Count(At(11)));
        Assert.Equal(TimeSpan.MaxValue, link.NextDeadline);
    }

    [Fact]
    public void A_renewal_that_gives_address_and_route_back_within_a_second_is_no_failure()
    {
        Link link = Confirmed(Ethernet());
        link.SetFacts(NoAddress, At(10));
        link.SetFacts(NoRoute, At(10.3));
        link.SetFacts(Up, At(10.9));
        link.Advance(At(11.5));
        Assert.Equal(LinkState.Confirmed, link.State);
        Assert.Equal(0, link.Failures.Count(At(12)));
        Assert.Equal("", Effects(link));
        link.SetFacts(NoAddress, At(20));
        link.SetFacts(Up with { Ipv4 = Connected with { Fingerprint = 2 } }, At(20.5));
        Assert.Equal("probe: got another address or route", Effects(link));
    }

    [Fact]
    public void A_probe_that_was_interrupted_is_made_up_for()
    {
        Link link = Ethernet();
        link.SetFacts(Up, At(1));
        link.SetFacts(NoRoute, At(1.5));
        link.ClearEffects();
        link.SetFacts(Up, At(1.6));
        Assert.Equal("probe: got another address or route", Effects(link));
    }

    [Fact]
    public void A_probe_that_an_outage_interrupts_is_cancelled_and_never_counts()
    {
        Link link = Ethernet();
        link.SetFacts(Up, At(1));
        link.ClearEffects();
        link.SetFacts(NoRoute, At(1.5));
        Assert.Equal("cancel", Effects(link));
        link.OnProbeEnded(None, At(2)); // the probe's result came too late
        Assert.Equal(LinkState.Unconfirmed, link.State);
        Assert.Equal(0, link.Failures.Count(At(2)));
    }

    [Fact]
    public void Silence_for_the_idle_limit_starts_a_probe_and_evidence_puts_it_off()
    {
        Link link = Confirmed(Ethernet());
        Assert.Equal(At(16), TickUntilProbe(link, 2, _ => false));
        link.OnProbeEnded(Echo, At(16.1));
        // Evidence arrives in the tick that ends at 30 s.
        Assert.Equal(At(46), TickUntilProbe(link, 18, at => at == 30));
    }

    [Fact]
    public void A_confirmed_link_is_proved_anew_every_minute_whatever_its_traffic()
    {
        Link link = Confirmed(Ethernet());
        TimeSpan at = TickUntilProbe(link, 2, _ => true);
        Assert.InRange(at, At(56), At(61));
    }

    [Fact]
    public void A_failed_link_is_probed_after_2_4_8_16_and_then_30_seconds()
    {
        Link link = Confirmed(Ethernet());
        link.SetSurroundings(new Surroundings(false, LinkClass.A, false));
        int at = (int)TickUntilProbe(link, 2, _ => false).TotalSeconds;
        List<int> gaps = [];
        for (int i = 0; i < 6; i++)
        {
            link.OnProbeEnded(None, At(at));
            link.ClearEffects();
            int next = (int)TickUntilProbe(link, at + 2, _ => false).TotalSeconds;
            gaps.Add(next - at);
            at = next;
        }
        Assert.Equal([2, 4, 8, 16, 30, 30], gaps);
        Assert.Equal(1, link.Failures.Count(At(at)));
    }

    [Fact]
    public void Without_a_good_link_in_use_a_failed_one_is_probed_every_10_seconds()
    {
        Link link = Confirmed(Ethernet());
        int at = (int)TickUntilProbe(link, 2, _ => false).TotalSeconds;
        int longest = 0;
        for (int i = 0; i < 6; i++)
        {
            link.OnProbeEnded(None, At(at));
            link.ClearEffects();
            int next = (int)TickUntilProbe(link, at + 2, _ => false).TotalSeconds;
            longest = Math.Max(longest, next - at);
            at = next;
        }
        Assert.Equal(10, longest);
    }

    [Fact]
    public void Ping_alone_moves_nobody_but_lifts_a_failed_link()
    {
        Link link = Ethernet();
        link.SetFacts(Up, At(0));
        link.OnProbeEnded(PingOnly, At(1));
        Assert.Equal(LinkState.Unconfirmed, link.State);

        link = Confirmed(Ethernet());
        link.ClearEffects();
        Assert.Equal(At(16), TickUntilProbe(link, 2, _ => false));
        link.OnProbeEnded(PingOnly, At(19));
        Assert.Equal(LinkState.Confirmed, link.State);
        Assert.Equal(At(36), TickUntilProbe(link, 20, _ => true));

        link.OnProbeEnded(None, At(39));
        Assert.Equal(LinkState.Failed, link.State);
        Assert.Equal(At(42), TickUntilProbe(link, 40, _ => false));
        link.OnProbeEnded(PingOnly, At(43));
        Assert.Equal(LinkState.Unconfirmed, link.State);
        Assert.Equal(At(60), TickUntilProbe(link, 44, _ => false));
    }

    /// <summary>As over a full uplink: ping fits into the time, the two of the service do not.</summary>
    [Fact]
    public void A_link_that_answered_ping_alone_has_the_usual_time_until_it_is_confirmed_again()
    {
        Link link = Confirmed(Ethernet());
        link.SeeOutgoing(At(1));
        link.SeeEvidence(At(1.03));
        Assert.NotNull(LimitOfProbe(link, At(2)));
        link.OnProbeEnded(PingOnly, At(3));
        Assert.Null(LimitOfProbe(link, At(4)));
        link.OnProbeEnded(PingOnly, At(5));
        Assert.Null(LimitOfProbe(link, At(6)));
        link.OnProbeEnded(Echo, At(7));
        Assert.NotNull(LimitOfProbe(link, At(8)));
    }

    [Fact]
    public void Wrong_content_fails_a_confirmed_link_at_once()
    {
        Link link = Confirmed(Ethernet());
        TickUntilProbe(link, 2, _ => false);
        link.OnProbeEnded(Wrong, At(18.1));
        Assert.Equal(LinkState.Failed, link.State);
    }

    [Fact]
    public void Evidence_never_confirms_but_makes_a_probe_start_at_most_every_4_seconds()
    {
        Link link = Confirmed(Ethernet());
        TickUntilProbe(link, 2, _ => false);
        link.OnProbeEnded(None, At(18.1));
        link.ClearEffects();
        link.SeeEvidence(At(18.2));
        Assert.Equal("probe: gave evidence", Effects(link));
        Assert.Equal(LinkState.Failed, link.State);
        link.OnProbeEnded(None, At(18.3));
        link.SeeEvidence(At(19));
        Assert.Equal("", Effects(link));
        link.SeeEvidence(At(22.3));
        Assert.Equal("probe: gave evidence", Effects(link));
    }

    [Fact]
    public void Evidence_starts_no_probe_after_ping_alone_or_wrong_content()
    {
        foreach (ProbeResult result in new[] { PingOnly, Wrong })
        {
            Link link = Ethernet();
            link.SetFacts(Up, At(0));
            link.OnProbeEnded(result, At(1));
            link.ClearEffects();
            link.SeeEvidence(At(9));
            Assert.Equal("", Effects(link));
        }
    }

    [Fact]
    public void Evidence_is_not_heeded_on_a_confirmed_link_or_while_it_is_interrupted()
    {
        Link link = Confirmed(Ethernet());
        link.SeeEvidence(At(1));
        link.SetFacts(NoRoute, At(2));
        link.SeeEvidence(At(2.1));
        Assert.Equal("", Effects(link));
    }

    [Fact]
    public void A_metered_link_is_assumed_good_and_costs_no_probe()
    {
        Link link = new(LinkKind.Wan, "wwan0", At(16), WanProbe.Suspect);
        link.SetFacts(Up, At(0));
        Assert.Equal("ITFDOWN_SU -> ITFUP_SS: is up, assumed good (metered, not probed)", Effects(link));
        for (int at = 2; at < 3600; at += 2)
        {
            link.Tick(false, At(at));
        }
        Assert.Equal("", Effects(link));
    }

    [Fact]
    public void A_metered_link_is_probed_as_others_if_that_was_asked_for()
    {
        Link link = new(LinkKind.Wan, "wwan0", At(16), WanProbe.Always);
        link.SetFacts(Up, At(0));
        Assert.Equal("ITFDOWN_SU -> ITFUP_SU: is up, not yet confirmed; probe: came up", Effects(link));
        link.OnProbeEnded(None, At(3));
        Assert.Equal(LinkState.Failed, link.State);
    }

    [Fact]
    public void Another_gateway_or_address_is_probed_but_a_metric_is_not()
    {
        Link link = Confirmed(Ethernet());
        link.SetFacts(Up, At(3));
        Assert.Equal("", Effects(link));
        link.SetFacts(Up with { Ipv4 = Connected with { Fingerprint = 2 } }, At(4));
        Assert.Equal("probe: got another address or route", Effects(link));
    }

    [Fact]
    public void Ipv4_lost_for_a_second_hands_the_judgement_to_ipv6()
    {
        LinkFacts only6 = Up with { Ipv4 = new(true, false, 1), Ipv6 = Connected with { Fingerprint = 6 } };
        Link link = Confirmed(Ethernet());
        link.SetFacts(only6, At(3));
        link.SetFacts(only6 with { Ipv4 = Connected }, At(3.5)); // a DHCP renewal
        link.Advance(At(5));
        Assert.Equal("", Effects(link));

        link.SetFacts(only6, At(6));
        Assert.True(link.IsInterrupted);
        link.Advance(At(7));
        Assert.Equal(LinkState.Confirmed, link.State);
        Assert.False(link.IsInterrupted);
        Assert.Equal(6, link.Facts.Judged.Fingerprint);
        Assert.Equal("probe: got another address or route", Effects(link));
    }

    [Fact]
    public void Failed_and_then_down_is_one_failure_but_up_again_and_down_is_another()
    {
        Link link = Confirmed(Ethernet());
        TickUntilProbe(link, 2, _ => false);
        link.OnProbeEnded(None, At(19));
        link.SetFacts(NoCarrier, At(20));
        Assert.Equal(1, link.Failures.Count(At(20)));
        link.SetFacts(Up, At(21));
        link.SetFacts(NoCarrier, At(22));
        Assert.Equal(2, link.Failures.Count(At(22)));
        Assert.Equal(0, link.Failures.Count(At(22 + 3600)));
    }

    [Fact]
    public void A_metered_link_that_is_probed_as_others_is_not_trusted_for_a_new_address()
    {
        Link link = new(LinkKind.Wan, "wwan0", At(16), WanProbe.Always);
        link.SetFacts(Up, At(0));
        link.OnProbeEnded(None, At(3));
        link.ClearEffects();
        link.SetFacts(Up with { Ipv4 = Connected with { Fingerprint = 2 } }, At(4));
        Assert.Equal("probe: got another address or route", Effects(link));
        Assert.Equal(LinkState.Failed, link.State);
    }

    [Theory]
    [InlineData(true)]
    [InlineData(false)]
    public void A_link_that_serves_its_hold_is_probed_every_5_seconds(bool isConfirmed)
    {
        Link link = Ethernet();
        link.SetFacts(Up, At(0));
        link.SetSurroundings(new Surroundings(false, isConfirmed ? LinkClass.A : LinkClass.B, false));
        link.OnProbeEnded(None, At(1));
        link.OnProbeEnded(None, TickUntilProbe(link, 2, _ => false) + At(1));
        TimeSpan at = TickUntilProbe(link, 6, _ => false);
        link.OnProbeEnded(isConfirmed ? Echo : PingOnly, at);
        Assert.InRange(TickUntilProbe(link, (int)at.TotalSeconds + 2, _ => false) - at, At(2), At(5));
    }

    [Fact]
    public void Without_a_good_link_in_use_the_end_of_a_probe_and_the_next_are_10_seconds_apart_at_most()
    {
        Link link = Ethernet();
        link.SetFacts(Up, At(0));
        link.OnProbeEnded(None, At(3));
        for (int i = 0, at = 4; i < 6; i++)
        {
            TimeSpan next = TickUntilProbe(link, at, _ => false);
            Assert.InRange(next - At(at - 1), At(0), At(10));
            at = (int)next.TotalSeconds + 4;
            link.OnProbeEnded(None, At(at - 1));
        }
    }

    [Fact]
    public void A_cancelled_probe_did_not_run()
    {
        Link link = Ethernet();
        link.SetFacts(Up, At(1));
        Assert.Equal(At(1), link.ProbeStartedAt);
        link.SetFacts(NoRoute, At(1.5));
        Assert.Equal(TimeSpan.MinValue, link.ProbeStartedAt);
    }

    [Fact]
    public void Other_name_servers_start_a_probe_unless_the_link_is_confirmed()
    {
        Link link = Ethernet();
        link.SeeOtherServers(At(0));
        Assert.Equal("", Effects(link)); // no probe: the link is down
        link.SetFacts(Up, At(1));
        link.ClearEffects();
        link.SeeOtherServers(At(1.5));
        Assert.Equal("", Effects(link)); // no second probe: one is running
        link.OnProbeEnded(None, At(2));
        link.ClearEffects();
        link.SeeOtherServers(At(3));
        Assert.Equal("probe: has other name servers", Effects(link));
        link.OnProbeEnded(PingOnly, At(4));
        Assert.Equal(LinkState.Unconfirmed, link.State);
        link.ClearEffects();
        link.SeeOtherServers(At(5));
        Assert.Equal("probe: has other name servers", Effects(link));
        link.OnProbeEnded(Echo, At(6));
        link.ClearEffects();
        link.SeeOtherServers(At(7));
        Assert.Equal("", Effects(link)); // no probe: the link is confirmed
    }

    /// <summary>The link gets the input through the core, and the core's effect is the probe.</summary>
    [Fact]
    public void The_core_takes_news_of_other_name_servers()
    {
        Link link = Ethernet();
        ConnectionCore core = new([link], new ServiceTrust(), At(0));
        KernelView kernel = new(new KernelState(), IsSettled: false, 0, 0, null);
        _ = core.Handle([], kernel, At(0));
        link.SetFacts(Up, At(1));
        link.OnProbeEnded(None, At(2));
        link.ClearEffects();
        News news = new(NewsKind.ServersChanged, At(3), link);
        CoreEffect effect = Assert.Single(
            core.Handle([news], kernel, At(3)), each => each.Kind == CoreEffectKind.StartProbe);
        Assert.Equal((link, "has other name servers", false), (effect.Link, effect.Words, effect.IsEarly));
    }

    private static TimeSpan At(double seconds) => TimeSpan.FromSeconds(seconds);

    private static Link Ethernet() => new(LinkKind.Ethernet, "eth0", At(16), WanProbe.Suspect);

    /// <summary>Up and confirmed at 0 s.</summary>
    private static Link Confirmed(Link link)
    {
        link.SetFacts(Up, At(0));
        link.OnProbeEnded(Echo, At(0));
        link.ClearEffects();
        return link;
    }

    private static TimeSpan TickUntilProbe(Link link, int from, Func<int, bool> evidence)
    {
        for (int at = from; at < from + 1000; at += 2)
        {
            link.Tick(evidence(at), At(at));
            if (link.IsProbing)
            {
                link.ClearEffects();
                return At(at);
            }
        }
        throw new InvalidOperationException("it is never probed");
    }

    private static TimeSpan? LimitOfProbe(Link link, TimeSpan now)
    {
        link.ClearEffects();
        link.Probe("is tested", isEarly: false, now);
        return Assert.Single(link.Effects).Limit;
    }

    private static string Effects(Link link)
    {
        string text = string.Join("; ", link.Effects.Select(effect => effect.Kind switch
        {
            LinkEffectKind.StateChanged => $"{effect.From.Name()} -> {effect.To.Name()}: {effect.Reason}",
            LinkEffectKind.StartProbe => $"probe: {effect.Reason}",
            _ => "cancel",
        }));
        link.ClearEffects();
        return text;
    }
}
