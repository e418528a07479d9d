using System.Text;
using BenchmarkDotNet.Attributes;
using ConnMgr.Dns;
using ConnMgr.Firewall;
using ConnMgr.Net;

namespace ConnMgr.Benchmarks.Firewall;

/// <summary>
/// The worst answer: the maximum number of new addresses while the table is full. Goal: a few milliseconds,
/// because the loop and all held replies wait for it.
/// </summary>
[MemoryDiagnoser]
public class HolesBenchmark
{
    private const int Addresses = 4096;

    private readonly List<HoleEffect> _effects = new(2 * Addresses);
    private readonly IpNumber[] _new = new IpNumber[Addresses];
    private Holes _holes = new(Whitelist.Empty);
    private DnsName _name;
    private TimeSpan _now;
    private uint _next;

    [GlobalSetup]
    public void Setup()
    {
        _holes = new Holes(WhitelistReader.Read(Encoding.ASCII.GetBytes("*.wild.example"), [], []));
        if (!DnsName.TryParse("cdn.wild.example", out _name))
        {
            throw new InvalidOperationException();
        }
        while (_holes.Count < Holes.MaxHoles)
        {
            _ = _holes.Learn(_name, Next(), _next * 7919 % 32768, _now, _effects);
            _effects.Clear();
        }
    }

    /// <summary>More than a minute later, when earlier addresses may be replaced.</summary>
    [IterationSetup]
    public void Begin()
    {
        _now += TimeSpan.FromSeconds(100);
        _holes.OnLookEnded(_now);
        _effects.Clear();
        for (int i = 0; i < Addresses; i++)
        {
            _new[i] = Next();
        }
    }

    [Benchmark]
    public int Learn()
    {
        int added = 0;
        foreach (IpNumber address in _new)
        {
            added += _holes.Learn(_name, address, 300, _now, _effects) == HoleOutcome.Added ? 1 : 0;
        }
        return added == Addresses ? added : throw new InvalidOperationException();
    }

    private IpNumber Next() => new(((UInt128)0x2001_0db8 << 96) | ((ulong)++_next * 0x9e37_79b9_7f4a_7c15));
}
