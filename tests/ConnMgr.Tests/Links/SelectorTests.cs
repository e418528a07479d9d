using ConnMgr.Config;
using ConnMgr.Links;
using ConnMgr.Net;
using ConnMgr.Probe;

namespace ConnMgr.Tests.Links;

public class SelectorTests
{
    private static readonly FamilyFacts Connected = new(HasAddress: true, HasWayOut: true, Fingerprint: 1);

    private readonly World _world = new();

    [Fact]
    public void Prefers_ethernet_then_wifi_then_wan_among_equals()
    {
        _world.Up(_world.Eth, _world.WiFi, _world.Wan);
        Assert.Equal("eth0: eth0 is up, not yet confirmed", _world.Decide(0));
    }

    [Fact]
    public void An_unconfirmed_ethernet_is_tried_before_lte_costs_a_byte()
    {
        _world.Up(_world.Wan, _world.Eth);
        Assert.Equal("eth0: eth0 is up, not yet confirmed", _world.Decide(0));
    }

    [Fact]
    public void In_the_first_10_seconds_lte_waits_for_a_device_that_is_not_up_yet()
    {
        _world.Eth.SetFacts(new LinkFacts(2, true, true, default, default), _world.Now);
        _world.Up(_world.Wan);
        Assert.Equal("", _world.Decide(1));
        Assert.Equal(TimeSpan.FromSeconds(10), _world.Selector.NextDeadline);
        Assert.Equal("wwan0: wwan0 is up, assumed good (metered, not probed)", _world.Decide(10));
    }

    [Fact]
    public void Lte_does_not_wait_for_a_device_that_was_up_and_is_lost()
    {
        _world.Confirm(_world.Eth);
        _world.Up(_world.Wan);
        _world.Decide(1);
        _world.Down(_world.Eth);
        Assert.Equal(
            "wwan0: eth0 lost carrier, wwan0 is up, assumed good (metered, not probed)", _world.Decide(2));
    }

    [Fact]
    public void In_the_first_10_seconds_a_failed_link_is_not_left_for_lte_while_a_device_is_not_up_yet()
    {
        _world.WiFi.SetFacts(new LinkFacts(3, true, true, default, default), _world.Now);
        _world.Up(_world.Eth, _world.Wan);
        _world.Decide(0);
        _world.At(3).Eth.OnProbeEnded(new ProbeResult(ProbeOutcome.NoAnswer, ""), _world.Now);
        Assert.Equal("", _world.Decide(3));
        Assert.Equal(TimeSpan.FromSeconds(10), _world.Selector.NextDeadline);
        Assert.StartsWith("wwan0:", _world.Decide(10), StringComparison.Ordinal);
    }

    /// <summary>What this device drops over one link, it drops over LTE, too, which costs money.</summary>
    [Theory]
    [InlineData(true, "")]
    [InlineData(false, "wwan0: eth0 failed, wwan0 is up, assumed good (metered, not probed)")]
    public void A_link_whose_packets_this_device_drops_is_not_left_for_lte(bool isDropped, string expected)
    {
        _world.Up(_world.Eth, _world.Wan);
        _world.Decide(0);
        _world.At(20).Eth.OnProbeEnded(
            new ProbeResult(ProbeOutcome.NoAnswer, "", IsDroppedHere: isDropped), _world.Now);
        Assert.Equal(expected, _world.Decide(20));
    }

    [Fact]
    public void A_link_whose_packets_this_device_drops_is_left_for_one_that_works()
    {
        _world.Up(_world.Eth);
        _world.Decide(0);
        _world.Confirm(_world.WiFi);
        _world.At(20).Eth.OnProbeEnded(
            new ProbeResult(ProbeOutcome.NoAnswer, "", IsDroppedHere: true), _world.Now);
        Assert.StartsWith("wlan0:", _world.Decide(20), StringComparison.Ordinal);
    }

    [Fact]
    public void In_the_first_10_seconds_lte_does_not_wait_for_a_link_that_was_up_and_is_lost()
    {
        _world.Up(_world.Eth, _world.Wan);
        _world.Decide(0);
        _world.At(2).Down(_world.Eth);
        Assert.StartsWith("wwan0:", _world.Decide(2), StringComparison.Ordinal);
    }

    [Fact]
    public void Deciding_costs_no_memory_while_the_choice_stands()
    {
        _world.Confirm(_world.WiFi);
        _world.Decide(0);
        _world.Confirm(_world.Eth);
        _world.Decide(1);
        _world.Down(_world.Eth);
        _world.Decide(2);
        _world.Confirm(_world.Eth);
        _world.Decide(3);
        long before = GC.GetAllocatedBytesForCurrentThread();
        for (int i = 0; i < 100; i++)
        {
            _world.Selector.Decide(_world.Now);
        }
        Assert.Equal(before, GC.GetAllocatedBytesForCurrentThread());
    }

    [Fact]
    public void Lte_does_not_wait_for_a_device_that_is_not_there()
    {
        _world.Up(_world.Wan);
        Assert.Equal("wwan0: wwan0 is up, assumed good (metered, not probed)", _world.Decide(1));
    }

    [Fact]
    public void A_failed_link_is_left_for_the_next_and_the_reason_names_both()
    {
        _world.Confirm(_world.Eth, _world.WiFi);
        _world.Up(_world.Wan);
        _world.Decide(0);
        _world.Down(_world.Eth);
        Assert.Equal("wlan0: eth0 lost carrier, wlan0 confirmed by echo", _world.Decide(20));
        _world.Fail(_world.WiFi);
        Assert.Equal(
            "wwan0: wlan0 failed, wwan0 is up, assumed good (metered, not probed)", _world.Decide(21));
    }

    [Fact]
    public void A_link_of_class_a_is_left_only_for_a_preferred_one_that_has_served_its_hold()
    {
        _world.Confirm(_world.WiFi);
        _world.Decide(0);
        _world.Confirm(_world.Eth);
        Assert.StartsWith("eth0:", _world.Decide(1), StringComparison.Ordinal); // no failure, no hold

        _world.Down(_world.Eth);
        Assert.StartsWith("wlan0:", _world.Decide(2), StringComparison.Ordinal);
        _world.At(3).Confirm(_world.Eth);
        Assert.Equal("", _world.Decide(12.9));
        Assert.Equal(TimeSpan.FromSeconds(13), _world.Selector.NextDeadline);
        Assert.StartsWith("eth0:", _world.Decide(13), StringComparison.Ordinal);

        // The second failure within the hour doubles the hold.
        _world.Down(_world.Eth);
        _world.Decide(20);
        _world.At(21).Confirm(_world.Eth);
        Assert.Equal("", _world.Decide(40.9));
        Assert.StartsWith("eth0:", _world.Decide(41), StringComparison.Ordinal);
    }

    [Fact]
    public void A_hold_is_forgotten_10_minutes_after_the_last_failure()
    {
        _world.Confirm(_world.WiFi, _world.Eth);
        _world.Decide(0);
        for (int i = 0; i < 8; i++)
        {
            _world.At(10 + i).Down(_world.Eth);
            _world.Confirm(_world.Eth);
        }
        _world.Down(_world.Eth);
        _world.Decide(17);
        _world.At(600).Confirm(_world.Eth);
        Assert.Equal("", _world.Decide(616));
        Assert.StartsWith("eth0:", _world.Decide(617), StringComparison.Ordinal);
    }

    [Fact]
    public void Wifi_in_use_is_not_left_for_a_confirmed_lte()
    {
        _world.Confirm(_world.WiFi);
        _world.Up(_world.Wan);
        _world.Decide(0);
        Assert.Equal("", _world.Decide(1000));
    }

    [Fact]
    public void Lte_in_use_is_left_at_once_for_class_a_and_for_class_b_once_its_probe_has_ended()
    {
        _world.Up(_world.Wan);
        Assert.StartsWith("wwan0:", _world.Decide(20), StringComparison.Ordinal);
        _world.Up(_world.Eth);
        Assert.Equal("", _world.Decide(21)); // its probe is running
        _world.Eth.OnProbeEnded(new ProbeResult(ProbeOutcome.PingOnly, ""), _world.Now);
        Assert.StartsWith("eth0:", _world.Decide(22), StringComparison.Ordinal);

        _world.Down(_world.Eth);
        Assert.StartsWith("wwan0:", _world.Decide(30), StringComparison.Ordinal);
        _world.Confirm(_world.WiFi);
        Assert.StartsWith("wlan0:", _world.Decide(31), StringComparison.Ordinal);
    }

    [Fact]
    public void Lte_in_use_waits_for_a_link_that_failed_twice_within_the_hour()
    {
        _world.Up(_world.Wan);
        _world.Confirm(_world.Eth);
        _world.Decide(20);
        for (int i = 0; i < 2; i++)
        {
            _world.Down(_world.Eth);
            _world.Decide(30 + i);
            _world.Confirm(_world.Eth);
        }
        Assert.Equal("", _world.Decide(40.9));
        Assert.StartsWith("eth0:", _world.Decide(41), StringComparison.Ordinal);
    }

    [Fact]
    public void A_link_of_class_b_is_left_for_class_a_only_when_its_own_probe_has_run_a_second_in_vain()
    {
        _world.Up(_world.Eth);
        _world.Decide(0);
        _world.Eth.OnProbeEnded(new ProbeResult(ProbeOutcome.PingOnly, ""), _world.Now);
        _world.At(5).Confirm(_world.WiFi);
        Assert.Equal("", _world.Decide(6));
        _world.At(16).Eth.Tick(false, _world.Now);
        Assert.True(_world.Eth.IsProbing);
        Assert.Equal("", _world.Decide(16.9));
        Assert.Equal(TimeSpan.FromSeconds(17), _world.Selector.NextDeadline);
        Assert.StartsWith("wlan0:", _world.Decide(17), StringComparison.Ordinal);
    }

    [Fact]
    public void A_wait_for_a_metered_link_ends_when_an_old_failure_no_longer_counts()
    {
        _world.Up(_world.Wan);
        for (int failure = 0; failure < 6; failure++)
        {
            _world.At(100 + failure).Confirm(_world.Eth);
            _world.Fail(_world.Eth);
        }
        Assert.StartsWith("wwan0:", _world.Decide(106), StringComparison.Ordinal);
        _world.At(3580).Confirm(_world.Eth);
        Assert.Equal("", _world.Decide(3690)); // of 160 s
        Assert.Equal(TimeSpan.FromSeconds(3700), _world.Selector.NextDeadline);
        Assert.StartsWith("eth0:", _world.Decide(3700), StringComparison.Ordinal); // 80 s
    }

    [Fact]
    public void When_the_echo_service_comes_back_for_all_nobody_moves()
    {
        _world.Up(_world.Eth, _world.WiFi);
        _world.Decide(0);
        _world.Eth.OnProbeEnded(new ProbeResult(ProbeOutcome.PingOnly, ""), _world.Now);
        _world.WiFi.OnProbeEnded(new ProbeResult(ProbeOutcome.PingOnly, ""), _world.Now);
        _world.At(30).Confirm(_world.WiFi);
        Assert.Equal("", _world.Decide(30));
        _world.At(32).Eth.Tick(false, _world.Now);
        _world.Eth.OnProbeEnded(new ProbeResult(ProbeOutcome.ServiceAnswered, ""), _world.Now);
        Assert.Equal("", _world.Decide(40));
    }

    [Fact]
    public void With_nothing_better_than_failed_the_link_in_use_stays()
    {
        _world.Confirm(_world.Eth, _world.WiFi);
        _world.Decide(0);
        _world.Fail(_world.WiFi);
        _world.Fail(_world.Eth);
        Assert.Equal("", _world.Decide(1));
        _world.Down(_world.Eth);
        Assert.StartsWith("wlan0:", _world.Decide(2), StringComparison.Ordinal);
    }

    [Fact]
    public void With_no_link_at_all_what_is_there_is_kept_and_the_first_one_up_is_taken()
    {
        _world.Confirm(_world.Eth);
        _world.Decide(0);
        _world.Down(_world.Eth);
        Assert.Equal("", _world.Decide(1));
        _world.Up(_world.WiFi);
        Assert.StartsWith("wlan0:", _world.Decide(2), StringComparison.Ordinal);
    }

    [Fact]
    public void A_link_to_which_switching_failed_twice_is_out_for_10_seconds_then_20_40_60()
    {
        _world.Confirm(_world.Eth, _world.WiFi);
        _world.Decide(0);
        double at = 0;
        foreach (int pause in new[] { 10, 20, 40, 60, 60 })
        {
            if (at == 0)
            {
                _world.Selector.OnSwitchEnded(_world.Eth, succeeded: false, _world.Now);
                Assert.Equal("", _world.Decide(at));
            }
            _world.Selector.OnSwitchEnded(_world.Eth, succeeded: false, _world.Now);
            Assert.StartsWith("wlan0:", _world.Decide(at), StringComparison.Ordinal);
            Assert.Equal("", _world.Decide(at + pause - 0.1));
            Assert.StartsWith("eth0:", _world.Decide(at += pause), StringComparison.Ordinal);
        }
    }

    [Fact]
    public void The_only_link_is_never_out()
    {
        _world.Confirm(_world.Eth);
        _world.Selector.OnSwitchEnded(_world.Eth, succeeded: false, _world.Now);
        _world.Selector.OnSwitchEnded(_world.Eth, succeeded: false, _world.Now);
        Assert.StartsWith("eth0:", _world.Decide(1), StringComparison.Ordinal);
    }

    [Fact]
    public void No_switch_to_a_link_that_is_interrupted()
    {
        _world.Up(_world.Wan);
        _world.Confirm(_world.Eth, _world.WiFi);
        _world.Decide(20);
        _world.WiFi.SetFacts(_world.WiFi.Facts with { Ipv4 = default }, _world.Now);
        _world.Down(_world.Eth);
        Assert.StartsWith("wwan0:", _world.Decide(21), StringComparison.Ordinal);
    }

    [Fact]
    public void A_tick_in_which_nothing_changes_allocates_nothing()
    {
        _world.Confirm(_world.Eth, _world.WiFi);
        _world.Up(_world.Wan);
        _world.Decide(0);
        Link[] links = [_world.Eth, _world.WiFi, _world.Wan];
        long before = 0;
        for (int at = 2; at <= 40; at += 2)
        {
            before = at == 20 ? GC.GetAllocatedBytesForCurrentThread() : before;
            TimeSpan now = TimeSpan.FromSeconds(at);
            foreach (Link link in links)
            {
                link.SetFacts(link.Facts, now);
                link.Advance(now);
                link.Tick(hadEvidence: true, now);
                link.SetSurroundings(new Surroundings(link == _world.Eth, LinkClass.A, false));
            }
            Assert.False(_world.Selector.Decide(now));
        }
        Assert.Equal(0, GC.GetAllocatedBytesForCurrentThread() - before);
    }

    /// <summary>Three links and a clock.</summary>
    [Fact]
    public void A_link_preferred_by_hand_is_used_while_it_is_good_until_its_time_ends()
    {
        _world.Confirm(_world.Eth, _world.WiFi);
        _world.Decide(0);
        _world.Selector.Prefer(_world.WiFi, TimeSpan.FromSeconds(60), _world.Now);
        Assert.Equal("wlan0: wlan0 confirmed by echo, preferred by hand", _world.Decide(1));
        Assert.Equal("", _world.Decide(2));
        _world.Fail(_world.WiFi);
        Assert.StartsWith("eth0: ", _world.Decide(3), StringComparison.Ordinal);
        _world.At(4).Confirm(_world.WiFi);
        Assert.Equal("", _world.Decide(4)); // it has failed: first it has to stay good
        Assert.StartsWith("wlan0: ", _world.Decide(30), StringComparison.Ordinal);
        Assert.Equal(TimeSpan.FromSeconds(60), _world.Selector.NextDeadline);
        Assert.StartsWith("eth0: ", _world.Decide(60), StringComparison.Ordinal);
    }

    [Fact]
    public void A_metered_link_may_be_preferred_and_one_that_is_down_or_unconfirmed_is_not_used()
    {
        _world.Confirm(_world.Eth);
        _world.Decide(0);
        _world.Selector.Prefer(_world.Wan, TimeSpan.MaxValue, _world.Now);
        Assert.Equal("", _world.Decide(1));
        _world.Up(_world.Wan);
        Assert.StartsWith("wwan0: ", _world.Decide(2), StringComparison.Ordinal);
        _world.Selector.Prefer(_world.WiFi, TimeSpan.MaxValue, _world.Now);
        _world.Up(_world.WiFi);
        Assert.StartsWith("eth0: ", _world.Decide(60), StringComparison.Ordinal);
        _world.Selector.Prefer(null, TimeSpan.MaxValue, _world.Now);
        Assert.Equal("", _world.Decide(61));
    }

    /// <summary>
    /// Rules 3 and 4 between two modems. One that failed and is trusted again without a probe is no reason to
    /// leave the other.
    /// </summary>
    [Fact]
    public void Of_two_metered_links_the_preferred_one_is_returned_to_unless_it_failed()
    {
        TimeSpan idle = TimeSpan.FromSeconds(16);
        Link second = new(LinkKind.Wan, "wwan1", idle, WanProbe.Suspect, index: 1);
        Selector selector = new([_world.Wan, second], TimeSpan.Zero);
        string Decide(double at) =>
            selector.Decide(_world.At(at).Now) ? $"{selector.Choice!.Name}: {selector.Reason}" : "";
        _world.At(0).Up(_world.Wan, second);
        Assert.StartsWith("wwan0:", Decide(0), StringComparison.Ordinal);
        _world.At(1).Down(_world.Wan);
        Assert.StartsWith("wwan1: wwan0 lost carrier", Decide(1), StringComparison.Ordinal);
        _world.At(2).Up(_world.Wan);
        Assert.Equal("", Decide(11));
        Assert.Equal(TimeSpan.FromSeconds(1), selector.HoldLeft(_world.Wan, _world.Now));
        Assert.EndsWith("preferred to wwan1", Decide(12), StringComparison.Ordinal);

        _world.Wan.SetSurroundings(new Surroundings(IsInUse: true, LinkClass.C, IsNothingLeft: false));
        _world.At(20).Wan.SeeOutgoing(_world.Now);
        _world.At(22).Wan.Advance(_world.Now);
        _world.Wan.OnProbeEnded(new ProbeResult(ProbeOutcome.NoAnswer, ""), _world.Now);
        Assert.StartsWith("wwan1: wwan0 failed", Decide(22), StringComparison.Ordinal);
        _world.Wan.SetSurroundings(new Surroundings(IsInUse: false, LinkClass.C, IsNothingLeft: false));
        _world.At(400).Wan.Tick(hadEvidence: false, _world.Now);
        Assert.Equal(LinkState.Confirmed, _world.Wan.State);
        Assert.Equal("", Decide(4000));
    }

    /// <summary>
    /// Over its budget, a link comes behind all that work, also behind other metered ones, but before those
    /// that have failed. It is left for any of them; the best one that is over its budget stays.
    /// </summary>
    [Fact]
    public void A_link_over_its_budget_is_the_last_that_works()
    {
        Link second = new(LinkKind.Wan, "wwan1", TimeSpan.FromSeconds(16), WanProbe.Suspect, index: 1);
        Selector selector = new([_world.Eth, _world.Wan, second], TimeSpan.Zero);
        string Decide(double at) =>
            selector.Decide(_world.At(at).Now) ? $"{selector.Choice!.Name}: {selector.Reason}" : "";
        _world.At(20).Up(_world.Wan, second);
        Assert.StartsWith("wwan0:", Decide(20), StringComparison.Ordinal);
        _world.Wan.SetBudget(LinkBudget.Over);
        Assert.Equal(LinkClass.D, Selector.ClassOf(_world.Wan));
        Assert.Equal(
            "wwan1: wwan0 is over its budget, wwan1 is up, assumed good (metered, not probed)", Decide(21));
        second.SetBudget(LinkBudget.Over);
        Assert.StartsWith("wwan0:", Decide(22), StringComparison.Ordinal); // by their order
        second.SetBudget(LinkBudget.Within);
        Assert.StartsWith("wwan1:", Decide(23), StringComparison.Ordinal);

        _world.At(24).Down(second);
        Assert.EndsWith("not probed), although over its budget", Decide(24), StringComparison.Ordinal);
        Assert.Equal(_world.Wan, selector.Choice);
        _world.At(25).Up(_world.Eth);
        _world.Eth.OnProbeEnded(new ProbeResult(ProbeOutcome.NoAnswer, ""), _world.Now);
        Assert.Equal("", Decide(25)); // what works over its budget is better than what has failed
        FamilyFacts other = Connected with { Fingerprint = 2 };
        _world.At(26).Eth.SetFacts(new LinkFacts(2, true, true, other, default), _world.Now);
        _world.Eth.OnProbeEnded(new ProbeResult(ProbeOutcome.ServiceAnswered, ""), _world.Now);
        Assert.EndsWith("wwan0 costs money", Decide(26), StringComparison.Ordinal);
        selector.Prefer(_world.Wan, TimeSpan.MaxValue, _world.Now);
        Assert.Equal("", Decide(27)); // not even by hand
    }

    [Fact]
    public void A_blocked_link_is_not_chosen_and_is_left_at_once_for_anything()
    {
        _world.At(20).Up(_world.Wan);
        Assert.StartsWith("wwan0:", _world.Decide(20), StringComparison.Ordinal);
        _world.Wan.SetBudget(LinkBudget.Blocked);
        Assert.Equal("", _world.Decide(21));
        _world.Up(_world.Eth);
        _world.Eth.OnProbeEnded(new ProbeResult(ProbeOutcome.NoAnswer, ""), _world.Now);
        Assert.StartsWith("eth0: wwan0 is over its budget", _world.Decide(22), StringComparison.Ordinal);
        Assert.Equal("", _world.Decide(400)); // failed, and yet nothing else
        _world.Wan.SetBudget(LinkBudget.Within);
        Assert.StartsWith("wwan0:", _world.Decide(401), StringComparison.Ordinal);
    }

    /// <summary>What costs money comes last, whatever PREFER and the kind say.</summary>
    [Fact]
    public void The_class_counts_before_the_order()
    {
        TimeSpan idle = TimeSpan.FromSeconds(16);
        Link wifi = new(LinkKind.WiFi, "wlan0", idle, WanProbe.Suspect, isMetered: true);
        Link modem = new(LinkKind.Wan, "wwan0", idle, WanProbe.Suspect, isMetered: false);
        Selector selector = new([wifi, modem], TimeSpan.Zero);
        _world.At(20).Up(wifi, modem);
        Assert.True(selector.Decide(_world.Now));
        Assert.Equal(("wwan0", LinkState.Confirmed, LinkState.Unconfirmed),
            (selector.Choice!.Name, wifi.State, modem.State));
        modem.OnProbeEnded(new ProbeResult(ProbeOutcome.NoAnswer, ""), _world.Now);
        Assert.True(selector.Decide(_world.Now));
        Assert.Equal("wlan0", selector.Choice!.Name);
    }

    private sealed class World
    {
        public World()
        {
            Selector = new Selector([Eth, WiFi, Wan], TimeSpan.Zero);
        }

        public Link Eth { get; } = new(LinkKind.Ethernet, "eth0", TimeSpan.FromSeconds(16), WanProbe.Suspect);

        public Link WiFi { get; } = new(LinkKind.WiFi, "wlan0", TimeSpan.FromSeconds(16), WanProbe.Suspect);

        public Link Wan { get; } = new(LinkKind.Wan, "wwan0", TimeSpan.FromSeconds(16), WanProbe.Suspect);

        public Selector Selector { get; }

        public TimeSpan Now { get; private set; }

        public World At(double seconds)
        {
            Now = TimeSpan.FromSeconds(seconds);
            return this;
        }

        public void Up(params Link[] links) =>
            Array.ForEach(
                links, link => link.SetFacts(new LinkFacts(2, true, true, Connected, default), Now));

        public void Confirm(params Link[] links)
        {
            Up(links);
            ProbeResult answered = new(ProbeOutcome.ServiceAnswered, "");
            Array.ForEach(links, link => link.OnProbeEnded(answered, Now));
        }

        public void Down(Link link) =>
            link.SetFacts(new LinkFacts(2, true, IsRunning: false, Connected, default), Now);

        public void Fail(Link link)
        {
            link.SetFacts(link.Facts with { Ipv4 = new(true, true, link.Facts.Ipv4.Fingerprint + 1) }, Now);
            link.OnProbeEnded(new ProbeResult(ProbeOutcome.NoAnswer, ""), Now);
        }

        /// <summary>The new choice and its reason, or an empty string.</summary>
        public string Decide(double at) =>
            At(at).Selector.Decide(Now) ? $"{Selector.Choice!.Name}: {Selector.Reason}" : "";
    }
}
