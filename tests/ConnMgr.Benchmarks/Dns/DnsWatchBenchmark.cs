using System.Text;
using BenchmarkDotNet.Attributes;
using ConnMgr.Dns;
using ConnMgr.Firewall;
using ConnMgr.Net;

namespace ConnMgr.Benchmarks.Dns;

/// <summary>
/// The whole path of a reply: parse the packet, find the question, look up the name in the whitelist, read
/// the addresses. Goal: more than 1,000,000 a second (less than 1 µs each), no bytes allocated.
/// </summary>
[MemoryDiagnoser]
public class DnsWatchBenchmark
{
    private static readonly byte[] Reply = Udp(
        "c6126435", "c6120102", 53, 40000, Convert.FromHexString(
            "1a2b81800001000300000000046563686f05616665726f02696f0000010001"
            + "c00c000500010000012c000a076563686f2d6575c011"
            + "c02b000100010000003c0004c6336401c02b000100010000003c0004c6336402"));

    private static readonly byte[] Question = Udp(
        "c6120102", "c6126435", 40000, 53,
        Convert.FromHexString("1a2b01000001000000000000046563686f05616665726f02696f0000010001"));

    private DnsWatch _watch = null!;
    private Whitelist _whitelist = null!;
    private int _addresses;

    /// <summary>Number of whitelist entries. The one that matches is a wildcard.</summary>
    [Params(10, 10_000)]
    public int Entries { get; set; }

    [GlobalSetup]
    public void Setup()
    {
        string names = string.Concat(
            Enumerable.Range(0, Entries - 1).Select(i => $"service{i}.example.net\n"));
        _whitelist = WhitelistReader.Read(Encoding.UTF8.GetBytes(names + "*.afero.io\n"), [], []);
        _watch = new DnsWatch(new NameHash(1, 2));
        if (Asked() != DnsVerdict.Answer || _addresses != 2)
        {
            throw new InvalidOperationException("the reply is not read as it should be");
        }
    }

    /// <summary>A question and its reply.</summary>
    [Benchmark]
    public bool QuestionAndReply() => Asked() == DnsVerdict.Answer;

    private static byte[] Udp(string from, string to, int fromPort, int toPort, byte[] payload) =>
    [
        0x45, 0, .. Short(28 + payload.Length), 0, 0, 0x40, 0, 64, 17, 0, 0, .. Convert.FromHexString(from),
        .. Convert.FromHexString(to),
        .. Short(fromPort), .. Short(toPort), .. Short(8 + payload.Length), 0, 0, .. payload,
    ];

    private static byte[] Short(int value) => [(byte)(value >> 8), (byte)value];

    private DnsVerdict Asked()
    {
        _watch.SeeQuestion(Question, DnsSide.Device, TimeSpan.Zero);
        DnsWatch.Replies replies = _watch.SeeReply(Reply, DnsSide.Device, null, TimeSpan.Zero);
        while (replies.TryRead(out DnsAnswer answer))
        {
            Take(answer);
        }
        return replies.Verdict;
    }

    private void Take(in DnsAnswer answer)
    {
        if (_whitelist.IsWanted(answer.Question.Name, out _))
        {
            foreach (DnsAddress address in answer.Addresses)
            {
                _ = IpNumber.TryRead(address.Bytes, out IpNumber number);
                _addresses += AddressScopes.Of(number) == AddressScope.Public ? 1 : 0;
            }
        }
    }
}
