using System.Net;
using ConnMgr.Netlink;
using ConnMgr.Routing;
using ConnMgr.Tests.Routing;
using static ConnMgr.Netlink.Rtnetlink;

namespace ConnMgr.Tests.Netlink;

/// <summary>Several routers advertise themselves on one device, and one of them dies.</summary>
public sealed class RivalRoutersTests
{
    private const ushort Stale = 0x4; // NUD_STALE

    private static readonly KernelRoute First = Advertised("fe80::1", 11);
    private static readonly KernelRoute Second = Advertised("fe80::2", 11);
    private readonly RivalRouters _routers = new();

    [Fact]
    public void A_single_router_of_a_device_is_not_followed()
    {
        _routers.Update([First, Advertised("fe80::2", 12), First.At(512)]);
        Assert.False(_routers.Exist);
        Assert.False(_routers.TakeNew());
        Assert.False(_routers.Apply(Neighbour("fe80::1", 11, NUD_FAILED)));
        Assert.False(_routers.IsDead(First));
    }

    [Fact]
    public void A_router_is_dead_from_its_failed_entry_to_the_next_good_one()
    {
        _routers.Update([First, Second]);
        Assert.True(_routers.TakeNew());
        Assert.False(_routers.TakeNew());
        Assert.True(_routers.Apply(Neighbour("fe80::1", 11, NUD_FAILED)));
        Assert.True(_routers.IsDead(First));
        Assert.False(_routers.IsDead(Second));
        Assert.False(_routers.Apply(Neighbour("fe80::1", 11, NUD_INCOMPLETE)));
        _routers.Update([Second, First]);
        Assert.True(_routers.IsDead(First));
        Assert.True(_routers.Apply(Neighbour("fe80::1", 11, Stale)));
        Assert.False(_routers.IsDead(First));
    }

    [Theory]
    [InlineData("fe80::1", 12)]
    [InlineData("fe80::3", 11)]
    [InlineData("198.18.1.1", 11)]
    public void Entries_of_others_do_not_count(string address, int ifindex)
    {
        _routers.Update([First, Second]);
        Assert.False(_routers.Apply(Neighbour(address, ifindex, NUD_FAILED)));
        Assert.False(_routers.IsDead(First));
    }

    [Fact]
    public void A_router_that_has_gone_is_forgotten()
    {
        _routers.Update([First, Second]);
        _routers.Apply(Neighbour("fe80::1", 11, NUD_FAILED));
        _routers.Update([Second]);
        Assert.False(_routers.Exist);
        _routers.Update([First, Second]);
        Assert.False(_routers.IsDead(First));
        Assert.True(_routers.TakeNew());
    }

    [Fact]
    public void Truncated_messages_are_ignored()
    {
        _routers.Update([First, Second]);
        byte[] whole = Neighbour("fe80::1", 11, NUD_FAILED);
        for (int length = 0; length < whole.Length; length++)
        {
            Assert.False(_routers.Apply(whole.AsSpan(0, length)));
        }
        Assert.True(_routers.Apply(whole));
    }

    [Theory]
    [InlineData(1, 0)]
    [InlineData(0, 3)]
    [InlineData(0, 0)]
    public void The_copy_uses_the_reachable_router_whatever_the_preference(byte ofFirst, byte ofSecond)
    {
        KernelRoute first = Advertised("fe80::1", 11, ofFirst);
        KernelRoute second = Advertised("fe80::2", 11, ofSecond);
        Assert.Equal("fe80::1", RouterOfCopy(first, second, isFirstDead: false));
        Assert.Equal("fe80::2", RouterOfCopy(first, second, isFirstDead: true));
    }

    private string RouterOfCopy(KernelRoute first, KernelRoute second, bool isFirstDead)
    {
        _routers.Update([first, second]);
        _routers.Apply(Neighbour("fe80::1", 11, isFirstDead ? NUD_FAILED : Stale));
        RoutedLink link = new(11, "eth0", 10, 0);
        RoutePlan plan = RoutePlan.Of(
            new RouteInput(
                [first.Derive(1), first, second], [], [link with { LacksIpv4 = true }],
                link with { LacksIpv4 = true },
                new Dictionary<(bool, string), OwnMetric>())
            {
                Routers = _routers,
            });
        RouteStep? replace = plan.Steps.Find(step => step.Verb == RouteVerb.Replace);
        return (replace?.Route ?? first).Router!.ToString();
    }

    private static KernelRoute Advertised(string router, int ifindex, byte preference = 0) =>
        new RouteBuilder(true) { Metric = 1024, Protocol = 9 }.Via(router).Device(ifindex)
            .Attribute(20, preference).Expires(1800).Build();

    /// <summary>struct ndmsg and NDA_DST.</summary>
    private static byte[] Neighbour(string address, int ifindex, ushort state)
    {
        byte[] bytes = IPAddress.Parse(address).GetAddressBytes();
        return
        [
            bytes.Length == 16 ? AF_INET6 : AF_INET, 0, 0, 0, .. BitConverter.GetBytes(ifindex),
            .. BitConverter.GetBytes(state), 0, 1,
            .. BitConverter.GetBytes((ushort)(4 + bytes.Length)), .. BitConverter.GetBytes(NDA_DST), .. bytes,
        ];
    }
}
