using System.Buffers.Binary;
using System.Net;
using ConnMgr.Net;

namespace ConnMgr.Tests.Flows;

/// <summary>
/// Recorded messages of Linux 6.18, and payloads built in the same way. Independent of the code that reads
/// them.
/// </summary>
internal static class FlowGolden
{
    /// <summary>UDP 198.18.1.2:40001 to 198.18.100.11:5683, marked 0xafe0.</summary>
    public static readonly byte[] UdpSocket = Convert.FromHexString(
        "7c0000001400020001000000e6320000020100009c411633c612010200000000"
        + "0000000000000000c612640b000000000000000000000000000000008a000000"
        + "0000000000000000000000000000000000000000764a5e000500080000000000"
        + "08000f00e0af00000c00150001000000000000000600160050000000");

    /// <summary>
    /// TCP from an IPv6 socket, ::ffff:198.18.1.2 port 40002 to ::ffff:198.18.100.11 port 443, SYN_SENT.
    /// </summary>
    public static readonly byte[] MappedSocket = Convert.FromHexString(
        "7c0000001400020001000000e63200000a0201009c4201bb0000000000000000"
        + "0000ffffc612010200000000000000000000ffffc612640b000000008b000000"
        + "00000000b8020000000000000100000000000000774a5e000500080000000000"
        + "08000f00000000000c00150001000000000000000600160012000000");

    /// <summary>The conntrack entry of MappedSocket.</summary>
    public static readonly byte[] Entry = Convert.FromHexString(
        "d40000000001020001000000e632000002000000340001801400018008000100"
        + "c612010208000200c612640b1c0002800500010006000000060002009c420000"
        + "0600030001bb0000340002801400018008000100c612640b08000200c6120102"
        + "1c00028005000100060000000600020001bb0000060003009c42000008000300"
        + "00000188080008000000000008000c001315d9de08000b000000000208000700"
        + "00000077300004802c0001800500010001000000050002000a00000005000300"
        + "0000000006000400030000000600050000000000");

    /// <summary>198.18.100.11 from 198.18.1.2 goes via 198.18.1.1 over device 7.</summary>
    public static readonly byte[] Route = Convert.FromHexString(
        "700000001800000001000000e632000002202000fe0000010002000008000f00"
        + "fe00000008000100c612640b08000200c6120102080004000700000008000500"
        + "c6120101080019000000000024000c00050000005c0000000000000000000000"
        + "00000000000000000000000000000000");

    public static byte[][] All => [UdpSocket, MappedSocket, Entry, Route];

    /// <summary>struct inet_diag_msg. A state of 1 is ESTABLISHED.</summary>
    public static byte[] Socket(
        string local, int localPort, string peer, int peerPort, byte state = 1, uint ifindex = 0,
        uint mark = 0, uint inode = 1)
    {
        byte[] source = IPAddress.Parse(local).GetAddressBytes();
        byte[] bytes = new byte[80];
        bytes[0] = source.Length == 4 ? (byte)2 : (byte)10;
        bytes[1] = state;
        BinaryPrimitives.WriteUInt16BigEndian(bytes.AsSpan(4), (ushort)localPort);
        BinaryPrimitives.WriteUInt16BigEndian(bytes.AsSpan(6), (ushort)peerPort);
        source.CopyTo(bytes, 8);
        IPAddress.Parse(peer).GetAddressBytes().CopyTo(bytes, 24);
        BitConverter.TryWriteBytes(bytes.AsSpan(40), ifindex);
        BitConverter.TryWriteBytes(bytes.AsSpan(68), inode);
        new byte[] { 8, 0, 15, 0 }.CopyTo(bytes, 72);
        BitConverter.TryWriteBytes(bytes.AsSpan(76), mark);
        return bytes;
    }

    /// <summary>
    /// Builds a conntrack entry. Each direction is `source:port destination:port`, IPv6 in brackets.
    /// </summary>
    public static byte[] Conntrack(byte protocol, string original, string reply) =>
    [
        original.StartsWith('[') ? (byte)10 : (byte)2, 0, 0, 0,
        .. Attribute(0x8001, Tuple(protocol, original)), .. Attribute(0x8002, Tuple(protocol, reply)),
        .. Attribute(12, [1, 2, 3, 4]), .. Attribute(18, [0, 5]),
    ];

    public static IpNumber Ip(string address) => IpNumber.Of(IPAddress.Parse(address));

    public static string Text(IpNumber number)
    {
        byte[] bytes = new byte[16];
        return new IPAddress(bytes.AsSpan(0, number.Write(bytes))).ToString();
    }

    private static byte[] Tuple(byte protocol, string direction)
    {
        IPEndPoint[] ends = [.. direction.Split(' ').Select(IPEndPoint.Parse)];
        int first = ends[0].Address.GetAddressBytes().Length == 4 ? 1 : 3;
        return
        [
            .. Attribute(0x8001,
            [
                .. Attribute(first, ends[0].Address.GetAddressBytes()),
                .. Attribute(first + 1, ends[1].Address.GetAddressBytes()),
            ]),
            .. Attribute(0x8002,
            [
                .. Attribute(1, [protocol]), .. Attribute(2, Port(ends[0].Port)),
                .. Attribute(3, Port(ends[1].Port)),
            ]),
        ];
    }

    private static byte[] Port(int port) => [(byte)(port >> 8), (byte)port];

    private static byte[] Attribute(int type, byte[] value) =>
    [
        .. BitConverter.GetBytes((ushort)(4 + value.Length)),
        .. BitConverter.GetBytes((ushort)type), .. value,
        .. new byte[(4 - (value.Length % 4)) % 4],
    ];
}
