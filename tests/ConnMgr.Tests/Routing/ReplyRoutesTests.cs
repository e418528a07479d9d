using System.Net;
using ConnMgr.Netlink;
using ConnMgr.Routing;
using static ConnMgr.Tests.Capture.NetworkNamespace;
using static ConnMgr.Tests.Routing.RouteBuilder;

namespace ConnMgr.Tests.Routing;

/// <summary>Replies of two links in one LAN.</summary>
public sealed class ReplyRoutesTests
{
    private static readonly RoutedLink Eth0 = new(12, "eth0", 10, 0);
    private static readonly RoutedLink Wlan0 = new(13, "wlan0", 20, 1);
    private static readonly uint Table = SourceRule.TableOf(13);

    [Fact]
    public void The_other_links_addresses_reply_over_their_link() => Assert.Equal(
        [
            $"Replace set a route for replies in table {Table}",
            $"Replace set a route for replies in table {Table}",
            $"Replace set a route for replies in table {Table}",
            $"AddRule send replies from 198.18.1.3 by table {Table}",
            $"AddRule send replies from 198.18.1.4 by table {Table}",
            $"AddRule send replies from 2001:db8:1::3 by table {Table}",
        ],
        Words(Plan(Eth0, OneLan, [Default(13, "198.18.1.1"), Default(12, "198.18.1.1")])));

    [Fact]
    public void What_is_there_already_stays()
    {
        List<RouteStep> steps = Plan(Eth0, OneLan, [Default(13, "198.18.1.1")]);
        Assert.Empty(Plan(Eth0, OneLan, [Default(13, "198.18.1.1")],
            [.. steps.Select(step => step.Rule).OfType<SourceRule>()],
            [.. steps.Select(step => step.Route).OfType<KernelRoute>()]));
    }

    [Fact]
    public void Another_router_replaces_the_route_and_nothing_is_deleted()
    {
        List<RouteStep> steps = Plan(Eth0, OneLan, [Default(13, "198.18.1.1")]);
        Assert.Equal([$"Replace set a route for replies in table {Table}"], Words(Plan(
            Eth0, OneLan, [Default(13, "198.18.1.254")],
            [.. steps.Select(step => step.Rule).OfType<SourceRule>()],
            [.. steps.Select(step => step.Route).OfType<KernelRoute>()])));
    }

    [Fact]
    public void When_the_links_part_all_is_deleted_the_rules_first()
    {
        List<RouteStep> steps = Plan(Eth0, OneLan, [Default(13, "198.18.1.1")]);
        List<RouteStep> after = Plan(
            Eth0, [OneLan[0], OneLan[4]], [],
            [.. steps.Select(step => step.Rule).OfType<SourceRule>()],
            [.. steps.Select(step => step.Route).OfType<KernelRoute>()]);
        Assert.Equal(
            Enumerable.Repeat(RouteVerb.DeleteRule, 3).Concat(Enumerable.Repeat(RouteVerb.Delete, 3)),
            after.Select(step => step.Verb));
    }

    [Fact]
    public void The_link_in_use_and_a_kernel_without_rules_need_nothing()
    {
        Assert.All(Plan(Wlan0, OneLan, []), step => Assert.Contains(
            SourceRule.TableOf(12).ToString(), step.Words, StringComparison.Ordinal));
        List<RouteStep> steps = [];
        ReplyRoutes.Add(InputOf(Eth0, OneLan, [], null, []), steps);
        Assert.Empty(steps);
    }

    [Theory]
    [InlineData(13, "198.18.2.3", 24)] // another LAN
    [InlineData(13, "198.18.1.3", 25)] // behind no router, so it may be another LAN
    [InlineData(99, "198.18.1.3", 24)] // a bridge, which is none of the links
    public void Links_that_share_no_subnet_are_left_alone(int ifindex, string other, byte length) =>
        Assert.Empty(Plan(Eth0, [Address(12, "198.18.1.2", 24), Address(ifindex, other, length)], []));

    [Theory]
    [InlineData("198.18.1.2", 24, "198.18.1.130", 25)]
    [InlineData("198.18.1.130", 25, "198.18.1.2", 24)]
    [InlineData("198.18.1.2", 24, "198.18.1.130", 32)]
    public void Behind_the_same_router_both_subnets_are_in_the_table(
        string ofEth0, byte length, string ofWlan0, byte other)
    {
        DeviceAddress[] addresses = [Address(12, ofEth0, length), Address(13, ofWlan0, other)];
        KernelRoute[] defaults = [Default(13, "198.18.1.129"), Default(12, "198.18.1.129")];
        List<RouteStep> steps = Plan(Eth0, addresses, defaults);
        Assert.Equal(
            [
                KernelRoute.ToSubnet(13, addresses[1].Prefix, addresses[1].Address),
                KernelRoute.ToSubnet(13, addresses[0].Prefix, addresses[1].Address),
                defaults[0],
            ],
            steps.Select(step => step.Route).OfType<KernelRoute>(),
            (expected, actual) => actual.IsCopyOf(expected.InTable(Table)));
        Assert.Equal(
            [new SourceRule(addresses[1].Address, Table)],
            steps.Select(step => step.Rule).OfType<SourceRule>());
        Assert.Empty(Plan(Eth0, addresses, [Default(13, "198.18.1.254"), defaults[1]]));
        // Its default alone goes if the link has lost that.
        KernelRoute copy = KernelRoute.ToSubnet(12, addresses[1].Prefix, addresses[0].Address);
        Assert.Equal(
            [$"Delete delete a route for replies of table {Table}"],
            Words(Plan(
                Eth0, addresses, [defaults[1]],
                [.. steps.Select(step => step.Rule).OfType<SourceRule>()],
                [copy, .. steps.Select(step => step.Route).OfType<KernelRoute>()])));
    }

    /// <summary>The steps are for the real kernel, and the next plan finds them done.</summary>
    [Fact]
    public void The_kernel_follows() => Run(() =>
    {
        foreach ((string name, int index) in ((string, int)[])[("eth0", 12), ("wlan0", 13)])
        {
            RunIp($"link add {name} index {index} type veth peer name peer{index}");
            RunIp($"link set {name} up");
            RunIp($"link set peer{index} up");
            RunIp($"address add 198.18.1.{index}/24 dev {name}");
            RunIp($"-6 address add 2001:db8:1::{index}/64 dev {name} nodad");
            RunIp($"route add default via 198.18.1.1 dev {name} metric {index}");
            RunIp($"-6 route add default via 2001:db8:1::1 dev {name} metric {index}");
        }
        using RouteTableSocket socket = new();
        for (int round = 0; round < 2; round++)
        {
            foreach (RoutedLink chosen in (RoutedLink[])[Eth0, Wlan0])
            {
                Assert.NotEqual(0, Apply(socket, chosen));
                Assert.Equal(0, Apply(socket, chosen));
                foreach ((int index, string name) in ((int, string)[])[(12, "eth0"), (13, "wlan0")])
                {
                    // The address of the link in use is served by the main table.
                    bool isInUse = chosen.Ifindex == index;
                    foreach (string route in (string[])
                        [$"198.18.1.9 from 198.18.1.{index}", $"198.51.100.1 from 198.18.1.{index}",
                            $"2001:db8:1::9 from 2001:db8:1::{index}",
                            $"2001:db8:99::1 from 2001:db8:1::{index}"])
                    {
                        Assert.True(isInUse || IpSays($"route get {route}")
                            .Contains($" dev {name} ", StringComparison.Ordinal), $"{chosen.Name}: {route}");
                    }
                }
            }
        }
        // Another program removes a rule, and a route of the table.
        RunIp("rule delete from 198.18.1.12");
        RunIp($"route flush table {SourceRule.TableOf(12)}");
        Assert.Equal(3, Apply(socket, Wlan0));
        Assert.Equal(0, Apply(socket, Wlan0));
        RunIp("link delete eth0");
        Assert.NotEqual(0, Apply(socket, Wlan0));
        Assert.Equal(0, Apply(socket, Wlan0));
        Assert.DoesNotContain("lookup 45", IpSays("rule"), StringComparison.Ordinal);
        Assert.DoesNotContain("lookup 45", IpSays("-6 rule"), StringComparison.Ordinal);
    });

    /// <summary>Rules of others, and malformed ones, are none of ours.</summary>
    [Fact]
    public void Only_own_rules_are_read()
    {
        SourceRule rule = new(IPAddress.Parse("198.18.1.3"), Table);
        byte[] payload = rule.ToMessage(RouteMessage.NewRule, 0)[NetlinkReader.HeaderSize..];
        Assert.True(SourceRule.TryRead(payload, out SourceRule read));
        Assert.Equal(rule, read);
        for (int length = 0; length < payload.Length; length++)
        {
            bool isRead = SourceRule.TryRead(payload.AsSpan(0, length), out SourceRule cut);
            // Without FRA_PROTOCOL, which old kernels lack, it is complete.
            Assert.True(!isRead || cut.Equals(rule), $"{length} bytes");
        }
        foreach (int at in (int[])[0, 2, 7, 12, 16, 24, 32])
        {
            byte[] other = [.. payload];
            other[at] ^= 0xff;
            Assert.False(SourceRule.TryRead(other, out SourceRule changed) && changed.Equals(rule), $"{at}");
        }
    }

    private static readonly DeviceAddress[] OneLan =
    [
        Address(12, "198.18.1.2", 24), Address(13, "198.18.1.3", 24), Address(13, "198.18.1.4", 24),
        Address(13, "2001:db8:1::3", 64), Address(12, "2001:db8:1::2", 64),
    ];

    private static int Apply(RouteTableSocket socket, RoutedLink chosen)
    {
        KernelState state = new();
        List<KernelRoute> subnets = [];
        List<KernelRoute> routes = [];
        Assert.True(socket.TryRead(state) && socket.TryDump(routes, subnets) && state.HasRules);
        List<RouteStep> steps = [];
        ReplyRoutes.Add(InputOf(chosen, state.Addresses, routes, state.Rules, subnets), steps);
        foreach (RouteStep step in steps)
        {
            int error = socket.Send(step, out string words);
            Assert.True(error == 0, $"{step.Words}: {words}");
        }
        return steps.Count;
    }

    private static List<RouteStep> Plan(
        RoutedLink chosen, DeviceAddress[] addresses, KernelRoute[] routes, SourceRule[]? rules = null,
        KernelRoute[]? subnets = null)
    {
        List<RouteStep> steps = [];
        ReplyRoutes.Add(InputOf(chosen, addresses, routes, rules ?? [], subnets ?? []), steps);
        return steps;
    }

    private static RouteInput InputOf(
        RoutedLink chosen, IReadOnlyList<DeviceAddress> addresses, IReadOnlyList<KernelRoute> routes,
        IReadOnlyList<SourceRule>? rules, IReadOnlyList<KernelRoute> subnets) =>
        new(routes, [], [Eth0, Wlan0], chosen, new Dictionary<(bool, string), OwnMetric>())
        {
            Addresses = addresses,
            Subnets = subnets,
            Rules = rules,
        };

    private static string[] Words(List<RouteStep> steps) =>
        [.. steps.Select(step => $"{step.Verb} {step.Words}")];

    private static KernelRoute Default(int ifindex, string gateway) =>
        new RouteBuilder(isIpv6: false) { Metric = 20 }.Device(ifindex).Via(gateway).Build();
}
