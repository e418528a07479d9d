using ConnMgr.Netlink;
using CsCheck;

namespace ConnMgr.Tests.Netlink;

/// <summary>Recorded messages of Linux 6.18.</summary>
public class NfqueueMessageTests
{
    // UDP 198.18.1.2:53 to 198.18.1.1:4242, `answer`, in queue 5353.
    private static readonly byte[] Packet = Convert.FromHexString(
        "66000000000300000000000000000000020014e90b000100000000010800010008000500000000011000090000060000"
        + "000000000000000008000e000000000126000a00450000221c1c400040119087c6120102c612010100351092000e8e476"
        + "16e73776572"
        + "0000");

    // A conntrack tuple as in NFQA_CT: CTA_TUPLE_ORIG, TCP 198.18.1.2:40002 to 198.18.100.11:443.
    private static readonly byte[] Conntrack = Convert.FromHexString(
        "340001801400018008000100c612010208000200c612640b1c0002800500010006000000060002009c4200000600030001b"
            + "b0000");

    [Fact]
    public void A_waiting_packet_is_read()
    {
        Assert.True(
            TryRead(Packet, out ushort payloadLength, out string tuple,
                out (uint Id, byte Hook) about));
        Assert.Equal((1u, (byte)1), about);
        Assert.Equal(34, payloadLength);
        Assert.Equal(default(ConntrackMessage.Tuple).ToString(), tuple);
    }

    [Fact]
    public void Its_original_addresses_are_read()
    {
        byte[] message = [.. Packet, (byte)(4 + Conntrack.Length), 0, 11, 0x80, .. Conntrack];
        BitConverter.TryWriteBytes(message, message.Length);
        Assert.True(TryRead(message, out _, out string tuple, out _));
        Assert.Contains("SourcePort = 40002, DestinationPort = 443", tuple, StringComparison.Ordinal);
    }

    [Fact]
    public void Its_addresses_on_the_wire_are_read()
    {
        byte[] conntrack = [.. Conntrack, .. Conntrack];
        conntrack[Conntrack.Length + 2] = 2; // CTA_TUPLE_REPLY
        conntrack[Conntrack.Length + 15] = 99; // the last byte of the source
        byte[] message = [.. Packet, (byte)(4 + conntrack.Length), 0, 11, 0x80, .. conntrack];
        BitConverter.TryWriteBytes(message, message.Length);
        NetlinkReader reader = new(message);
        Assert.True(reader.TryRead(out NetlinkMessage read));
        Assert.True(QueuedPacket.TryRead(read, out QueuedPacket packet));
        Assert.Equal(("198.18.1.2", "198.18.1.99"),
            (packet.Original.Source.ToString(), packet.Reply.Source.ToString()));
    }

    /// <summary>NFQA_IFINDEX_OUTDEV: absent, of interface 61, and of a wrong size.</summary>
    [Theory]
    [InlineData("", 0)]
    [InlineData("080006000000003d", 61)]
    [InlineData("060006003d000000", 0)]
    public void The_interface_it_leaves_through_is_read(string attribute, int expected)
    {
        byte[] message = [.. Packet, .. Convert.FromHexString(attribute)];
        BitConverter.TryWriteBytes(message, message.Length);
        NetlinkReader reader = new(message);
        Assert.True(reader.TryRead(out NetlinkMessage read));
        Assert.True(QueuedPacket.TryRead(read, out QueuedPacket packet));
        Assert.Equal(expected, packet.OutDevice);
    }

    [Fact]
    public void The_listener_asks_in_one_request() =>
        Assert.Equal(
            "40000000" + "0203" + "0500" + "00000000" + "00000000" + "000014e9"
            + "0800010001000000" + "090002000000fffb02000000" + "0800030000000040" + "0800050000000007"
            + "0800040000000007", Convert.ToHexStringLower(Nfqueue.Bind(5353, 64, withConntrack: true)));

    [Theory]
    [InlineData(false, "0103")]
    [InlineData(true, "0303")]
    public void A_verdict_lets_it_pass(bool isBatch, string type)
    {
        byte[] request = new byte[32];
        Array.Fill(request, (byte)0xee);
        Assert.Equal(32, Nfqueue.WriteVerdict(request, 5353, 0x01020304, isAccept: true, isBatch));
        Assert.Equal(
            "20000000" + type + "0100" + "00000000" + "00000000" + "000014e9" + "0c000200"
            + "00000001" + "01020304", Convert.ToHexStringLower(request));
    }

    [Fact]
    public void Any_bytes_are_read_or_refused()
    {
        byte[] whole = [.. Packet, (byte)(4 + Conntrack.Length), 0, 11, 0x80, .. Conntrack];
        BitConverter.TryWriteBytes(whole, whole.Length);
        for (int length = 0; length <= whole.Length; length++)
        {
            byte[] cut = whole[..length];
            if (length >= 4)
            {
                BitConverter.TryWriteBytes(cut, length);
            }
            TryRead(cut, out _, out _, out _);
        }
        Gen.Select(Gen.Int[0, whole.Length - 1], Gen.Byte).Sample((position, value) =>
        {
            byte[] changed = [.. whole];
            changed[position] = value;
            TryRead(changed, out _, out _, out _);
        });
        Gen.Byte.Array[0, 300].Sample(bytes =>
        {
            byte[] message = new byte[20 + bytes.Length];
            bytes.CopyTo(message, 20);
            BitConverter.TryWriteBytes(message, message.Length);
            BitConverter.TryWriteBytes(message.AsSpan(4), Nfqueue.PacketType);
            TryRead(message, out _, out _, out _);
        });
    }

    private static bool TryRead(
        byte[] datagram, out ushort payloadLength, out string tuple,
        out (uint Id, byte Hook) about)
    {
        payloadLength = 0;
        tuple = "";
        about = default;
        NetlinkReader reader = new(datagram);
        if (!reader.TryRead(out NetlinkMessage message)
            || !QueuedPacket.TryRead(message, out QueuedPacket packet))
        {
            return false;
        }
        payloadLength = (ushort)packet.Bytes.Length;
        tuple = packet.Original.ToString();
        about = (packet.Id, packet.Hook);
        return true;
    }
}
