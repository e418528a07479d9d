using ConnMgr.Dns;
using ConnMgr.Net;
using CsCheck;

namespace ConnMgr.Tests.Dns;

public class PacketTests
{
    private const string From = "198.18.1.2 40000";
    private const string To = "198.18.100.53 53";
    private const string From6 = "2001:db8:1::2 40000";
    private const string To6 = "2001:db8:100::53 53";
    private static readonly byte[] Body = [1, 2, 3, 4, 5];

    private static readonly Flow Expected =
        new(WatchRig.Number("198.18.1.2"), WatchRig.Number("198.18.100.53"), 40000, 53, false);

    /// <summary>Packets of all kinds, each with the flow that the reader must find.</summary>
    private static (string Name, byte[] Bytes, Flow Flow)[] Good =>
    [
        ("UDP", PacketBuilder.Udp(From, To, Body), Expected),
        ("UDP, 40 bytes of options", PacketBuilder.Udp(From, To, Body, new byte[40]), Expected),
        ("TCP", PacketBuilder.Tcp(From, To, 7, Body), Expected with { IsTcp = true }),
        ("TCP with options", PacketBuilder.Tcp(From, To, 7, Body, options: new byte[40]),
            Expected with { IsTcp = true }),
        ("IPv6 UDP", PacketBuilder.Udp(From6, To6, Body), Expected6),
        ("IPv6 TCP", PacketBuilder.Tcp(From6, To6, 7, Body), Expected6 with { IsTcp = true }),
        ("IPv6 with four extension headers",
            PacketBuilder.Udp(From6, To6, Body, Extensions(0, 60, 43, 60)), Expected6),
        ("IPv6 with an atomic fragment",
            PacketBuilder.Udp(From6, To6, Body, [44, 17, 0, 0, 0, 9, 9, 9, 9]), Expected6),
    ];

    private static Flow Expected6 =>
        new(WatchRig.Number("2001:db8:1::2"), WatchRig.Number("2001:db8:100::53"), 40000, 53, false);

    /// <summary>Extension headers of 8 and 16 bytes in turn, then UDP.</summary>
    private static byte[] Extensions(params byte[] headers)
    {
        List<byte> bytes = [headers[0]];
        for (int i = 0; i < headers.Length; i++)
        {
            int extra = i % 2;
            bytes.AddRange(
                [i + 1 < headers.Length ? headers[i + 1] : (byte)17, (byte)extra,
                    .. new byte[6 + (8 * extra)]]);
        }
        return [.. bytes];
    }

    [Fact]
    public void Packets_of_all_kinds_are_taken_apart()
    {
        foreach ((string name, byte[] bytes, Flow flow) in Good)
        {
            foreach (int padding in (int[])[0, 18])
            {
                Assert.True(Packet.Read([.. bytes, .. new byte[padding]], out Packet packet)
                    == PacketFlaw.None, name);
                Assert.True(packet.Payload.SequenceEqual(Body), name);
                Assert.Equal(flow, packet.Flow);
                Assert.Equal(flow.IsTcp ? 7u : 0, packet.Sequence);
            }
        }
    }

    [Fact]
    public void A_packet_that_is_cut_is_malformed()
    {
        foreach ((string name, byte[] bytes, _) in Good)
        {
            for (int length = 0; length < bytes.Length; length++)
            {
                Assert.True(
                    Packet.Read(bytes.AsSpan(0, length), out _) == PacketFlaw.Malformed, $"{name} {length}");
            }
        }
    }

    [Theory]
    [InlineData(6, 0x20, PacketFlaw.Fragment)] // more fragments
    [InlineData(7, 1, PacketFlaw.Fragment)] // offset 8
    [InlineData(6, 0x10, PacketFlaw.Fragment)]
    [InlineData(6, 0xc0, PacketFlaw.None)] // reserved bit, DF
    [InlineData(0, 0x44, PacketFlaw.Malformed)] // header of 16 bytes
    [InlineData(0, 0x55, PacketFlaw.Malformed)]
    [InlineData(0, 0x65, PacketFlaw.Malformed)]
    [InlineData(3, 19, PacketFlaw.Malformed)]
    [InlineData(3, 32, PacketFlaw.Malformed)] // UDP says more
    [InlineData(3, 34, PacketFlaw.Malformed)] // more than there is
    [InlineData(9, 1, PacketFlaw.OtherProtocol)] // ICMP
    [InlineData(9, 50, PacketFlaw.OtherProtocol)] // ESP
    [InlineData(25, 7, PacketFlaw.Malformed)] // UDP length
    [InlineData(25, 14, PacketFlaw.Malformed)]
    [InlineData(25, 0, PacketFlaw.Malformed)]
    [InlineData(25, 8, PacketFlaw.None)]
    public void One_byte_of_IPv4_makes_it(int at, int value, object flaw)
    {
        byte[] packet = PacketBuilder.Udp(From, To, Body);
        packet[at] = (byte)value;
        Assert.Equal((PacketFlaw)flaw, Packet.Read(packet, out _));
    }

    [Theory]
    [InlineData("2c 11 00 0001 00000009", PacketFlaw.Fragment)] // more
    [InlineData("2c 11 00 0008 00000009", PacketFlaw.Fragment)] // offset 8
    [InlineData("2c 11 00 0006 00000009", PacketFlaw.None)] // reserved bits
    [InlineData("00 11 ff 000000000000", PacketFlaw.Malformed)] // longer than the packet
    [InlineData("33 11 00 000000000000", PacketFlaw.OtherProtocol)] // AH
    [InlineData("3b", PacketFlaw.OtherProtocol)] // no next header
    [InlineData(
        "00 3c 00 000000000000 3c 00 000000000000 3c 00 000000000000 3c 00 000000000000 11 00 000000000000",
        PacketFlaw.Malformed)]
    public void Extension_headers_make_it(string headers, object flaw)
    {
        byte[] packet = PacketBuilder.Udp(From6, To6, Body, GoldenMessages.Hex(headers));
        Assert.Equal((PacketFlaw)flaw, Packet.Read(packet, out _));
    }

    [Fact]
    public void IPv4_in_the_guise_of_IPv6_is_malformed()
    {
        Assert.Equal(
            PacketFlaw.Malformed, Packet.Read(PacketBuilder.Udp("::ffff:198.18.1.2 1", To6, Body), out _));
        Assert.Equal(
            PacketFlaw.Malformed, Packet.Read(PacketBuilder.Udp(From6, "::ffff:198.18.1.2 1", Body), out _));
    }

    [Theory]
    [InlineData(0x40, PacketFlaw.Malformed)] // 16 bytes
    [InlineData(0x50, PacketFlaw.None)]
    [InlineData(0x60, PacketFlaw.None)]
    [InlineData(0x70, PacketFlaw.Malformed)] // more than there is
    public void The_length_of_a_TCP_header_makes_it(byte offset, object flaw)
    {
        byte[] packet = PacketBuilder.Tcp(From, To, 7, Body);
        packet[32] = offset;
        Assert.Equal((PacketFlaw)flaw, Packet.Read(packet, out _));
    }

    [Fact]
    public void No_bytes_whatever_do_harm()
    {
        Gen<byte> first = Gen.OneOf<byte>(0x45, 0x46, 0x4f, 0x60, 0x6f, 0);
        Gen<byte> likely = Gen.OneOf<byte>(Gen.Byte, Gen.OneOf<byte>(0, 6, 17, 43, 44, 60, 53, 5, 8, 20));
        Gen.Select(first, likely.Array[0, 120]).Sample((start, rest) => Read([start, .. rest]), iter: 50_000);
        foreach ((_, byte[] bytes, _) in Good)
        {
            for (int at = 0; at < bytes.Length; at++)
            {
                byte original = bytes[at];
                for (int value = 0; value < 256; value++)
                {
                    bytes[at] = (byte)value;
                    Read(bytes);
                }
                bytes[at] = original;
            }
        }
    }

    private static void Read(byte[] bytes)
    {
        if (Packet.Read(bytes, out Packet packet) == PacketFlaw.None)
        {
            Assert.True(packet.Payload.Length <= bytes.Length - 28);
            Assert.True(bytes.AsSpan().Overlaps(packet.Payload) || packet.Payload.IsEmpty);
            ushort port = packet.Flow.SourcePort;
            Assert.True(bytes.AsSpan().IndexOf([(byte)(port >> 8), (byte)port]) >= 0);
        }
    }
}
