using ConnMgr.EventLoop;
using ConnMgr.Netlink;
using static ConnMgr.Tests.Capture.NetworkNamespace;
using Timer = ConnMgr.EventLoop.Timer;

namespace ConnMgr.Tests.Netlink;

/// <summary>The socket against the kernel.</summary>
public sealed class RouteSocketTests
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
        LinkTable table = new();
        TimeSpan Now() => TimeSpan.FromMilliseconds(Environment.TickCount64);
        using Timer timer = new(loop, Now);
        using RouteSocket routes = new(loop, timer, Now, table);
        Batch(Enumerable.Range(0, 3000).Select(i => $"link set a{i % 100} mtu {1000 + i}"));
        RunIp("link delete a0");

        TimeSpan end = Now() + TimeSpan.FromSeconds(10);
        timer.Add(loop.Stop).Set(end);
        loop.Run(() =>
        {
            timer.Arm();
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
