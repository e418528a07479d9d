using System.Buffers.Binary;
using System.Net;
using CsCheck;

namespace ConnMgr.Tests.Capture;

/// <summary>Generates packets that are mostly valid. Now and then it changes an interesting field.</summary>
internal static class PacketGen
{
    private static readonly byte[] Protocols =
        [6, 17, 1, 58, 50, 47, 132, 2, 0, 43, 44, 51, 59, 60, 135, 139, 140, 253, 254];

    private static readonly Gen<byte> Protocol = Gen.Frequency(
        (6, Gen.OneOf<byte>(6, 17, 1, 58)), (3, Gen.OneOf(Protocols)), (1, Gen.Byte));

    private static readonly Gen<byte> IcmpType = Gen.Frequency(
        (2, Gen.OneOf<byte>(0, 8, 128, 129)), (3, Gen.Int[0, 14].Select(i => (byte)i)),
        (2, Gen.Int[130, 139].Select(i => (byte)i)), (1, Gen.Byte));

    private static readonly string[] ForeignIPv4 =
        ["198.18.100.10", "8.8.8.8", "1.0.0.0", "126.255.255.255", "128.0.0.1", "169.253.255.255",
            "169.255.0.0",
         "223.255.255.255"];

    private static readonly string[] OddIPv4 =
        ["0.0.0.0", "0.255.255.255", "127.0.0.1", "127.255.255.255", "169.254.0.1",
            "169.254.255.255", "224.0.0.1",
         "239.255.255.250", "240.0.0.1", "255.255.255.255"];

    private static readonly string[] OwnIPv4 =
        ["198.18.1.0", "198.18.1.1", "198.18.1.255", "198.18.0.255", "198.18.2.0", "10.0.0.1",
            "10.255.255.255", "11.0.0.0",
         "9.255.255.255", "192.0.2.5", "192.0.2.4", "192.0.2.6", "172.16.15.255", "172.16.16.0"];

    private static readonly string[] ForeignIPv6 =
        ["2001:db8:100::10", "2606:4700::1111", "fe7f::1", "fec0::1", "feff::1", "64:ff9b::808:808", "1::",
            "fd00::9", "0:1::5",
         "2001:db9:1::1", "2001:db9:3::1"];

    private static readonly string[] OddIPv6 =
        ["::", "::1", "::ffff:8.8.8.8", "0:0:1::", "fe80::1", "febf:ffff::1", "ff02::1", "ff00::",
            "ff05:1::1", "ffff::1"];

    private static readonly string[] OwnIPv6 =
        ["2001:db8:1::1", "2001:db8:1:0:ffff::1", "2001:db8:1:1::1", "2001:db8:0:ffff::1", "2001:db8:2:3::9",
            "2001:db8:2:4::9",
         "2001:db8:3:ff00::1", "2001:db8:3:1::1", "2001:db8:4::1", "fd00:1::1", "fd00:2::1"];

    /// <summary>Small errors in a length, mostly 0.</summary>
    private static readonly Gen<int> Off =
        Gen.Frequency((12, Gen.Const(0)), (1, Gen.Int[-24, 24]), (1, Gen.Int[-1, 1]));

    private static readonly Gen<byte[]> Transport =
        from length in Gen.Frequency((6, Gen.Int[20, 80]), (1, Gen.Int[0, 24]), (1, Gen.OneOf(7, 8, 20)))
        from bytes in Gen.Byte.Array[length]
        from type in IcmpType
        from flags in Gen.Frequency((3, Gen.OneOf<byte>(0x02, 0x10, 0x12, 0x18, 0x11)), (1, Gen.Byte))
        from offset in Gen.Frequency((5, Gen.Const(5)), (3, Gen.Int[0, 15]))
        from udpLength in Gen.Frequency((8, Off.Select(off => length + off)), (1, Gen.Int[7, 9]))
        from isTcp in Gen.Bool
        select Shape(bytes, type, flags, offset, udpLength, isTcp);

    private static readonly Gen<byte[]> IPv4 =
        from transport in Transport
        from protocol in Protocol
        from source in Address(ForeignIPv4, OwnIPv4, OddIPv4)
        from destination in Address(["198.18.1.2", "10.1.2.3"], OwnIPv4, OddIPv4)
        from words in Gen.Frequency((8, Gen.Const(5)), (2, Gen.Int[5, 15]), (1, Gen.Int[0, 4]))
        from off in Off
        from fragment in Gen.Frequency(
            (8, Gen.OneOf(0, 0x4000, 0x8000)), (2, Gen.Const(0x2000)),
            (1, Gen.OneOf(1, 0x2001, 0x1000, 0x1fff)), (1, Gen.Int[0, 65535]))
        select IPv4Packet(transport, protocol, source, destination, words, off, fragment);

    private static readonly Gen<byte[]> IPv6 =
        from transport in Transport
        from protocol in Protocol
        from source in Address(ForeignIPv6, OwnIPv6, OddIPv6)
        from destination in Address(["2001:db8:1::2", "0:1::5"], OwnIPv6, OddIPv6)
        from off in Off
        select IPv6Packet(transport, protocol, source, destination, off);

    /// <summary>
    /// A packet of either family; now and then with padding, cut off, or with one byte changed.
    /// </summary>
    public static readonly Gen<byte[]> Packet =
        from packet in Gen.OneOf(IPv4, IPv6)
        from padding in Gen.Frequency((4, Gen.Const(0)), (2, Gen.Int[1, 40]))
        from cut in Gen.Frequency((12, Gen.Const(0)), (1, Gen.Int[1, 80]))
        from at in Gen.Int[0, 1000]
        from flip in Gen.Frequency((8, Gen.Const((byte)0)), (1, Gen.Byte))
        from version in Gen.Frequency(
            (20, Gen.Const((byte)0)), (1, Gen.OneOf<byte>(0x15, 0x20, 0x75)), (1, Gen.Byte))
        select Bend(packet, padding, cut, at, flip, version);

    private static Gen<byte[]> Address(string[] good, string[] own, string[] odd) =>
        Gen.Frequency((6, Gen.OneOf(good)), (2, Gen.OneOf(own)), (1, Gen.OneOf(odd)))
            .Select(text => IPAddress.Parse(text).GetAddressBytes());

    private static byte[] Shape(
        byte[] bytes, byte type, byte flags, int dataOffset, int udpLength, bool isTcp)
    {
        if (bytes.Length > 13 && isTcp)
        {
            bytes[12] = (byte)(dataOffset << 4 | bytes[12] & 15);
            bytes[13] = flags;
        }
        else if (bytes.Length > 5)
        {
            BinaryPrimitives.WriteUInt16BigEndian(bytes.AsSpan(4), (ushort)udpLength);
        }
        if (bytes.Length > 0)
        {
            bytes[0] = type;
        }
        return bytes;
    }

    private static byte[] IPv4Packet(
        byte[] transport, byte protocol, byte[] source, byte[] destination, int words, int off, int fragment)
    {
        byte[] packet = new byte[Math.Max(20, words * 4) + transport.Length];
        packet[0] = (byte)(0x40 | words);
        BinaryPrimitives.WriteUInt16BigEndian(packet.AsSpan(2), (ushort)(packet.Length + off));
        BinaryPrimitives.WriteUInt16BigEndian(packet.AsSpan(6), (ushort)fragment);
        packet[8] = 64;
        packet[9] = protocol;
        source.CopyTo(packet, 12);
        destination.CopyTo(packet, 16);
        transport.CopyTo(packet, packet.Length - transport.Length);
        return packet;
    }

    private static byte[] IPv6Packet(
        byte[] transport, byte protocol, byte[] source, byte[] destination, int off)
    {
        byte[] packet = new byte[40 + transport.Length];
        packet[0] = 0x60;
        BinaryPrimitives.WriteUInt16BigEndian(packet.AsSpan(4), (ushort)(transport.Length + off));
        packet[6] = protocol;
        packet[7] = 64;
        source.CopyTo(packet, 8);
        destination.CopyTo(packet, 24);
        transport.CopyTo(packet, 40);
        return packet;
    }

    private static byte[] Bend(byte[] packet, int padding, int cut, int at, byte flip, byte version)
    {
        packet[at % packet.Length] ^= flip;
        packet[0] ^= version;
        byte[] padded = [.. packet, .. new byte[padding]];
        return padded[..Math.Max(1, padded.Length - cut)];
    }
}
