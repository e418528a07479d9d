using ConnMgr.Links;
using ConnMgr.Netlink;
using ConnMgr.Tests.Netlink;

namespace ConnMgr.Tests.Links;

public sealed class LinkSubnetsTests
{
    [Fact]
    public void Each_device_has_its_subnets_and_its_gateways_but_no_link_local_one()
    {
        KernelState kernel = new();
        TwoLinks.Dump(kernel, eth: 0, wifi: 20, hasIpv6: true);
        LinkSubnets subnets = new(kernel);
        Assert.Equal(["198.18.2.0/24", "198.18.2.1/32"], Words(subnets, 2));
        Assert.Equal(["198.18.3.0/24", "2001:db8:3::/64", "198.18.3.1/32"], Words(subnets, 3));
        Assert.Empty(Words(subnets, 4));
    }

    [Fact]
    public void A_point_to_point_link_has_the_peer_and_its_own_address()
    {
        KernelState kernel = new();
        Golden.Dump(kernel, RouteMessage.GetLink, [Golden.Link(4, "wwan0", Golden.Up | Golden.Running)]);
        Golden.Dump(
            kernel, RouteMessage.GetAddress, [Golden.Address(4, "198.18.4.2", 32, peer: "198.18.4.1")]);
        Assert.Equal(["198.18.4.1/32", "198.18.4.2/32"], Words(new LinkSubnets(kernel), 4));
    }

    private static string[] Words(LinkSubnets subnets, int ifindex) =>
        [.. subnets.Of(ifindex).Select(subnet => $"{subnet.Address}/{subnet.PrefixLength}")];
}
