using ConnMgr.Netlink;
using ConnMgr.Routing;

namespace ConnMgr.Tests.Routing;

/// <summary>
/// Routes behind which the kernel finds no other: those that forward nothing, and in IPv4 those of nexthop
/// objects, for a socket that is bound to another device. The standby routes stand before them.
/// </summary>
public sealed class ObstacleTests
{
    private const byte Blackhole = 6;

    private static readonly RoutedLink Eth0 = new(11, "eth0", 10, 0);
    private static readonly RoutedLink Wlan0 = new(12, "wlan0", 20, 1);
    private static readonly RoutedLink Wwan0 = new(13, "wwan0", 50, 2);

    [Fact]
    public void No_nexthop_object_of_another_link_stands_before_a_standby_route()
    {
        ModelRouteTable table = After(
            new RouteBuilder(false) { Metric = 10 }.Via("198.18.1.1").Device(11).Nexthop(1).Build(),
            Plain(12, 20), Plain(13, 50));
        Assert.Equal(["11 0", "12 8", "13 9", "11 10"], table.Routes.OrderBy(route => route.Metric)
            .Select(route => $"{route.Ifindex} {route.Metric}"));
    }

    [Fact]
    public void Nor_one_of_the_links_own()
    {
        ModelRouteTable table = After(
            Plain(11, 5),
            new RouteBuilder(false) { Metric = 30 }.Via("198.18.2.1").Device(12).Nexthop(2).Build(),
            new RouteBuilder(false) { Metric = 40 }.Device(13).Nexthop(3).Build());
        Assert.Equal([0u], MetricsOf(table, 11));
        Assert.Equal([28u, 30], MetricsOf(table, 12));
        Assert.Equal([29u, 40], MetricsOf(table, 13));
    }

    [Theory]
    [InlineData(false)]
    [InlineData(true)]
    public void No_route_that_forwards_nothing_stands_before_a_standby_route(bool isIpv6)
    {
        // NetworkManager gives Wi-Fi metric 600, and what a replace put in front goes to 100.
        ModelRouteTable table = After(
            Plain(11, 10, isIpv6), new RouteBuilder(isIpv6) { Metric = 100, Type = Blackhole }.Build(),
            Plain(12, 600, isIpv6), Plain(13, 700, isIpv6));
        Assert.Equal([98u], MetricsOf(table, 12));
        Assert.Equal([99u], MetricsOf(table, 13));
        Assert.Contains(table.Routes, route => route.Type == Blackhole && route.Metric == 100);
    }

    [Fact]
    public void Without_room_before_it_the_routes_stay_and_the_plan_ends()
    {
        ModelRouteTable table = After(
            Plain(11, 10), new RouteBuilder(false) { Metric = 1, Type = Blackhole }.Build(), Plain(12, 600),
            Plain(13, 700));
        Assert.Equal([600u], MetricsOf(table, 12));
    }

    /// <summary>
    /// 4294967295 is the last metric. No plan goes on from 0 behind it, where the preferred route is.
    /// </summary>
    [Theory]
    [InlineData(false)]
    [InlineData(true)]
    public void Behind_the_last_metric_there_is_no_other(bool isIpv6)
    {
        KernelRoute[] routes = [Plain(12, isIpv6 ? 1u : 0, isIpv6), Plain(13, uint.MaxValue, isIpv6)];
        ModelRouteTable table = After(
            new Dictionary<(bool, string), OwnMetric>
            {
                [(isIpv6, "wlan0")] = new OwnMetric(uint.MaxValue, uint.MaxValue),
            },
            [Plain(11, 10, isIpv6), .. routes]);
        uint top = isIpv6 ? 1u : 0;
        Assert.Equal([top], MetricsOf(table, 11));
        Assert.Equal([top + 1], MetricsOf(table, 12));
        Assert.Equal([uint.MaxValue - 1], MetricsOf(table, 13));
    }

    private static KernelRoute Plain(int ifindex, uint metric, bool isIpv6 = false)
    {
        RouteBuilder route = new(isIpv6) { Metric = metric };
        string router = isIpv6 ? $"fe80::{ifindex}" : $"198.18.{ifindex - 10}.1";
        return (ifindex == 13 ? route : route.Via(router)).Device(ifindex).Build();
    }

    private static uint[] MetricsOf(ModelRouteTable table, int ifindex) =>
        [.. table.Routes.Where(route => route.Ifindex == ifindex).Select(route => route.Metric)
            .OrderBy(metric => metric)];

    /// <summary>The table after the plan, of which nothing is left to do.</summary>
    private static ModelRouteTable After(params KernelRoute[] routes) => After([], routes);

    private static ModelRouteTable After(
        Dictionary<(bool, string), OwnMetric> own, params KernelRoute[] routes)
    {
        ModelRouteTable table = new(routes);
        for (int round = 0; ; round++)
        {
            RoutePlan plan = RoutePlan.Of(new RouteInput(
                [.. table.Routes], [], [Eth0, Wlan0, Wwan0], Eth0, own));
            if (plan.Steps.Count == 0)
            {
                return table;
            }
            Assert.True(round < 3, "no end");
            foreach (RouteStep step in plan.Steps)
            {
                if (step.Verb == RouteVerb.Remember)
                {
                    own[(step.IsIpv6, step.Link)] = step.Metric;
                }
                else
                {
                    Assert.Equal(0, table.Apply(step));
                }
            }
        }
    }
}
