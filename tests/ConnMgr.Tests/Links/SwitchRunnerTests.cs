using ConnMgr.Config;
using ConnMgr.Links;
using ConnMgr.Logging;
using ConnMgr.Routing;
using static ConnMgr.Tests.Capture.NetworkNamespace;

namespace ConnMgr.Tests.Links;

/// <summary>
/// How the routes are moved: over rtnetlink, or by a script (contract, section 8). <see
/// cref="LinkDriverTests"/> has the whole switch.
/// </summary>
public sealed class SwitchRunnerTests
{
    private const string OwnScript = "# This is connmgr's own switch_route.sh.\necho \"$*\" >>${0%/*}/calls";

    [Fact]
    public void Over_netlink_the_script_does_not_run() => Run(() =>
    {
        using Rig rig = new(SwitchMode.Netlink);
        rig.Write("echo \"$*\" >>${0%/*}/calls");
        rig.Switch("wlan0");
        Assert.Equal(["wlan0 "], rig.Ended);
        Assert.Equal("wlan0", LinkRig.Front());
        Assert.NotNull(rig.Runner.OwnMetrics);
        Assert.False(rig.Runner.IsBusy);
        Assert.Empty(TestScript.Lines(rig.Links.Directory, "calls"));
    });

    [Fact]
    public void A_script_moves_the_routes_and_its_failure_is_told() => Run(() =>
    {
        using Rig rig = new(SwitchMode.Script);
        rig.Write("echo \"$*\" >>${0%/*}/calls");
        Assert.Null(rig.Runner.OwnMetrics);
        rig.Switch("wlan0");
        Assert.True(rig.Runner.IsBusy);
        Assert.Empty(rig.Ended);
        rig.UntilEnded(1);
        Assert.Equal(["wlan0 "], rig.Ended);
        Assert.Equal(["wlan0"], TestScript.Lines(rig.Links.Directory, "calls"));
        Assert.Equal("eth0", LinkRig.Front()); // only the script moves routes
        rig.Write("echo first; echo 'no such route'; exit 3");
        rig.Switch("wlan0");
        rig.UntilEnded(2);
        Assert.Equal("wlan0 switch_route.sh: exit status 3, saying \"no such route\"", rig.Ended[1]);
        rig.Write("exit 4");
        rig.Switch("wlan0");
        rig.UntilEnded(3);
        Assert.Equal("wlan0 switch_route.sh: exit status 4", rig.Ended[2]);
    });

    [Fact]
    public void By_auto_only_a_script_that_is_not_our_own_runs() => Run(() =>
    {
        using Rig rig = new(SwitchMode.Auto);
        rig.Switch("wlan0"); // there is no script
        Assert.Equal("wlan0", LinkRig.Front());
        rig.Write(OwnScript);
        rig.Switch("eth0");
        Assert.Equal("eth0", LinkRig.Front());
        Assert.Empty(rig.Moved());
        Assert.NotNull(rig.Runner.OwnMetrics);

        rig.Write("echo \"$*\" >>${0%/*}/calls"); // the implementer's, put there while the daemon runs
        rig.Switch("wlan0");
        rig.UntilEnded(3);
        rig.Links.Log.Event(EventKind.Switch, "the same line twice in a row would be one event");
        rig.Switch("wlan0");
        rig.UntilEnded(4);
        Assert.Equal("eth0", LinkRig.Front());
        Assert.Equal(["wlan0", "wlan0"], TestScript.Lines(rig.Links.Directory, "calls"));
        Assert.Single(rig.Moved());
        Assert.Null(rig.Runner.OwnMetrics);
        rig.Write(OwnScript);
        rig.Switch("wlan0");
        Assert.Equal("wlan0", LinkRig.Front());
    });

    [Fact]
    public void A_step_that_the_kernel_refuses_is_the_failure_of_the_switch() => Run(() =>
    {
        using Rig rig = new(SwitchMode.Netlink);
        RoutePlan plan = rig.Plan("wlan0");
        RunIp("link set wlan0 down"); // after the plan was made
        rig.Runner.Begin(plan);
        Assert.Empty(rig.Ended);
        rig.Runner.Finish(rig.Find("wlan0"));
        Assert.StartsWith("wlan0 IPv4: ", Assert.Single(rig.Ended), StringComparison.Ordinal);
        // The next switch begins without that failure.
        RunIp("link set wlan0 up");
        RunIp("route add default via 198.18.3.1 dev wlan0 metric 30");
        rig.Settle();
        rig.Switch("wlan0");
        Assert.Equal("wlan0 ", rig.Ended[1]);
    });

    [Fact]
    public void A_standby_route_that_another_program_has_replaced_comes_back() => Run(() =>
    {
        using Rig rig = new(SwitchMode.Netlink);
        rig.Switch("eth0");
        rig.Settle();
        string before = IpSays("route show default dev wlan0");
        rig.Runner.Tidy(rig.Plan("eth0"));
        Assert.Equal(before, IpSays("route show default dev wlan0"));
        RunIp("route replace default via 198.18.2.1 dev eth0 metric 10"); // in the place of wlan0's
        rig.Settle();
        Assert.Equal("", IpSays("route show default dev wlan0"));
        rig.Runner.Tidy(rig.Plan("eth0"));
        Assert.Contains("via 198.18.3.1", IpSays("route show default dev wlan0"), StringComparison.Ordinal);
        Assert.Single(rig.Links.Said("IPv4: "), text =>
            text.EndsWith(": another program had replaced it", StringComparison.Ordinal));
        Assert.Equal(["eth0 "], rig.Ended); // it is no switch
    });

    /// <summary>The kernel does not report that the lifetime of an advertised route has run out.</summary>
    [Fact]
    public void Advertised_routes_are_read_again_after_sixteen_seconds() => Run(() =>
    {
        SkewedTime time = new();
        using Rig rig = new(SwitchMode.Netlink, time);
        uint dump = rig.Links.Routes.LastDump;
        rig.Runner.Tick();
        time.Skew += TimeSpan.FromMinutes(1);
        rig.Runner.Tick();
        Assert.Equal(dump, rig.Links.Routes.LastDump); // there are none
        RunIp("-6 route add default via fe80::9 dev eth0 proto ra metric 1024 expires 1800");
        rig.Links.Until(() => rig.Links.State.Defaults.Exists(route => route.IsAdvertised));
        rig.Settle();
        rig.Runner.Tick();
        dump = rig.Links.Routes.LastDump;
        time.Skew += TimeSpan.FromSeconds(14);
        rig.Runner.Tick();
        Assert.Equal(dump, rig.Links.Routes.LastDump);
        time.Skew += TimeSpan.FromSeconds(3);
        rig.Runner.Tick();
        Assert.NotEqual(dump, rig.Links.Routes.LastDump);
    });

    /// <summary>A rig whose own driver never decides: only this runner moves routes.</summary>
    private sealed class Rig : IDisposable
    {
        private readonly Dictionary<(bool, string), OwnMetric> _metrics = [];

        public Rig(SwitchMode mode, TimeProvider? time = null)
        {
            Links = new LinkRig(
                options => options with { Switch = mode, HookDirectory = $"{options.RunDirectory}/hooks" },
                time: time);
            Links.Until(() => Links.View.InPlace == "eth0" || mode != SwitchMode.Netlink);
            Links.Driver.Stop();
            if (mode != SwitchMode.Netlink)
            {
                RunIp("route add default via 198.18.2.1 dev eth0 metric 5");
            }
            Settle();
            Runner = new SwitchRunner(
                Links.Loop, Links.Log, Links.Options, Links.Environment, Links.State, Links.Routes,
                (link, failure) => Ended.Add($"{link.Name} {failure}"));
        }

        public LinkRig Links { get; }

        public SwitchRunner Runner { get; }

        public List<string> Ended { get; } = [];

        public Link Find(string name) => Links.Driver.Core.Links.First(link => link.Name == name);

        public void Write(string body) => TestScript.Write(Links.Directory, "switch_route.sh", body);

        public string[] Moved() => Links.Said("routes are moved by");

        /// <summary>Reads the kernel's routes.</summary>
        public void Settle()
        {
            Links.Routes.Resync();
            Links.Until(() => Links.Routes.IsSettled);
        }

        public RoutePlan Plan(string link)
        {
            Settle();
            return new RoutePlanner().Plan(
                Links.State, Links.Driver.Core.Links, Find(link), Runner.OwnMetrics ?? _metrics);
        }

        public void Switch(string link)
        {
            Runner.Begin(Plan(link));
            Runner.Finish(Find(link));
        }

        public void UntilEnded(int count) => Links.Until(() => Ended.Count == count);

        public void Dispose()
        {
            Runner.Dispose();
            Links.Dispose();
        }
    }
}
