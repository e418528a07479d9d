using ConnMgr.Config;
using ConnMgr.Links;
using ConnMgr.Net;
using ConnMgr.Netlink;
using ConnMgr.Routing;
using ConnMgr.Tests.Netlink;

namespace ConnMgr.Tests.Links;

/// <summary>One switch at a time, judged by the routes of a later dump.</summary>
public sealed class SwitchControlTests
{
    private static readonly Dictionary<(bool, string), OwnMetric> NoMetrics = [];

    private readonly Link _eth = new(LinkKind.Ethernet, "eth0", TimeSpan.FromSeconds(16), WanProbe.Suspect);
    private readonly Link _wifi = new(LinkKind.WiFi, "wlan0", TimeSpan.FromSeconds(16), WanProbe.Suspect);
    private readonly KernelState _kernel = new();
    private readonly Selector _selector;
    private readonly SwitchControl _switches;
    private readonly List<CoreEffect> _effects = [];
    private uint _dumps;
    private bool _isByScript;
    private TimeSpan _now = TimeSpan.FromSeconds(100);

    public SwitchControlTests()
    {
        _selector = new Selector([_eth, _wifi], TimeSpan.Zero);
        _switches = new SwitchControl(_selector);
    }

    [Fact]
    public void A_switch_carries_its_plan_and_ends_with_a_look_at_the_routes()
    {
        Dump(eth: 20, wifi: 10);
        Assert.Equal(["Switch eth0"], Begin(_eth));
        Assert.False(_switches.WantsRoutes);
        Assert.Equal(["ReadRoutes eth0"], End(_eth));
        Assert.True(_switches.WantsRoutes);
        _switches.OnEffectsTaken();
        Assert.False(_switches.WantsRoutes);
        Assert.Empty(Verify()); // no dump has begun since
        Dump(eth: 0, wifi: 10);
        Assert.Equal(["Switched eth0"], Verify());
        Assert.Equal((SwitchState.None, 1), (_switches.Report.State, _switches.Report.Succeeded));
    }

    [Fact]
    public void A_newer_choice_waits_for_the_end_of_the_switch_and_a_stranger_does_not_end_it()
    {
        Dump(eth: 20, wifi: 10);
        Begin(_eth);
        Assert.Empty(Begin(_wifi));
        Assert.Empty(End(_wifi)); // of another attempt
        Assert.Equal(SwitchState.UnderWay, _switches.Report.State);
        Assert.Equal(TimeSpan.MaxValue, _switches.NextDeadline);
        End(_eth);
        Assert.Contains("Switch wlan0", Begin(_wifi));
    }

    [Fact]
    public void A_switch_that_changed_nothing_has_failed_and_is_tried_again_when_it_is_allowed()
    {
        Dump(eth: 20, wifi: 10);
        Begin(_eth);
        End(_eth, "eth0: no buffer space");
        Dump(eth: 20, wifi: 10);
        Assert.Equal(["SwitchFailed eth0"], Verify());
        Assert.Equal(
            "switching to eth0 failed: eth0: no buffer space; "
                + "found IPv4 default via 198.18.3.1 dev wlan0 metric 10, IPv6 default none",
            _switches.Report.Failure);
        _now += TimeSpan.FromSeconds(1);
        Assert.Empty(Begin(_eth));
        _switches.AllowRetry();
        Assert.Equal(["Switch eth0"], Begin(_eth));
        Assert.Equal("", _switches.Report.Failure);
    }

    [Fact]
    public void A_switch_that_another_program_has_undone_is_planned_again_at_once()
    {
        Dump(eth: 20, wifi: 10);
        Begin(_eth);
        End(_eth);
        Dump(eth: 30, wifi: 10); // netifd has changed the metric meanwhile
        Assert.Empty(Verify());
        Assert.Equal(["Switch eth0"], Begin(_eth));
        End(_eth);
        Dump(eth: 0, wifi: 10);
        Assert.Equal(["Switched eth0"], Verify());
        Assert.Equal((1, 0), (_switches.Report.Succeeded, _switches.Report.Failed));
    }

    [Fact]
    public void A_choice_that_is_newer_than_the_undone_switch_is_the_next_one()
    {
        Dump(eth: 20, wifi: 10);
        Begin(_eth);
        End(_eth);
        Dump(eth: 20, wifi: 10);
        Assert.Empty(Verify());
        Assert.Equal(["Switch wlan0"], Begin(_wifi));
        Assert.Equal(0, _switches.Report.Failed);
    }

    [Fact]
    public void A_switch_that_is_always_undone_fails_in_the_end()
    {
        for (int i = 0; i < 4; i++)
        {
            Dump(eth: 20, wifi: 10);
            Assert.Equal(["Switch eth0"], Begin(_eth));
            End(_eth);
            Dump(eth: 20, wifi: 10);
            Assert.Empty(Verify());
        }
        Begin(_eth);
        End(_eth);
        Dump(eth: 20, wifi: 10);
        Assert.Equal(["SwitchFailed eth0"], Verify());
        Assert.StartsWith(
            "switching to eth0 failed: found ", _switches.Report.Failure, StringComparison.Ordinal);
        Assert.Empty(Begin(_eth)); // not before a tick
    }

    [Fact]
    public void A_failed_script_has_failed_at_once()
    {
        _isByScript = true;
        Dump(eth: 20, wifi: 10);
        Assert.Equal(["Switch eth0"], Begin(_eth));
        Assert.Null(_effects[0].Plan);
        Assert.Equal(["SwitchFailed eth0"], End(_eth, "exit status 1"));
        Assert.Equal("switching to eth0 failed: exit status 1", _switches.Report.Failure);
    }

    [Fact]
    public void A_switch_to_a_link_that_a_reload_removed_is_no_failure()
    {
        Dump(eth: 20, wifi: 10);
        Begin(_eth);
        _switches.Forget(_eth);
        End(_eth, isKnown: false);
        Dump(eth: 20, wifi: 10);
        Assert.Equal(["SwitchFailed eth0"], Verify(_wifi));
        Assert.Equal("", _effects[0].Words);
        Assert.Equal((SwitchState.None, 0), (_switches.Report.State, _switches.Report.Failed));
    }

    [Fact]
    public void A_repair_is_counted_as_such_also_if_it_was_undone_again()
    {
        Dump(eth: 0, wifi: 20);
        Assert.Empty(Begin(_eth)); // in place, and remembered as such
        Dump(eth: 30, wifi: 20);
        _now += TimeSpan.FromSeconds(2);
        Assert.Equal(["Switch eth0"], Begin(_eth));
        Assert.True(_effects[0].IsRepair);
        Assert.Contains("wlan0", _effects[0].Words, StringComparison.Ordinal); // what was found
        End(_eth);
        Dump(eth: 30, wifi: 20);
        Assert.Equal(["Switched eth0"], Verify());
        Assert.Equal((true, false), (_effects[0].IsRepair, _effects[0].IsInPlace));
        Assert.Equal((1, 0, 0),
            (_switches.Report.Repairs, _switches.Report.Succeeded, _switches.Report.Failed));
    }

    [Fact]
    public void Without_a_choice_or_with_the_route_in_place_nothing_begins()
    {
        Dump(eth: 0, wifi: 20);
        Assert.Empty(Begin(null));
        Assert.Empty(Begin(_eth));
        Assert.Equal(SwitchState.None, _switches.Report.State);
    }

    [Fact]
    public void A_family_without_an_address_yields_while_the_loss_is_waited_out()
    {
        Dump(eth: 0, wifi: 20);
        Assert.Empty(Begin(_eth));
        Golden.Dump(_kernel, RouteMessage.GetAddress, [Golden.Address(3, "198.18.3.2", 24)]);
        TakeFacts();
        Assert.True(_eth.IsInterrupted);
        Assert.Equal(["Tidy eth0", "ReadRoutes eth0"], Begin(_eth));
        Assert.Contains(_effects[0].Plan!.Steps, step => step.Words.Contains("metric 0:"));
    }

    private void Dump(uint eth, uint wifi)
    {
        _dumps++;
        TwoLinks.Dump(_kernel, eth, wifi);
        TakeFacts();
    }

    private void TakeFacts()
    {
        LinkFacts[] facts = KernelFacts.Of(_kernel, ["eth0", "wlan0"]);
        _eth.SetFacts(facts[0], _now);
        _wifi.SetFacts(facts[1], _now);
    }

    private KernelView Kernel => new(_kernel, true, _dumps, _dumps, _isByScript ? null : NoMetrics);

    private string[] Begin(Link? choice)
    {
        _effects.Clear();
        _switches.Begin(Kernel, [_eth, _wifi], choice, _now, _effects);
        return Words();
    }

    private string[] End(Link link, string? failure = null, bool isKnown = true)
    {
        _effects.Clear();
        _switches.OnEnded(link, failure, isKnown, Kernel, _now, _effects);
        return Words();
    }

    private string[] Verify(params Link[] links)
    {
        _effects.Clear();
        _switches.Verify(Kernel, links.Length > 0 ? links : [_eth, _wifi], _now, _effects);
        return Words();
    }

    private string[] Words() => [.. _effects.Select(effect => $"{effect.Kind} {effect.Link?.Name}")];
}
