using System.Net;
using ConnMgr.Config;
using ConnMgr.Links;
using ConnMgr.Net;
using ConnMgr.Probe;
using ConnMgr.Resolver;
using ConnMgr.Tests.Links;
using static ConnMgr.Tests.Capture.NetworkNamespace;

namespace ConnMgr.Tests.Resolver;

/// <summary>The driver with real links and routes. A recorder stands for resolv_conf.sh.</summary>
public sealed class ResolverDriverTests
{
    [Fact]
    public void The_script_follows_the_link_in_use_and_restores_at_the_end() => Run(() =>
    {
        using LinkRig rig = new(options => With(options, "auto"));
        Record(rig, "echo did wrote $3");
        using ResolverDriver resolver = New(rig, new NameServers([]));
        Assert.Equal("", resolver.Words);
        Until(rig, resolver, () => resolver.Words == "\"wrote eth0\"");
        RunIp("link set eth0-peer down");
        Until(rig, resolver, () => resolver.Words == "\"wrote wlan0\"" && Calls(rig)[^1] == "use auto wlan0");
        Assert.Contains("use auto eth0", Calls(rig));

        resolver.Stop();
        resolver.Stop();
        Assert.True(resolver.IsBusy);
        Until(rig, resolver, () => !resolver.IsBusy);
        Assert.Single(Calls(rig), call => call == "restore auto");
        Assert.Equal("restore auto", Calls(rig)[^1]);
    });

    [Fact]
    public void A_failed_run_is_a_warning_and_repeated() => Run(() =>
    {
        using LinkRig rig = new(options => With(options, "/x/resolv.conf"));
        Record(rig, "[ -e ${0%/*}/repaired ] && echo did wrote $3 && exit; echo 'no such file'; exit 3");
        using ResolverDriver resolver = New(rig, new NameServers([]));
        Until(rig, resolver, () =>
            resolver.Words?.Contains("no such file", StringComparison.Ordinal) == true);
        Assert.Single(rig.Said("resolv_conf.sh"));
        File.WriteAllText($"{rig.Directory}/repaired", "");
        Until(rig, resolver, () => resolver.Words == "\"wrote eth0\"");
        Assert.All(
            Calls(rig), call => Assert.StartsWith("use /x/resolv.conf ", call, StringComparison.Ordinal));
    });

    [Theory]
    [InlineData("resolv.conf.written")]
    [InlineData("resolv.conf.target")]
    [InlineData("")]
    public void While_it_is_off_only_the_traces_of_an_earlier_daemon_are_removed(string trace) => Run(() =>
    {
        using LinkRig rig = new(options => With(options, null));
        Record(rig, "echo did it");
        if (trace.Length > 0)
        {
            File.WriteAllText($"{rig.Directory}/{trace}", "");
        }
        using ResolverDriver resolver = New(rig, new NameServers([]));
        Assert.Equal(trace.Length > 0, resolver.IsBusy);
        Until(rig, resolver, () => !resolver.IsBusy && rig.View.InUse is not null);
        Assert.Equal(trace.Length > 0 ? ["restore auto"] : [], Calls(rig));
        Assert.Null(resolver.Words);
    });

    [Fact]
    public void A_name_server_behind_another_link_is_a_warning_until_it_is_not() => Run(() =>
    {
        using LinkRig rig = new();
        NameServers servers = new([]);
        servers.Learn([], [new ResolverServer(IPAddress.Parse("198.18.77.53"), "")]);
        string link = "wlan0";
        using ResolverDriver resolver = New(rig, servers, _ => Index(link));
        Until(rig, resolver, () => resolver.Warning(rig.View).Length > 0);
        Assert.Equal(
            "the name server 198.18.77.53 is asked over wlan0, not over eth0", resolver.Warning(rig.View));
        Assert.Equal([$"{resolver.Warning(rig.View)}: see --resolv-conf"], rig.Said("the name server "));
        Assert.Equal(["198.18.77.53"], resolver.Servers);
        link = "eth0";
        RunIp("address add 198.18.2.3/24 dev eth0"); // any change makes the driver ask the kernel again
        Until(rig, resolver, () => resolver.Warning(rig.View).Length == 0);
        Assert.Equal(
            "the name servers are asked over the link in use again", rig.Said("the name server")[^1]);
    });

    // No hooks: the recorder would be one.
    private static Options With(Options options, string? resolvConf) =>
        options with { ResolvConf = resolvConf, HookDirectory = $"{options.RunDirectory}/hooks" };

    private static ResolverDriver New(
        LinkRig rig, NameServers servers, Func<IpNumber, int>? deviceTo = null) =>
        new(rig.Loop, rig.Log, rig.Options, rig.Environment, rig.State, servers, deviceTo ?? (_ => 0));

    private static void Until(LinkRig rig, ResolverDriver resolver, Func<bool> isDone)
    {
        TimeSpan next = rig.Loop.Now;
        rig.Until(() =>
        {
            ConnectionView view = rig.View;
            resolver.Settle(view);
            if (rig.Loop.Now >= next)
            {
                next = rig.Loop.Now + TimeSpan.FromMilliseconds(50);
                resolver.Tick(view);
            }
            return isDone();
        });
    }

    private static void Record(LinkRig rig, string body)
    {
        TestScript.Write(
            rig.Directory, "resolv_conf.sh", $"echo \"$1 $2${{3:+ $3}}\" >>${{0%/*}}/calls\n{body}");
    }

    private static string[] Calls(LinkRig rig) => TestScript.Lines(rig.Directory, "calls");
}
