using ConnMgr.Attributes;
using ConnMgr.Links;
using ConnMgr.Net;
using ConnMgr.Tests.Links;
using static ConnMgr.Tests.Capture.NetworkNamespace;

namespace ConnMgr.Tests.Attributes;

/// <summary>What attrd gets about real links, and about links in all states.</summary>
public sealed class AttributeReportTests
{
    private const uint NetworkType = 65008;
    private const uint Capabilities = 65022;
    private const uint WiFiState = 65024;
    private const uint WiFiAddress = 65025;
    private const uint WanState = 65037;
    private const uint EthernetState = 65059;
    private const uint EthernetAddress = 65060;
    private const uint EthernetUpTime = 65061;
    private const uint EthernetMac = 65064;

    [Fact]
    public void The_links_their_addresses_and_what_the_device_has_are_reported() => Run(() =>
    {
        using Rig rig = new("echo x >>${0%/*}/calls; exit 5");
        rig.Links.Until(() => rig.Follow() && rig.View.InPlace == "eth0");
        Assert.Equal("00", rig.Get(NetworkType));
        Assert.Equal("05", rig.Get(Capabilities));
        Assert.Equal(("01", "01", "00"), (rig.Get(EthernetState), rig.Get(WiFiState), rig.Get(WanState)));
        Assert.Equal(("C6120202", "C6120302"), (rig.Get(EthernetAddress), rig.Get(WiFiAddress)));
        string mac = IpSays("link show eth0").Split("link/ether ")[1][..17].Replace(":", "",
            StringComparison.Ordinal);
        Assert.Equal(mac, rig.Get(EthernetMac), ignoreCase: true);
        Assert.Equal(8, rig.Get(EthernetUpTime).Length);
        Assert.Single(rig.Calls());

        RunIp("link delete wlan0");
        rig.Links.Until(() => rig.Follow() && rig.Calls().Length == 2);
        Assert.Equal(("00", "00000000"), (rig.Get(WiFiState), rig.Get(WiFiAddress)));
        RunIp("link set eth0 down");
        rig.Links.Until(() => rig.Follow() && rig.View.InUse is null);
        Assert.Equal(("FF", "00000000"), (rig.Get(NetworkType), rig.Get(EthernetUpTime)));
        Assert.Equal(2, rig.Calls().Length); // a device that is down is still there
    });

    [Fact]
    public void A_get_runs_the_failed_script_again() => Run(() =>
    {
        using Rig rig = new("echo x >>${0%/*}/calls; [ -e ${0%/*}/repaired ] && exit 3; exit 99");
        rig.Links.Until(() => rig.Follow() && rig.Links.Said("net_capabilities").Length == 1);
        File.WriteAllText($"{rig.Links.Directory}/repaired", "");
        Assert.Equal("03", rig.Get(Capabilities));
        Assert.Equal(2, rig.Calls().Length);
    });

    [Theory]
    [InlineData("eth0:Confirmed eth1:Confirmed", "eth0", "02")]
    [InlineData("eth0:Failed eth1:Confirmed", "", "02")] // the daemon would choose it
    [InlineData("eth0:Failed eth1:Confirmed", "eth0", "01")] // the one in use counts
    [InlineData("eth0:Down eth1:Unconfirmed", "", "01")]
    [InlineData("eth0:NoWayOut eth1:Down", "", "00")]
    public void Of_several_links_of_a_kind_the_best_one_counts(string links, string inUse, string state) =>
        Run(() =>
    {
        using Rig rig = new("exit 0");
        List<LinkView> views = [.. links.Split(' ').Select(link => link.Split(':')).Select(parts =>
            new LinkView(
                LinkKind.Ethernet, parts[0], false, Enum.Parse<LinkState>(parts[1]), "", default, null,
                default, false, false, null, default, default, default))];
        rig.Other = new ConnectionView { Links = views, InUse = views.Find(link => link.Name == inUse) };
        Assert.Equal(state, rig.Get(EthernetState));
        Assert.Equal(inUse.Length > 0 ? "00" : "FF", rig.Get(NetworkType));
    });

    private sealed class Rig : IDisposable
    {
        private readonly FakeAttrd _attrd;
        private readonly AttributeReport _report;

        public Rig(string script)
        {
            _ = TestScript.Write(Links.Directory, "net_capabilities", script);
            _attrd = new FakeAttrd($"{Links.Directory}/attrd");
            _report = new AttributeReport(
                Links.Loop, Links.Log, Links.Options, $"{Links.Directory}/attrd", Links.Environment);
            Task accepted = Task.Run(_attrd.Accept);
            Links.Until(() => accepted.IsCompleted && _report.IsConnected);
            Assert.Equal("connected", _report.Words);
        }

        // No hooks: the script would be one.
        public LinkRig Links { get; } = new(options =>
            options with { HookDirectory = $"{options.RunDirectory}/hooks" });

        /// <summary>Is reported instead of the real links.</summary>
        public ConnectionView? Other { get; set; }

        public ConnectionView View => Other ?? Links.View;

        public bool Follow()
        {
            _report.Update(View, Links.State);
            return true;
        }

        public string Get(uint id)
        {
            Task<string> value = Task.Run(() => _attrd.Get(id));
            Links.Until(() => Follow() && value.IsCompleted);
            return value.Result;
        }

        public string[] Calls() => File.Exists($"{Links.Directory}/calls")
            ? File.ReadAllLines($"{Links.Directory}/calls")
            : [];

        public void Dispose()
        {
            _report.Dispose();
            _attrd.Dispose();
            Links.Dispose();
        }
    }
}
