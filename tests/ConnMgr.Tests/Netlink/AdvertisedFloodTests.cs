using System.Net;
using ConnMgr.Netlink;
using ConnMgr.Routing;
using static ConnMgr.Netlink.Rtnetlink;

namespace ConnMgr.Tests.Netlink;

/// <summary>
/// Anyone in a LAN can advertise thousands of IPv6 routers. The kernel keeps a default for each; what connmgr
/// reads and remembers for one more advertisement must not grow with their number.
/// </summary>
public sealed class AdvertisedFloodTests
{
    private const int Eth0 = 2;
    private const int Wlan0 = 3;
    private const byte High = 1;
    private const byte Low = 3;
    private const ushort Gone = 25; // RTM_DELROUTE

    private readonly KernelState _table = new();
    private readonly List<byte[]> _kernel = []; // its default routes
    private int _rows; // of all dumps

    [Theory]
    [InlineData(100)]
    [InlineData(10_000)]
    public void The_work_for_an_advertisement_does_not_grow_with_the_number_of_routers(int count)
    {
        for (int i = 0; i < count; i++)
        {
            Advertise(i);
        }
        Assert.True(_rows <= 400, $"{count} advertisements: {_rows} rows were read");
        Assert.Equal(RivalRouters.MostOfDevice, _table.Defaults.Count);
        Assert.Equal(RivalRouters.MostOfDevice, _table.Routes.Count);
    }

    [Fact]
    public void Nor_does_what_is_kept_of_a_whole_dump()
    {
        for (int i = 0; i < 5_000; i++)
        {
            _kernel.Add(Router(i, Eth0));
        }
        _kernel.Add(Golden.Route("198.18.1.1", Eth0, 10));
        _kernel.Add(Golden.Route("2001:db8:1::1", Eth0, 10));
        _kernel.Add(Router(1, Wlan0));
        Dump();
        Assert.Equal(RivalRouters.MostOfDevice + 3, _table.Defaults.Count);
        Assert.Contains(_table.Defaults, route => route.Ifindex == Wlan0);
        RoutePlan plan = RoutePlan.Of(new RouteInput(
            _table.Defaults, [], [new RoutedLink(Wlan0, "wlan0", 20, 0), new RoutedLink(Eth0, "eth0", 10, 1)],
            new RoutedLink(Wlan0, "wlan0", 20, 0) { LacksIpv4 = true },
            new Dictionary<(bool, string), OwnMetric>()));
        Assert.InRange(plan.Steps.Count, 1, 4);
    }

    [Fact]
    public void The_deletion_of_a_router_that_is_not_remembered_needs_no_dump()
    {
        for (int i = 0; i < 1_000; i++)
        {
            Advertise(i);
        }
        int before = _rows;
        for (int i = RivalRouters.MostOfDevice; i < 1_000; i++)
        {
            Assert.False(Event(Router(i, Eth0, type: Gone)));
        }
        Assert.Equal(before, _rows);
        Assert.True(Event(Router(0, Eth0, type: Gone)), "that of a remembered one does");
    }

    [Fact]
    public void A_better_router_is_remembered_instead_of_a_worse_one()
    {
        for (int i = 0; i < 1_000; i++)
        {
            Advertise(i, i < 500 ? Low : (byte)0);
        }
        Advertise(2_000, High);
        KernelRoute best = _table.Defaults.Single(route => route.Preference == High);
        Assert.Equal(AddressOf(2_000), best.Router);
        Assert.DoesNotContain(_table.Defaults, route => route.Preference == Low);
        Assert.Equal(
            _table.Defaults.Select(route => route.Router).ToHashSet(),
            _table.Routes.Select(route => route.Gateway).ToHashSet());
    }

    [Fact]
    public void A_reachable_router_is_remembered_instead_of_a_dead_one_and_stays()
    {
        for (int i = 0; i < 100; i++)
        {
            Advertise(i);
        }
        for (int i = 0; i < RivalRouters.MostOfDevice; i++)
        {
            Event(Failed(i));
        }
        Dump();
        Assert.DoesNotContain(_table.Defaults, route => _table.Routers.IsDead(route));
        HashSet<IPAddress?> known = [.. _table.Defaults.Select(route => route.Router)];
        Dump();
        Assert.Equal(known, [.. _table.Defaults.Select(route => route.Router)]);
    }

    [Fact]
    public void Another_program_that_replaces_such_a_route_is_noticed()
    {
        for (int i = 0; i < 100; i++)
        {
            Advertise(i);
        }
        Assert.True(Event(Golden.Route("fe80::bad:63", Eth0, 1024)), "by another program");
        Assert.True(Event(Golden.Route("fe80::bad:63", Wlan0, 1024)), "by another device");
    }

    /// <summary>The kernel gets a router, and the state does what RouteMonitor does with its event.</summary>
    private void Advertise(int number, byte preference = 0)
    {
        byte[] route = Router(number, Eth0, preference);
        _kernel.Add(route);
        if (Event(route))
        {
            Dump();
        }
    }

    private static IPAddress AddressOf(int number) => IPAddress.Parse($"fe80::bad:{number:x}");

    private static byte[] Router(int number, int ifindex, byte preference = 0, ushort type = 24) =>
        Golden.ExpiringRoute($"{AddressOf(number)}", ifindex, 1024, 9, 1800, preference, type);

    /// <summary>RTM_NEWNEIGH: neighbour unreachability detection has given the router up.</summary>
    private static byte[] Failed(int number) => Golden.Message(
        RouteMessage.NewNeighbour, 0,
        [AF_INET6, 0, 0, 0, Eth0, 0, 0, 0, (byte)NUD_FAILED, 0, 0, 1],
        [20, 0, (byte)NDA_DST, 0, .. AddressOf(number).GetAddressBytes()]);

    private bool Event(byte[] message) => Apply(message, isDumpRow: false);

    private void Dump()
    {
        _table.BeginDump();
        _rows += _kernel.Count;
        _kernel.ForEach(row => Apply(row, isDumpRow: true));
        _table.OnDumpEnded(RouteMessage.GetRoute);
    }

    private bool Apply(byte[] bytes, bool isDumpRow)
    {
        NetlinkReader reader = new(bytes);
        Assert.True(reader.TryRead(out NetlinkMessage message));
        return _table.Apply(message, isDumpRow);
    }
}
