using System.Net;
using ConnMgr.Net;
using ConnMgr.Netlink;
using ConnMgr.Probe;
using NetlinkGolden = ConnMgr.Tests.Netlink.Golden;

namespace ConnMgr.Tests.Probe;

/// <summary>
/// The servers of netifd's answer. Servers from the machine's own files follow, so the test compares only the
/// beginning.
/// </summary>
public class NameServersTests
{
    private static readonly IPAddress Configured = IPAddress.Parse("198.18.9.1");
    private static readonly IPAddress First = IPAddress.Parse("198.18.9.2");
    private static readonly IPAddress Second = IPAddress.Parse("2001:db8:9::2");
    private static readonly IPAddress Other = IPAddress.Parse("198.18.9.3");

    [Fact]
    public void Servers_of_the_networks_on_a_device_come_after_the_configured_ones()
    {
        NameServers servers = new([Configured]);
        servers.SetNetworks(
        [
            new NetifdNetwork("wan", "eth0", [First], []),
            new NetifdNetwork("wwan", "wlan0", [Other], []),
            new NetifdNetwork("wan6", "eth0", [Second, First], []),
        ]);
        List<IPAddress> found = servers.Of(Link(LinkKind.Ethernet, "eth0"), []);
        Assert.Equal([Configured, First, Second], found.Take(3));
        Assert.DoesNotContain(Other, found);
        Assert.Equal([Configured, Other], servers.Of(Link(LinkKind.WiFi, "wlan0"), []).Take(2));
        Assert.Equal(found.Distinct(), found);
    }

    [Fact]
    public void The_version_grows_when_networks_change()
    {
        NameServers servers = new([]);
        servers.Refresh();
        int before = servers.Version;
        servers.SetNetworks([new NetifdNetwork("wan", "eth0", [First], [])]);
        int after = servers.Version;
        Assert.True(after > before);
        servers.SetNetworks([]);
        Assert.True(servers.Version > after);
        Assert.DoesNotContain(First, servers.Of(Link(LinkKind.Ethernet, "eth0"), []));
    }

    /// <summary>Seven silent servers before the gateway: a probe has the time to ask six.</summary>
    [Theory]
    [InlineData(1, "198.18.1.1")]
    [InlineData(4, "198.18.1.1")]
    [InlineData(4, "198.18.1.1 fe80::1")]
    [InlineData(7, "198.18.1.1 fe80::1")]
    [InlineData(16, "198.18.1.1 fe80::1")]
    [InlineData(7, "198.18.9.107")]
    public void No_number_of_servers_hides_the_gateway(int count, string gateways)
    {
        IPAddress[] configured =
            [.. Enumerable.Range(101, count).Select(i => IPAddress.Parse($"198.18.9.{i}"))];
        IPAddress[] routers = [.. gateways.Split(' ').Select(IPAddress.Parse)];
        List<IPAddress> found = new NameServers(configured).Of(Link(LinkKind.Ethernet, "eth0"), routers);
        foreach (IPAddress router in routers)
        {
            Assert.InRange(found.IndexOf(router), 0, NameServers.Soon - 1);
        }
        Assert.Equal(found.Distinct(), found);
        Assert.True(found.Count <= NameServers.Most);
        Assert.Equal(
            configured.Except(routers).Take(4), found.Where(configured.Except(routers).Contains).Take(4));
        Assert.True(count > 7 || configured.All(found.Contains), "none is lost");
    }

    [Theory]
    [InlineData(true, false, "198.18.9.8 fe80::9")]
    [InlineData(false, true, "2001:db8:9::1 2001:db8:9::2 2001:db8:9::3 2001:db8:9::4 2001:db8:9::5 fe80::9")]
    public void Servers_that_the_link_cannot_ask_do_not_count(bool hasIpv4, bool hasIpv6, string expected)
    {
        IPAddress[] configured =
        [
            .. Enumerable.Range(1, 5).Select(i => IPAddress.Parse($"2001:db8:9::{i}")),
            IPAddress.Parse("198.18.9.8"), IPAddress.Parse("fe80::9"),
        ];
        List<IPAddress> found = new NameServers(configured).Of(
            Link(LinkKind.Ethernet, "eth0", hasIpv4, hasIpv6), [IPAddress.Parse("198.18.1.1")]);
        Assert.Equal(hasIpv4, found.Contains(IPAddress.Parse("198.18.1.1")));
        string[] all = expected.Split(' ');
        Assert.Equal(all, found.Take(all.Length).Select(server => server.ToString()));
    }

    [Fact]
    public void A_server_on_another_links_subnet_is_asked_last()
    {
        KernelState state = new();
        foreach (byte[] bytes in (byte[][])
            [NetlinkGolden.Address(2, "198.18.1.2", 24), NetlinkGolden.Address(3, "198.18.2.2", 24)])
        {
            NetlinkReader reader = new(bytes);
            Assert.True(reader.TryRead(out NetlinkMessage message));
            state.Apply(message, isDumpRow: false);
        }
        IPAddress own = IPAddress.Parse("198.18.1.53");
        IPAddress other = IPAddress.Parse("198.18.2.53");
        NameServers servers = new([other, own, First]);
        ServerLink eth0 = new(LinkKind.Ethernet, "eth0", 2, hasIpv4: true, hasIpv6: false, state);
        List<IPAddress> found = servers.Of(eth0, []);
        Assert.Equal([own, First], found.Take(2));
        Assert.Equal(other, found[^1]);
        ServerLink wlan0 = new(LinkKind.WiFi, "wlan0", 3, hasIpv4: false, hasIpv6: false, state);
        Assert.Equal([other], servers.Of(wlan0, [])); // on its own subnet: needs no default route
    }

    private static ServerLink Link(
        LinkKind kind, string device, bool hasIpv4 = true, bool hasIpv6 = true) =>
        new(kind, device, 0, hasIpv4, hasIpv6, new KernelState());
}
