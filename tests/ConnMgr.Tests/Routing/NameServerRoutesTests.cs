using System.Net;
using ConnMgr.EventLoop;
using ConnMgr.Net;
using ConnMgr.Netlink;
using ConnMgr.Routing;
using static ConnMgr.Tests.Capture.NetworkNamespace;

namespace ConnMgr.Tests.Routing;

/// <summary>Host routes to name servers, in the kernel of a namespace.</summary>
public sealed class NameServerRoutesTests
{
    private static readonly IpNumber[] Servers =
    [
        Number("198.18.9.53"), Number("198.18.1.53"), Number("198.18.2.53"), Number("2001:db8:9::53"),
    ];

    /// <summary>
    /// Whatever is planned, the next plan finds done; the other program's routes stay; and when the link has
    /// recovered, ours go.
    /// </summary>
    [Theory]
    [InlineData("198.18.9.53", "via 198.18.1.1", 2, "reach the name server 198.18.9.53 over wlan0")]
    [InlineData("198.18.9.53", "via 198.18.1.1 metric 1024", 2,
        "reach the name server 198.18.9.53 over wlan0")]
    [InlineData("2001:db8:9::53", "via 2001:db8:1::1", 2, "reach the name server 2001:db8:9::53 over wlan0")]
    [InlineData("198.18.2.53", "via 198.18.1.1", 2, "reach the name server 198.18.2.53 over wlan0")]
    [InlineData("198.18.1.53", "scope link", 2, "")] // on the dead link's own subnet
    [InlineData("198.18.9.53", "via 198.18.1.1", 9, "")] // over a link that works
    [InlineData("198.18.9.54", "via 198.18.1.1", 2, "")] // no name server
    public void The_kernel_follows(string server, string route, int dead, string words) => Run(() =>
    {
        foreach ((string name, int index) in ((string, int)[])[("eth0", 1), ("wlan0", 2)])
        {
            RunIp($"link add {name} index 1{index} type veth peer name peer{index}");
            RunIp($"link set {name} up");
            RunIp($"link set peer{index} up");
            RunIp($"address add 198.18.{index}.2/24 dev {name}");
            RunIp($"-6 address add 2001:db8:{index}::2/64 dev {name} nodad");
            RunIp($"route add default via 198.18.{index}.1 dev {name} metric {index}0");
            RunIp($"-6 route add default via 2001:db8:{index}::1 dev {name} metric {index}0");
        }
        RunIp($"route add {server} {route} dev eth0");
        using RouteTableSocket socket = new();
        Assert.Equal(words, Apply(socket, dead));
        Assert.Equal("", Apply(socket, dead));
        Assert.Equal(words.Length > 0 ? 12 : 11, socket.DeviceTo(Number(server)));
        Assert.Equal(
            words.Length > 0 ? $"delete the older route to the name server {server}" : "",
            Apply(socket, 9));
        Assert.Equal(11, socket.DeviceTo(Number(server)));
    });

    /// <summary>A route that the kernel does not use needs no other one.</summary>
    [Fact]
    public void A_better_route_of_another_program_suffices() => Run(() =>
    {
        RunIp("link add eth0 index 11 type veth peer name peer1");
        RunIp("link add wlan0 index 12 type veth peer name peer2");
        foreach (string name in (string[])["eth0", "peer1", "wlan0", "peer2"])
        {
            RunIp($"link set {name} up");
        }
        RunIp("address add 198.18.1.2/24 dev eth0");
        RunIp("address add 198.18.2.2/24 dev wlan0");
        RunIp("route add default via 198.18.2.1 dev wlan0");
        RunIp("route add 198.18.9.53 via 198.18.1.1 dev eth0 metric 20");
        RunIp("route add 198.18.9.53 via 198.18.2.1 dev wlan0 metric 10");
        using RouteTableSocket socket = new();
        Assert.Equal("", Apply(socket, 2));
        Assert.Equal(12, socket.DeviceTo(Number("198.18.9.53")));
        Assert.Equal(0, socket.DeviceTo(Number("2001:db8:9::53")));
        Assert.Equal(-1, socket.DeviceTo(Number("198.18.2.2")));
    });

    private static IpNumber Number(string address) => IpNumber.Of(IPAddress.Parse(address));

    /// <summary>Plans for wlan0, 12, and carries it out; eth0, 11, is dead if that is 2.</summary>
    private static string Apply(RouteTableSocket socket, int dead)
    {
        KernelState state = new();
        Assert.True(state.Follow(Servers));
        Assert.False(state.Follow([.. Servers]));
        using Loop loop = new();
        using RouteMonitor routes = new(loop, state);
        loop.Run(() =>
        {
            if (routes.IsSettled)
            {
                loop.Stop();
            }
        });
        RoutedLink[] links = [new(11, "eth0", 10, 0) { IsDead = dead == 2 }, new(12, "wlan0", 20, 1)];
        List<RouteStep> steps = [];
        RouteInput input = new(
            state.Defaults, [], links, links[1], new Dictionary<(bool, string), OwnMetric>())
        {
            Addresses = state.Addresses,
            Subnets = state.Subnets,
            Hosts = state.Hosts,
        };
        List<KernelRoute> wanted = [];
        NameServerRoutes.Add(input, wanted, steps);
        SharedSubnets.Add(input, wanted, steps);
        foreach (RouteStep step in steps)
        {
            int error = socket.Send(step, out string words);
            Assert.True(error == 0, $"{step.Words}: {words}");
        }
        return string.Join("; ", steps.Select(step => step.Words));
    }
}
