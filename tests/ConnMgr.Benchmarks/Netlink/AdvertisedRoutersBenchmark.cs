using System.Buffers.Binary;
using BenchmarkDotNet.Attributes;
using ConnMgr.Netlink;

namespace ConnMgr.Benchmarks.Netlink;

/// <summary>
/// One more IPv6 router advertises itself beside others: its event, and the dump if that asks for one. Goal:
/// the time does not grow with their number. (When each event led to a dump of all, and the gateways of a link
/// were compared each with each, 10,000 advertisements took 8 s.)
/// </summary>
[MemoryDiagnoser]
public class AdvertisedRoutersBenchmark
{
    private readonly KernelState _state = new();
    private readonly byte[] _row = Row();
    private uint _last;

    [Params(10, 1_000, 10_000)]
    public int Routers { get; set; }

    [GlobalSetup]
    public void Setup()
    {
        Dump();
        _last = (uint)Routers;
    }

    [Benchmark]
    public int Advertise()
    {
        if (Apply(++_last, isDumpRow: false))
        {
            Dump();
        }
        return _state.Defaults.Count;
    }

    private void Dump()
    {
        _state.BeginDump();
        for (uint i = 0; i < Routers; i++)
        {
            Apply(i, isDumpRow: true);
        }
        _state.OnDumpEnded(RouteMessage.GetRoute);
    }

    private bool Apply(uint number, bool isDumpRow)
    {
        BinaryPrimitives.WriteUInt32BigEndian(_row.AsSpan(_row.Length - 4), number);
        NetlinkReader reader = new(_row);
        return reader.TryRead(out NetlinkMessage message) && _state.Apply(message, isDumpRow);
    }

    /// <summary>
    /// RTM_NEWROUTE with struct rtmsg, RTA_CACHEINFO, RTA_PRIORITY, RTA_OIF and RTA_GATEWAY.
    /// </summary>
    private static byte[] Row()
    {
        byte[] row =
        [
            .. new byte[16], 10, 0, 0, 0, 254, 9, 0, 1, 0, 0, 0, 0,
            36, 0, 12, 0, .. new byte[8], .. BitConverter.GetBytes(180_000), .. new byte[20],
            8, 0, 6, 0, 0, 4, 0, 0, 8, 0, 4, 0, 2, 0, 0, 0, 20, 0, 5, 0, 0xfe, 0x80, .. new byte[14],
        ];
        BitConverter.TryWriteBytes(row, row.Length);
        BitConverter.TryWriteBytes(row.AsSpan(4), RouteMessage.NewRoute);
        return row;
    }
}
