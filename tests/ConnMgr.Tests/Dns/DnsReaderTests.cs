using System.Text;
using ConnMgr.Dns;

namespace ConnMgr.Tests.Dns;

public class DnsReaderTests
{
    [Theory]
    [InlineData("01 61 00", "a 15")]
    [InlineData("00", ". 13")]
    [InlineData("c00c", null)] // to itself
    [InlineData("c00d", null)] // into itself
    [InlineData("c00e 01 61 00", null)] // forward
    [InlineData("c000", null)] // into the header
    [InlineData("c00b", null)]
    [InlineData("ffff", null)]
    [InlineData("01 61 c00c", null)] // to the label before it: for ever a.a.a
    [InlineData("01 61 c00d", null)]
    [InlineData("03 00 61 62 c00d", null)] // into the label before it, where a root seems to be
    [InlineData("40 61 00", null)] // reserved label types
    [InlineData("80 61 00", null)]
    [InlineData("3f 61", null)]
    [InlineData("01", null)]
    [InlineData("01 61", null)]
    [InlineData("c0", null)]
    [InlineData("", null)]
    public void A_name_at_the_start_of_a_message(string name, string? expected) =>
        Assert.Equal(expected, ReadName([.. new byte[12], .. GoldenMessages.Hex(name)], 12));

    [Fact]
    public void Pointers_go_back_over_one_another()
    {
        byte[] message = [.. new byte[12], .. GoldenMessages.Hex("01 63 00  01 62 c00c  01 61 c00f  c013")];
        Assert.Equal("c 15", ReadName(message, 12));
        Assert.Equal("b.c 19", ReadName(message, 15));
        Assert.Equal("a.b.c 23", ReadName(message, 19));
        Assert.Equal("a.b.c 25", ReadName(message, 23));
    }

    [Theory]
    [InlineData("c00c", "a 17")]
    [InlineData("400c", null)]
    [InlineData("800c", null)]
    public void A_reserved_label_type_is_no_pointer(string name, string? expected) =>
        Assert.Equal(expected, ReadName([.. new byte[12], 1, (byte)'a', 0, .. GoldenMessages.Hex(name)], 15));

    [Theory]
    [InlineData(32, true)]
    [InlineData(33, false)]
    public void At_most_32_pointers_are_followed(int pointers, bool isRead)
    {
        byte[] message = [.. new byte[12], 0, .. Enumerable.Range(0, pointers)
            .SelectMany(i => (byte[])[0xc0, (byte)(i == 0 ? 12 : 13 + (2 * (i - 1)))])];
        Assert.Equal(isRead, ReadName(message, message.Length - 2) is not null);
    }

    [Theory]
    [InlineData(61, true)]
    [InlineData(62, false)]
    public void A_name_has_at_most_255_bytes(int lastLabel, bool isRead)
    {
        // 3 * 64 + 1 + last + 1
        byte[] label = [63, .. Enumerable.Repeat((byte)'x', 63)];
        byte[] plain =
            [.. label, .. label, .. label, (byte)lastLabel, .. Enumerable.Repeat((byte)'y', lastLabel), 0];
        Assert.Equal(isRead, ReadName([.. new byte[12], .. plain], 12) is not null);

        // The same name, but its first three labels are reached by a pointer.
        byte[] tail = [.. label, .. label, .. label, 0];
        byte[] head = [(byte)lastLabel, .. Enumerable.Repeat((byte)'y', lastLabel), 0xc0, 12];
        Assert.Equal(isRead, ReadName([.. new byte[12], .. tail, .. head], 12 + tail.Length) is not null);
    }

    [Fact]
    public void Numbers_are_read_to_the_last_byte_and_not_beyond()
    {
        DnsReader reader = new([1, 2, 3, 4, 5, 6, 7]);
        Assert.True(reader.TryReadUInt32(out uint four));
        Assert.True(reader.TryReadUInt16(out ushort two));
        Assert.Equal(0x01020304u, four);
        Assert.Equal(0x0506, two);
        Assert.False(reader.TryReadUInt16(out _));
        Assert.False(reader.TryReadUInt32(out _));
        Assert.False(reader.TryReadBytes(2, out _));
        Assert.False(reader.TryReadBytes(-1, out _));
        Assert.True(reader.TryReadBytes(1, out ReadOnlySpan<byte> last));
        Assert.Equal([7], last.ToArray());
        Assert.True(reader.TryReadBytes(0, out _));
        Assert.False(reader.TryReadBytes(1, out _));
    }

    [Theory]
    [InlineData("a.b", true)]
    [InlineData("A.B", true)]
    [InlineData("a.c", false)]
    [InlineData("a", false)]
    [InlineData("a.b.c", false)]
    [InlineData("b", false)]
    [InlineData("a.bb", false)]
    [InlineData("", false)]
    public void Names_match_whatever_their_case(string name, bool expected)
    {
        byte[] message = new MessageBuilder().Raw(new byte[12]).Name(name).ToArray();
        DnsReader reader = new(message);
        _ = reader.TryReadBytes(12, out _);
        Assert.True(reader.TryMatchName("\u0001a\u0001b\0"u8, out bool isSame));
        Assert.Equal(expected, isSame);
        Assert.Equal(message.Length, reader.Position);
    }

    [Fact]
    public void A_name_that_differs_early_must_still_be_well_formed()
    {
        DnsReader reader = new([1, (byte)'x', 0x40, 0]);
        Assert.False(reader.TryMatchName("\u0001a\0"u8, out bool isSame));
        Assert.False(isSame);
    }

    private static string? ReadName(byte[] message, int at)
    {
        DnsReader reader = new(message);
        _ = reader.TryReadBytes(at, out _);
        byte[] wire = new byte[255];
        if (!reader.TryReadName(wire, out int length))
        {
            return null;
        }
        Assert.Equal(0, wire[length - 1]);
        StringBuilder text = new();
        for (int i = 0; wire[i] != 0; i += 1 + wire[i])
        {
            text.Append(text.Length > 0 ? "." : "").Append(Encoding.Latin1.GetString(wire, i + 1, wire[i]));
        }
        return $"{(text.Length > 0 ? text : ".")} {reader.Position}";
    }
}
