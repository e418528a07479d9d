using ConnMgr.Flows;
using ConnMgr.Netlink;
using ConnMgr.Tests.Netlink;

namespace ConnMgr.Tests.Flows;

public class UsedAddressesTests
{
    private readonly KernelState _table = new();
    private readonly UsedAddresses _used = new(["eth0", "wlan0"]);

    public UsedAddressesTests()
    {
        Apply(Golden.Link(2, "eth0", Golden.Up));
        Apply(Golden.Link(3, "wlan0", Golden.Up));
        Apply(Golden.Link(5, "tun0", Golden.Up));
        Apply(Golden.Address(2, "198.18.1.2", 24));
        Apply(Golden.Address(2, "2001:db8:1::2", 64));
        Apply(Golden.Address(3, "198.18.2.2", 24));
        Apply(Golden.Address(3, "2001:db8:2::2", 64));
        Routes(2, 2);
    }

    [Fact]
    public void The_addresses_of_a_link_are_old_when_another_one_is_in_front()
    {
        Assert.Empty(Old("eth0"));
        Routes(3, 3);
        Assert.Equal(["eth0 2 198.18.1.2 present", "eth0 2 2001:db8:1::2 present"], Old("wlan0"));
        Assert.Equal(
            ["198.18.1.0/24", "2001:db8:1::/64"],
            _used.Old(_table, "wlan0")[0].Subnets.Select(subnet => subnet.ToString()));
    }

    [Fact]
    public void Each_family_for_itself()
    {
        Routes(3, 2);
        Assert.Equal(["eth0 2 198.18.1.2 present"], Old("wlan0"));
    }

    [Fact]
    public void What_the_chosen_link_has_lost_it_may_get_back()
    {
        Routes(3, 2);
        Assert.Empty(Old("eth0"));
    }

    [Fact]
    public void Without_another_link_in_front_nothing_is_old()
    {
        Routes(null, null);
        Assert.Empty(Old("wlan0"));
        Routes(5, 5); // a VPN
        Assert.Empty(Old("wlan0"));
    }

    [Fact]
    public void An_address_is_remembered_when_it_and_its_device_are_gone()
    {
        Apply(Golden.Address(2, "198.18.1.2", 24, type: 21));
        Routes(3, 3);
        Assert.Equal(["eth0 2 198.18.1.2 gone", "eth0 2 2001:db8:1::2 present"], Old("wlan0"));
        Apply(Golden.Link(2, "eth0", 0, type: 17));
        Assert.Equal(["eth0 0 198.18.1.2 gone", "eth0 0 2001:db8:1::2 gone"], Old("wlan0"));
    }

    [Fact]
    public void An_address_that_another_device_has_now_is_not_old()
    {
        Apply(Golden.Address(3, "198.18.1.2", 24));
        Routes(3, 3);
        Assert.Equal(["eth0 2 2001:db8:1::2 present"], Old("wlan0"));
    }

    [Fact]
    public void What_has_been_dealt_with_is_forgotten_until_it_is_used_again()
    {
        Routes(3, 3);
        _used.Forget(_used.Old(_table, "wlan0"));
        Assert.Empty(Old("wlan0"));
        Routes(2, 2);
        Routes(3, 3);
        Assert.Equal(2, Old("wlan0").Length);
    }

    [Fact]
    public void The_oldest_of_too_many_are_forgotten()
    {
        for (int i = 1; i <= 100; i++)
        {
            Apply(Golden.Address(2, $"198.18.4.{i}", 24));
            _used.Observe(_table);
            Apply(Golden.Address(2, $"198.18.4.{i}", 24, type: 21));
        }
        Routes(3, 3);
        string[] old = Old("wlan0");
        Assert.InRange(old.Length, 50, 64);
        Assert.Contains("eth0 2 198.18.4.100 gone", old);
    }

    /// <summary>Sets the devices that have the default routes of IPv4 and IPv6.</summary>
    private void Routes(int? ipv4, int? ipv6)
    {
        _table.BeginDump();
        if (ipv4 is { } first)
        {
            Apply(Golden.Route("198.18.9.1", first, 0), isDumpRow: true);
        }
        if (ipv6 is { } second)
        {
            Apply(Golden.Route("2001:db8:9::1", second, 1), isDumpRow: true);
        }
        _table.OnDumpEnded(RouteMessage.GetRoute);
        _used.Observe(_table);
    }

    private string[] Old(string chosen) =>
    [
        .. _used.Old(_table, chosen).Select(old =>
            $"{old.Link} {old.Ifindex} {FlowGolden.Text(old.Address)} "
                + $"{(old.SelectsRoute ? "present" : "gone")}"),
    ];

    private void Apply(byte[] bytes, bool isDumpRow = false)
    {
        NetlinkReader reader = new(bytes);
        Assert.True(reader.TryRead(out NetlinkMessage message));
        _table.Apply(message, isDumpRow);
    }
}
