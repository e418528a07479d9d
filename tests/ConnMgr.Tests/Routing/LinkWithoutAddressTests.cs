using ConnMgr.Netlink;
using ConnMgr.Routing;

namespace ConnMgr.Tests.Routing;

/// <summary>
/// A link that has lost its address of a family stands behind the links that have one, because no answer
/// comes back to what its default sends. Its route stays in the table: the platform owns it.
/// </summary>
public sealed class LinkWithoutAddressTests
{
    private static readonly RoutedLink Eth0 = new(11, "eth0", 10, 0);
    private static readonly RoutedLink Wlan0 = new(12, "wlan0", 20, 1);
    private static readonly RoutedLink Wwan0 = new(13, "wwan0", 50, 2);

    [Theory]
    [InlineData(false)]
    [InlineData(true)]
    public void The_chosen_link_keeps_its_default_behind_all_others(bool isIpv6)
    {
        RoutedLink eth0 = Eth0 with { LacksIpv4 = !isIpv6, LacksIpv6 = isIpv6 };
        ModelRouteTable table = After(
            [eth0, Wlan0, Wwan0], Plain(11, isIpv6 ? 1u : 0, isIpv6), Plain(12, 20, isIpv6),
            Plain(13, 50, isIpv6), Plain(11, isIpv6 ? 0u : 1, !isIpv6));
        Assert.Equal([12, 13, 11], Order(table, isIpv6));
        Assert.Equal([11], Order(table, !isIpv6));
    }

    [Fact]
    public void Both_families_yield_while_the_loss_of_both_addresses_is_waited_out()
    {
        ModelRouteTable table = After(
            [Eth0 with { LacksIpv4 = true, LacksIpv6 = true }, Wlan0, Wwan0],
            Plain(11, 0), Plain(12, 20), Plain(11, 1, true), Plain(13, 50, true));
        Assert.Equal([12, 11], Order(table, false));
        Assert.Equal([13, 11], Order(table, true));
    }

    [Fact]
    public void A_standby_link_comes_after_a_metered_one_that_has_an_address()
    {
        ModelRouteTable table = After(
            [Eth0, Wlan0 with { LacksIpv4 = true }, Wwan0], Plain(11, 0), Plain(12, 20), Plain(13, 50));
        Assert.Equal([11, 13, 12], Order(table, false));
    }

    [Fact]
    public void A_link_that_cannot_be_chosen_does_not_stand_before_the_others()
    {
        ModelRouteTable table = After(
            [Eth0 with { LacksIpv6 = true }, Wlan0 with { LacksIpv6 = true, Rank = null }, Wwan0],
            Plain(12, 1, true), Plain(13, 50, true), Plain(11, 0));
        Assert.Equal([13, 12], Order(table, true));
    }

    [Fact]
    public void Where_no_link_has_an_address_nothing_moves()
    {
        ModelRouteTable table = After(
            [Eth0 with { LacksIpv6 = true }, Wlan0 with { LacksIpv6 = true }],
            Plain(11, 1, true), Plain(12, 20, true), Plain(11, 0));
        Assert.Equal([11, 12], Order(table, true));
        Assert.Equal([1u, 20], table.Routes.Where(route => route.IsIpv6).Select(route => route.Metric));
    }

    private static KernelRoute Plain(int ifindex, uint metric, bool isIpv6 = false) =>
        new RouteBuilder(isIpv6) { Metric = metric }
            .Via(isIpv6 ? $"fe80::{ifindex}" : $"198.18.{ifindex}.1").Device(ifindex).Build();

    /// <summary>Returns the table after all plans for the first link, until there is nothing to do.</summary>
    private static ModelRouteTable After(RoutedLink[] links, params ReadOnlySpan<KernelRoute> routes)
    {
        ModelRouteTable table = new([.. routes]);
        for (int round = 0; ; round++)
        {
            RoutePlan plan = RoutePlan.Of(new RouteInput(
                [.. table.Routes], [], links, links[0], new Dictionary<(bool, string), OwnMetric>()));
            if (plan.Steps.Count == 0)
            {
                return table;
            }
            Assert.True(round < 3, "the plans do not end");
            foreach (RouteStep step in plan.Steps)
            {
                Assert.Equal(0, table.Apply(step));
            }
        }
    }

    /// <summary>Returns the devices of the family's defaults, best first.</summary>
    private static IEnumerable<int> Order(ModelRouteTable table, bool isIpv6) =>
        table.Routes.Where(route => route.IsIpv6 == isIpv6).OrderBy(route => route.Metric)
            .Select(route => route.Ifindex);
}
