using ConnMgr.EventLoop;
using ConnMgr.Netlink;
using static ConnMgr.Tests.Capture.NetworkNamespace;

namespace ConnMgr.Tests.Netlink;

/// <summary>The socket against the kernel.</summary>
public sealed class RouteMonitorTests
{
    /// <summary>
    /// The kernel goes on dropping until the buffer is empty: a new dump that is asked for before would be refused, since the
    /// old one is not over, and nobody would hear of it.
    /// </summary>
    [Fact]
    public void A_buffer_that_overflows_in_the_middle_of_a_dump_leaves_nothing_stale() => Run(() =>
    {
        // More devices than one message of a dump names.
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

    private static void Batch(IEnumerable<string> commands)
    {
        string file = Path.GetTempFileName();
        File.WriteAllLines(file, commands);
        RunIp($"-batch {file}");
        File.Delete(file);
    }
}
