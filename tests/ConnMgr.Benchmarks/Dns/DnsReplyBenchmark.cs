using BenchmarkDotNet.Attributes;
using ConnMgr.Dns;

namespace ConnMgr.Benchmarks.Dns;

/// <summary>
/// Reading a reply. Goal: more than 1,000,000 typical replies a second (less than 1 µs each), no bytes
/// allocated.
/// </summary>
[MemoryDiagnoser]
public class DnsReplyBenchmark
{
    // echo.afero.io: a CNAME to echo-eu.afero.io, which has two addresses.
    private readonly byte[] _reply = Convert.FromHexString(
        "1a2b81800001000300000000046563686f05616665726f02696f0000010001"
        + "c00c000500010000012c000a076563686f2d6575c011"
        + "c02b000100010000003c0004c6336401c02b000100010000003c0004c6336402");

    private readonly byte[] _largest = Largest();
    private readonly DnsAddress[] _addresses = new DnsAddress[8];
    private DnsQuestion _question;

    [GlobalSetup]
    public void Setup()
    {
        _ = DnsName.TryParse("echo.afero.io", out DnsName name);
        _question = new DnsQuestion(name, DnsType.A);
        if (Typical() != 2 || LargestAnswer() != 0xffd - 8)
        {
            throw new InvalidOperationException("the reply is not read as it should be");
        }
    }

    [Benchmark]
    public int Typical() => DnsReply.Read(_reply, 0x1a2b, _question, _addresses).Count;

    /// <summary>65,519 bytes: 4,093 addresses.</summary>
    [Benchmark]
    public int LargestAnswer() => DnsReply.Read(_largest, 0x1a2b, _question, _addresses).Omitted;

    private static byte[] Largest() => Convert.FromHexString(
        "1a2b818000010ffd00000000046563686f05616665726f02696f0000010001"
        + string.Concat(Enumerable.Repeat("c00c000100010000003c0004c6336401", 0xffd)));
}
