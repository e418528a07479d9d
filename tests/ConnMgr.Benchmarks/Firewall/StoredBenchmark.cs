using System.Text;
using BenchmarkDotNet.Attributes;
using ConnMgr.Dns;
using ConnMgr.EventLoop;
using ConnMgr.Firewall;
using ConnMgr.Logging;
using ConnMgr.Net;

namespace ConnMgr.Benchmarks.Firewall;

/// <summary>
/// Work per event does not grow with what is stored: a wake-up, a held reply and one entry of conntrack, with
/// so many names in the whitelist, open addresses and revoked addresses. Goal: with 30,000 at most 3 times as
/// long as with 10 (memory caches), no bytes allocated.
/// </summary>
[MemoryDiagnoser]
public class StoredBenchmark : IDisposable
{
    // echo.afero.io: a CNAME to echo-eu.afero.io, which has two addresses.
    private static readonly byte[] Reply = Udp(
        "c6126435", "c6120102", 53, 40000,
        "1a2b81800001000300000000046563686f05616665726f02696f0000010001"
            + "c00c000500010000012c000a076563686f2d6575c011"
            + "c02b000100010000003c0004c6336401c02b000100010000003c0004c6336402");

    private static readonly byte[] Question = Udp(
        "c6120102", "c6126435", 40000, 53,
        "1a2b01000001000000000000046563686f05616665726f02696f0000010001");

    private readonly Loop _loop = new();
    private readonly Log _log = new(LogTarget.Stderr, LogLevel.Error);
    private readonly PrefixSet _revoked = new();
    private HoleStore _store = null!;
    private ReplyReader _reader = null!;
    private Resolutions _resolutions = null!;
    private TimeSpan _now;
    private uint _peer;

    [Params(10, 1_000, 30_000)]
    public int Stored { get; set; }

    [GlobalSetup]
    public void Setup()
    {
        StringBuilder names = new("echo.afero.io\n");
        for (int i = 1; i < Stored; i++)
        {
            _ = names.Append(null, $"service{i}.example.net\n");
        }
        Whitelist whitelist = WhitelistReader.Read(Encoding.ASCII.GetBytes(names.ToString()), [], []);
        _now = _loop.Now;
        _store = new HoleStore(
            _loop, _log, new Holes(whitelist), new NoBackend(), Path.GetTempFileName(), "boot");
        for (int i = 1; i < Stored; i++)
        {
            _ = DnsName.TryParse($"service{i}.example.net", out DnsName name);
            DnsAddress address = new([198, 18, (byte)(i >> 8), (byte)i], 3600);
            _ = _store.Learn(name, [address], isUrgent: false);
            _revoked.Add(IpPrefix.Of(Number((uint)i)));
        }
        _store.Save(_now);
        _resolutions = new Resolutions(whitelist, _now);
        while (_resolutions.TryTake(_now, out int entry))
        {
            _resolutions.Answered(whitelist.NameOf(entry), 3600, _now);
        }
        _reader = new ReplyReader(new DnsWatch(new NameHash(1, 2)), _store);
        HeldReply();
        if (_store.Holes.Count != Stored + 1 || IsRevoked(Number(0)))
        {
            throw new InvalidOperationException($"{_store.Holes.Count} holes");
        }
    }

    [GlobalCleanup]
    public void Dispose()
    {
        _store.Dispose();
        _log.Dispose();
        _loop.Dispose();
        GC.SuppressFinalize(this);
    }

    /// <summary>A wake-up of the lockdown with nothing due.</summary>
    [Benchmark]
    public TimeSpan WakeUp()
    {
        _store.Advance(_now);
        _ = _resolutions.TryTake(_now, out _);
        return _store.NextDeadline < _resolutions.NextDeadline
            ? _store.NextDeadline : _resolutions.NextDeadline;
    }

    /// <summary>A name is due, and is answered.</summary>
    [Benchmark]
    public void DueName()
    {
        TimeSpan due = _resolutions.NextDeadline;
        if (_resolutions.TryTake(due, out int entry))
        {
            _resolutions.Answered(_resolutions.Whitelist.NameOf(entry), 3600, due);
        }
    }

    /// <summary>A question, and its reply in the queue.</summary>
    [Benchmark]
    public void HeldReply()
    {
        _reader.Watch.SeeQuestion(Question, DnsSide.Device, _now);
        _ = _reader.Read(Reply, DnsSide.Device, null, isHeld: true, _now);
    }

    /// <summary>An entry of conntrack after a revocation, as ConnectionKiller judges it.</summary>
    [Benchmark]
    public bool Revocation() => IsRevoked(Number(++_peer % 65536));

    private bool IsRevoked(IpNumber peer) => _revoked.Contains(peer) && !_store.Holes.IsAllowed(peer);

    private static IpNumber Number(uint i) => new((ulong)0xffff_c612_0000 | i); // 198.18.0.0/16

    private static byte[] Udp(string from, string to, int fromPort, int toPort, string message)
    {
        byte[] payload = Convert.FromHexString(message);
        return
        [
            0x45, 0, .. Short(28 + payload.Length), 0, 0, 0x40, 0, 64, 17, 0, 0,
            .. Convert.FromHexString(from), .. Convert.FromHexString(to),
            .. Short(fromPort), .. Short(toPort), .. Short(8 + payload.Length), 0, 0, .. payload,
        ];
    }

    private static byte[] Short(int value) => [(byte)(value >> 8), (byte)value];

    /// <summary>A kernel that takes everything.</summary>
    private sealed class NoBackend : IAddressBackend
    {
        public string Name => "none";

        public string Reason => "";

        public bool HasTimeouts => true;

        public bool IsImmediate => true;

        public bool IsBusy => false;

        public void Apply(
            ReadOnlySpan<HoleEffect> effects, bool isUrgent, List<(IpPrefix Prefix, string Reason)> failed)
        {
        }

        public void Sync()
        {
        }

        public bool IsOpening(IpPrefix prefix) => false;

        public bool TryAdmit(ServiceSet service, ReadOnlySpan<IpNumber> addresses) => true;

        public bool Has(IpPrefix prefix) => true;

        public List<(IpPrefix Prefix, uint Timeout)>? List() => null;

        public void Dispose()
        {
        }
    }
}
