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
if (args is ["answers"])
{
    AnswerMemoryMeasurement.Run();
    return;
}
BenchmarkSwitcher.FromAssembly(typeof(DnsReplyBenchmark).Assembly).Run(args);
