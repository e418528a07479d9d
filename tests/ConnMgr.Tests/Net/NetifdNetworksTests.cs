using System.Net;
using System.Text;
using ConnMgr.Net;
using CsCheck;

namespace ConnMgr.Tests.Net;

/// <summary>Reads recorded answers of a real netifd; see Data/openwrt/README.md.</summary>
public class NetifdNetworksTests
{
    private static string Data => Path.Combine(Repository.Root, "tests", "ConnMgr.Tests", "Data", "openwrt");

    [Theory]
    [InlineData("static-with-metrics", """
        loopback lo dns=
        modem wwan0 dns=198.18.0.53
        wan eth0 dns=198.18.0.53
        wwan wlan0 dns=198.18.0.53
        """)]
    [InlineData("static-without-metrics", """
        loopback lo dns=
        modem wwan0 dns=198.18.0.53
        wan eth0 dns=198.18.0.53
        wwan wlan0 dns=198.18.0.53
        """)]
    [InlineData("dhcp-with-metrics", """
        loopback lo dns=
        modem wwan0 dns=198.18.0.53
        wan eth0 dns=198.18.0.53
        wwan wlan0 dns=198.18.0.53
        """)]
    public void A_recording_is_read(string name, string expected) => Assert.Equal(
        expected.ReplaceLineEndings("\n"), Describe(Read(Bytes(name))));

    [Theory]
    [InlineData("dhcpv6")]
    [InlineData("dhcpv6-sourcefilter0")]
    public void Networks_of_dhcpv6_are_read(string name)
    {
        List<NetifdNetwork> networks = Read(Bytes(name))!;
        Assert.Equal("eth0", Assert.Single(networks, each => each.Name == "wan6").Device);
        Assert.Equal("wlan0", Assert.Single(networks, each => each.Name == "wwan6").Device);
        Assert.Equal("wwan0", Assert.Single(networks, each => each.Name == "modem6").Device);
    }

    [Theory]
    [InlineData("static-without-metrics", "modem 2001:db8:3::1 198.18.3.1; wan 2001:db8:1::1 198.18.1.1; "
        + "wwan 2001:db8:2::1 198.18.2.1")]
    [InlineData("static-with-metrics", "")] // their defaults do not replace each other
    [InlineData("dhcpv6", "")]
    public void Defaults_of_networks_without_a_metric_are_read(string name, string expected) => Assert.Equal(
        expected, string.Join("; ", Read(Bytes(name))!.Where(each => each.Gateways.Count > 0)
            .Select(each => $"{each.Name} {string.Join(' ', each.Gateways)}")));

    [Theory]
    [InlineData("""{"mask":0,"nexthop":"198.18.1.1","source":"198.18.1.2/32"}""", "198.18.1.1")]
    [InlineData("""{"target":"0.0.0.0","mask":0,"nexthop":"0.0.0.0","source":"0.0.0.0/0"}""", "0.0.0.0")]
    [InlineData("""{"target":"198.18.0.0","mask":15,"nexthop":"198.18.1.1","source":"0.0.0.0/0"}""", "")]
    [InlineData("""{"target":"::","mask":0,"nexthop":"fe80::1","source":"2001:db8:1::/64"}""", "")]
    [InlineData("""{"target":"::","mask":0,"nexthop":"fe80::1","metric":512,"source":"::/0"}""", "")]
    [InlineData("""{"mask":0,"nexthop":"198.18.1.1","table":100,"source":"0.0.0.0/0"}""", "")]
    [InlineData("""{"target":"0.0.0.0","mask":0,"nexthop":"x"}""", "")]
    [InlineData("""{"mask":0,"nexthop":"198.18.1.1"},{"mask":0,"nexthop":"198.18.1.3"}""", "198.18.1.1")]
    [InlineData("""[{"mask":0,"nexthop":"198.18.1.1"}]""", "")]
    public void A_default_is_one_for_all_packets(string route, string expected)
    {
        string text = """{"interface":[{"interface":"wan","up":true,"l3_device":"eth0","metric":0,"route":["""
            + route + """],"inactive":{"route":[{"mask":0,"nexthop":"198.18.9.9"}]}}]}""";
        Assert.Equal(expected, string.Join(' ', Assert.Single(Read(Encoding.UTF8.GetBytes(text))!).Gateways));
    }

    [Fact]
    public void The_recordings_are_all_there_and_each_is_read()
    {
        Assert.Equal(5, Recordings().Count);
        foreach (byte[] bytes in Recordings())
        {
            Assert.True(Read(bytes)!.Count >= 4);
        }
    }

    [Fact]
    public void Pieces_of_any_size_give_the_same()
    {
        foreach (byte[] bytes in Recordings())
        {
            string whole = Describe(Read(bytes));
            foreach (int size in new[] { 1, 2, 3, 7, 64, 4096 })
            {
                Assert.Equal(whole, Describe(Read(bytes, size)));
            }
        }
    }

    [Fact]
    public void A_text_that_was_cut_is_refused_at_every_byte()
    {
        foreach (byte[] bytes in Recordings())
        {
            int end = bytes.AsSpan().LastIndexOf((byte)'}');
            for (int length = 0; length <= end; length++)
            {
                Assert.Null(Read(bytes.AsSpan(0, length)));
            }
            Assert.NotNull(Read(bytes.AsSpan(0, end + 1)));
        }
    }

    [Fact]
    public void No_damage_does_harm()
    {
        List<byte[]> recordings = Recordings();
        Gen<(int, byte)[]> damage = Gen.Select(Gen.Int[0, 100_000], Gen.Byte).Array[1, 20];
        Gen.Select(Gen.Int[0, recordings.Count - 1], damage, Gen.Int[1, 5000]).Sample(
            (which, changes, size) =>
            {
                byte[] bytes = [.. recordings[which]];
                foreach ((int at, byte value) in changes)
                {
                    bytes[at % bytes.Length] = value;
                }
                List<NetifdNetwork>? networks = Read(bytes, size);
                Assert.Equal(Describe(networks), Describe(Read(bytes)));
                Assert.All(networks ?? [], network => Assert.InRange(network.Device.Length, 1, 15));
            },
            iter: 2000);
    }

    [Theory]
    [InlineData("{}", "")]
    [InlineData("{\"interface\":[]}", "")]
    [InlineData("{\"interface\":[{\"interface\":\"wan\",\"up\":false,\"l3_device\":\"eth0\"}]}", "")]
    [InlineData("{\"interface\":[{\"interface\":\"wan\",\"up\":true}]}", "")]
    [InlineData("{\"interface\":[{\"up\":true,\"l3_device\":\"eth0\"}]}", "")]
    [InlineData("{\"interface\":[{\"interface\":\"wan\",\"up\":true,\"l3_device\":\"../eth0\"}]}", "")]
    [InlineData("{\"interface\":[{\"interface\":\"wan\",\"up\":\"true\",\"l3_device\":\"eth0\"}]}", "")]
    [InlineData("{\"interface\":{\"interface\":\"wan\",\"up\":true,\"l3_device\":\"eth0\"}}", "")]
    [InlineData("{\"other\":[{\"interface\":\"wan\",\"up\":true,\"l3_device\":\"eth0\"}]}", "")]
    [InlineData("{\"interface\":[[{\"interface\":\"wan\",\"up\":true,\"l3_device\":\"eth0\"}]]}", "")]
    // Inactive servers, other members, and values that are not addresses.
    [InlineData(
        "{\"interface\":[{\"interface\":\"wan\",\"up\":true,\"l3_device\":\"eth0\","
        + "\"inactive\":{\"dns-server\":[\"198.18.0.1\"]},\"dns-search\":[\"198.18.0.2\"],"
        + "\"dns-server\":[\"x\",1,null,[\"198.18.0.3\"],{\"a\":\"198.18.0.4\"},\"198.18.0.5\"]}]}",
        "wan eth0 dns=198.18.0.5")]
    public void Other_texts(string text, string expected) =>
        Assert.Equal(expected, Describe(Read(Encoding.UTF8.GetBytes(text))));

    [Fact]
    public void Everything_has_a_limit()
    {
        string servers = string.Join(',', Enumerable.Range(1, 100).Select(i => $"\"198.18.1.{i}\""));
        string network =
            $"{{\"interface\":\"n\",\"up\":true,\"l3_device\":\"eth0\",\"dns-server\":[{servers}]}}";
        string text = $"{{\"interface\":[{string.Join(',', Enumerable.Repeat(network, 100))}]}}";
        List<NetifdNetwork> networks = Read(Encoding.ASCII.GetBytes(text))!;
        Assert.Equal(64, networks.Count);
        Assert.All(networks, each => Assert.Equal(16, each.NameServers.Count));

        string spaces = new(' ', NetifdNetworks.MaxLength);
        Assert.Null(Read(Encoding.ASCII.GetBytes($"{{\"interface\":[]{spaces}}}")));
        Assert.Null(Read(Encoding.ASCII.GetBytes($"{{\"interface\":[]{spaces}}}"), 4096));
    }

    [Fact]
    public void Networks_are_the_same_if_they_say_the_same()
    {
        NetifdNetwork one = Read(Bytes("dhcpv6"))!.First(each => each.NameServers.Count > 0);
        Assert.True(one.IsSameAs(
            new NetifdNetwork(one.Name, one.Device, [.. one.NameServers], [.. one.Gateways])));
        Assert.False(one.IsSameAs(new NetifdNetwork("other", one.Device, one.NameServers, one.Gateways)));
        Assert.False(one.IsSameAs(new NetifdNetwork(one.Name, "eth9", one.NameServers, one.Gateways)));
        Assert.False(one.IsSameAs(new NetifdNetwork(one.Name, one.Device, [], one.Gateways)));
        Assert.False(one.IsSameAs(
            new NetifdNetwork(one.Name, one.Device, one.NameServers, [IPAddress.Parse("198.18.1.1")])));
    }

    private static List<NetifdNetwork>? Read(ReadOnlySpan<byte> bytes, int size = int.MaxValue)
    {
        NetifdNetworks reader = new();
        while (!bytes.IsEmpty)
        {
            int length = Math.Min(size, bytes.Length);
            reader.Take(bytes[..length]);
            bytes = bytes[length..];
        }
        return reader.Finish();
    }

    private static byte[] Bytes(string name) =>
        File.ReadAllBytes(Path.Combine(Data, $"{name}.ubus-dump.json"));

    private static List<byte[]> Recordings() =>
        [.. Directory.EnumerateFiles(Data, "*.ubus-dump.json").Order().Select(File.ReadAllBytes)];

    private static string Describe(List<NetifdNetwork>? networks) => networks is null
        ? "refused"
        : string.Join('\n', networks.Select(network =>
            $"{network.Name} {network.Device} dns={string.Join(',', network.NameServers)}"));
}
