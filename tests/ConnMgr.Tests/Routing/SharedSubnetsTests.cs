using System.Net;
using ConnMgr.Netlink;
using ConnMgr.Routing;
using static ConnMgr.Tests.Capture.NetworkNamespace;
using static ConnMgr.Tests.Routing.RouteBuilder;

namespace ConnMgr.Tests.Routing;

/// <summary>Two links in one LAN.</summary>
public sealed class SharedSubnetsTests
{
    private static readonly RoutedLink Eth0 = new(2, "eth0", 10, 0);
    private static readonly RoutedLink Wlan0 = new(3, "wlan0", 20, 1);

    private static readonly DeviceAddress[] OneLan =
    [
        Address(2, "198.18.1.2", 24), Address(3, "198.18.1.3", 24), Address(3, "198.18.1.4", 24),
        Address(2, "2001:db8:1::2", 64), Address(3, "2001:db8:1::3", 64),
    ];

    [Fact]
    public void The_chosen_links_route_is_put_in_front_and_the_others_goes() =>
        Assert.Equal(
            ["Prepend reach 198.18.1.0/24 over wlan0", "Prepend reach 2001:db8:1::/64 over wlan0",
                "Delete delete an older route to a shared subnet"],
            Steps(Wlan0, OneLan, KernelRoute.ToSubnet(
                2, IPNetwork.Parse("198.18.1.0/24"), IPAddress.Parse("198.18.1.2"))));

    [Fact]
    public void What_is_there_already_stays() => Assert.Empty(Steps(
        Eth0, OneLan,
        KernelRoute.ToSubnet(2, IPNetwork.Parse("198.18.1.0/24"), IPAddress.Parse("198.18.1.2")),
        KernelRoute.ToSubnet(2, IPNetwork.Parse("2001:db8:1::/64"), IPAddress.Parse("2001:db8:1::2"))));

    [Theory]
    [InlineData(3, "198.18.2.3", 24)] // another LAN
    [InlineData(3, "198.18.1.3", 32)] // no subnet
    [InlineData(3, "198.18.1.3", 25)] // behind no router, so it may be another LAN
    [InlineData(9, "198.18.1.3", 24)] // a bridge, which is none of the links
    public void Links_that_share_no_subnet_are_left_alone(int ifindex, string other, byte length)
    {
        DeviceAddress[] addresses = [Address(2, "198.18.1.2", 24), Address(ifindex, other, length)];
        Assert.Empty(Steps(Eth0, addresses));
        Assert.Single(Steps(Eth0, addresses, KernelRoute.ToSubnet(
            2, IPNetwork.Parse("198.18.1.0/24"), IPAddress.Parse("198.18.1.2"))));
    }

    [Theory]
    [InlineData("198.18.1.2", 24, "198.18.1.130", 25, "198.18.1.129")]
    [InlineData("198.18.1.130", 25, "198.18.1.2", 24, "198.18.1.129")]
    [InlineData("198.18.1.2", 32, "198.18.1.3", 24, "198.18.1.1")]
    [InlineData("10.0.0.2", 8, "10.7.0.130", 30, "10.7.0.129")]
    [InlineData("2001:db8:1::2", 64, "2001:db8:1::3", 80, "2001:db8:1::1")]
    [InlineData("2001:db8:1::2", 80, "2001:db8:1::3", 64, "fe80::1")]
    [InlineData("2001:db8:1::2", 128, "2001:db8:1::3", 64, "fe80::1")]
    public void Behind_the_same_router_a_longer_or_shorter_subnet_is_shared_too(
        string ofEth0, byte length, string ofWlan0, byte other, string router)
    {
        DeviceAddress[] addresses = [Address(2, ofEth0, length), Address(3, ofWlan0, other)];
        Assert.Equal(
            [$"Prepend reach {addresses[1].Prefix} over eth0"], Steps(Eth0, addresses, [2, 3], router));
        Assert.Empty(Steps(Eth0, addresses, [2], router));
        Assert.Empty(Steps(Eth0, addresses, [3], router));
        Assert.Empty(Steps(Eth0, [addresses[0], Address(9, ofWlan0, other)], [2, 9], router));
    }

    /// <summary>
    /// A DHCP client may delete the default of a dead link and keep its address. The kernel would then reach
    /// the router over the dead link.
    /// </summary>
    [Theory]
    [InlineData("198.18.1.2", 24, "198.18.1.130", 25, "198.18.1.129")]
    [InlineData("198.18.1.130", 25, "198.18.1.2", 24, "198.18.1.129")]
    [InlineData("2001:db8:1::2", 64, "2001:db8:1::3", 80, "fe80::1")]
    public void A_link_without_a_default_stays_in_the_LAN_until_it_has_another_router(
        string ofEth0, byte length, string ofWlan0, byte other, string router)
    {
        DeviceAddress[] addresses = [Address(2, ofEth0, length), Address(3, ofWlan0, other)];
        KernelRoute copy = KernelRoute.ToSubnet(2, addresses[1].Prefix, addresses[0].Address);
        KernelRoute first = Default(2, router);
        Assert.Empty(Steps(Eth0, addresses, [first], [copy]));
        Assert.Empty(Steps(Eth0, addresses, [], [copy]));
        Assert.Equal(
            ["Delete delete an older route to a shared subnet"],
            Steps(Eth0, addresses, [first, Default(3, router[..^1] + "3")], [copy]));
        // The link that was in use has lost its default, and the other one takes over.
        Assert.Equal(
            [$"Prepend reach {addresses[0].Prefix} over wlan0",
                "Delete delete an older route to a shared subnet"],
            Steps(Wlan0, addresses, [Default(3, router)], [copy]));
    }

    [Theory]
    [InlineData("198.18.1.2", 24, "198.18.1.3", 32, "198.18.1.1")] // no subnet
    [InlineData("198.18.1.2", 24, "198.18.1.3", 31, "198.18.1.1")]
    [InlineData("198.18.1.2", 24, "198.18.2.3", 25, "198.18.1.1")] // beside it
    [InlineData("198.18.1.2", 24, "198.18.1.3", 0, "198.18.1.1")]
    [InlineData("2001:db8:1::2", 64, "2001:db8:2::3", 80, "fe80::1")]
    [InlineData("198.18.1.2", 24, "2001:db8:1::3", 64, "198.18.1.1")]
    public void The_same_router_alone_makes_no_shared_subnet(
        string ofEth0, byte length, string ofWlan0, byte other, string router) => Assert.Empty(
        Steps(Eth0, [Address(2, ofEth0, length), Address(3, ofWlan0, other)], [2, 3], router));

    [Fact]
    public void A_multipath_default_tells_the_router_of_its_links()
    {
        KernelRoute both = new RouteBuilder(false) { Metric = 10 }
            .Hops((2, "198.18.1.129"), (3, "198.18.1.129")).Build();
        Assert.Equal(
            ["Prepend reach 198.18.1.128/25 over eth0"],
            Steps(Eth0, [Address(2, "198.18.1.2", 24), Address(3, "198.18.1.130", 25)], [both], []));
    }

    /// <summary>Whatever is planned for the kernel's table, the next plan finds done.</summary>
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
        }
        using RouteTableSocket socket = new();
        foreach (int chosen in (ReadOnlySpan<int>)[13, 12, 13])
        {
            (int steps, int lookedUp4, int lookedUp6) = Apply(socket, chosen);
            Assert.True(steps > 0);
            Assert.Equal((chosen, chosen), (lookedUp4, lookedUp6));
            Assert.Equal(0, Apply(socket, chosen).Steps);
        }
        // The address that the DHCP client sets again comes with a route that is older than ours.
        RunIp("address delete 198.18.1.12/24 dev eth0");
        RunIp("address add 198.18.1.12/24 dev eth0");
        Assert.Equal((0, 13, 13), Apply(socket, 13));
        RunIp("address delete 198.18.1.13/24 dev wlan0");
        RunIp("-6 address delete 2001:db8:1::13/64 dev wlan0");
        Apply(socket, 12);
        Assert.Equal((0, 12, 12), Apply(socket, 12));
    });

    private static (int Steps, int Ipv4, int Ipv6) Apply(RouteTableSocket socket, int chosen)
    {
        KernelState state = new();
        List<KernelRoute> subnets = [];
        Assert.True(socket.TryRead(state) && socket.TryDump([], subnets));
        RoutedLink[] links = [new(12, "eth0", 10, 0), new(13, "wlan0", 20, 1)];
        List<RouteStep> steps = [];
        SharedSubnets.Add(
            new RouteInput([], [], links, links.First(link => link.Ifindex == chosen),
                new Dictionary<(bool, string), OwnMetric>())
            {
                Addresses = state.Addresses,
                Subnets = subnets,
            },
            [],
            steps);
        foreach (RouteStep step in steps)
        {
            int error = socket.Send(step, out string words);
            Assert.True(error == 0, $"{step.Words}: {words}");
        }
        return (steps.Count, DeviceTo("198.18.1.1"), DeviceTo("2001:db8:1::1"));
    }

    private static int DeviceTo(string address)
    {
        string answer = IpSays($"route get {address}");
        return answer.Contains(" dev eth0 ", StringComparison.Ordinal) ? 12
            : answer.Contains(" dev wlan0 ", StringComparison.Ordinal) ? 13 : 0;
    }

    private static string[] Steps(
        RoutedLink chosen, DeviceAddress[] addresses, int[] behind, string router) => Steps(
        chosen, addresses,
        [.. behind.Select(index => Default(index, router))],
        []);

    private static KernelRoute Default(int ifindex, string router) =>
        new RouteBuilder(router.Contains(':', StringComparison.Ordinal)) { Metric = (uint)ifindex }
            .Via(router).Device(ifindex).Build();

    private static string[] Steps(
        RoutedLink chosen, DeviceAddress[] addresses, params KernelRoute[] subnets) =>
        Steps(chosen, addresses, [], subnets);

    private static string[] Steps(
        RoutedLink chosen, DeviceAddress[] addresses, KernelRoute[] defaults, KernelRoute[] subnets)
    {
        List<RouteStep> steps = [];
        SharedSubnets.Add(
            new RouteInput(defaults, [], [Eth0, Wlan0], chosen,
                new Dictionary<(bool, string), OwnMetric>())
            {
                Addresses = addresses,
                Subnets = subnets,
            },
            [],
            steps);
        return [.. steps.Select(step => $"{step.Verb} {step.Words}")];
    }
}
