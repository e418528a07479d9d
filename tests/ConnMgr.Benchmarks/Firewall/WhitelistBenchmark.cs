using System.Text;
using BenchmarkDotNet.Attributes;
using ConnMgr.Dns;
using ConnMgr.Firewall;

namespace ConnMgr.Benchmarks.Firewall;

/// <summary>
/// Goal: no bytes allocated, and with 10,000 entries at most 3 times as long as with 10. One operation looks
/// up 1,000 names, a quarter each: exact entries, names that a wildcard covers, unlisted names under the same
/// parents, unrelated names.
/// </summary>
[MemoryDiagnoser]
public class WhitelistBenchmark
{
    private const int NameCount = 1000;

    private readonly DnsName[] _names = new DnsName[NameCount];
    private Whitelist _whitelist = Whitelist.Empty;

    [Params(10, 10_000)]
    public int Entries { get; set; }

    [GlobalSetup]
    public void Setup()
    {
        StringBuilder text = new();
        for (int i = 0; i < Entries; i++)
        {
            text.Append((i % 4) switch
            {
                0 or 1 => $"service-{i}.region.example\n",
                2 => $"cdn{i}-*.cloud.example\n",
                _ => $"*.n{i}.tenants.example\n",
            });
        }
        _whitelist = WhitelistReader.Read(Encoding.ASCII.GetBytes(text.ToString()), [], []);
        Random random = new(1);
        for (int i = 0; i < NameCount; i++)
        {
            int entry = random.Next(Entries / 4) * 4;
            string name = (i % 4) switch
            {
                0 => $"service-{entry}.region.example",
                1 => i % 8 == 1 ? $"cdn{entry + 2}-7.eu.cloud.example" : $"a.n{entry + 3}.tenants.example",
                2 => $"service-{entry}.eu.cloud.example",
                _ => $"www.stranger-{entry}.example.net",
            };
            if (!DnsName.TryParse(name, out _names[i]) || _whitelist.IsWanted(_names[i], out _) != i % 4 < 2)
            {
                throw new InvalidOperationException(name);
            }
        }
    }

    [Benchmark(OperationsPerInvoke = NameCount)]
    public int Match()
    {
        int wanted = 0;
        foreach (ref readonly DnsName name in _names.AsSpan())
        {
            wanted += _whitelist.IsWanted(name, out _) ? 1 : 0;
        }
        return wanted;
    }
}
