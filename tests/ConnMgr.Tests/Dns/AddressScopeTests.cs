using ConnMgr.Dns;

namespace ConnMgr.Tests.Dns;

public class AddressScopeTests
{
    [Theory]
    [InlineData(AddressScope.Never, "0.0.0.0", "0.255.255.255", "127.0.0.1", "127.0.0.9",
        "127.255.255.255", "224.0.0.1", "239.255.255.255", "240.0.0.1", "255.255.255.255")]
    [InlineData(
        AddressScope.Private, "10.0.0.0", "10.255.255.255", "100.64.0.0", "100.127.255.255", "169.254.0.1",
        "169.254.255.255", "172.16.0.0", "172.31.255.255", "192.168.0.0", "192.168.255.255")]
    [InlineData(AddressScope.Public, "1.0.0.0", "9.255.255.255", "11.0.0.0", "100.63.255.255", "100.128.0.0",
        "126.255.255.255", "128.0.0.0", "169.253.255.255", "169.255.0.0", "172.15.255.255", "172.32.0.0",
        "192.167.255.255", "192.169.0.0", "198.18.100.10", "223.255.255.255")]
    [InlineData(AddressScope.Never, "::", "::1", "::198.18.100.10", "0:0:1::", "ff00::", "ff02::1", "ffff::",
        "::ffff:127.0.0.1", "::ffff:0.0.0.0", "64:ff9b::7f00:1", "2002:7f00:1::1", "2002:e000:1::")]
    [InlineData(AddressScope.Private, "fc00::", "fdff:ffff::1", "fe80::1", "febf::1", "fec0::1", "feff::1",
        "::ffff:10.0.0.1", "64:ff9b::a00:1", "64:ff9b:1::c612:640a", "64:ff9b:0:1::1", "2002:c0a8:101::1")]
    [InlineData(AddressScope.Public, "2001:db8:100::10", "2606:4700::1111", "fbff::1", "fe00::1", "fe7f::1",
        "::ffff:198.18.100.10", "64:ff9b::c612:640a", "2002:c612:640a::1", "64:ff9a::1")]
    public void Scopes_begin_and_end_where_the_registries_say(object scope, params string[] addresses) =>
        Assert.All(addresses, address =>
            Assert.Equal((AddressScope)scope, AddressScopes.Of(WatchRig.Number(address))));
}
