using System.Net;
using ConnMgr.Net;
using ConnMgr.Probe;

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
            new NetifdNetwork("wan", "eth0", [First]),
            new NetifdNetwork("wwan", "wlan0", [Other]),
            new NetifdNetwork("wan6", "eth0", [Second, First]),
        ]);
        List<IPAddress> found = servers.Of(LinkKind.Ethernet, "eth0", []);
        Assert.Equal([Configured, First, Second], found.Take(3));
        Assert.DoesNotContain(Other, found);
        Assert.Equal([Configured, Other], servers.Of(LinkKind.WiFi, "wlan0", []).Take(2));
        Assert.Equal(found.Distinct(), found);
    }

    [Fact]
    public void The_version_grows_when_networks_change()
    {
        NameServers servers = new([]);
        servers.Refresh();
        int before = servers.Version;
        servers.SetNetworks([new NetifdNetwork("wan", "eth0", [First])]);
        int after = servers.Version;
        Assert.True(after > before);
        servers.SetNetworks([]);
        Assert.True(servers.Version > after);
        Assert.DoesNotContain(First, servers.Of(LinkKind.Ethernet, "eth0", []));
    }
}
