using ConnMgr.Config;
using ConnMgr.Links;
using ConnMgr.Net;
using ConnMgr.Netlink;
using ConnMgr.Probe;
using ConnMgr.Routing;
using ConnMgr.Tests.Netlink;

namespace ConnMgr.Tests.Links;

/// <summary>
/// One wake-up at a time: which effects come, in which order, and when none may come. The model tests let the
/// same class live for years.
/// </summary>
public sealed class ConnectionCoreTests
{
    private static readonly Dictionary<(bool, string), OwnMetric> NoMetrics = [];

    private readonly Link _eth = NewLink(LinkKind.Ethernet, "eth0");
    private readonly Link _wifi = NewLink(LinkKind.WiFi, "wlan0");
    private readonly Link _wan = NewLink(LinkKind.Wan, "wwan0");
    private readonly ConnectionCore _core;
    private readonly KernelState _kernel = new();
    private uint _dumps;
    private bool _isSettled = true;
    private bool _isByScript;
    private TimeSpan _now = TimeSpan.FromSeconds(100);

    public ConnectionCoreTests() =>
        _core = new ConnectionCore([_eth, _wifi, _wan], new ServiceTrust(), TimeSpan.Zero);

    [Fact]
    public void A_wake_up_reports_the_state_then_the_choice_then_requests_the_switch()
    {
        Kernel(eth: 10, wifi: 20);
        string[] effects = Handle();
        Assert.Equal(
            ["StateChanged eth0", "StateChanged wlan0", "Chosen eth0", "Switch eth0"],
            effects.Where(effect => !effect.StartsWith("StartProbe", StringComparison.Ordinal)));
        Assert.Contains("StartProbe eth0", effects);
        Assert.Equal("eth0", _core.View.Choice);
        Assert.Equal(SwitchState.UnderWay, _core.View.Switch.State);
    }

    [Fact]
    public void Without_news_before_the_deadline_nothing_is_done()
    {
        Kernel(eth: 0);
        Handle();
        ConnectionView view = _core.View;
        Assert.True(_core.NextDeadline > _now);
        Assert.Empty(Handle());
        Assert.Same(view, _core.View);
    }

    [Fact]
    public void A_tick_in_which_nothing_happened_decides_nothing()
    {
        Kernel(eth: 0, wifi: 20);
        Handle();
        Handle(Probed(_eth, ProbeOutcome.ServiceAnswered), Probed(_wifi, ProbeOutcome.ServiceAnswered));
        _now += Link.TickPeriod / 2;
        Handle(); // the sockets listen again
        ConnectionView view = _core.View;
        _now += Link.TickPeriod / 2;
        Assert.Equal(["Listen eth0", "Listen wlan0", "Listen wwan0"], Handle(new News(NewsKind.Tick, _now)));
        Assert.Same(view, _core.View);

        Handle(new News(NewsKind.Evidence, _now, _eth));
        view = _core.View;
        _now += Link.TickPeriod;
        Handle(new News(NewsKind.Tick, _now));
        Assert.NotSame(view, _core.View);
    }

    [Fact]
    public void A_tick_decides_while_the_routes_are_not_in_place()
    {
        Kernel(eth: 10, wifi: 20);
        Handle();
        Handle(Probed(_eth, ProbeOutcome.ServiceAnswered), Probed(_wifi, ProbeOutcome.ServiceAnswered));
        ConnectionView view = _core.View;
        _now += Link.TickPeriod;
        Handle(new News(NewsKind.Tick, _now));
        Assert.NotSame(view, _core.View);
    }

    [Fact]
    public void A_route_that_is_in_place_needs_no_switch()
    {
        Kernel(eth: 0, wifi: 20);
        Assert.DoesNotContain("Switch eth0", Handle());
        Assert.Equal(
            ("eth0", "eth0", "eth0"), (_core.View.Choice, _core.View.InPlace, _core.View.InUse?.Name));
    }

    [Fact]
    public void While_a_dump_runs_there_is_a_choice_but_no_switch()
    {
        _isSettled = false;
        Kernel(eth: 10);
        string[] effects = Handle();
        Assert.Contains("Chosen eth0", effects);
        Assert.DoesNotContain("Switch eth0", effects);
        Assert.Null(_core.View.InUse);
        _isSettled = true;
        Assert.Contains("Switch eth0", Handle());
    }

    [Fact]
    public void A_switch_is_judged_by_a_dump_that_began_after_its_end()
    {
        Kernel(eth: 10, wifi: 20);
        Handle();
        Assert.Equal(["ReadRoutes eth0"], Handle(Ended(_eth)));
        Assert.Equal(SwitchState.UnderWay, _core.View.Switch.State);
        Kernel(eth: 0, wifi: 20); // the next dump
        Assert.Contains("Switched eth0", Handle());
        Assert.Equal((1, 0), (_core.View.Switch.Succeeded, _core.View.Switch.Failed));
    }

    [Fact]
    public void A_switch_that_the_routes_do_not_show_has_failed_and_is_tried_again_after_a_tick()
    {
        Kernel(eth: 10, wifi: 20);
        Handle();
        Handle(Ended(_eth, "no such device"));
        Kernel(eth: 10, wifi: 20);
        Assert.Contains("SwitchFailed eth0", Handle());
        Assert.Contains("no such device", _core.View.Switch.Failure, StringComparison.Ordinal);
        Assert.DoesNotContain("Switch eth0", Handle());
        _now += TimeSpan.FromSeconds(1);
        Assert.Contains("Switch eth0", Handle(new News(NewsKind.Tick, _now)));
    }

    [Fact]
    public void A_script_that_fails_is_not_judged_by_the_routes()
    {
        _isByScript = true;
        Kernel(eth: 10);
        Handle();
        string[] effects = Handle(Ended(_eth, "exit status 1"));
        Assert.Contains("SwitchFailed eth0", effects);
        Assert.DoesNotContain("ReadRoutes eth0", effects);
    }

    [Fact]
    public void A_repair_that_was_undone_at_once_is_no_failure()
    {
        Kernel(eth: 0, wifi: 20);
        Handle();
        _now += TimeSpan.FromSeconds(5);
        Kernel(eth: 30, wifi: 20);
        Assert.Contains("Switch eth0", Handle());
        Handle(Ended(_eth));
        Kernel(eth: 30, wifi: 20);
        Assert.Contains("Switched eth0", Handle());
        Assert.Equal((0, 1, 0),
            (_core.View.Switch.Succeeded, _core.View.Switch.Repairs, _core.View.Switch.Failed));
    }

    [Fact]
    public void The_end_of_a_switch_that_nobody_began_changes_nothing()
    {
        Kernel(eth: 0);
        Handle();
        Assert.Empty(Handle(Ended(_eth)));
        Assert.Equal(0, _core.View.Switch.Succeeded);
    }

    [Fact]
    public void A_newer_choice_waits_for_the_end_of_the_running_switch()
    {
        Kernel(eth: 10, wifi: 20);
        Handle();
        Kernel(wifi: 20);
        string[] effects = Handle();
        Assert.Contains("Chosen wlan0", effects);
        Assert.DoesNotContain("Switch wlan0", effects);
        Handle(Ended(_eth, "no such device"));
        Kernel(wifi: 20);
        effects = Handle();
        // The reason for the first switch has gone, so it has not failed.
        Assert.Equal(0, _core.View.Switch.Failed);
        Assert.Contains("Switch wlan0", effects);
    }

    [Fact]
    public void A_failed_probe_moves_the_choice_in_the_same_wake_up()
    {
        Kernel(eth: 0, wifi: 20);
        Handle();
        Handle(Probed(_eth, ProbeOutcome.ServiceAnswered), Probed(_wifi, ProbeOutcome.ServiceAnswered));
        _now += TimeSpan.FromMinutes(2);
        Handle(new News(NewsKind.Tick, _now));
        string[] effects = Handle(Probed(_eth, ProbeOutcome.NoAnswer));
        int[] order = [.. ((string[])["StateChanged eth0", "Chosen wlan0", "Switch wlan0"])
            .Select(effect => Array.IndexOf(effects, effect))];
        Assert.Equal(order.Order(), order);
        Assert.True(order[0] >= 0);
    }

    [Fact]
    public void After_a_stop_nothing_is_decided_any_more()
    {
        Kernel(eth: 0, wifi: 20);
        Handle(new News(NewsKind.Stop, _now));
        Kernel(wifi: 20);
        string[] effects = Handle();
        Assert.DoesNotContain(effects, effect => effect.StartsWith("Chosen", StringComparison.Ordinal)
            || effect.StartsWith("Switch", StringComparison.Ordinal));
        Assert.Equal(TimeSpan.MaxValue, _core.NextDeadline);
    }

    [Fact]
    public void News_of_a_link_that_a_reload_has_replaced_are_ignored()
    {
        Kernel(eth: 0, wifi: 20);
        Handle();
        Link replaced = _eth;
        _core.SetLinks([NewLink(LinkKind.Ethernet, "lan0"), .. _core.Links.Skip(1)]);
        string[] effects = Handle(Probed(replaced, ProbeOutcome.ServiceAnswered),
            new News(NewsKind.Evidence, _now, replaced));
        Assert.DoesNotContain(effects, effect => effect.EndsWith("eth0", StringComparison.Ordinal));
        Assert.Equal("wlan0", _core.View.Choice);
    }

    [Fact]
    public void A_link_preferred_by_hand_is_chosen_until_the_time_is_over()
    {
        Kernel(eth: 0, wifi: 20);
        Handle();
        Handle(Probed(_eth, ProbeOutcome.ServiceAnswered), Probed(_wifi, ProbeOutcome.ServiceAnswered));
        _core.Prefer(_wifi, _now + TimeSpan.FromMinutes(1), _now);
        Assert.Contains("Chosen wlan0", Handle());
        Assert.Equal(("wlan0", "wlan0"), (_core.View.Choice, _core.View.Preferred));
        Assert.True(_core.NextDeadline <= _now + TimeSpan.FromMinutes(1));
        _now += TimeSpan.FromMinutes(1);
        Handle();
        Assert.Null(_core.View.Preferred);
    }

    [Fact]
    public void The_view_says_which_link_is_in_front_in_each_family()
    {
        Kernel(eth: 0, wifi: 20, hasIpv6: true);
        Handle();
        Assert.Equal(("eth0", "wlan0"), (_core.View.InUseIpv4, _core.View.InUseIpv6));
    }

    /// <summary>
    /// LTE has IPv6 alone, and the dead Ethernet keeps the only IPv4 default: LTE is in use, so what it sends
    /// in vain makes it suspect.
    /// </summary>
    [Fact]
    public void A_metered_choice_without_IPv4_is_suspected_although_a_dead_link_has_the_IPv4_default()
    {
        _dumps++;
        Golden.Dump(_kernel, RouteMessage.GetLink, [
            Golden.Link(2, "eth0", Golden.Up | Golden.Running),
            Golden.Link(4, "wwan0", Golden.Up | Golden.Running)]);
        Golden.Dump(_kernel, RouteMessage.GetAddress, [
            Golden.Address(2, "198.18.2.2", 24), Golden.Address(4, "2001:db8:4::2", 64)]);
        Golden.Dump(_kernel, RouteMessage.GetRoute, [
            Golden.Route("198.18.2.1", 2, 10), Golden.Route("fe80::1", 4, 1)]);
        Handle();
        Handle(Probed(_eth, ProbeOutcome.NoAnswer));
        Assert.Equal(("wwan0", "eth0"), (_core.View.Choice, _core.View.InUseIpv4));
        Handle(new News(NewsKind.Tick, _now));
        Handle(new News(NewsKind.Outgoing, _now, _wan));
        _now += TimeSpan.FromSeconds(2);
        Assert.Contains("StartProbe wwan0", Handle(new News(NewsKind.Tick, _now)));
    }

    private static Link NewLink(LinkKind kind, string name) =>
        new(kind, name, TimeSpan.FromSeconds(16), WanProbe.Suspect);

    private News Ended(Link link, string? failure = null) =>
        new(NewsKind.SwitchEnded, _now, link, Failure: failure);

    private News Probed(Link link, ProbeOutcome outcome) =>
        new(NewsKind.ProbeEnded, _now, link, new ProbeResult(outcome, "echo"));

    private string[] Handle(params News[] news) =>
    [
        .. _core.Handle(
            news,
            new KernelView(_kernel, _isSettled, _dumps, _dumps, _isByScript ? null : NoMetrics),
            _now).Select(effect => $"{effect.Kind} {effect.Link?.Name}"),
    ];

    /// <summary>
    /// Dumps the kernel's state: a link whose metric is given is up and has an address and a default.
    /// </summary>
    private void Kernel(uint? eth = null, uint? wifi = null, bool hasIpv6 = false)
    {
        _dumps++;
        TwoLinks.Dump(_kernel, eth, wifi, hasIpv6);
    }
}
