using BenchmarkDotNet.Attributes;
using ConnMgr.Capture;
using ConnMgr.Config;
using ConnMgr.Links;
using ConnMgr.Net;
using ConnMgr.Probe;

namespace ConnMgr.Benchmarks.Links;

/// <summary>
/// What is done for all links together: a decision of the selector, and the filters that are built when all
/// addresses change. Goal: the time grows at most linearly with the links.
/// </summary>
[MemoryDiagnoser]
public class LinkCountBenchmark
{
    private Selector _selector = null!;
    private Subnet[][] _subnets = [];
    private TimeSpan _now = TimeSpan.FromMinutes(1);

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
        FamilyFacts connected = new(HasAddress: true, HasWayOut: true, Fingerprint: 1);
        foreach (Link link in links)
        {
            link.SetFacts(new LinkFacts(2, true, true, connected, default), _now);
            link.OnProbeEnded(new ProbeResult(ProbeOutcome.ServiceAnswered, ""), _now);
        }
        _selector = new Selector(links, TimeSpan.Zero);
        _ = _selector.Decide(_now);
        _subnets = [.. Enumerable.Range(0, Links).Select(i => new[] { Subnet.Parse($"198.18.{i}.2/24") })];
    }

    [Benchmark]
    public bool Decide()
    {
        _now += TimeSpan.FromMilliseconds(10);
        return _selector.Decide(_now);
    }

    [Benchmark]
    public int EvidenceFilters()
    {
        int length = 0;
        foreach (Subnet[] own in _subnets)
        {
            length += EvidenceFilter.Build(own).Length;
        }
        return length;
    }

    [Benchmark]
    public int DnsFilters()
    {
        int length = 0;
        for (int i = 0; i < Links; i++)
        {
            length += DnsFilter.Build(isBridge: false, withReplies: true).Length;
        }
        return length;
    }
}
