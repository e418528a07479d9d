using ConnMgr.Netlink;
using ConnMgr.Routing;

namespace ConnMgr.Tests.Routing;

/// <summary>
/// A default that another program's replace removed may be obsolete: the kernel must judge its gateway, so it
/// is never added with RTNH_F_ONLINK (<see cref="RouteStep.IsRestoring"/>).
/// </summary>
public sealed class RestoringTests
{
    private static readonly RoutedLink Eth0 = new(12, "eth0", 10, 0) { LacksIpv6 = true };
    private static readonly RoutedLink Wlan0 = new(13, "wlan0", 20, 1) { LacksIpv6 = true };

    [Fact]
    public void A_lost_default_of_the_chosen_link() => Assert.Equal(
        [(RouteVerb.Replace, true)], Changes(Plan(Eth0, [Default(13, 20)], [Default(12, 10)])));

    [Fact]
    public void A_lost_default_of_another_link() => Assert.Equal(
        [(RouteVerb.Add, true)], Changes(Plan(Eth0, [Default(12, 0)], [Default(13, 20)])));

    [Fact]
    public void A_default_that_is_there_is_moved_and_not_restored() => Assert.Contains(
        (RouteVerb.Replace, false), Changes(Plan(Eth0, [Default(12, 10)], [Default(12, 5)])));

    private static (RouteVerb, bool)[] Changes(RoutePlan plan) =>
    [
        .. plan.Steps.Where(step => step.Verb is RouteVerb.Add or RouteVerb.Replace)
            .Select(step => (step.Verb, step.IsRestoring)),
    ];

    private static RoutePlan Plan(RoutedLink chosen, KernelRoute[] routes, KernelRoute[] lost) =>
        RoutePlan.Of(new RouteInput(
            routes, lost, [Eth0, Wlan0], chosen,
            new Dictionary<(bool, string), OwnMetric>()));

    private static KernelRoute Default(int ifindex, uint metric) =>
        new RouteBuilder(isIpv6: false) { Metric = metric }
            .Device(ifindex).Via($"198.18.{ifindex}.1").Build();
}
