using System.Net;
using System.Runtime.CompilerServices;
using ConnMgr.Links;
using ConnMgr.Routing;
using static ConnMgr.Tests.Capture.NetworkNamespace;

namespace ConnMgr.Tests.Links;

/// <summary>The driver with the real kernel: links, routes, evidence sockets and hooks.</summary>
public sealed class LinkDriverTests
{
    [Fact]
    public void It_moves_the_route_to_the_best_link_and_runs_the_hooks() => Run(() =>
    {
        using LinkRig rig = new();
        Hook(rig);
        rig.Until(() => rig.View.InPlace == "eth0" && File.Exists($"{rig.Directory}/said"));
        Assert.Equal("eth0", LinkRig.Front());
        Assert.Equal(("eth0", "eth0"), (rig.View.Choice, rig.View.InUse?.Name));
        Assert.Equal(SwitchState.None, rig.View.Switch.State);
        Assert.Equal((1, 0), (rig.View.Switch.Succeeded, rig.View.Switch.Failed));
        Assert.Single(rig.Said("switched to eth0 in "));

        RunIp("link set eth0-peer down"); // the cable
        rig.Until(() => rig.View.InPlace == "wlan0");
        Assert.Equal("wlan0", LinkRig.Front());
    });

    /// <summary>The routes come before the lines of the log and the report.</summary>
    [Fact]
    public void A_switch_is_carried_out_before_it_is_reported() => Run(() =>
    {
        using LinkRig rig = new();
        rig.Until(() => rig.View.InPlace == "eth0" && rig.Routes.IsSettled);
        IReadOnlyList<Link> links = rig.Driver.Core.Links;
        List<string> ended = [];
        using SwitchRunner runner = new(
            rig.Loop, rig.Log, rig.Options, rig.Environment, rig.State, rig.Routes,
            (link, failure) => ended.Add($"{link.Name} {failure}"));
        Dictionary<(bool, string), OwnMetric> metrics = [];
        runner.Begin(new RoutePlanner().Plan(rig.State, links, links[1], metrics));
        Assert.Equal("wlan0", LinkRig.Front());
        Assert.Empty(ended);
        runner.Finish(links[1]);
        Assert.Equal(["wlan0 "], ended);
    });

    [Fact]
    public void A_route_that_another_program_replaces_is_restored() => Run(() =>
    {
        using LinkRig rig = new();
        rig.Until(() => rig.View.InPlace == "eth0");
        int before = rig.View.Switch.Repairs;
        RunIp("route replace default via 198.18.3.1 dev wlan0"); // as a DHCP client without a metric
        Assert.Equal("wlan0", LinkRig.Front());
        rig.Until(() => rig.View.Switch.Repairs > before && LinkRig.Front() == "eth0");
        Assert.Equal(1, rig.View.Switch.Succeeded);
    });

    [Fact]
    public void A_link_is_preferred_by_hand_only_if_there_is_one() => Run(() =>
    {
        using LinkRig rig = new();
        rig.Until(() => rig.View.InPlace == "eth0");
        Assert.False(rig.Driver.Prefer("eth1", TimeSpan.MaxValue));
        Assert.True(rig.Driver.Prefer("wlan0", TimeSpan.MaxValue));
        rig.Until(() => rig.View.Preferred == "wlan0");
        Assert.True(rig.Driver.Prefer(null, TimeSpan.MaxValue));
        rig.Until(() => rig.View.Preferred is null);
    });

    [Fact]
    public void A_reload_replaces_the_links_whose_names_have_changed() => Run(() =>
    {
        using LinkRig rig = new();
        rig.Until(() => rig.View.InPlace == "eth0");
        Link kept = rig.Driver.Core.Links[1];
        LinkSockets keptSockets = rig.Driver.Sockets[1];
        rig.Driver.Reload(LinkRig.Names("ETH_INTERFACE_0='lan0'"));
        Assert.Equal(["lan0", "wlan0", "wwan0"], rig.View.Links.Select(link => link.Name));
        Assert.Same(kept, rig.Driver.Core.Links[1]);
        Assert.Same(keptSockets, rig.Driver.Sockets[1]);
        rig.Until(() => rig.View.InPlace == "wlan0");
        Assert.Equal("wlan0", LinkRig.Front());
    });

    /// <summary>The loop must keep no timer and no handler of them.</summary>
    [Fact]
    public void A_reload_leaves_nothing_of_the_links_that_it_replaces() => Run(() =>
    {
        using LinkRig rig = new(options => options with { Ping = [IPAddress.Parse("198.19.0.1")] });
        rig.Until(() => rig.View.InPlace == "eth0" && rig.View.Find("eth0")!.IsProbing);
        WeakReference old = Replace(rig);
        rig.Until(() =>
        {
            GC.Collect();
            return !old.IsAlive;
        });
    });

    [MethodImpl(MethodImplOptions.NoInlining)]
    private static WeakReference Replace(LinkRig rig)
    {
        WeakReference old = new(rig.Driver.Sockets[0]);
        rig.Driver.Reload(LinkRig.Names("ETH_INTERFACE_0='lan0'"));
        return old;
    }

    [Fact]
    public void After_its_end_nothing_is_decided() => Run(() =>
    {
        using LinkRig rig = new();
        rig.Until(() => rig.View.InPlace == "eth0");
        rig.Driver.Stop();
        RunIp("link set eth0-peer down");
        rig.Until(() => !rig.View.Find("eth0")!.Facts.Runs);
        Assert.Equal("eth0", rig.View.Choice);
        Assert.False(rig.Driver.IsBusy);
    });

    private static void Hook(LinkRig rig) =>
        TestScript.Write(rig.Directory, "10-say", "echo \"$*\" >${0%/*}/said");
}
