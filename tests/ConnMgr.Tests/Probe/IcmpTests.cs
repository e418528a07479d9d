using System.Buffers.Binary;
using ConnMgr.Probe;
using ConnMgr.Tests.Dns;
using CsCheck;

namespace ConnMgr.Tests.Probe;

public class IcmpTests
{
    private static readonly byte[] Payload = [1, 2, 3, 4, 5, 6, 7, 8];

    private static byte[] Reply4 => GoldenMessages.Hex("""
        45 00 0024 1234 0000 40 01 0000  # IPv4, 36 bytes, TTL 64, ICMP
        08080808 c6120102                # from 8.8.8.8 to 198.18.1.2
        00 00 4417 abcd 0007             # echo reply, checksum, id, sequence number 7
        0102030405060708
        """);

    private static byte[] Reply6 => GoldenMessages.Hex("81 00 1111 abcd 0007 0102030405060708");

    [Fact]
    public void A_request_is_written()
    {
        byte[] packet = Enumerable.Repeat((byte)0xee, 16).ToArray();
        Icmp.WriteEchoRequest(packet, isIpv6: false, 0xabcd, 7, Payload);
        Assert.Equal(GoldenMessages.Hex("08 00 3c17 abcd 0007 0102030405060708"), packet);
        Icmp.WriteEchoRequest(packet, isIpv6: true, 0xabcd, 7, Payload);
        Assert.Equal(GoldenMessages.Hex("80 00 0000 abcd 0007 0102030405060708"), packet);
    }

    [Fact]
    public void A_request_of_odd_length_has_the_right_checksum() => Gen.Byte.Array[0, 65].Sample(payload =>
    {
        byte[] packet = new byte[8 + payload.Length];
        Icmp.WriteEchoRequest(packet, isIpv6: false, 0xffff, 0xffff, payload);
        Assert.Equal(0xffff, Sum([.. packet, 0]));
    });

    [Fact]
    public void An_answer_counts()
    {
        byte[] reply = Reply4;
        Assert.Equal(0xffff, Sum(reply[20..]));
        Assert.Equal(7, Judge(reply));
        Assert.Equal(7, Judge([0x46, .. reply[1..20], 1, 1, 1, 1, .. reply[20..]])); // with IP options
        Assert.Equal(7, Judge(Reply6, isIpv6: true));
    }

    [Fact]
    public void No_answer_counts_with_any_byte_changed()
    {
        // The caller and the kernel check the addresses and lengths of the IP header.
        int[] judged = [0, 9, .. Enumerable.Range(20, 16)];
        foreach (int at in judged)
        {
            for (int change = 1; change < 256; change++)
            {
                byte[] reply = Reply4;
                reply[at] ^= (byte)change;
                Assert.Null(Judge(reply));
            }
        }
        foreach (int at in (int[])[0, 1, 4, 5, .. Enumerable.Range(8, 8)])
        {
            for (int change = 1; change < 256; change++)
            {
                byte[] reply = Reply6;
                reply[at] ^= (byte)change;
                Assert.Null(Judge(reply, isIpv6: true));
            }
        }
    }

    [Fact]
    public void No_answer_counts_that_is_cut_or_has_more()
    {
        for (int length = 0; length < Reply4.Length; length++)
        {
            Assert.Null(Judge(Reply4[..length]));
        }
        for (int length = 0; length < Reply6.Length; length++)
        {
            Assert.Null(Judge(Reply6[..length], isIpv6: true));
        }
        Assert.Null(Judge([.. Reply4, 0]));
        Assert.Null(Judge([0x44, .. Reply4[1..16], .. Reply4[20..]])); // an IP header of 16 bytes
        Assert.Null(Judge([.. Reply6, 0], isIpv6: true));
    }

    [Theory]
    [InlineData("08 00")] // the request itself, as seen on lo
    [InlineData("03 01")] // host unreachable
    [InlineData("00 01")] // code 1
    public void Other_messages_with_the_same_content_do_not_count(string start)
    {
        byte[] reply = [.. Reply4[..20], .. GoldenMessages.Hex(start), 0, 0, .. Reply4[24..]];
        BinaryPrimitives.WriteUInt16BigEndian(reply.AsSpan(22), (ushort)~Sum(reply[20..]));
        Assert.Equal(0xffff, Sum(reply[20..]));
        Assert.Null(Judge(reply));
    }

    [Fact]
    public void No_bytes_whatever_do_harm() => Gen.Select(Gen.Byte.Array[0, 600], Gen.Bool).Sample(
        (packet, isIpv6) => Assert.Null(Judge(packet, isIpv6)), iter: 20_000);

    private static int? Judge(byte[] packet, bool isIpv6 = false) =>
        Icmp.TryReadEchoReply(packet, isIpv6, 0xabcd, Payload, out ushort sequence) ? sequence : null;

    private static int Sum(byte[] bytes)
    {
        int sum = 0;
        for (int i = 0; i + 1 < bytes.Length; i += 2)
        {
            sum += (bytes[i] * 256) + bytes[i + 1];
        }
        sum = (sum & 0xffff) + (sum >> 16);
        return (sum & 0xffff) + (sum >> 16);
    }
}
