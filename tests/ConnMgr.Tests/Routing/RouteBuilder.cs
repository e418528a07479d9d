using System.Net;
using ConnMgr.Netlink;

namespace ConnMgr.Tests.Routing;

/// <summary>Builds routes byte by byte as the kernel reports them.</summary>
internal sealed class RouteBuilder(bool isIpv6)
{
    private readonly List<byte> _attributes = [];

    public byte Protocol { get; init; } = 3; // RTPROT_BOOT

    public byte Type { get; init; } = 1; // RTN_UNICAST

    public byte Scope { get; init; }

    public byte SourceLength { get; init; }

    public uint Flags { get; init; }

    public uint Metric { get; init; }

    /// <summary>An address of a device, with its subnet.</summary>
    public static DeviceAddress Address(int ifindex, string address, byte length)
    {
        IPAddress parsed = IPAddress.Parse(address);
        byte[] bytes = parsed.GetAddressBytes();
        for (int bit = length; bit < bytes.Length * 8; bit++)
        {
            bytes[bit / 8] &= (byte)~(0x80 >> (bit % 8));
        }
        return new DeviceAddress(ifindex, parsed, new IPNetwork(new IPAddress(bytes), length), 0, 0x80);
    }

    public RouteBuilder Attribute(int type, params byte[] value)
    {
        _attributes.AddRange(BitConverter.GetBytes((ushort)(4 + value.Length)));
        _attributes.AddRange(BitConverter.GetBytes((ushort)type));
        _attributes.AddRange(value);
        _attributes.AddRange(new byte[NetlinkWire.Align(value.Length) - value.Length]);
        return this;
    }

    public RouteBuilder Device(int ifindex) => Attribute(4, BitConverter.GetBytes(ifindex));

    public RouteBuilder Via(string gateway) => Attribute(5, IPAddress.Parse(gateway).GetAddressBytes());

    public RouteBuilder Nexthop(int id) => Attribute(30, BitConverter.GetBytes(id));

    /// <summary>RTA_MULTIPATH.</summary>
    public RouteBuilder Hops(params ReadOnlySpan<(int Ifindex, string Gateway)> hops)
    {
        List<byte> all = [];
        foreach ((int ifindex, string gateway) in hops)
        {
            byte[] address = IPAddress.Parse(gateway).GetAddressBytes();
            all.AddRange(BitConverter.GetBytes((ushort)(12 + address.Length)));
            all.AddRange([0, 0]);
            all.AddRange(BitConverter.GetBytes(ifindex));
            all.AddRange(BitConverter.GetBytes((ushort)(4 + address.Length)));
            all.AddRange(BitConverter.GetBytes((ushort)5));
            all.AddRange(address);
        }
        return Attribute(9, [.. all]);
    }

    /// <summary>RTA_CACHEINFO, in seconds.</summary>
    public RouteBuilder Expires(int seconds)
    {
        byte[] info = new byte[32];
        BitConverter.TryWriteBytes(info.AsSpan(8), seconds * 100);
        return Attribute(12, info);
    }

    public byte[] Payload()
    {
        byte[] header =
        [
            isIpv6 ? (byte)10 : (byte)2, 0, SourceLength, 0, 254, Protocol, Scope, Type,
            .. BitConverter.GetBytes(Flags),
        ];
        if (Metric != 0)
        {
            Attribute(6, BitConverter.GetBytes(Metric));
        }
        return [.. header, .. _attributes];
    }

    public KernelRoute Build()
    {
        Assert.True(KernelRoute.TryRead(Payload(), out KernelRoute route));
        return route;
    }
}
