using System.Net;
using ConnMgr.Net;
using ConnMgr.Netlink;
using ConnMgr.Probe;
using CsCheck;
using NetlinkGolden = ConnMgr.Tests.Netlink.Golden;

namespace ConnMgr.Tests.Probe;

public class ResolvConfTests
{
    /// <summary>The file in the form that netifd writes.</summary>
    private const string Auto = """
        # Interface ethnet
        nameserver 198.18.1.1
        nameserver fe80::1%eth0
        search lan
        # Interface modemnet_4
        nameserver 198.18.3.1
        # Interface modemnet_6
        nameserver 2001:db8:3::1
        nameserver fe80::3%wwan0
        # Interface stanet
        nameserver 198.18.2.1
        # Interface stanet6
        nameserver fe80::2%wlan1
        # Interface lan
        nameserver 203.0.113.1
        # Interface ethnetwork
        nameserver 203.0.113.2
        """;

    [Theory]
    [InlineData("Ethernet", "eth0", "198.18.1.1 fe80::1")]
    [InlineData("WiFi", "wlan0", "198.18.2.1")]
    [InlineData("Wan", "wwan0", "198.18.3.1 2001:db8:3::1 fe80::3")]
    [InlineData("Ethernet", "lan", "198.18.1.1 203.0.113.1")]
    public void The_section_of_a_link_is_found(string kindName, string device, string expected)
    {
        LinkKind kind = Enum.Parse<LinkKind>(kindName);
        Assert.Equal(expected, Text(Servers(Auto, kind, device)));
        string crlf = Auto.Replace("\n", "\r\n", StringComparison.Ordinal);
        Assert.Equal(expected, Text(Servers(crlf, kind, device)));
    }

    /// <summary>The conventional names belong to the first link of a kind.</summary>
    [Theory]
    [InlineData("eth1", "")]
    [InlineData("lan", "203.0.113.1")]
    public void A_second_link_of_a_kind_has_its_own_section_alone(string device, string expected) =>
        Assert.Equal(expected, Text(ResolvConf.OfInterface(
            Auto, Link(LinkKind.Ethernet, device, index: 1), _ => null, [])));

    [Theory]
    [InlineData("")]
    [InlineData("nameserver 198.18.1.1")] // no section
    [InlineData("# Interface\nnameserver 198.18.1.1")]
    [InlineData("#Interface ethnet\nnameserver 198.18.1.1")]
    [InlineData("# Interface ethnet\n# Interface lan\nnameserver 198.18.1.1")]
    [InlineData("# Interface ethnet\nnameserver 127.0.0.1\nnameserver ::1")]
    public void No_section_gives_no_server(string text) =>
        Assert.Empty(Servers(text, LinkKind.Ethernet, "eth0"));

    /// <summary>
    /// Without netifd the device of `lan` is unknown. With netifd the name itself does not matter.
    /// </summary>
    [Theory]
    [InlineData("Ethernet", "eth0", "", "198.18.1.1 fe80::1", "203.0.113.1 203.0.113.2")]
    [InlineData("WiFi", "wlan0", "", "198.18.2.1", "203.0.113.1 203.0.113.2")]
    [InlineData("Ethernet", "eth0", "lan=eth0", "198.18.1.1 fe80::1 203.0.113.1", "203.0.113.2")]
    [InlineData("Ethernet", "eth0", "lan=br-lan ethnetwork=usb0", "198.18.1.1 fe80::1", "")]
    [InlineData(
        "Ethernet", "eth0", "ethnet=wlan0 stanet=eth0 lan=eth0", "198.18.2.1 203.0.113.1", "203.0.113.2")]
    public void A_section_belongs_to_the_device_that_netifd_says(
        string kindName, string device, string networks, string expected, string unknown)
    {
        Dictionary<string, string> devices = networks.Split(' ', StringSplitOptions.RemoveEmptyEntries)
            .Select(pair => pair.Split('=')).ToDictionary(pair => pair[0], pair => pair[1]);
        List<IPAddress> others = [];
        LinkKind kind = Enum.Parse<LinkKind>(kindName);
        Assert.Equal(
            expected,
            Text(ResolvConf.OfInterface(Auto, Link(kind, device), devices.GetValueOrDefault, others)));
        Assert.Equal(unknown, Text(others));
    }

    [Theory]
    [InlineData("nameserver 198.18.1.1", "198.18.1.1")]
    [InlineData("  nameserver \t 198.18.1.1 # the router", "198.18.1.1")]
    [InlineData(
        "nameserver 198.18.1.1\nnameserver 198.18.1.2\nnameserver 198.18.1.1", "198.18.1.1 198.18.1.2")]
    [InlineData("nameserver fe80::1%eth0\nnameserver fe80::2%wlan0\nnameserver fe80::3", "fe80::1 fe80::3")]
    [InlineData("nameserver 2001:DB8::1", "2001:db8::1")]
    [InlineData(
        "#nameserver 198.18.1.1\n; nameserver 198.18.1.1\nnameservers 198.18.1.1\nnameserver198.18.1.1", "")]
    [InlineData(
        "nameserver\nnameserver \nnameserver x\nnameserver 1\nnameserver 010.0.0.1\nnameserver 192.0.2.256",
        "")]
    [InlineData("nameserver [2001:db8::1]\nnameserver [2001:db8::1]:53", "")]
    [InlineData("nameserver 192.0.2.1:53\nnameserver 192.0.2.0/24", "")]
    [InlineData(
        "nameserver 127.0.0.1\nnameserver 127.9.9.9\nnameserver ::1\nnameserver 0.0.0.0\nnameserver ::", "")]
    [InlineData("nameserver ::ffff:127.0.0.1\nnameserver ::ffff:198.18.1.1", "::ffff:198.18.1.1")]
    [InlineData("options edns0\nnameserver 198.18.1.1", "198.18.1.1")]
    public void Remote_servers_are_found(string text, string expected) =>
        Assert.Equal(expected, Text(ResolvConf.Remote(text, () => "", Eth0)));

    [Theory]
    [InlineData("nameserver 127.0.0.53\noptions edns0 trust-ad", "198.18.9.1")]
    [InlineData("nameserver 198.18.1.1\nnameserver 127.0.0.1", "198.18.1.1 198.18.9.1")]
    public void Behind_a_stub_are_its_own_servers(string text, string expected) => Assert.Equal(
        expected,
        Text(ResolvConf.Remote(text, () => "nameserver 198.18.9.1\nnameserver 127.0.0.53", Eth0)));

    [Fact]
    public void Without_a_stub_its_file_is_not_read() => Assert.Equal(
        "198.18.1.1",
        Text(ResolvConf.Remote(
            "nameserver 198.18.1.1", () => throw new InvalidOperationException(), Eth0)));

    /// <summary>Those that the link cannot ask do not count towards the limit.</summary>
    [Theory]
    [InlineData(true, false, "198.18.1.1 198.18.1.2 fe80::7 ::ffff:198.18.1.3")]
    [InlineData(false, true, "2001:db8::1 2001:db8::2 fe80::7")]
    public void Servers_of_a_family_that_the_link_lacks_are_skipped(
        bool hasIpv4, bool hasIpv6, string expected)
    {
        string other = string.Join('\n', Enumerable.Range(1, 200).Select(
            i => hasIpv4 ? $"nameserver 2001:db8:9::{i}" : $"nameserver 198.18.9.{i}"));
        string text = other + "\nnameserver 198.18.1.1\nnameserver 2001:db8::1\nnameserver 198.18.1.2\n"
            + "nameserver 2001:db8::2\nnameserver fe80::7\nnameserver ::ffff:198.18.1.3";
        ServerLink link = Link(LinkKind.Ethernet, "eth0", hasIpv4, hasIpv6);
        Assert.Equal(
            expected,
            Text(ResolvConf.Remote(text, () => "", link)
                .Where(server => !$"{server}".StartsWith("2001:db8:9:", StringComparison.Ordinal)
                    && !$"{server}".StartsWith("198.18.9.", StringComparison.Ordinal))));
    }

    [Theory]
    [InlineData("\uFEFFnameserver 198.18.1.1\nnameserver 198.18.1.2", "198.18.1.1 198.18.1.2")]
    [InlineData("\uFEFFnameserver fe80::1%3\r\nnameserver fe80::2%4\r\n", "fe80::1")]
    [InlineData("nameserver fe80::1%3\nnameserver fe80::2%03\nnameserver fe80::3%33", "fe80::1")]
    [InlineData("nameserver fe80::1%lan\nnameserver fe80::2%enp3s0\nnameserver fe80::3%enp3",
        "fe80::1 fe80::2")]
    public void A_byte_order_mark_and_any_name_of_the_zone_are_understood(string text, string expected)
    {
        Assert.Equal(expected, Text(ResolvConf.Remote(text, () => "", Eth0)));
        string section = text.Replace(
            "nameserver", "# Interface ethnet\nnameserver", StringComparison.Ordinal);
        Assert.Equal(expected, Text(Servers(section, LinkKind.Ethernet, "eth0")));
    }

    [Fact]
    public void At_most_sixteen_servers_count() => Assert.Equal(
        Enumerable.Range(1, 16).Select(i => $"198.18.1.{i}"),
        ResolvConf.Remote(
                string.Join('\n', Enumerable.Range(1, 200).Select(i => $"nameserver 198.18.1.{i}")),
                () => "", Eth0)
            .Select(server => server.ToString()));

    [Fact]
    public void At_most_64_kib_count()
    {
        string filler = new('#', 65535 - "nameserver 198.18.1.1".Length);
        Assert.Equal(
            "198.18.1.1", Text(ResolvConf.Remote($"{filler}\nnameserver 198.18.1.1", () => "", Eth0)));
        // One character more. Truncated, it would be another address.
        Assert.Equal("", Text(ResolvConf.Remote($"{filler}\nnameserver 198.18.1.10", () => "", Eth0)));
        Assert.Equal("", Text(ResolvConf.Remote(new string('x', 1_000_000), () => "", Eth0)));
    }

    [Fact]
    public void No_text_whatever_does_harm()
    {
        Gen<string> piece = Gen.OneOf<string>(
            Gen.OneOf("# Interface ", "ethnet", "eth0", "nameserver ", "198.18.1.1", "fe80::1",
                "%", "\n", "\r", "\0", " "),
            Gen.String[0, 5]);
        piece.Array[0, 30].Sample(pieces =>
        {
            string text = string.Concat(pieces);
            _ = Servers(text, LinkKind.Ethernet, "eth0");
            _ = ResolvConf.Remote(text, () => text, Eth0);
        });
    }

    private static List<IPAddress> Servers(string text, LinkKind kind, string device) =>
        ResolvConf.OfInterface(text, Link(kind, device), _ => null, []);

    private static ServerLink Eth0 => Link(LinkKind.Ethernet, "eth0");

    /// <summary>The device 3, also called lan, with both families unless the test says otherwise.</summary>
    private static ServerLink Link(
        LinkKind kind, string device, bool hasIpv4 = true, bool hasIpv6 = true, int index = 0)
    {
        KernelState state = new();
        NetlinkReader reader = new(NetlinkGolden.Link(3, device, 0, otherNames: ["lan", "enp3s0"]));
        Assert.True(reader.TryRead(out NetlinkMessage message));
        state.Apply(message, isDumpRow: false);
        return new ServerLink(kind, device, 3, hasIpv4, hasIpv6, state, index);
    }

    private static string Text(IEnumerable<IPAddress> servers) => string.Join(' ', servers);
}
