using System.Net;
using ConnMgr.Net;
using ConnMgr.Netlink;

namespace ConnMgr.Tests.Netlink;

/// <summary>
/// Compares our messages with recorded ones of nft 1.0.6 and events of Linux 6.18. Ours put the key first.
/// </summary>
public class NftSetMessageTests
{
    private const string Table = "0c000100" + "636f6e6e6d677200";
    private const string Set4 = "0b000200" + "616665726f340000";
    private const string Set4Prefixes = "14000200" + "616665726f345f707265666978657300";
    private const string Key = "0c000180" + "08000100" + "c6120701";

    // Events about afero4 with 198.18.7.1, 3600 s, and about afero4_prefixes with 198.18.7.0/24.
    private const string Added = "580000000c0a0004000000006177000001000006" + Table + Set4
        + "2c000300280001000c00010008000100c61207010c000400000000000036ee800c000500000000000036ee80";

    private const string Prefix4 = "500000000c0a0004000000009277000001000007" + Table + Set4Prefixes
        + "1c000300180001000c00010008000100c61208000800030000000001"
        + "480000000c0a0004000000009277000001000007" + Table + Set4Prefixes
        + "14000300100001000c00010008000100c6120700"
        + "500000000c0a0004000000009277000001000007" + Table + Set4Prefixes
        + "1c000300180001000c00010008000100000000000800030000000001";

    private readonly byte[] _buffer = new byte[NftSetMessage.MaxSize];

    public NftSetMessageTests() => Array.Fill(_buffer, (byte)0xee);

    [Fact]
    public void A_transaction_begins_and_ends()
    {
        Assert.Equal("140000001000010007000000000000000000000a", Text(NftSetMessage.Begin(_buffer, 7)));
        Assert.Equal("140000001100010008000000000000000000000a", Text(NftSetMessage.End(_buffer, 8)));
    }

    [Fact]
    public void An_address_is_added_with_its_timeout_from_now_on() => Assert.Equal(
        "58000000" + "0c0a" + "0104" + "01000000" + "00000000" + "01000000" + Table + Set4
        + "2c000380" + "28000180" + Key + "0c000400000000000036ee80" + "0c000500000000000036ee80",
        Text(NftSetMessage.Add(_buffer, Prefix("198.18.7.1", 32), 3600, 1)));

    [Fact]
    public void An_address_is_added_for_ever() => Assert.Equal(
        "0c000400" + "0000000000000000",
        Text(NftSetMessage.Add(_buffer, Prefix("198.18.7.1", 32), 0, 1))[^24..]);

    [Fact]
    public void A_prefix_is_an_interval() => Assert.Equal(
        Set4Prefixes + "2c000380" + "10000180" + "0c000180" + "08000100" + "c6120700"
        + "18000180" + "0c000180" + "08000100" + "c6120800" + "08000300" + "00000001",
        Text(NftSetMessage.Add(_buffer, Prefix("198.18.7.0", 24), 0, 1))[64..]);

    [Theory]
    [InlineData("255.255.255.0", 24, "14000380" + "10000180" + "0c000180" + "08000100" + "ffffff00")]
    [InlineData("0.0.0.0", 0, "14000380" + "10000180" + "0c000180" + "08000100" + "00000000")]
    public void A_prefix_up_to_the_last_address_has_no_end(string first, byte length, string elements) =>
        Assert.Equal(
        Set4Prefixes + elements, Text(NftSetMessage.Delete(_buffer, Prefix(first, length), 1))[64..]);

    [Theory]
    [InlineData("198.18.7.1", 32)]
    [InlineData("2001:db8::1", 128)]
    [InlineData("198.18.0.0", 15)]
    [InlineData("2001:db8::", 32)]
    public void Every_request_has_room(string address, byte length)
    {
        IpPrefix prefix = Prefix(address, length);
        Assert.InRange(NftSetMessage.Add(_buffer, prefix, int.MaxValue, 1), 60, NftSetMessage.MaxSize);
        Assert.InRange(NftSetMessage.Delete(_buffer, prefix, 1), 60, NftSetMessage.MaxSize);
        Assert.InRange(NftSetMessage.Get(_buffer, prefix, 1).Length, 60, NftSetMessage.MaxSize);
        int set = NftSetMessage.SetOf(prefix);
        Assert.InRange(NftSetMessage.CreateSet(_buffer, set, 1), 60, NftSetMessage.MaxSize);
        Assert.InRange(NftSetMessage.List(_buffer, set, 1).Length, 40, NftSetMessage.MaxSize);
        Assert.Equal(set, NftSetMessage.SetOf(NftSetMessage.NameOf(set)));
    }

    [Fact]
    public void Elements_are_read()
    {
        Assert.Equal("198.18.7.1 3600", string.Join(", ", Elements(Convert.FromHexString(Added))));
        Assert.Equal("198.18.8.0 end, 198.18.7.0 0, 0.0.0.0 end",
            string.Join(", ", Elements(Convert.FromHexString(Prefix4))));
    }

    /// <summary>An element that is about to expire must not look like a permanent one.</summary>
    [Theory]
    [InlineData("0000000000000000", "198.18.7.1 1")]
    [InlineData("0000000000000001", "198.18.7.1 1")]
    [InlineData("00000000000003e9", "198.18.7.1 2")]
    [InlineData("ffffffffffffffff", "198.18.7.1 4294967295")]
    public void What_is_left_is_rounded_up(string milliseconds, string expected) =>
        Assert.Equal([expected], Elements(Convert.FromHexString(Added[..^16] + milliseconds)));

    [Theory]
    [InlineData(Added)]
    [InlineData(Prefix4)]
    public void A_message_that_is_cut_or_changed_is_survived(string hex)
    {
        byte[] message = Convert.FromHexString(hex);
        for (int i = 0; i < message.Length; i++)
        {
            Elements(message[..i]);
            foreach (byte flip in new byte[] { 1, 0x80, 0xff })
            {
                byte[] changed = [.. message];
                changed[i] ^= flip;
                Assert.InRange(Elements(changed).Count, 0, 5);
            }
        }
    }

    [Theory]
    [InlineData("198.18.7.0+ 198.18.8.0-", "198.18.7.0/24", true)]
    [InlineData("198.18.8.0- 198.18.7.0+ 0.0.0.0-", "198.18.7.0/24", true)] // as nft adds it
    [InlineData("198.18.7.0+ 198.18.8.0- 198.18.8.0+ 198.18.9.0-", "198.18.7.0/24 198.18.8.0/24", true)]
    [InlineData("198.18.7.0+ 198.18.8.0+ 198.18.9.0-", "198.18.7.0/24 198.18.8.0/24", true)]
    [InlineData("0.0.0.0+", "0.0.0.0/0", true)]
    [InlineData("255.255.255.0+", "255.255.255.0/24", true)]
    [InlineData("::+", "::/0", true)]
    [InlineData("2001:db8::+ 2001:db9::-", "2001:db8::/32", true)]
    [InlineData("198.18.7.0+ 198.18.7.3-", "", false)]
    [InlineData("198.18.7.1+ 198.18.7.3-", "", false)]
    [InlineData("198.18.7.0+ 198.18.8.0- 198.18.9.0+", "198.18.7.0/24", false)]
    [InlineData("198.18.7.0-", "", true)]
    [InlineData("", "", true)]
    public void Intervals_are_read_as_prefixes(string elements, string prefixes, bool areAll)
    {
        List<NftElement> read = [.. elements.Split(' ', StringSplitOptions.RemoveEmptyEntries)
            .Select(element =>
                new NftElement(IpNumber.Of(IPAddress.Parse(element[..^1])), element[^1] == '-', 0))];
        List<IpPrefix> found = [];
        Assert.Equal(areAll, NftIntervals.TryRead(read, found));
        Assert.Equal(prefixes, string.Join(' ', found));
    }

    private static List<string> Elements(byte[] datagram)
    {
        List<string> found = [];
        NetlinkReader reader = new(datagram);
        while (reader.TryRead(out NetlinkMessage message))
        {
            NftSetMessage.Elements elements = NftSetMessage.ElementsOf(message);
            while (elements.TryRead(out NftElement element))
            {
                found.Add(element.IsEnd ? $"{element.Key} end" : $"{element.Key} {element.Left}");
            }
        }
        return found;
    }

    private static IpPrefix Prefix(string address, byte length) =>
        new(IpNumber.Of(IPAddress.Parse(address)), length);

    private string Text(int length) => Convert.ToHexStringLower(_buffer.AsSpan(0, length));
}
