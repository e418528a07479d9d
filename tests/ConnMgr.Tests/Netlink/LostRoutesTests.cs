using System.Net;
using ConnMgr.Netlink;
using ConnMgr.Tests.Routing;

namespace ConnMgr.Tests.Netlink;

/// <summary>
/// Another program's `replace` removes a default route, and the kernel does not report that.
/// </summary>
public sealed class LostRoutesTests
{
    private static readonly KernelRoute Eth0 =
        new RouteBuilder(false) { Metric = 10 }.Via("198.18.1.1").Device(11).Build();
    private static readonly KernelRoute Wlan0 =
        new RouteBuilder(false) { Metric = 10 }.Via("198.18.2.1").Device(12).Build();
    private readonly LostRoutes _lost = new();

    [Fact]
    public void A_default_that_was_replaced_is_lost_until_the_link_has_one_again()
    {
        Update([Eth0], replacedAt: null);
        Update([Wlan0], replacedAt: 10);
        Assert.Equal([Eth0], _lost.Routes);
        Update([Wlan0], replacedAt: null);
        Assert.Equal([Eth0], _lost.Routes);
        Update([Wlan0, Eth0.At(20)], replacedAt: null);
        Assert.Empty(_lost.Routes);
    }

    [Fact]
    public void A_default_that_was_deleted_is_not_lost()
    {
        Update([Eth0, Wlan0.At(20)], replacedAt: null);
        Update([Wlan0.At(20)], replacedAt: 20); // another route was replaced
        Assert.Empty(_lost.Routes);
    }

    [Fact]
    public void A_default_is_not_restored_once_the_link_has_no_address()
    {
        Update([Eth0], replacedAt: null);
        Update([Wlan0], replacedAt: 10);
        _lost.Update([Wlan0], (ifindex, _) => ifindex != 11, (_, _) => false);
        Assert.Empty(_lost.Routes);
    }

    [Fact]
    public void A_blackhole_in_its_place_makes_it_lost()
    {
        Update([Eth0], replacedAt: null);
        Update([new RouteBuilder(false) { Metric = 10, Type = 6 }.Build()], replacedAt: 10);
        Assert.Equal([Eth0], _lost.Routes);
    }

    [Fact]
    public void A_default_that_comes_and_is_replaced_between_two_dumps_is_lost()
    {
        Update([], replacedAt: null);
        _lost.See(Eth0, isDeleted: false);
        _lost.BeginDump();
        _lost.See(Wlan0, isDeleted: false);
        Update([Wlan0], replacedAt: 10);
        Assert.Equal([Eth0], _lost.Routes);
    }

    [Fact]
    public void An_event_after_the_dump_began_counts_for_the_next_one()
    {
        _lost.BeginDump();
        _lost.See(Eth0, isDeleted: false);
        Update([], replacedAt: null);
        _lost.BeginDump();
        Update([Wlan0], replacedAt: 10);
        Assert.Equal([Eth0], _lost.Routes);
    }

    [Fact]
    public void A_default_that_comes_and_is_deleted_between_two_dumps_is_not_lost()
    {
        _lost.See(Eth0, isDeleted: false);
        _lost.BeginDump();
        _lost.See(Eth0, isDeleted: true);
        Update([Wlan0], replacedAt: 10);
        Assert.Empty(_lost.Routes);
    }

    [Fact]
    public void A_storm_of_events_does_not_need_memory()
    {
        for (int i = 20; i < 10_000; i++)
        {
            _lost.See(
                new RouteBuilder(false) { Metric = 10 }.Via("198.18.1.1").Device(i).Build(),
                isDeleted: false);
        }
        Update([Wlan0], replacedAt: 10);
        Assert.Equal(64, _lost.Routes.Count);
    }

    [Fact]
    public void What_netifd_claims_is_news_although_the_routes_are_the_same()
    {
        Assert.False(_lost.Update([Wlan0], (_, _) => true, (_, _) => false));
        _lost.Claim([KernelRoute.Default(11, IPAddress.Parse("198.18.1.1"))]);
        Assert.True(_lost.Update([Wlan0], (_, _) => true, (_, _) => false));
        Assert.False(_lost.Update([Wlan0], (_, _) => true, (_, _) => false));
    }

    [Fact]
    public void What_netifd_believes_to_be_there_is_lost_if_it_is_missing()
    {
        _lost.Claim([KernelRoute.Default(11, IPAddress.Parse("198.18.1.1")), Wlan0]);
        Update([Wlan0], replacedAt: null);
        KernelRoute lost = Assert.Single(_lost.Routes);
        Assert.Equal(
            (11, 0u, "198.18.1.1"), (lost.Ifindex, lost.Metric, new IPAddress(lost.Gateway!).ToString()));
        Update([Wlan0, lost.At(20)], replacedAt: null);
        Update([Wlan0], replacedAt: null); // deleted
        Assert.Empty(_lost.Routes);
    }

    [Fact]
    public void A_restored_default_says_where_it_comes_from()
    {
        Update([Eth0], replacedAt: null);
        Update([Wlan0], replacedAt: 10);
        Assert.Null(_lost.OriginOf(11, isIpv6: false)); // it is missing
        Update([Wlan0, Eth0.At(20)], replacedAt: null);
        Assert.Equal("replaced", _lost.OriginOf(11, isIpv6: false));
        Assert.Null(_lost.OriginOf(11, isIpv6: true));
        Assert.Null(_lost.OriginOf(12, isIpv6: false));
        Update([Wlan0, Eth0.At(20)], replacedAt: null);
        Assert.Equal("replaced", _lost.OriginOf(11, isIpv6: false));
        Update([Wlan0], replacedAt: null);
        Assert.Null(_lost.OriginOf(11, isIpv6: false));
    }

    [Fact]
    public void A_restored_default_that_netifd_has_named_says_so()
    {
        KernelRoute eth0 = KernelRoute.Default(11, IPAddress.Parse("198.18.1.1"));
        _lost.Claim([eth0, Wlan0]);
        Update([Wlan0], replacedAt: null);
        Update([Wlan0, eth0.At(20)], replacedAt: null);
        Assert.Equal("netifd", _lost.OriginOf(11, isIpv6: false));
        Assert.Null(_lost.OriginOf(12, isIpv6: false)); // it was there all the time
    }

    [Fact]
    public void A_default_that_another_program_adds_again_is_not_restored()
    {
        Update([Eth0], replacedAt: null);
        Update([Wlan0], replacedAt: 10);
        _lost.See(Eth0.At(20), isDeleted: false);
        _lost.BeginDump();
        Update([Wlan0, Eth0.At(20)], replacedAt: null);
        Assert.Null(_lost.OriginOf(11, isIpv6: false));

        Update([Wlan0], replacedAt: 20);
        Update([Wlan0, Eth0], replacedAt: null);
        Assert.Equal("replaced", _lost.OriginOf(11, isIpv6: false));
        _lost.See(Eth0, isDeleted: false);
        Assert.Null(_lost.OriginOf(11, isIpv6: false));
    }

    private void Update(KernelRoute[] routes, uint? replacedAt) =>
        _lost.Update(routes, (_, _) => true, (isIpv6, metric) => !isIpv6 && metric == replacedAt);
}
