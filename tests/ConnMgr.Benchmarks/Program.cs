using BenchmarkDotNet.Running;
using ConnMgr.Benchmarks.Dns;

BenchmarkSwitcher.FromAssembly(typeof(DnsReplyBenchmark).Assembly).Run(args);
