using ConnMgr.Links;
using ConnMgr.Netlink;
using ConnMgr.Tests.Netlink;

namespace ConnMgr.Tests.Links;

/// <summary>
/// What a wake-up costs grows at most linearly with the links. The bytes that it allocates are counted, since
/// they are the same on every machine.
/// </summary>
public sealed class LinkCountTests
{
    private readonly KernelState _kernel = new();
    private uint _dumps;
    private TimeSpan _now = TimeSpan.FromSeconds(100);

    [Fact]
    public void A_wake_up_costs_at_most_linearly()
    {
        (int, long Tick, long Change)[] costs = [.. ((int[])[1, 2, 3, 8, 16, 32]).Select(Measure)];
        string words = string.Join("; ", costs);
        for (int i = 1; i < costs.Length; i++)
        {
            double ratio = costs[i].Item1 / (double)costs[i - 1].Item1;
            Assert.True(costs[i].Tick <= ratio * costs[i - 1].Tick * 1.1, words);
            Assert.True(costs[i].Change <= ratio * costs[i - 1].Change * 1.1, words);
        }
    }

    /// <summary>
    /// Returns the cost of a tick with evidence from every link, and of a change of each address.
    /// </summary>
    private (int Count, long Tick, long Change) Measure(int count)
    {
        Link[] links = ManyLinks.Of(count, idle: TimeSpan.FromHours(1));
        ConnectionCore core = new(links, new ServiceTrust(), TimeSpan.Zero);
        News[] news =
            [new(NewsKind.Tick, _now), .. links.Select(link => new News(NewsKind.Evidence, _now, link))];
        long tick = 0;
        long change = 0;
        for (int round = 0; round < 20; round++) // the first rounds fill lists
        {
            Dump(count, round);
            change = Cost(core, []);
            tick = Cost(core, news);
        }
        return (count, tick, change);
    }

    private long Cost(ConnectionCore core, News[] news)
    {
        _now += TimeSpan.FromMilliseconds(10);
        KernelView view = new(_kernel, IsSettled: true, _dumps, _dumps, OwnMetrics: null);
        long before = GC.GetAllocatedBytesForCurrentThread();
        core.Handle(news, view, _now);
        return GC.GetAllocatedBytesForCurrentThread() - before;
    }

    private void Dump(int count, int round)
    {
        _dumps++;
        int[] all = [.. Enumerable.Range(1, count)];
        Golden.Dump(_kernel, RouteMessage.GetLink, all.Select(
            i => Golden.Link(i, $"link{i - 1}", Golden.Up | Golden.Running)));
        Golden.Dump(_kernel, RouteMessage.GetAddress,
            all.Select(i => Golden.Address(i, $"198.18.{i}.{2 + round}", 24)));
        Golden.Dump(_kernel, RouteMessage.GetRoute,
            all.Select(i => Golden.Route($"198.18.{i}.1", i, (uint)(i - 1))));
    }
}
