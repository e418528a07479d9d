using System.Text;
using ConnMgr.App;
using ConnMgr.Cli;
using ConnMgr.Control;
using ConnMgr.Links;
using ConnMgr.Logging;
using ConnMgr.Probe;
using ConnMgr.Resolver;
using ConnMgr.Status;
using ConnMgr.Tests.Links;
using static ConnMgr.Tests.Capture.NetworkNamespace;

namespace ConnMgr.Tests.App;

/// <summary>A reload and `use`, with real links.</summary>
public sealed class RequestDriverTests
{
    [Fact]
    public void A_reload_takes_everything_or_nothing() => Run(() =>
    {
        using LinkRig rig = new();
        int replaced = 0;
        RequestDriver requests = New(rig, () => replaced++);
        Write(rig, "ETH_INTERFACE_0='lan0'\nWIFISTA_INTERFACE_0='a/b'\n");
        Assert.Equal((ExitCode.Config, "eth0 wlan0 wwan0", 0), (Reload(requests), Names(rig), replaced));
        Assert.Contains(rig.Said("reload"), text => text
            == "reload refused: the old configuration stays in force");

        Write(rig, "ETH_INTERFACE_0='lan0'\n");
        Assert.Equal((ExitCode.Ok, "lan0 wlan0 wwan0", 1), (Reload(requests), Names(rig), replaced));
        Assert.StartsWith("CONNMGR_NETIF_NAMES=", rig.Environment[0], StringComparison.Ordinal);
        Assert.Contains("lan0", rig.Environment[0], StringComparison.Ordinal);

        Assert.Equal((ExitCode.Ok, 1), (Reload(requests), replaced));
        Assert.Equal("reload: nothing has changed", rig.Said("reload")[^1]);

        File.Delete($"{rig.Directory}/netif_names");
        Assert.Equal((ExitCode.Ok, "eth0 wlan0 wwan0", 2), (Reload(requests), Names(rig), replaced));
    });

    [Fact]
    public void A_link_is_preferred_for_a_time_or_until_it_is_told_otherwise() => Run(() =>
    {
        using LinkRig rig = new();
        RequestDriver requests = New(rig, () => { });
        rig.Until(() => rig.View.InPlace == "eth0");
        Assert.Equal(
            (ExitCode.Usage, "no link eth1: the links are eth0, wlan0, wwan0\n"),
            Use(requests, "use link=eth1"));
        Assert.Equal(
            (ExitCode.Ok, "wlan0 is preferred by hand for 60 s while it is good\n"),
            Use(requests, "use link=wlan0 seconds=60"));
        rig.Until(() => rig.View.Preferred == "wlan0");
        Assert.InRange(rig.View.PreferredUntil - rig.Loop.Now, TimeSpan.Zero, TimeSpan.FromMinutes(1));
        Assert.Equal((ExitCode.Ok, "no link is preferred by hand\n"), Use(requests, "use"));
        rig.Until(() => rig.View.Preferred is null);
    });

    private static RequestDriver New(LinkRig rig, Action linksReplaced)
    {
        ResolverDriver resolver = new(
            rig.Loop, rig.Log, rig.Options, rig.Environment, rig.State, new NameServers([]), _ => 0);
        BudgetDriver budgets = new(rig.Loop, rig.Log, rig.Options, rig.State, rig.Driver);
        StatusReport report = new(
            rig.Loop, rig.Log, rig.State, rig.Driver, attributes: null, lockdown: null, resolver, budgets,
            rig.Options, rig.Loop.Now);
        return new RequestDriver(
            rig.Loop, rig.Log, rig.Options, LinkRig.Names(""), rig.Environment, rig.Driver, budgets,
            lockdown: null, report, (_, areReplaced) =>
            {
                if (areReplaced)
                {
                    linksReplaced();
                }
            });
    }

    private static void Write(LinkRig rig, string names) =>
        File.WriteAllText($"{rig.Directory}/netif_names", names);

    private static ExitCode Reload(RequestDriver requests) =>
        requests.Reload(isText: true, new Utf8Text(4096));

    private static string Names(LinkRig rig) => string.Join(' ', rig.View.Links.Select(link => link.Name));

    private static (ExitCode Code, string Reply) Use(RequestDriver requests, string line)
    {
        Assert.True(ControlRequest.TryParse(Encoding.ASCII.GetBytes(line), out ControlRequest request));
        Utf8Text reply = new(4096);
        ExitCode code = requests.Use(request, reply);
        return (code, Encoding.UTF8.GetString(reply.Bytes));
    }
}
