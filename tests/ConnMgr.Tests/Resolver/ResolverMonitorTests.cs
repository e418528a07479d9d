using System.Net;
using ConnMgr.Links;
using ConnMgr.Logging;
using ConnMgr.Net;
using ConnMgr.Netlink;
using ConnMgr.Probe;
using ConnMgr.Resolver;
using ConnMgr.Tests.Netlink;

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
    private readonly KernelState _state = new();
    private ConnectionView _view = new();
    private int _device = Wlan0;

    public ResolverMonitorTests()
    {
        _servers.Learn([], [new ResolverServer(Server, "")]);
        _monitor = new ResolverMonitor(_log, _state, _servers, server =>
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
        Assert.Equal(("", 0), (_monitor.Words(_view), Said().Length)); // a switch may be under way
        for (int i = 0; i < 100; i++)
        {
            Tick("eth0");
        }
        Assert.Equal(Warning, _monitor.Words(_view));
        Assert.Equal([$"{Warning}: see --resolv-conf"], Said());
    }

    [Fact]
    public void What_a_switch_puts_right_is_never_a_warning()
    {
        Tick("eth0");
        Tick("wlan0");
        Tick("wlan0");
        Assert.Equal("", _monitor.Words(_view));
        Assert.Empty(Said());
    }

    [Fact]
    public void The_end_of_a_warning_is_logged_and_the_next_one_too()
    {
        Tick("eth0");
        Tick("eth0");
        Tick("wlan0");
        Assert.Equal("", _monitor.Words(_view)); // it was about another link in use
        Assert.Single(Said());
        Tick("wlan0");
        Assert.Equal("", _monitor.Words(_view));
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
        Assert.StartsWith("the name server 198.18.77.53 cannot be reached", _monitor.Words(_view),
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
        Assert.Equal(words, _monitor.Words(_view));
        Assert.Empty(_asked);
    }

    /// <summary>
    /// A dead link loses its address; the default route then leads to its server over the link in use. That
    /// is no end of the warning: nobody answers there.
    /// </summary>
    [Fact]
    public void A_server_of_a_dead_links_network_is_not_reached_over_the_link_in_use()
    {
        byte[] ofEth0 = Golden.Address(Eth0, "198.18.1.2", 24);
        Golden.Dump(_state, RouteMessage.GetAddress, [Golden.Address(Wlan0, "198.18.77.2", 24), ofEth0]);
        Tick("eth0");
        Tick("eth0");
        Assert.Equal(Warning, _monitor.Words(_view));
        Golden.Dump(_state, RouteMessage.GetAddress, [ofEth0]);
        _device = Eth0;
        Tick("eth0");
        Tick("eth0");
        const string Lost = "the name server 198.18.77.53 is in the network of wlan0, "
            + "and hardly answers over eth0";
        Assert.Equal(Lost, _monitor.Words(_view));
        Assert.Equal([$"{Warning}: see --resolv-conf", $"{Lost}: see --resolv-conf"], Said());
        _servers.Learn([], [new ResolverServer(IPAddress.Parse("198.18.1.53"), "")]);
        Tick("eth0");
        Tick("eth0");
        Assert.Equal("", _monitor.Words(_view));
        Assert.Equal("the name servers are asked over the link in use again", Said()[^1]);
    }

    [Theory]
    [InlineData("198.18.77.2", "198.18.77.3")] // the server is in both networks
    [InlineData("198.18.1.2", "198.18.77.3")] // only in that of the link in use
    [InlineData("198.18.1.2", "198.18.2.3")] // in none: beyond the routers
    public void A_server_that_the_link_in_use_reaches_is_no_warning(string ofEth0, string ofWlan0)
    {
        _device = ofWlan0 == "198.18.77.3" && ofEth0 != "198.18.77.2" ? Wlan0 : Eth0;
        string inUse = _device == Eth0 ? "eth0" : "wlan0";
        Golden.Dump(
            _state, RouteMessage.GetAddress,
            [Golden.Address(Eth0, ofEth0, 24), Golden.Address(Wlan0, ofWlan0, 24)]);
        Tick(inUse);
        Tick(inUse);
        Assert.Equal("", _monitor.Words(_view));
    }

    private void Tick(string inUse)
    {
        LinkView[] links = [Link("eth0", Eth0), Link("wlan0", Wlan0)];
        _view = new ConnectionView
        {
            Links = links,
            InUse = links.First(link => link.Name == inUse),
            InUseIpv4 = inUse,
            InUseIpv6 = inUse,
        };
        _monitor.Tick(_view);
    }

    private static LinkView Link(string name, int ifindex) => new(
        LinkKind.Ethernet, name, false, LinkState.Confirmed, "", default, null,
        new LinkFacts { Ifindex = ifindex }, false, false, null, default, default, default);

    private string[] Said() => LogLines.Of(_log);
}
