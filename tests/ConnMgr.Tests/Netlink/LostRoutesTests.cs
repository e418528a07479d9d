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

    private void Update(KernelRoute[] routes, uint? replacedAt) =>
        _lost.Update(routes, (_, _) => true, (isIpv6, metric) => !isIpv6 && metric == replacedAt);
}
