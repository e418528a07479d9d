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

    private static void Batch(IEnumerable<string> commands)
    {
        string file = Path.GetTempFileName();
        File.WriteAllLines(file, commands);
        RunIp($"-batch {file}");
        File.Delete(file);
    }
}
