using System.Net;
using System.Text;
using ConnMgr.Netlink;

namespace ConnMgr.Tests.Netlink;

/// <summary>
/// Builds rtnetlink messages as the kernel does. Independent of the code that reads them. The benchmarks use
/// it, too.
/// </summary>
internal static class Golden
{
    public const uint Up = 0x1;
    public const uint Running = 0x40;

    public static byte[][] Messages =>
    [
        Link(2, "eth0", Up | Running),
        Address(2, "198.18.1.2", 24),
        Address(4, "198.18.3.2", 32, peer: "198.18.3.1"),
        Address(2, "2001:db8:1::2", 64),
        Route("198.18.1.1", 2, metric: 10),
        Route("2001:db8:1::1", 2, metric: 1024),
        Route(null, 4, metric: 50),
        MultipathRoute((2, "198.18.1.1"), (3, "198.18.2.1")),
    ];

    /// <summary>Passes the rows of a dump to the state.</summary>
    public static void Dump(KernelState state, ushort type, IEnumerable<byte[]> rows)
    {
        state.BeginDump();
        foreach (byte[] row in rows)
        {
            NetlinkReader reader = new(row);
            state.Apply(
                reader.TryRead(out NetlinkMessage message) ? message : throw new InvalidDataException(),
                isDumpRow: true);
        }
        state.OnDumpEnded(type);
    }

    public static byte[] Link(
        int ifindex, string name, uint flags, ushort type = 16, byte family = 0, string[]? otherNames = null)
    {
        byte[][] names = [.. (otherNames ?? []).Select(other =>
            Attribute(53, [.. Encoding.UTF8.GetBytes(other), 0]))];
        return Message(
            type, 0, [family, 0, 1, 0, .. Int(ifindex), .. Int((int)flags), 0, 0, 0, 0],
            Attribute(3, [.. Encoding.UTF8.GetBytes(name), 0]), Attribute(4, Int(1500)),
            names.Length == 0 ? [] : Attribute(52 | 0x8000, [.. names.SelectMany(each => each)]));
    }

    /// <summary>An event of a Wi-Fi driver: the name, and what the driver says.</summary>
    public static byte[] WirelessEvent(int ifindex, string name, uint flags) => Message(
        16, 0, [0, 0, 1, 0, .. Int(ifindex), .. Int((int)flags), 0, 0, 0, 0],
        Attribute(3, [.. Encoding.UTF8.GetBytes(name), 0]), Attribute(11, Int(0)));

    /// <summary>A route to a prefix, in the main table.</summary>
    public static byte[] RouteTo(
        string destination, byte length, int ifindex, string? gateway = null, ushort type = 24,
        byte routeType = 1)
    {
        byte[] to = IPAddress.Parse(destination).GetAddressBytes();
        byte[] via = gateway is null ? [] : IPAddress.Parse(gateway).GetAddressBytes();
        return Message(
            type, 0, [Family(to), length, 0, 0, 254, 3, 0, routeType, 0, 0, 0, 0],
            Attribute(15, Int(254)), Attribute(1, to), Attribute(4, Int(ifindex)),
            via.Length == 0 ? [] : Attribute(5, via));
    }

    public static byte[] Address(
        int ifindex, string address, byte prefixLength, ushort type = 20, string? peer = null,
        uint flags = 0x80, byte scope = 0)
    {
        byte[] local = IPAddress.Parse(address).GetAddressBytes();
        byte[] other = IPAddress.Parse(peer ?? address).GetAddressBytes();
        return Message(
            type, 0, [Family(local), prefixLength, (byte)flags, scope, .. Int(ifindex)],
            Attribute(1, other), local.Length == 4 ? Attribute(2, local) : [], Attribute(8, Int((int)flags)));
    }

    public static byte[] Route(
        string? gateway, int ifindex, uint metric, ushort type = 24, byte destinationLength = 0,
        uint table = 254, byte routeType = 1, bool isIpv6 = false)
    {
        byte[] via = gateway is null ? [] : IPAddress.Parse(gateway).GetAddressBytes();
        byte family = isIpv6 || via.Length == 16 ? (byte)10 : (byte)2;
        return Message(
            type, 0, [family, destinationLength, 0, 0, (byte)Math.Min(table, 252), 3, 0,
                routeType, 0, 0, 0, 0],
            Attribute(15, Int((int)table)), Attribute(6, Int((int)metric)), Attribute(4, Int(ifindex)),
            via.Length == 0 ? [] : Attribute(5, via));
    }

    /// <summary>An IPv6 default with a lifetime in seconds (struct rta_cacheinfo).</summary>
    public static byte[] ExpiringRoute(
        string gateway, int ifindex, uint metric, byte protocol, int seconds, byte preference = 0,
        ushort type = 24) => Message(
        type, 0, [10, 0, 0, 0, 254, protocol, 0, 1, 0, 0, 0, 0],
        Attribute(6, Int((int)metric)), Attribute(4, Int(ifindex)),
        Attribute(5, IPAddress.Parse(gateway).GetAddressBytes()),
        Attribute(12, [.. Int(0), .. Int(0), .. Int(seconds * 100), .. new byte[20]]),
        Attribute(20, [preference]));

    public static byte[] MultipathRoute(params (int Ifindex, string Gateway)[] nexthops)
    {
        byte[] all = [.. nexthops.SelectMany(nexthop =>
        {
            byte[] via = Attribute(5, IPAddress.Parse(nexthop.Gateway).GetAddressBytes());
            return (byte[])[.. Short(8 + via.Length), 0, 0, .. Int(nexthop.Ifindex), .. via];
        })];
        return Message(
            24, 0, [2, 0, 0, 0, 254, 3, 0, 1, 0, 0, 0, 0], Attribute(6, Int(7)), Attribute(9, all));
    }

    public static byte[] Message(ushort type, ushort flags, byte[] header, params byte[][] attributes)
    {
        byte[] payload = [.. header, .. attributes.SelectMany(attribute => attribute)];
        return [.. Int(16 + payload.Length), .. Short(type), .. Short(flags), .. Int(1),
            .. Int(0), .. payload];
    }

    private static byte[] Attribute(int type, byte[] value) =>
        [.. Short(4 + value.Length), .. Short(type), .. value, .. new byte[(4 - (value.Length % 4)) % 4]];

    private static byte Family(byte[] address) => address.Length == 4 ? (byte)2 : (byte)10;

    private static byte[] Int(int value) => BitConverter.GetBytes(value);

    private static byte[] Short(int value) => BitConverter.GetBytes((ushort)value);
}
