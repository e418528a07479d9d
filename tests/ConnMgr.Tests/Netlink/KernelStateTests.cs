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

    /// <summary>Compares with a simple list of what the kernel has reported.</summary>
    [Fact]
    public void Addresses_are_those_of_the_kernel_in_its_order()
    {
        Random random = new(7);
        List<(int Device, int Host, uint Flags)> expected = [];
        for (int i = 0; i < 3_000; i++)
        {
            int device = random.Next(1, 4);
            int host = random.Next(1, 30);
            uint flags = random.Next(2) == 0 ? 0x80u : 0xa0u;
            int at = expected.FindIndex(known => known.Device == device && known.Host == host);
            int version = _table.Version;
            switch (random.Next(8))
            {
                case 0:
                    Event(Golden.Address(device, $"198.18.0.{host}", 24, type: 21));
                    Assert.Equal(at >= 0, _table.Version > version);
                    _ = expected.RemoveAll(known => known.Device == device && known.Host == host);
                    break;
                case 1 when random.Next(8) == 0: // a dump that lacks one
                    _table.BeginDump();
                    _ = expected.RemoveAll(known => known.Host == host);
                    expected.ForEach(known => See(known, isDumpRow: true));
                    _table.OnDumpEnded(RouteMessage.GetAddress);
                    break;
                default:
                    See((device, host, flags), isDumpRow: false);
                    Assert.Equal(at < 0 || expected[at].Flags != flags, _table.Version > version);
                    if (at < 0)
                    {
                        expected.Add((device, host, flags));
                    }
                    else
                    {
                        expected[at] = (device, host, flags);
                    }
                    break;
            }
            Assert.Equal(
                expected, _table.Addresses.Select(found =>
                    (found.Ifindex, (int)found.Address.GetAddressBytes()[3], found.Flags)));
        }

        void See((int Device, int Host, uint Flags) known, bool isDumpRow) => Apply(
            Golden.Address(known.Device, $"198.18.0.{known.Host}", 24, flags: known.Flags), isDumpRow);
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
        Event(Golden.Link(2, "eth0", 0, type: 17));
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
    [InlineData(0x48u, 0, false)] // the same, still tentative
    [InlineData(0xa0u, 0, true)] // deprecated: the kernel still uses it, if there is no better one
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
        Assert.True(Event(Golden.Link(2, "eth0", 0, type: 17)));
    }

    /// <summary>
    /// A container begins and ends: its devices come, change their flags, get addresses and go. Beside 50,000
    /// routes a dump takes 70 ms.
    /// </summary>
    [Fact]
    public void What_happens_to_devices_without_a_default_needs_no_dump()
    {
        Event(Golden.Link(2, "eth0", Golden.Up | Golden.Running));
        Event(Golden.Address(2, "198.18.1.2", 24));
        Dump(RouteMessage.GetRoute, Golden.Route("198.18.1.1", 2, 10));
        foreach (uint flags in (ReadOnlySpan<uint>)[0, Golden.Up, Golden.Up | Golden.Running, 0])
        {
            Assert.False(Event(Golden.Link(9, "veth9", flags)));
        }
        Assert.False(Event(Golden.Address(9, "2001:db8:9::2", 64)));
        Assert.False(Event(Golden.RouteTo("2001:db8:9::", 64, 9)));
        Assert.False(Event(Golden.RouteTo("2001:db8:9::", 64, 9, type: 25)));
        Assert.False(Event(Golden.Address(9, "2001:db8:9::2", 64, type: 21)));
        Assert.False(Event(Golden.Link(9, "veth9", 0, type: 17)));
        Assert.True(Event(Golden.Link(2, "eth0", 0)), "it has a default");
    }

    /// <summary>
    /// The kernel marks the routes of a device that loses carrier, and deletes none. So the known ones are
    /// good enough to decide by; they are read again afterwards.
    /// </summary>
    [Theory]
    [InlineData(Golden.Up | Golden.Running, Golden.Up, null, 0, true)]
    [InlineData(Golden.Up | Golden.Running, 0, null, 0, false)] // the kernel has deleted its routes
    [InlineData(Golden.Up | Golden.Running, Golden.Running, null, 0, false)]
    [InlineData(Golden.Up, Golden.Up | Golden.Running, null, 0, false)]
    [InlineData(Golden.Up, 0, null, 0, false)]
    [InlineData(Golden.Up | Golden.Running, Golden.Up | 0x100, null, 0, true)] // IFF_PROMISC
    [InlineData(Golden.Up | Golden.Running, Golden.Up, 1800, 9, true)] // advertised, read again in time
    [InlineData(Golden.Up | Golden.Running, Golden.Up, 30, 9, false)] // it may have run out unseen
    [InlineData(Golden.Up | Golden.Running, Golden.Up, 1800, 3, false)] // a copy would live too long
    public void After_the_loss_of_carrier_the_known_routes_are_good_enough(
        uint before, uint after, int? expires, byte protocol, bool areGood)
    {
        Event(Golden.Link(2, "eth0", before));
        byte[] other = expires is { } seconds
            ? Golden.ExpiringRoute("2001:db8:2::1", 3, 1024, protocol, seconds)
            : Golden.Route("198.18.2.1", 3, 20);
        Dump(RouteMessage.GetRoute, Golden.Route("198.18.1.1", 2, 10), other);
        Assert.Equal(!areGood, Event(Golden.Link(2, "eth0", after)));
        Assert.Equal(areGood, _table.HasLostCarrier);
    }

    [Fact]
    public void The_loss_of_carrier_of_a_device_without_a_default_does_not_matter()
    {
        Event(Golden.Link(9, "veth9", Golden.Up | Golden.Running));
        Dump(RouteMessage.GetRoute, Golden.Route("198.18.1.1", 2, 10));
        Assert.False(Event(Golden.Link(9, "veth9", Golden.Up)));
        Assert.False(_table.HasLostCarrier);
    }

    [Theory]
    [InlineData(0, 0, "198.18.1.1")]
    [InlineData(0x11, 0, "198.18.2.1")] // RTNH_F_DEAD, RTNH_F_LINKDOWN
    [InlineData(0x10, 0, "198.18.1.1")] // without ignore_routes_with_linkdown it is used
    [InlineData(0x11, 0x11, "198.18.1.1")]
    public void In_front_is_the_route_that_the_kernel_uses(byte flags, byte flagsBehind, string router)
    {
        byte[] front = Golden.Route("198.18.1.1", 2, 10);
        byte[] behind = Golden.Route("198.18.2.1", 3, 20);
        front[16 + 8] = flags;
        behind[16 + 8] = flagsBehind;
        Dump(RouteMessage.GetRoute, behind, front);
        Assert.Equal(router, _table.InFront(isIpv6: false)!.Gateway!.ToString());
    }

    [Fact]
    public void Of_a_multipath_route_the_nexthop_with_carrier_is_in_front()
    {
        byte[] route = Golden.MultipathRoute((2, "198.18.1.1"), (3, "198.18.2.1"));
        int first = Array.IndexOf(route, (byte)2, 44); // its device
        route[first - 2] = 0x11;
        Dump(RouteMessage.GetRoute, route);
        Assert.Equal(3, _table.InFront(isIpv6: false)!.Ifindex);
    }

    [Fact]
    public void A_device_matters_from_the_event_or_the_row_that_gives_it_a_default()
    {
        Event(Golden.Route("198.18.2.1", 3, 20));
        Assert.True(Event(Golden.Link(3, "wlan0", Golden.Up)), "by an event");
        Dump(RouteMessage.GetRoute, Golden.MultipathRoute((2, "198.18.1.1"), (4, "198.18.3.1")));
        Assert.False(Event(Golden.Link(3, "wlan0", 0)), "it has none any more");
        Assert.True(Event(Golden.Link(4, "wwan0", Golden.Up)), "as one nexthop");
        _table.BeginDump();
        Apply(Golden.Route("198.18.4.1", 5, 20), isDumpRow: true);
        Assert.True(Event(Golden.Link(5, "eth1", Golden.Up)), "while the dump runs");
    }

    [Fact]
    public void An_address_matters_if_a_default_of_another_device_names_it_as_its_source()
    {
        byte[] route = Golden.Message(
            24, 0, [2, 0, 0, 0, 254, 3, 0, 1, 0, 0, 0, 0],
            [8, 0, 4, 0, 2, 0, 0, 0], [8, 0, 7, 0, 198, 18, 7, 1]); // RTA_OIF 2, RTA_PREFSRC
        Dump(RouteMessage.GetRoute, route);
        Event(Golden.Address(9, "198.18.7.1", 32));
        Event(Golden.Address(9, "198.18.7.2", 32));
        Assert.False(Event(Golden.Address(9, "198.18.7.2", 32, type: 21)));
        Assert.True(Event(Golden.Address(9, "198.18.7.1", 32, type: 21)));
    }

    [Fact]
    public void A_device_is_found_by_its_alternative_names()
    {
        Event(Golden.Link(2, "enp1s0", 0, otherNames: ["lan", "enx001122334455"]));
        Event(Golden.Link(3, "lan0", 0));
        Assert.Equal(2, _table.Find("lan")!.Ifindex);
        Assert.Equal(2, _table.Find("enx001122334455")!.Ifindex);
        Assert.Null(_table.Find("enx00112233445"));
        Assert.Equal(3, _table.Find("lan0")!.Ifindex);
        int version = _table.Version;
        Event(Golden.WirelessEvent(2, "enp1s0", 0));
        Assert.Equal((2, version), (_table.Find("lan")!.Ifindex, _table.Version));
        Event(Golden.Link(2, "enp1s0", 0, otherNames: ["enx001122334455"]));
        Assert.Null(_table.Find("lan"));
        Event(Golden.Link(4, "lan", 0));
        Event(Golden.Link(2, "enp1s0", 0, otherNames: ["lan"]));
        Assert.Equal(4, _table.Find("lan")!.Ifindex); // the kernel allows no such pair for long
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
        _table.OnDumpEnded(RouteMessage.GetLink);
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

    [Theory]
    [InlineData("198.18.1.2", true)]
    [InlineData("169.254.0.1", false)]
    [InlineData("169.254.7.7", false)]
    [InlineData("169.254.255.254", false)]
    [InlineData("169.253.255.254", true)]
    [InlineData("169.255.0.1", true)]
    [InlineData("a9fe::1", true)]
    public void An_ipv4_link_local_address_is_not_usable_whatever_its_scope(string address, bool isUsable)
    {
        Event(Golden.Address(2, address, 16));
        Assert.Equal(isUsable, _table.Addresses.Single().IsUsable);
    }

    private bool Event(byte[] message) => Apply(message, isDumpRow: false);

    private void Dump(ushort type, params byte[][] rows)
    {
        _table.BeginDump();
        Array.ForEach(rows, row => Apply(row, isDumpRow: true));
        _table.OnDumpEnded(type);
    }

    private bool Apply(byte[] bytes, bool isDumpRow)
    {
        NetlinkReader reader = new(bytes);
        Assert.True(reader.TryRead(out NetlinkMessage message));
        return _table.Apply(message, isDumpRow);
    }
}
