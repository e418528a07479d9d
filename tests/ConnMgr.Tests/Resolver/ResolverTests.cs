using System.Net;
using ConnMgr.Links;
using ConnMgr.Net;
using ConnMgr.Netlink;
using ConnMgr.Probe;
using ConnMgr.Resolver;

namespace ConnMgr.Tests.Resolver;

/// <summary>What is said about the resolver, and what is read of it.</summary>
public sealed class ResolverTests
{
    [Theory]
    [InlineData("198.18.1.53=eth0", "eth0", "")]
    [InlineData("198.18.1.53=eth0 198.18.2.53=wlan0", "eth0",
        "the name server 198.18.2.53 is asked over wlan0, not over eth0")]
    [InlineData("198.18.1.53= 2001:db8::53=wwan0", "eth0",
        "the name server 198.18.1.53 cannot be reached; "
            + "the name server 2001:db8::53 is asked over wwan0, not over wlan0")]
    [InlineData("2001:db8::53=wlan0", "eth0", "")] // IPv6 leaves over it
    [InlineData("198.18.9.53=-", "eth0", "")] // a VPN's
    [InlineData("198.18.2.53=wlan0", "", "")] // no link is in use
    public void Servers_that_are_asked_over_another_link_are_named(string paths, string inUse, string words)
    {
        List<ServerPath> servers = [.. paths.Split(' ').Select(path => path.Split('=')).Select(parts =>
            new ServerPath(IPAddress.Parse(parts[0]), parts[1] == "-" ? null : parts[1]))];
        LinkView? link = inUse.Length == 0 ? null : new LinkView(
            LinkKind.Ethernet, inUse, false, LinkState.Confirmed, "", default, null, default, false, false,
            null, default, default, default);
        ConnectionView view = new()
        {
            InUse = link,
            InUseIpv4 = link?.Name,
            InUseIpv6 = link is null ? null : "wlan0",
        };
        Assert.Equal(words, ResolverAdvice.Words(servers, view));
    }

    [Fact]
    public void The_output_of_the_script_is_read()
    {
        ResolverReport report = ResolverReport.Read(
            "link eth0 198.18.1.53 fe80::1%eth0 x 198.18.1.53\nlink a/b 198.18.1.1\nlink wlan0\nlink\n"
            + "noise\nasks 198.18.1.53 2001:db8::53\ndid one\ndid  two words\n");
        Assert.Equal(["eth0", "wlan0"], report.Links.Select(link => link.Device));
        Assert.Equal(["198.18.1.53", "fe80::1"], report.Links[0].Servers.Select(one => one.ToString()));
        Assert.Empty(report.Links[1].Servers);
        Assert.Equal(["198.18.1.53", "2001:db8::53"], report.Asked.Select(one => one.Address.ToString()));
        Assert.Equal("two words", report.Did);
    }

    [Fact]
    public void The_servers_that_are_asked_are_bounded_over_all_lines()
    {
        string lines = string.Concat(
            Enumerable.Range(1, 100).Select(i => $"asks 198.18.1.{i} 198.18.2.{i}\n"));
        Assert.Equal(NameServers.Most, ResolverReport.Read(lines).Asked.Count);
    }

    [Fact]
    public void The_script_marks_its_text_as_the_daemon_expects_it()
    {
        string script = File.ReadAllText(Path.Combine(Repository.Root, "scripts", "resolv_conf.sh"));
        Assert.Contains($"\nBEGIN='{ResolverRunner.Mark.TrimEnd()}'\n", script, StringComparison.Ordinal);
    }

    [Theory]
    [InlineData("")]
    [InlineData("link")]
    [InlineData("did")]
    [InlineData("asks\nlink eth0 \u0000\ud800")]
    public void Broken_output_says_nothing(string text)
    {
        ResolverReport report = ResolverReport.Read(text);
        Assert.Empty(report.Asked);
        Assert.Equal("", report.Did);
        Assert.All(report.Links, link => Assert.Empty(link.Servers));
    }

    [Theory]
    [InlineData("nameserver 198.18.1.53\nnameserver fe80::1%eth0\n#nameserver 198.18.9.9", false,
        "198.18.1.53/ fe80::1/eth0")]
    [InlineData("nameserver 127.0.0.53\noptions edns0", true, "")]
    [InlineData("nameserver 198.18.1.53\nnameserver 198.18.1.53\nnameserver ::1\nnameserver fe80::2%", true,
        "198.18.1.53/")]
    public void A_resolv_conf_is_read_with_zones(string text, bool hasStub, string expected)
    {
        List<ResolverServer> servers = [];
        Assert.Equal(hasStub, ResolvConf.AddAll(servers, text));
        Assert.Equal(expected, string.Join(' ', servers.Select(one => $"{one.Address}/{one.Zone}")));
    }

    /// <summary>
    /// Whichever of the links' servers resolv.conf names, a probe asks the same ones: the daemon's own
    /// writing is no news.
    /// </summary>
    [Fact]
    public void What_the_script_writes_does_not_change_whom_a_probe_asks()
    {
        NameServers servers = new([]);
        servers.Refresh();
        int before = servers.Version;
        IPAddress first = IPAddress.Parse("198.18.1.53");
        IPAddress second = IPAddress.Parse("198.18.2.53");
        servers.Learn([new LinkServers("eth0", [first]), new LinkServers("wlan0", [second])], []);
        int after = servers.Version;
        Assert.True(after > before);
        ServerLink eth0 = new(LinkKind.Ethernet, "eth0", 2, true, true, new KernelState());
        List<IPAddress> found = servers.Of(eth0, []);
        Assert.Equal(0, found.IndexOf(first));
        Assert.Equal(found.Count - 1, found.IndexOf(second));
        servers.Learn([new LinkServers("eth0", [first]), new LinkServers("wlan0", [second])], []);
        Assert.Equal(after, servers.Version);
        servers.Learn([new LinkServers("eth0", [first])], [new ResolverServer(first, "")]);
        Assert.True(servers.Version > after);
        Assert.Equal([first], servers.OfResolver().Select(one => one.Address));
    }
}
