using BenchmarkDotNet.Attributes;
using ConnMgr.Config;
using ConnMgr.Links;
using ConnMgr.Net;
using ConnMgr.Netlink;
using ConnMgr.Tests.Netlink;

namespace ConnMgr.Benchmarks.Links;

/// <summary>
/// A wake-up of the core: a tick with evidence on every link, and the kernel's report of a changed address
/// of one link. Goal: the time grows at most linearly with the links.
/// </summary>
[MemoryDiagnoser]
public class WakeUpBenchmark
{
    private readonly KernelState _kernel = new();
    private ConnectionCore _core = null!;
    private News[] _news = [];
    private byte[][] _addresses = [];
    private TimeSpan _now = TimeSpan.FromSeconds(100);
    private uint _dumps;
    private int _change;

    [Params(1, 2, 3, 8, 16)]
    public int Links { get; set; }

    [GlobalSetup]
    public void Setup()
    {
        Link[] links =
        [
            .. Enumerable.Range(0, Links).Select(i => new Link(
                LinkKind.Ethernet, $"link{i}", TimeSpan.FromHours(1), WanProbe.Suspect, i % 10)),
        ];
        _core = new ConnectionCore(links, new ServiceTrust(), TimeSpan.Zero);
        _news = [new(NewsKind.Tick, _now), .. links.Select(link => new News(NewsKind.Evidence, _now, link))];
        int[] all = [.. Enumerable.Range(1, Links)];
        Golden.Dump(_kernel, RouteMessage.GetLink, all.Select(
            i => Golden.Link(i, $"link{i - 1}", Golden.Up | Golden.Running)));
        Golden.Dump(_kernel, RouteMessage.GetAddress, all.Select(
            i => Golden.Address(i, $"198.18.{i}.2", 24)));
        Golden.Dump(_kernel, RouteMessage.GetRoute, all.Select(
            i => Golden.Route($"198.18.{i}.1", i, (uint)(i - 1))));
        _addresses = [Golden.Address(1, "198.18.1.3", 24), Golden.Address(1, "198.18.1.3", 25)];
        _dumps = 3;
        Handle([]);
        if (_core.View.InUse is null && _core.View.Links[0].State == LinkState.Down)
        {
            throw new InvalidOperationException("the links are not up");
        }
    }

    [Benchmark]
    public void Tick()
    {
        _news[0] = new News(NewsKind.Tick, _now);
        Handle(_news);
    }

    [Benchmark]
    public void Change()
    {
        NetlinkReader reader = new(_addresses[_change ^= 1]);
        _ = reader.TryRead(out NetlinkMessage message);
        _ = _kernel.Apply(message, isDumpRow: false);
        Handle([]);
    }

    private void Handle(News[] news)
    {
        _now += TimeSpan.FromMilliseconds(10);
        _core.Handle(news, new KernelView(_kernel, IsSettled: true, _dumps, _dumps, OwnMetrics: null), _now);
    }
}
