using ConnMgr.Netlink;
using ConnMgr.Routing;

namespace ConnMgr.Tests.Routing;

/// <summary>
/// The routes of a link that must not send anything, in random tables: hidden behind an unreachable default,
/// never lost, and back in their places when the link may be used again.
/// </summary>
public sealed class HidingTests
{
    [Theory]
    [InlineData(false)]
    [InlineData(true)]
    public void A_blocked_link_sends_nothing_and_the_others_keep_their_way_out(bool hasChoice)
    {
        int hidden = 0;
        for (int seed = 0; seed < 2000; seed++)
        {
            RandomRoutes random = new(new Random(seed), forKernel: false);
            ModelRouteTable table = new([]);
            for (int i = random.Next(9); i >= 0; i--)
            {
                table.Append(random.Chance(50) ? random.Ipv4() : random.Ipv6());
            }
            RoutedLink[] links = RoutePlanTests.World.LinksOf([0, 1, 2]);
            int blocked = random.Next(3);
            links[blocked] = links[blocked] with { Rank = null, IsBlocked = true };
            RoutedLink? chosen = hasChoice ? links[(blocked + 1) % 3] : null;
            hidden += Check(table, links, links[blocked], chosen, seed) ? 1 : 0;
        }
        Assert.True(hidden > 500, $"only {hidden} tables had something to hide");
    }

    private static bool Check(
        ModelRouteTable table, RoutedLink[] links, RoutedLink blocked, RoutedLink? chosen, int seed)
    {
        Dictionary<(bool, string), OwnMetric> own = [];
        string before = table.Words();
        for (int round = 0; ; round++)
        {
            RouteInput input = new(
                table.Routes, [], links, chosen ?? new RoutedLink(0, "", 0, null), own);
            RoutePlan plan = chosen is null ? RoutePlan.OfNone(input) : RoutePlan.Of(input);
            string Context(string what) =>
                $"seed {seed}: {what}\n-- chosen {chosen?.Name}, blocked {blocked.Name}, before:\n{before}\n"
                + string.Join('\n', plan.Steps.Select(step => $"{step.Verb} {step.Words}"))
                + $"\n-- now:\n{table.Words()}";
            if (chosen is not null && plan.Lacks.Length > 0)
            {
                return false;
            }
            Assert.True(round < 5, Context("no end"));
            if (plan.Steps.Count == 0)
            {
                return IsHidden(table, blocked, Context);
            }
            foreach (RouteStep step in plan.Steps)
            {
                bool[] had = [Has(table, links, false), Has(table, links, true)];
                if (step.Verb == RouteVerb.Remember)
                {
                    own[(step.IsIpv6, step.Link)] = step.Metric;
                    continue;
                }
                int error = table.Apply(step);
                Assert.True(error is 0 || (error == 3 && step.Verb == RouteVerb.Delete), Context($"{error}"));
                Assert.True(!had[0] || Has(table, links, false), Context($"{step.Words}: a default is lost"));
                Assert.True(!had[1] || Has(table, links, true), Context($"{step.Words}: a default is lost"));
            }
        }
    }

    /// <summary>True if each link has a default of the family.</summary>
    private static bool Has(ModelRouteTable table, RoutedLink[] links, bool isIpv6) =>
        links.All(link => table.Routes.Any(
            route => route.IsIpv6 == isIpv6 && route.IsUnicast && !route.IsDerived
            && (route.Ifindex == link.Ifindex
                || route.Hops.Any(hop => route.Leg(hop).Ifindex == link.Ifindex))));

    /// <summary>
    /// Before the link's routes there is one that refuses packets, unless they cannot be moved and have the
    /// best metric.
    /// </summary>
    private static bool IsHidden(ModelRouteTable table, RoutedLink blocked, Func<string, string> context)
    {
        bool hasWall = false;
        foreach (bool isIpv6 in (bool[])[false, true])
        {
            bool isBehind = false;
            bool isFixed = false;
            foreach (KernelRoute route in table.Routes)
            {
                if (route.IsIpv6 != isIpv6 || route.SourceLength > 0 || route.HasRunOut)
                {
                    continue;
                }
                isBehind |= !route.IsUnicast && route.IsDerived;
                isFixed |= route.Hops.Count > 0 || route.NexthopId != 0;
                if (!isBehind && route.Hops.Count == 0 && route.NexthopId == 0
                    && route.Ifindex == blocked.Ifindex)
                {
                    // A multipath route or one of a nexthop object may be in front: nothing fits before.
                    Assert.True(
                        isFixed || table.Routes.Any(other => other.IsIpv6 == isIpv6 && other.Metric <= 2
                            && (other.Hops.Count > 0 || other.NexthopId != 0 || other.IsAdvertised)),
                        context($"IPv{(isIpv6 ? 6 : 4)}: the blocked link can send"));
                }
            }
            hasWall |= isBehind;
        }
        return hasWall;
    }

    [Theory]
    [InlineData(false)]
    [InlineData(true)]
    public void Its_routes_go_behind_an_unreachable_default_and_back_again(bool isIpv6)
    {
        uint top = isIpv6 ? 1u : 0;
        string gateway = isIpv6 ? "fe80::" : "198.18.0.";
        KernelRoute Of(int device, uint metric) => new RouteBuilder(isIpv6) { Metric = metric }
            .Via($"{gateway}{device}").Device(device).Build();
        ModelRouteTable table = new([Of(13, top), Of(11, 10)]);
        Dictionary<(bool, string), OwnMetric> own = new() { [(isIpv6, "wwan0")] = new OwnMetric(50, 50) };
        RoutedLink[] links = RoutePlanTests.World.LinksOf([0, 1, 2]);
        string Play(RoutedLink? chosen)
        {
            for (int round = 0; round < 3; round++)
            {
                RouteInput input = new(
                    table.Routes, [], links, chosen ?? new RoutedLink(0, "", 0, null), own);
                RoutePlan plan = chosen is null ? RoutePlan.OfNone(input) : RoutePlan.Of(input);
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
            return string.Join(
                ' ', table.Routes.Select(route => $"{(route.IsUnicast ? route.Ifindex : 0)}@{route.Metric}"));
        }
        links[2] = links[2] with { IsBlocked = true, Rank = null };
        Assert.Equal("11@10 0@200000000 13@200000001", Play(null)); // eth0 is down
        Assert.Equal($"11@{top} 0@200000000 13@200000001", Play(links[0]));
        links[2] = links[2] with { IsBlocked = false, Rank = 2 };
        Assert.Equal($"11@{top} 13@50", Play(links[0]));
        links[2] = links[2] with { IsBlocked = true, Rank = null };
        Assert.Equal($"11@{top} 0@200000000 13@200000001", Play(links[0]));
        links[2] = links[2] with { IsBlocked = false, Rank = 2 };
        Assert.Equal($"13@{top} 11@10", Play(links[2]));
    }

    /// <summary>
    /// The kernel renews an advertised route in its place, so the others must come before it.
    /// </summary>
    [Fact]
    public void An_advertised_route_stays_and_the_others_are_moved_before_it()
    {
        KernelRoute Advertised(int device) => new RouteBuilder(true) { Metric = 1024, Protocol = 9 }
            .Via($"fe80::{device}").Device(device).Expires(600).Build();
        ModelRouteTable table = new([Advertised(13), Advertised(12)]);
        RoutedLink[] links = RoutePlanTests.World.LinksOf([0, 1, 2]);
        links[2] = links[2] with { IsBlocked = true, Rank = null };
        for (int round = 0; round < 3; round++)
        {
            RoutePlan plan = RoutePlan.OfNone(
                new RouteInput(table.Routes, [], links, new RoutedLink(0, "", 0, null),
                    new Dictionary<(bool, string), OwnMetric>()));
            Assert.All(plan.Steps, step => table.Apply(step));
        }
        Assert.Equal(
            "12@1022 0@1023", string.Join(' ', table.Routes.Where(route => route.Metric < 1024).Select(
                route => $"{(route.IsUnicast ? route.Ifindex : 0)}@{route.Metric}")));
    }
}
