using System.Net;
using ConnMgr.Net;
using ConnMgr.Netlink;
using ConnMgr.Routing;
using static ConnMgr.Tests.Capture.NetworkNamespace;

namespace ConnMgr.Tests.Routing;

/// <summary>
/// Steps that the real kernel carries out or refuses, and the files of the metrics (contract, section 8).
/// </summary>
public sealed class RouteWriteRunnerTests : IDisposable
{
    private readonly string _directory = Directory.CreateTempSubdirectory("connmgr-test-").FullName;
    private readonly List<string> _done = [];
    private readonly List<string> _failed = [];

    public void Dispose() => Directory.Delete(_directory, recursive: true);

    [Fact]
    public void Steps_are_carried_out_in_order_and_reported() => Run(() =>
    {
        using RouteWriteRunner runner = New();
        KernelRoute eth0 = Default(runner, "198.18.2.1");
        Assert.True(Carry(
            runner, Add("copy", eth0.At(77)), new RouteStep(RouteVerb.Delete, false, eth0, "delete"),
            new RouteStep(RouteVerb.Delete, false, eth0, "delete again")));
        Assert.Equal(["copy", "delete", "delete again"], _done); // what is gone need not be deleted
        Assert.Empty(_failed);
        Assert.Equal("default via 198.18.2.1 dev eth0 metric 77", IpSays("route show default").Trim());
    });

    [Fact]
    public void A_step_is_skipped_if_the_one_that_it_needs_was_refused() => Run(() =>
    {
        using RouteWriteRunner runner = New();
        KernelRoute eth0 = Default(runner, "198.18.2.1");
        RunIp("link add gone type veth peer name other");
        RunIp("link set gone up");
        RunIp("address add 198.18.9.2/24 dev gone");
        RunIp("link set other up");
        RunIp("route add default via 198.18.9.1 dev gone metric 40");
        KernelRoute gone = Default(runner, "198.18.9.1");
        RunIp("link delete gone");
        RouteStep copy = Add("copy", gone.At(50));
        RouteStep delete = new(RouteVerb.Delete, false, eth0, "delete", copy);
        RouteStep further = Add("further", eth0.At(60), delete);
        Assert.False(Carry(runner, copy, delete, further, Add("another", eth0.At(70))));
        Assert.Equal(["another"], _done);
        Assert.StartsWith("copy: ", Assert.Single(_failed), StringComparison.Ordinal);
        Assert.Contains("default via 198.18.2.1 dev eth0 metric 20", IpSays("route show default"));
    });

    /// <summary>The route must not leave the front without a copy of it.</summary>
    [Fact]
    public void A_copy_that_fails_for_another_reason_ends_the_plan() => Run(() =>
    {
        using RouteWriteRunner runner = New();
        KernelRoute eth0 = Default(runner, "198.18.2.1");
        Assert.False(Carry( // EEXIST
            runner, Add("copy", eth0), new RouteStep(RouteVerb.Replace, false, eth0.At(5), "replace")));
        Assert.Empty(_done);
        Assert.Single(_failed);
        Assert.DoesNotContain("metric 5", IpSays("route show default"));
    });

    /// <summary>The kernel keeps such a route, but accepts no copy of it.</summary>
    [Fact]
    public void A_gateway_that_has_become_unreachable_is_copied_all_the_same() => Run(() =>
    {
        using RouteWriteRunner runner = New();
        RunIp("address add 198.18.8.2/24 dev eth0");
        RunIp("route add default via 198.18.8.1 dev eth0 metric 30");
        KernelRoute lost = Default(runner, "198.18.8.1");
        RunIp("route delete 198.18.8.0/24 dev eth0");
        Assert.True(Carry(runner, Add("copy", lost.At(31))));
        Assert.Contains("default via 198.18.8.1 dev eth0 metric 31 onlink", IpSays("route show default"));
        Assert.False(Carry(runner, Add("restore", lost.At(32)) with { IsRestoring = true }));
        Assert.DoesNotContain("metric 32", IpSays("route show default"));
    });

    [Fact]
    public void Metrics_are_recorded_for_the_next_daemon() => Run(() =>
    {
        using RouteWriteRunner runner = New();
        Assert.True(Carry(runner, Remember("eth0", false, new OwnMetric(20, 100)),
            Remember("eth0", true, new OwnMetric(1024, 101))));
        Assert.Empty(_done); // nothing for the kernel to do
        Assert.Equal(new OwnMetric(20, 100), runner.OwnMetrics[(false, "eth0")]);
        File.WriteAllText($"{_directory}/metric.4.wlan0", "-1 x");
        using RouteWriteRunner next = new(_directory);
        next.Know(["eth0", "wlan0"]);
        Assert.Equal(
            [((false, "eth0"), new OwnMetric(20, 100)), ((true, "eth0"), new OwnMetric(1024, 101))],
            next.OwnMetrics.Select(pair => (pair.Key, pair.Value)));

        // It reads a file once: what the daemon itself knows by now is newer.
        File.WriteAllText($"{_directory}/metric.4.eth0", "7 8\n");
        next.Know(["eth0"]);
        Assert.Equal(new OwnMetric(20, 100), next.OwnMetrics[(false, "eth0")]);
    });

    [Fact]
    public void It_reads_devices_addresses_and_default_routes() => Run(() =>
    {
        using RouteWriteRunner runner = New();
        KernelState state = new();
        List<KernelRoute> routes = [];
        Assert.True(runner.TryRead(state, routes, []));
        Assert.Equal(Index("eth0"), state.Find("eth0")?.Ifindex);
        Assert.Contains(state.Addresses, address => address.Address.ToString() == "198.18.2.2");
        Assert.Contains(routes, route => route.Metric == 20);
        Assert.Equal(Index("eth0"), runner.DeviceTo(IpNumber.Of(IPAddress.Parse("198.18.2.77"))));
    });

    private RouteWriteRunner New()
    {
        RunIp("link set lo up");
        RunIp("link add eth0 type veth peer name peer");
        RunIp("link set peer up");
        RunIp("link set eth0 up");
        RunIp("address add 198.18.2.2/24 dev eth0");
        RunIp("route add default via 198.18.2.1 dev eth0 metric 20");
        return new RouteWriteRunner(_directory);
    }

    private bool Carry(RouteWriteRunner runner, params RouteStep[] steps) => runner.Run(
        steps, step => _done.Add(step.Deed), (step, reason) => _failed.Add($"{step.Deed}: {reason}"));

    private static KernelRoute Default(RouteWriteRunner runner, string gateway)
    {
        List<KernelRoute> routes = [];
        Assert.True(runner.TryRead(new KernelState(), routes, []));
        return routes.Single(route => $"{route.Router}" == gateway);
    }

    private static RouteStep Add(string deed, KernelRoute route, RouteStep? needs = null) =>
        new(RouteVerb.Add, false, route, deed, needs);

    private static RouteStep Remember(string link, bool isIpv6, OwnMetric metric) =>
        new(RouteVerb.Remember, isIpv6, null, "remember") { Link = link, Metric = metric };
}
