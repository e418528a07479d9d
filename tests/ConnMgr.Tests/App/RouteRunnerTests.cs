using ConnMgr.Tests.Links;
using static ConnMgr.Tests.Capture.NetworkNamespace;

namespace ConnMgr.Tests.App;

/// <summary>`connmgr route` with the kernel's routes: contract, section 8.</summary>
public sealed class RouteRunnerTests
{
    private const string Names =
        "ETH_INTERFACE_0='eth0'\nWIFISTA_INTERFACE_0='wlan0'\nWAN_INTERFACE_0='wwan0'\n";

    [Fact]
    public void The_default_route_leads_over_the_link_afterwards() => Run(() =>
    {
        LinkRig.AddLinks();
        using VerbFiles files = new();
        files.Write("netif_names", Names);
        Assert.Equal("wlan0", LinkRig.Front());
        VerbRun run = Route(files, "eth0");
        Assert.Equal("eth0", LinkRig.Front());
        Assert.StartsWith("IPv4: took over, metric 20 -> 0: ", run.Output[0], StringComparison.Ordinal);
        Assert.Empty(run.Error);
        Assert.Equal(0, run.Exit);

        run = Route(files, "eth0");
        Assert.Equal(["eth0 already has the preferred default routes"], run.Output);
        Assert.Equal(0, run.Exit);
        Assert.Equal(0, Route(files, "wlan0").Exit);
        Assert.Equal("wlan0", LinkRig.Front());
        Assert.Contains("dev eth0 metric 20", IpSays("route show default"), StringComparison.Ordinal);
    });

    [Fact]
    public void A_name_that_is_no_link_is_a_wrong_command_line() => Run(() =>
    {
        LinkRig.AddLinks();
        using VerbFiles files = new();
        files.Write("netif_names", Names);
        VerbRun run = Route(files, "eth7");
        Assert.Equal(["connmgr route: \"eth7\" is not a link: the links are eth0, wlan0, wwan0"], run.Error);
        Assert.Equal(64, run.Exit);
    });

    [Fact]
    public void A_link_without_a_way_out_is_left_alone() => Run(() =>
    {
        LinkRig.AddLinks();
        using VerbFiles files = new();
        files.Write("netif_names", Names);
        string before = IpSays("route show");
        VerbRun run = Route(files, "wwan0");
        Assert.StartsWith(
            "connmgr route: wwan0 has no way out (", Assert.Single(run.Error), StringComparison.Ordinal);
        Assert.Equal(1, run.Exit);
        Assert.Equal(before, IpSays("route show"));
    });

    [Fact]
    public void Bad_names_are_an_error_of_the_configuration() => Run(() =>
    {
        using VerbFiles files = new();
        files.Write("netif_names", "ETH_INTERFACE_0='eth0 rm'\n");
        VerbRun run = Route(files, "eth0");
        Assert.NotEmpty(run.Error);
        Assert.Equal(78, run.Exit);
    });

    [Theory]
    [InlineData("ETH_INTERFACE_0='lan0'\nWIFISTA_INTERFACE_0=''\nWAN_INTERFACE_0=''\n", "lan0")]
    [InlineData("lan0 wifi0 lte0 ap0 br0", "lan0, wifi0, lte0")] // as a daemon of an earlier version
    public void The_names_of_the_daemon_go_before_those_of_the_file(string names, string links) => Run(() =>
    {
        using VerbFiles files = new();
        files.Write("netif_names", Names);
        VerbRun run = VerbRun.In(
            new() { ["CONNMGR_NETIF_NAMES"] = names },
            "route", "eth0", "--config-dir", files.Path, "--run-dir", files.Path);
        Assert.Equal([$"connmgr route: \"eth0\" is not a link: the links are {links}"], run.Error);
        Assert.Equal(64, run.Exit);
    });

    private static VerbRun Route(VerbFiles files, string link) =>
        VerbRun.Of("route", link, "--config-dir", files.Path, "--run-dir", files.Path);
}
