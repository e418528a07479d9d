using ConnMgr.EventLoop;
using ConnMgr.Netlink;
using static ConnMgr.Tests.Capture.NetworkNamespace;

namespace ConnMgr.Tests.Netlink;

/// <summary>The socket with the real kernel.</summary>
public sealed class RouteMonitorTests
{
    /// <summary>
    /// The kernel drops messages until the buffer is empty. If a new dump were requested before that, the
    /// kernel would refuse it because the old one is not finished, and the refusal would be dropped, too.
    /// </summary>
    [Fact]
    public void A_buffer_that_overflows_in_the_middle_of_a_dump_leaves_nothing_stale() => Run(() =>
    {
        // More devices than fit into one message of a dump.
        Batch(Enumerable.Range(0, 100).Select(i => $"link add a{i} type veth peer name b{i}"));
        using Loop loop = new();
        KernelState table = new();
        using RouteMonitor routes = new(loop, table);
        Batch(Enumerable.Range(0, 3000).Select(i => $"link set a{i % 100} mtu {1000 + i}"));
        RunIp("link delete a0");

        loop.AddTimer(loop.Stop).Set(loop.Now + TimeSpan.FromSeconds(10));
        loop.Run(() =>
        {
            if (routes.IsSettled)
            {
                loop.Stop();
            }
        });
        Assert.True(routes.IsSettled, "a dump did not end");
        Assert.True(routes.Losses > 0, "the buffer was large enough");
        Assert.Null(table.Find("a0"));
        Assert.Equal(Index("a99"), table.Find("a99")?.Ifindex);
    });

    /// <summary>
    /// A pulled cable is decided upon by the routes that are known; the dump comes after the decision.
    /// </summary>
    [Fact]
    public void The_loss_of_carrier_is_confirmed_by_a_dump_afterwards() => Run(() =>
    {
        RunIp("link add eth0 type veth peer name lan0");
        RunIp("link set lan0 up");
        RunIp("link set eth0 up");
        RunIp("address add 198.18.1.2/24 dev eth0");
        RunIp("route add default via 198.18.1.1 dev eth0");
        using Loop loop = new();
        KernelState table = new();
        using RouteMonitor routes = new(loop, table);
        loop.AddTimer(() => Assert.Fail("it takes too long")).Set(loop.Now + TimeSpan.FromSeconds(60));
        int stage = 0;
        uint before = 0;
        loop.Run(() =>
        {
            Device? device = table.Find("eth0");
            switch (stage)
            {
                case 0 when routes.IsSettled && device is { IsRunning: true }:
                    before = routes.LastDump;
                    RunIp("link set lan0 down");
                    stage++;
                    break;
                case 1 when device is { IsRunning: false }:
                    Assert.True(routes.IsSettled, "the routes may be judged");
                    Assert.Equal(before, routes.LastDump);
                    routes.Confirm();
                    Assert.False(routes.IsSettled);
                    stage++;
                    break;
                case 2 when routes.IsSettled:
                    Assert.True(routes.RoutesAsOf > before, "they have been read again");
                    before = routes.LastDump;
                    routes.Confirm();
                    Assert.Equal(before, routes.LastDump);
                    RunIp("link set eth0 down");
                    stage++;
                    break;
                case 3 when routes.IsSettled && device is { IsAdminUp: false }:
                    Assert.True(routes.RoutesAsOf > before, "the kernel deletes routes without an event");
                    Assert.Empty(table.Defaults);
                    loop.Stop();
                    break;
            }
        });
    });

    /// <summary>
    /// A dump contains all routes. Beside very many of them, changes that follow each other do not cause
    /// a dump each, and the events of devices do not wait.
    /// </summary>
    [Fact]
    public void Beside_many_routes_the_work_for_changes_that_never_stop_is_bounded() => Run(() =>
    {
        const int Changes = 150;
        RunIp("link add eth0 type veth peer name lan0");
        RunIp("link set lan0 up");
        RunIp("link set eth0 up");
        RunIp("address add 198.18.1.2/24 dev eth0");
        Batch(Enumerable.Range(0, 30_000).Select(
            i => $"route add 198.19.{i / 256 % 256}.{i % 256} dev eth0 table {1000 + i / 65536}"));
        using Loop loop = new();
        KernelState table = new();
        using RouteMonitor routes = new(loop, table);
        loop.AddTimer(() => Assert.Fail("it takes too long")).Set(loop.Now + TimeSpan.FromSeconds(120));
        TimeSpan began = TimeSpan.Zero;
        uint before = 0;
        int changes = 0;
        bool wasDown = false;
        loop.Run(() =>
        {
            if (began == TimeSpan.Zero)
            {
                if (!routes.IsSettled)
                {
                    return;
                }
                (began, before) = (loop.Now, routes.LastDump);
            }
            if (changes < Changes)
            {
                changes++;
                RunIp($"route replace default via 198.18.1.{1 + changes} dev eth0 metric {changes}");
                if (changes == Changes)
                {
                    double dumps = routes.LastDump - before;
                    double seconds = (loop.Now - began).TotalSeconds;
                    Assert.True(dumps <= 5 + 2 * seconds, $"{dumps} dumps in {seconds} s");
                    before = routes.LastDump;
                    RunIp("link set lan0 down");
                }
                return;
            }
            if (!wasDown && table.Find("eth0") is { IsRunning: false })
            {
                wasDown = true;
                Assert.True(routes.LastDump <= before + 1, "the carrier waited for the routes");
            }
            if (wasDown && table.Defaults.Count == Changes)
            {
                loop.Stop();
            }
        });
    });

    private static void Batch(IEnumerable<string> commands)
    {
        string file = Path.GetTempFileName();
        File.WriteAllLines(file, commands);
        RunIp($"-batch {file}");
        File.Delete(file);
    }
}
