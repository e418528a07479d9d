using ConnMgr.Netlink;
using ConnMgr.Tests.Routing;
using CsCheck;

namespace ConnMgr.Tests.Netlink;

public sealed class KernelRouteTests
{
    [Fact]
    public void What_the_kernel_reports_is_copied_byte_by_byte_but_for_metric_and_lifetime()
    {
        KernelRoute route = new RouteBuilder(true) { Metric = 1024, Protocol = 9, Flags = 0x4 | 0x10 }
            .Device(11).Via("fe80::1").Attribute(8, 8, 0, 2, 0, 0x78, 5, 0, 0)
                .Attribute(20, 1).Attribute(77, 1, 2, 3)
            .Expires(1800).Build();
        Assert.True(route.IsAdvertised);
        Assert.Equal(1800u, route.Expires);
        Assert.Equal(1, route.Preference);

        byte[] message = route.At(2000).ToMessage(RouteMessage.NewRoute, flags: 0);
        // Without RTA_EXPIRES.
        KernelRoute again = ReadBack(route.At(2000).ToMessage(RouteMessage.DelRoute, flags: 0));
        Assert.Equal(2000u, again.Metric);
        Assert.True(again.IsCopyOf(route));
        string hex = Convert.ToHexString(message);
        // An attribute that connmgr does not know.
        Assert.Contains("07004D00010203", hex, StringComparison.Ordinal);
        Assert.Contains("0800170008070000", hex, StringComparison.Ordinal); // RTA_EXPIRES, 1800
        Assert.Equal(0x4, message[NetlinkReader.HeaderSize + 8]); // the kernel would refuse RTNH_F_LINKDOWN
    }

    [Fact]
    public void A_route_of_a_nexthop_object_names_the_object_and_not_where_it_leads()
    {
        KernelRoute route = new RouteBuilder(false) { Metric = 10 }.Nexthop(11)
            .Device(11).Via("198.18.1.1").Build();
        Assert.Equal(11, route.Ifindex);
        KernelRoute sent = ReadBack(route.ToMessage(RouteMessage.DelRoute, flags: 0));
        Assert.Equal(11u, sent.NexthopId);
        Assert.Equal(0, sent.Ifindex);
        Assert.Null(sent.Gateway);
    }

    [Fact]
    public void A_derived_copy_is_plain_marked_and_does_not_run_out()
    {
        KernelRoute route = new RouteBuilder(true) { Metric = 512, Protocol = 4, SourceLength = 128 }
            .Attribute(2, [0x20, 1, 0xd, 0xb8, .. new byte[12]])
                .Via("fe80::1").Device(11).Expires(60).Build();
        KernelRoute copy = route.Derive(1);
        Assert.Equal("default via fe80::1 dev 11", copy.Words(ifindex => $"{ifindex}"));
        Assert.True(copy.IsDerived);
        Assert.Null(copy.Expires);
        Assert.True(copy.HasSameHop(route));
    }

    [Theory]
    [InlineData(24, 0)] // a destination
    [InlineData(0, 0x10)] // for a type of service
    public void Other_routes_are_not_read(byte destinationLength, byte tos)
    {
        byte[] payload = new RouteBuilder(false) { Metric = 10 }.Device(11).Payload();
        payload[1] = destinationLength;
        payload[3] = tos;
        Assert.False(KernelRoute.TryRead(payload, out _));
    }

    [Fact]
    public void No_bytes_whatever_make_it_throw() =>
        Gen.Select(Gen.Int, Gen.Byte.Array[0, 40]).Sample((seed, noise) =>
    {
        Random random = new(seed);
        RandomRoutes routes = new(random, forKernel: false);
        KernelRoute route = random.Next(2) == 0 ? routes.Ipv4() : routes.Ipv6();
        byte[] payload = [.. route.ToMessage(RouteMessage.NewRoute, 0)[NetlinkReader.HeaderSize..], .. noise];
        for (int i = random.Next(4); i > 0; i--)
        {
            payload[random.Next(payload.Length)] = (byte)random.Next(256);
        }
        if (KernelRoute.TryRead(payload.AsSpan(0, random.Next(payload.Length + 1)), out KernelRoute read))
        {
            _ = read.Words(ifindex => $"{ifindex}");
            _ = read.ToMessage(RouteMessage.DelRoute, 0);
            _ = read.Derive(1).ToMessage(RouteMessage.NewRoute, 0);
            Assert.All(read.Legs, leg => Assert.True(leg.IsCopyOf(leg)));
        }
    });

    private static KernelRoute ReadBack(byte[] message)
    {
        Assert.True(KernelRoute.TryRead(message.AsSpan(NetlinkReader.HeaderSize), out KernelRoute route));
        return route;
    }
}
