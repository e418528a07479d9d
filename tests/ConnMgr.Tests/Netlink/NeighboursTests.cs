using ConnMgr.Net;
using ConnMgr.Netlink;

namespace ConnMgr.Tests.Netlink;

/// <summary>Whatever a link reaches without a gateway.</summary>
public class NeighboursTests
{
    private readonly KernelState _table = new();

    [Fact]
    public void Routes_without_a_gateway_and_gateways_are_neighbours()
    {
        Dump(
            Golden.RouteTo("198.18.1.0", 24, 2),
            Golden.RouteTo("192.168.100.1", 32, 2), // a modem's management address
            Golden.RouteTo("10.0.0.0", 8, 2, gateway: "198.18.9.1"), // on-link, outside of each subnet
            Golden.RouteTo("2001:db8:7::1", 128, 2),
            Golden.RouteTo("2001:db8:8::", 48, 2, gateway: "2001:db8:9::1"),
            Golden.RouteTo("198.18.2.0", 24, 3));
        Assert.Equal(
            "192.168.100.1 198.18.1.0/24 198.18.9.1 2001:db8:7::/64 2001:db8:9::/64", NeighboursOf(2));
        Assert.Equal("198.18.2.0/24", NeighboursOf(3));
        Assert.Equal("", NeighboursOf(4));
    }

    [Theory]
    [InlineData("0.0.0.0", 1)] // a default in two halves
    [InlineData("128.0.0.0", 1)]
    [InlineData("64.0.0.0", 7)]
    [InlineData("2000::", 3)]
    [InlineData("8000::", 1)]
    [InlineData("fe80::", 64)] // never evidence anyway
    [InlineData("169.254.0.0", 16)]
    [InlineData("198.18.1.255", 32, 3)] // RTN_BROADCAST
    [InlineData("198.18.1.2", 32, 2)] // RTN_LOCAL
    [InlineData("198.18.5.0", 24, 6)] // RTN_BLACKHOLE
    [InlineData("198.18.5.0", 33)] // malformed
    public void Other_routes_make_no_neighbours(string destination, byte length, byte routeType = 1)
    {
        Dump(Golden.RouteTo(destination, length, 2, routeType: routeType));
        Assert.Equal("", NeighboursOf(2));
    }

    [Fact]
    public void Each_nexthop_counts()
    {
        byte[] route = Golden.MultipathRoute((2, "198.18.1.1"), (3, "198.18.2.1"));
        route[17] = 8; // rtm_dst_len; without RTA_DST only gateways count
        Dump(route);
        Assert.Equal(("198.18.1.1", "198.18.2.1"), (NeighboursOf(2), NeighboursOf(3)));
    }

    [Fact]
    public void Events_add_at_once_and_only_a_dump_removes()
    {
        Dump(Golden.Route("198.18.1.1", 2, 10));
        int version = _table.Version;
        Assert.False(Event(Golden.RouteTo("192.168.8.1", 32, 2)));
        Assert.NotEqual(version, _table.Version);
        Assert.Equal("192.168.8.1", NeighboursOf(2));
        version = _table.Version;
        Assert.False(Event(Golden.RouteTo("192.168.8.1", 32, 2)));
        Assert.Equal(version, _table.Version);
        Assert.True(Event(Golden.RouteTo("192.168.8.1", 32, 2, type: 25)), "eth0 has a default");
        Assert.False(Event(Golden.RouteTo("10.0.0.0", 8, 2, gateway: "198.18.1.1", type: 25)));
        Assert.Equal("192.168.8.1", NeighboursOf(2));
        Dump(Golden.Route("198.18.1.1", 2, 10));
        Assert.Equal("", NeighboursOf(2));
    }

    [Fact]
    public void What_an_event_adds_while_a_dump_runs_stays()
    {
        _table.BeginDump();
        Event(Golden.RouteTo("192.168.8.1", 32, 2));
        Assert.Equal("192.168.8.1", NeighboursOf(2));
        _table.OnDumpEnded(RouteMessage.GetRoute);
        Assert.Equal("192.168.8.1", NeighboursOf(2));
    }

    [Fact]
    public void The_version_grows_only_when_the_neighbours_differ()
    {
        byte[][] rows = [Golden.RouteTo("198.18.1.0", 24, 2), Golden.RouteTo("192.168.8.1", 32, 2)];
        Dump(rows);
        int version = _table.Version;
        Dump([.. rows.Reverse()]);
        Assert.Equal(version, _table.Version);
        Dump(rows[0]);
        Assert.NotEqual(version, _table.Version);
    }

    /// <summary>Few prefixes, none of them too short, and nothing is forgotten.</summary>
    [Theory]
    [InlineData(false)]
    [InlineData(true)]
    public void Thousands_of_routes_become_few_prefixes_that_contain_them(bool isIpv6)
    {
        string[] all = [.. Enumerable.Range(0, 5000).Select(i => isIpv6
            ? $"2001:db8:{i:x}::1"
            : $"10.{i / 256}.{i % 256}.1")];
        Dump([.. all.Select(address => Golden.RouteTo(address, (byte)(isIpv6 ? 128 : 32), 2))]);
        IpPrefix[] prefixes = [.. _table.Neighbours.Of(2)];
        Assert.InRange(prefixes.Length, 1, 128);
        Assert.All(prefixes, prefix => Assert.True(prefix.Length >= (isIpv6 ? 16 : 8)));
        Assert.All(all, address => Assert.Contains(
            prefixes, prefix => prefix.Contains(IpNumber.Of(System.Net.IPAddress.Parse(address)))));
    }

    private string NeighboursOf(int ifindex) => string.Join(
        ' ',
        _table.Neighbours.Of(ifindex).Select(prefix => prefix.ToString()).Order(StringComparer.Ordinal));

    private bool Event(byte[] message) => Apply(message, isDumpRow: false);

    private void Dump(params byte[][] rows)
    {
        _table.BeginDump();
        Array.ForEach(rows, row => Apply(row, isDumpRow: true));
        _table.OnDumpEnded(RouteMessage.GetRoute);
    }

    private bool Apply(byte[] bytes, bool isDumpRow)
    {
        NetlinkReader reader = new(bytes);
        Assert.True(reader.TryRead(out NetlinkMessage message));
        return _table.Apply(message, isDumpRow);
    }
}
