using ConnMgr.Netlink;

namespace ConnMgr.Tests.Netlink;

public class KernelStateTests
{
    private readonly KernelState _table = new();

    [Fact]
    public void Events_make_the_picture()
    {
        Event(Golden.Link(2, "eth0", Golden.Up | Golden.Running));
        Event(Golden.Address(2, "198.18.1.2", 24));
        Event(Golden.Address(4, "198.18.3.2", 32, peer: "198.18.3.1"));
        Device device = _table.Find("eth0")!;
        Assert.Equal((2, true, true), (device.Ifindex, device.IsAdminUp, device.IsRunning));
        Assert.Equal(
            ["2 198.18.1.2 198.18.1.0/24", "4 198.18.3.2 198.18.3.1/32"],
            _table.Addresses.Select(address => $"{address.Ifindex} {address.Address} {address.Prefix}"));
    }

    [Fact]
    public void A_renamed_device_is_found_by_its_new_name_alone()
    {
        Event(Golden.Link(2, "eth0", 0));
        Event(Golden.Link(2, "lan0", 0));
        Assert.Null(_table.Find("eth0"));
        Assert.Equal(2, _table.Find("lan0")!.Ifindex);
    }

    [Fact]
    public void A_removed_device_takes_its_addresses_along()
    {
        Event(Golden.Link(2, "eth0", 0));
        Event(Golden.Address(2, "198.18.1.2", 24));
        Assert.True(Event(Golden.Link(2, "eth0", 0, type: 17)));
        Assert.Null(_table.Find("eth0"));
        Assert.Empty(_table.Addresses);
    }

    [Fact]
    public void The_bridges_view_of_a_port_is_not_about_the_device()
    {
        Event(Golden.Link(2, "eth0", 0));
        Event(Golden.Link(2, "eth0", 0, type: 17, family: 7));
        Assert.NotNull(_table.Find("eth0"));
    }

    [Theory]
    [InlineData(0x40u, 0, false)] // tentative
    [InlineData(0x44u, 0, true)] // optimistic
    [InlineData(0x08u, 0, false)] // refused by duplicate address detection
    [InlineData(0x80u, 253, false)] // link scope
    [InlineData(0x80u, 0, true)]
    public void Not_every_address_is_usable(uint flags, byte scope, bool isUsable)
    {
        Event(Golden.Address(2, "2001:db8:1::2", 64, flags: flags, scope: scope));
        Assert.Equal(isUsable, _table.Addresses.Single().IsUsable);
    }

    [Fact]
    public void Whatever_the_kernel_does_to_routes_in_silence_leads_to_a_new_dump()
    {
        Event(Golden.Link(2, "eth0", Golden.Up | Golden.Running));
        Event(Golden.Address(2, "198.18.1.2", 24));
        Assert.True(Event(Golden.Route("198.18.1.1", 2, 10)));
        Assert.True(Event(Golden.Route("198.18.1.1", 2, 10, type: 25)));
        Assert.True(Event(Golden.Address(2, "198.18.1.2", 24, type: 21)));
        Assert.True(Event(Golden.Link(2, "eth0", 0)));
        Assert.False(Event(Golden.Link(2, "eth0", 0)));
        Assert.False(Event(Golden.Route("198.18.1.1", 2, 10, destinationLength: 24)));
    }

    [Fact]
    public void A_dump_replaces_the_routes_and_the_lowest_metric_is_in_front()
    {
        Dump(RouteMessage.GetRoute, Golden.Route("198.18.1.1", 2, 10), Golden.Route("198.18.2.1", 3, 20));
        Assert.Equal(2, _table.InFront(isIpv6: false)!.Ifindex);
        Dump(RouteMessage.GetRoute, Golden.Route("198.18.1.1", 2, 10), Golden.Route("198.18.2.1", 3, 0));
        Assert.Equal(3, _table.InFront(isIpv6: false)!.Ifindex);
        Assert.Null(_table.InFront(isIpv6: true));
        Dump(RouteMessage.GetRoute);
        Assert.Empty(_table.Routes);
    }

    [Fact]
    public void Only_defaults_of_the_main_table_count_and_each_nexthop_for_itself()
    {
        Dump(
            RouteMessage.GetRoute,
            Golden.Route("198.18.1.1", 2, 10, table: 1000), Golden.Route("198.18.1.1", 2, 10, routeType: 7),
            Golden.Route("198.18.1.1", 2, 10, destinationLength: 8), Golden.Route(null, 4, 50),
            Golden.MultipathRoute((2, "198.18.1.1"), (3, "198.18.2.1")));
        Assert.Equal(
            ["0 10 ", "4 50 ", "2 7 198.18.1.1", "3 7 198.18.2.1"],
            _table.Routes.Select(route => $"{route.Ifindex} {route.Metric} {route.Gateway}"));
    }

    [Fact]
    public void A_dump_removes_what_it_does_not_name()
    {
        Event(Golden.Link(2, "eth0", 0));
        Event(Golden.Link(3, "wlan0", 0));
        Event(Golden.Address(2, "198.18.1.2", 24));
        Event(Golden.Address(2, "198.18.1.3", 24));
        Dump(RouteMessage.GetLink, Golden.Link(3, "wlan0", 0));
        Dump(RouteMessage.GetAddress, Golden.Address(2, "198.18.1.3", 24));
        Assert.Null(_table.Find("eth0"));
        Assert.NotNull(_table.Find("wlan0"));
        Assert.Equal("198.18.1.3", _table.Addresses.Single().Address.ToString());
    }

    [Fact]
    public void What_comes_while_a_dump_runs_stays()
    {
        _table.BeginDump();
        Event(Golden.Link(5, "wwan0", 0));
        _table.EndDump(RouteMessage.GetLink);
        Assert.NotNull(_table.Find("wwan0"));
    }

    [Fact]
    public void The_version_changes_only_with_the_picture()
    {
        Event(Golden.Link(2, "eth0", 0));
        Dump(RouteMessage.GetRoute, Golden.Route("198.18.1.1", 2, 10));
        int version = _table.Version;
        Event(Golden.Link(2, "eth0", 0));
        Dump(RouteMessage.GetRoute, Golden.Route("198.18.1.1", 2, 10));
        Assert.Equal(version, _table.Version);
        Event(Golden.Link(2, "eth0", Golden.Up));
        Assert.NotEqual(version, _table.Version);
    }

    private bool Event(byte[] message) => Apply(message, isDumpRow: false);

    private void Dump(ushort type, params byte[][] rows)
    {
        _table.BeginDump();
        Array.ForEach(rows, row => Apply(row, isDumpRow: true));
        _table.EndDump(type);
    }

    private bool Apply(byte[] bytes, bool isDumpRow)
    {
        NetlinkReader reader = new(bytes);
        Assert.True(reader.TryRead(out NetlinkMessage message));
        return _table.Apply(message, isDumpRow);
    }
}
