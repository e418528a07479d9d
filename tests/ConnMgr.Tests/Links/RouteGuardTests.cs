using ConnMgr.Config;
using ConnMgr.Links;
using ConnMgr.Net;

namespace ConnMgr.Tests.Links;

public class RouteGuardTests
{
    private readonly RouteGuard _guard = new();
    private readonly Link _eth = Up(LinkKind.Ethernet, "eth0");
    private readonly Link _wifi = Up(LinkKind.WiFi, "wlan0");

    [Fact]
    public void A_new_choice_is_switched_to_once()
    {
        Assert.Equal(_eth, _guard.Next(_eth, isInPlace: false, At(0)));
        Assert.Null(_guard.Next(_eth, isInPlace: false, At(0.1))); // the script is running
        _guard.OnSwitchEnded(_eth, succeeded: true);
        Assert.Null(_guard.Next(_eth, isInPlace: true, At(0.2)));
    }

    [Fact]
    public void Routes_that_lead_there_already_need_no_script() =>
        Assert.Null(_guard.Next(_eth, isInPlace: true, At(0)));

    [Fact]
    public void Routes_that_somebody_else_has_changed_are_restored_at_once_but_at_most_once_a_second()
    {
        _guard.Next(_eth, isInPlace: false, At(0));
        _guard.OnSwitchEnded(_eth, succeeded: true);
        Assert.Null(_guard.Next(_eth, isInPlace: true, At(5)));
        Assert.Equal(_eth, _guard.Next(_eth, isInPlace: false, At(10)));
        _guard.OnSwitchEnded(_eth, succeeded: true);
        Assert.Null(_guard.Next(_eth, isInPlace: false, At(10.2)));
        Assert.Equal(At(11), _guard.NextDeadline);
        Assert.Equal(_eth, _guard.Next(_eth, isInPlace: false, At(11)));
    }

    [Fact]
    public void A_failed_switch_waits_for_the_next_tick_or_a_change_of_routes()
    {
        _guard.Next(_eth, isInPlace: false, At(0));
        _guard.OnSwitchEnded(_eth, succeeded: false);
        Assert.Null(_guard.Next(_eth, isInPlace: false, At(1.5)));
        Assert.Equal(TimeSpan.MaxValue, _guard.NextDeadline);
        _guard.AllowRetry();
        Assert.Equal(_eth, _guard.Next(_eth, isInPlace: false, At(2)));
    }

    [Fact]
    public void A_repair_that_fails_is_tried_again_after_a_second_and_is_still_a_repair()
    {
        _guard.Next(_eth, isInPlace: false, At(0));
        Assert.False(_guard.HasSwitchedTo(_eth));
        _guard.OnSwitchEnded(_eth, succeeded: true);
        Assert.True(_guard.HasSwitchedTo(_eth));
        Assert.Equal(_eth, _guard.Next(_eth, isInPlace: false, At(10)));
        _guard.OnSwitchEnded(_eth, succeeded: false);
        Assert.True(_guard.HasSwitchedTo(_eth));
        _guard.AllowRetry();
        Assert.Null(_guard.Next(_eth, isInPlace: false, At(10.5)));
        Assert.Equal(_eth, _guard.Next(_eth, isInPlace: false, At(11)));
        Assert.Equal(_wifi, _guard.Next(_wifi, isInPlace: false, At(11.1)));
        Assert.False(_guard.HasSwitchedTo(_wifi));
    }

    [Fact]
    public void A_tick_during_a_switch_is_not_the_next_one_after_it()
    {
        _guard.Next(_eth, isInPlace: false, At(0));
        _guard.AllowRetry();
        _guard.OnSwitchEnded(_eth, succeeded: false);
        Assert.Null(_guard.Next(_eth, isInPlace: false, At(10)));
        _guard.AllowRetry();
        Assert.Equal(_eth, _guard.Next(_eth, isInPlace: false, At(12)));
    }

    [Fact]
    public void A_newer_choice_does_not_wait_and_the_end_of_the_older_one_is_forgotten()
    {
        _guard.Next(_eth, isInPlace: false, At(0));
        Assert.Equal(_wifi, _guard.Next(_wifi, isInPlace: false, At(0.1)));
        _guard.OnSwitchEnded(_eth, succeeded: false);
        Assert.Null(_guard.Next(_wifi, isInPlace: false, At(0.2))); // it is still running
    }

    [Fact]
    public void The_way_back_is_run_even_if_the_routes_still_lead_there()
    {
        _guard.Next(_eth, isInPlace: true, At(0));
        _guard.Next(_wifi, isInPlace: false, At(1));
        Assert.Equal(_eth, _guard.Next(_eth, isInPlace: true, At(1.001)));
    }

    [Fact]
    public void No_switch_to_a_link_that_is_down_or_interrupted()
    {
        _eth.SetFacts(_eth.Facts with { Ipv4 = default }, At(0));
        Assert.Null(_guard.Next(_eth, isInPlace: false, At(0)));
        _wifi.SetFacts(default, At(0));
        Assert.Null(_guard.Next(_wifi, isInPlace: false, At(0)));
    }

    [Fact]
    public void Only_a_run_after_a_good_one_is_a_repair()
    {
        Assert.False(_guard.HasSwitchedTo(_eth));
        _guard.Next(_eth, isInPlace: false, At(0));
        Assert.False(_guard.HasSwitchedTo(_eth));
        _guard.OnSwitchEnded(_eth, succeeded: true);
        Assert.True(_guard.HasSwitchedTo(_eth));
    }

    private static TimeSpan At(double seconds) => TimeSpan.FromSeconds(seconds);

    private static Link Up(LinkKind kind, string name)
    {
        Link link = new(kind, name, At(16), WanProbe.Suspect);
        link.SetFacts(new LinkFacts(2, true, true, new FamilyFacts(true, true, 1), default), At(0));
        return link;
    }
}
