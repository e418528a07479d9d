using BenchmarkDotNet.Running;
using ConnMgr.Benchmarks.Dns;
using ConnMgr.Benchmarks.Firewall;

if (args is ["elements"])
{
    ElementMeasurement.Run();
    return;
}
if (args is ["prefixes"])
{
    ElementMeasurement.ClosePrefixes();
    return;
}
BenchmarkSwitcher.FromAssembly(typeof(DnsReplyBenchmark).Assembly).Run(args);
