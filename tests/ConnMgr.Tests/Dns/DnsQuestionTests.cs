using ConnMgr.Dns;

namespace ConnMgr.Tests.Dns;

public class DnsQuestionTests
{
    [Fact]
    public void A_query_is_written()
    {
        byte[] query = Enumerable.Repeat((byte)0xee, DnsQuestion.MaxQuerySize).ToArray();
        int size = ReplyText.Question("Echo.Afero.io", DnsType.Aaaa).WriteQuery(query, 0x1a2b);
        Assert.Equal(
            GoldenMessages.Hex(
                "1a2b 0100 0001 0000 0000 0000  04 6563686f 05 616665726f 02 696f 00  001c 0001"),
            query[..size]);
        Assert.All(query[size..], rest => Assert.Equal(0xee, rest));
    }

    [Fact]
    public void The_longest_query_fits()
    {
        string longest = string.Join('.', Enumerable.Repeat(new string('x', 63), 3)) + "."
            + new string('y', 61);
        byte[] query = new byte[DnsQuestion.MaxQuerySize];
        Assert.Equal(query.Length, ReplyText.Question(longest).WriteQuery(query, 1));
    }

    [Fact]
    public void A_query_with_edns_is_read()
    {
        Assert.True(
            DnsQuestion.TryReadQuery(GoldenMessages.EdnsQuery, out ushort id, out DnsQuestion question));
        Assert.Equal(GoldenMessages.Id, id);
        Assert.Equal(ReplyText.Question(), question);
    }

    [Theory]
    [InlineData(2, 0x81)] // a response
    [InlineData(2, 0x09)] // opcode 1
    [InlineData(5, 0)] // no question
    [InlineData(5, 2)]
    [InlineData(12, 0x44)] // a reserved label type
    [InlineData(30, 3)] // class CH
    public void Anything_else_is_no_query(int at, byte value)
    {
        byte[] message = GoldenMessages.EdnsQuery;
        message[at] = value;
        Assert.False(DnsQuestion.TryReadQuery(message, out ushort id, out DnsQuestion question));
        Assert.Equal((0, default), (id, question));
    }
}
