using System.Net;
using ConnMgr.Links;
using ConnMgr.Logging;
using ConnMgr.Net;
using ConnMgr.Netlink;
using ConnMgr.Probe;
using ConnMgr.Resolver;

namespace ConnMgr.Tests.Resolver;

/// <summary>
/// When the kernel is asked how it reaches the name servers, and when that is a warning
/// (docs/reference.md, `--resolv-conf`). A list of numbers stands for the kernel.
/// </summary>
public sealed class ResolverMonitorTests : IDisposable
{
    private const int Eth0 = 2;
    private const int Wlan0 = 3;
    private const string Warning = "the name server 198.18.77.53 is asked over wlan0, not over eth0";

    private static readonly IPAddress Server = IPAddress.Parse("198.18.77.53");

    private readonly Log _log = new(LogTarget.Stderr, LogLevel.Error);
    private readonly NameServers _servers = new([]);
    private readonly List<IpNumber> _asked = [];
    private readonly ResolverMonitor _monitor;
    private int _device = Wlan0;

    public ResolverMonitorTests()
    {
        _servers.Learn([], [new ResolverServer(Server, "")]);
        _monitor = new ResolverMonitor(_log, new KernelState(), _servers, server =>
        {
            _asked.Add(server);
            return _device;
        });
    }

    public void Dispose() => _log.Dispose();

    [Fact]
    public void A_warning_takes_two_ticks_and_is_logged_once()
    {
        Tick("eth0");
        Assert.Equal(("", 0), (_monitor.Words, Said().Length)); // a switch may be under way
        for (int i = 0; i < 100; i++)
        {
            Tick("eth0");
        }
        Assert.Equal(Warning, _monitor.Words);
        Assert.Equal([$"{Warning}: see --resolv-conf"], Said());
    }

    [Fact]
    public void What_a_switch_puts_right_is_never_a_warning()
    {
        Tick("eth0");
        Tick("wlan0");
        Tick("wlan0");
        Assert.Equal("", _monitor.Words);
        Assert.Empty(Said());
    }

    [Fact]
    public void The_end_of_a_warning_is_logged_and_the_next_one_too()
    {
        Tick("eth0");
        Tick("eth0");
        Tick("wlan0");
        Assert.Equal(Warning, _monitor.Words);
        Tick("wlan0");
        Assert.Equal("", _monitor.Words);
        Tick("eth0");
        Tick("eth0");
        Assert.Equal(
            [
                $"{Warning}: see --resolv-conf", "the name servers are asked over the link in use again",
                $"{Warning}: see --resolv-conf",
            ],
            Said());
    }

    [Fact]
    public void Another_warning_replaces_the_first()
    {
        Tick("eth0");
        Tick("eth0");
        _device = 0;
        _servers.Learn([], [new ResolverServer(Server, ""), new ResolverServer(Server, "")]);
        Tick("eth0");
        Tick("eth0");
        Assert.StartsWith("the name server 198.18.77.53 cannot be reached", _monitor.Words,
            StringComparison.Ordinal);
        Assert.Equal(2, Said().Length);
    }

    [Fact]
    public void The_kernel_is_asked_when_something_has_changed_and_every_thirty_ticks()
    {
        _device = Eth0;
        Tick("eth0");
        Assert.Equal([IpNumber.Of(Server)], _asked);
        for (int i = 0; i < 29; i++)
        {
            Tick("eth0");
        }
        Assert.Single(_asked);
        Tick("eth0"); // rules and other tables change without a report
        Assert.Equal(2, _asked.Count);
        _servers.Learn([], [new ResolverServer(IPAddress.Parse("198.18.77.54"), "")]);
        Tick("eth0");
        Assert.Equal(3, _asked.Count);
        Tick("wlan0");
        Assert.Equal(4, _asked.Count);
    }

    /// <summary>A link-local address names its device, so the kernel need not be asked.</summary>
    [Theory]
    [InlineData("2", "")]
    [InlineData("3", "the name server fe80::1 is asked over wlan0, not over eth0")]
    [InlineData("9", "")] // some other device
    [InlineData("eth7", "the name server fe80::1 cannot be reached")]
    public void A_server_with_a_zone_is_reached_over_its_device(string zone, string words)
    {
        _servers.Learn([], [new ResolverServer(IPAddress.Parse("fe80::1"), zone)]);
        Tick("eth0");
        Tick("eth0");
        Assert.Equal(words, _monitor.Words);
        Assert.Empty(_asked);
    }

    private void Tick(string inUse)
    {
        LinkView[] links = [Link("eth0", Eth0), Link("wlan0", Wlan0)];
        _monitor.Tick(new ConnectionView
        {
            Links = links,
            InUse = links.First(link => link.Name == inUse),
            InUseIpv4 = inUse,
            InUseIpv6 = inUse,
        });
    }

    private static LinkView Link(string name, int ifindex) => new(
        LinkKind.Ethernet, name, false, LinkState.Confirmed, "", default, null,
        new LinkFacts { Ifindex = ifindex }, false, false, null, default, default, default);

    private string[] Said() => LogLines.Of(_log);
}
