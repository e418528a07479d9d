using System.Buffers.Binary;
using BenchmarkDotNet.Attributes;
using ConnMgr.Netlink;

namespace ConnMgr.Benchmarks.Netlink;

/// <summary>
/// A dump of addresses that are all known, as after each loss of messages. Goal: the time per address does
/// not grow with their number by more than a factor of 3 (memory caches).
/// </summary>
[MemoryDiagnoser]
public class KernelStateBenchmark
{
    private readonly KernelState _state = new();
    private byte[] _row = [];

    [Params(10, 1_000, 30_000)]
    public int Addresses { get; set; }

    [GlobalSetup]
    public void Setup()
    {
        // struct nlmsghdr, struct ifaddrmsg, IFA_LOCAL
        _row = new byte[16 + 8 + 8];
        BitConverter.TryWriteBytes(_row, _row.Length);
        BitConverter.TryWriteBytes(_row.AsSpan(4), RouteMessage.NewAddress);
        (_row[16], _row[17], _row[20], _row[24], _row[26]) = (2, 32, 7, 8, 2);
        Dump();
        if (_state.Addresses.Count != Addresses)
        {
            throw new InvalidOperationException($"{_state.Addresses.Count} addresses");
        }
    }

    [Benchmark]
    public int Dump()
    {
        _state.BeginDump();
        for (int i = 0; i < Addresses; i++)
        {
            BinaryPrimitives.WriteUInt32BigEndian(_row.AsSpan(28), 0xc612_0000 + (uint)i); // 198.18.0.0/15
            NetlinkReader reader = new(_row);
            _ = reader.TryRead(out NetlinkMessage message);
            _ = _state.Apply(message, isDumpRow: true);
        }
        _state.OnDumpEnded(RouteMessage.GetAddress);
        return _state.Version;
    }
}
