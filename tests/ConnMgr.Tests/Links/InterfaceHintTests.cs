using ConnMgr.Links;
using ConnMgr.Netlink;
using ConnMgr.Tests.Netlink;

namespace ConnMgr.Tests.Links;

public class InterfaceHintTests
{
    private const string None = "no interface eth0, wlan0, wwan0";

    private static readonly string[] Names = ["eth0", "wlan0", "wwan0"];

    [Theory]
    [InlineData("", "", null)]
    [InlineData("lo docker0 veth1 br-lan", "", null)]
    [InlineData("enp1s0 wlp2s0", "enp1s0", $"{None}; present: enp1s0 (default route), wlp2s0")]
    [InlineData("wlp2s0 enp1s0", "enp1s0", $"{None}; present: enp1s0 (default route), wlp2s0")]
    [InlineData("enp1s0", "", $"{None}; present: enp1s0")]
    [InlineData("eth0 wlan0", "eth0", null)] // the modem is unplugged
    [InlineData("eth0 eth1", "eth0", null)]
    [InlineData("eth0 usb0", "usb0", "no interface wlan0, wwan0; present: usb0 (default route)")]
    [InlineData("eth0 wlan0 wwan0 usb0", "usb0", null)]
    public void What_is_present_is_named_if_the_links_are_not(string devices, string ways, string? hint)
    {
        KernelState table = new();
        string[] names = devices.Split(' ', StringSplitOptions.RemoveEmptyEntries);
        for (int i = 0; i < names.Length; i++)
        {
            uint flags = names[i] == "lo" ? 0x8u : Golden.Up | Golden.Running;
            Apply(table, Golden.Link(i + 1, names[i], flags), isDumpRow: false);
        }
        table.BeginDump();
        foreach (string way in ways.Split(' ', StringSplitOptions.RemoveEmptyEntries))
        {
            byte[] route = Golden.Route("198.18.1.1", Array.IndexOf(names, way) + 1, metric: 10);
            Apply(table, route, isDumpRow: true);
        }
        table.OnDumpEnded(RouteMessage.GetRoute);
        Assert.Equal(hint, InterfaceHint.For(table, Names));
    }

    [Theory]
    [InlineData("eth0 wlan0", null, "no interface wwan0")]
    [InlineData("", null, "no interface eth0, wlan0, wwan0")]
    [InlineData("eth0 usb0", "usb0", "no interface wlan0, wwan0; present: usb0 (default route)")]
    [InlineData("eth0 eth1", null, "no interface wlan0, wwan0")]
    [InlineData("eth0 wlan0 wwan0", null, null)]
    public void A_check_names_every_link_that_is_missing(string devices, string? way, string? hint)
    {
        KernelState table = new();
        string[] names = devices.Split(' ', StringSplitOptions.RemoveEmptyEntries);
        for (int i = 0; i < names.Length; i++)
        {
            Apply(table, Golden.Link(i + 1, names[i], Golden.Up | Golden.Running), isDumpRow: false);
        }
        table.BeginDump();
        if (way is not null)
        {
            byte[] route = Golden.Route("198.18.1.1", Array.IndexOf(names, way) + 1, metric: 10);
            Apply(table, route, isDumpRow: true);
        }
        table.OnDumpEnded(RouteMessage.GetRoute);
        Assert.Equal(hint, InterfaceHint.For(table, Names, isComplete: true));
    }

    [Fact]
    public void A_link_with_an_alternative_name_is_not_named_as_another_device()
    {
        KernelState table = new();
        Apply(table, Golden.Link(1, "enp1s0", Golden.Up, otherNames: ["eth0"]), isDumpRow: false);
        table.BeginDump();
        Apply(table, Golden.Route("198.18.1.1", 1, metric: 10), isDumpRow: true);
        table.OnDumpEnded(RouteMessage.GetRoute);
        Assert.Null(InterfaceHint.For(table, Names)); // wlan0 and wwan0 are missing
    }

    private static void Apply(KernelState table, byte[] bytes, bool isDumpRow)
    {
        NetlinkReader reader = new(bytes);
        Assert.True(reader.TryRead(out NetlinkMessage message));
        table.Apply(message, isDumpRow);
    }
}
