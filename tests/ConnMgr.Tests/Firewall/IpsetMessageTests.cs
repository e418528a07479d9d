using System.Net;
using ConnMgr.Firewall;
using ConnMgr.Net;
using ConnMgr.Netlink;

namespace ConnMgr.Tests.Firewall;

/// <summary>
/// Compares our messages with recorded ones of ipset 7.17. Ours use protocol 6 and have no line numbers.
/// </summary>
public class IpsetMessageTests
{
    private const string Set4 = "0500010006000000" + "0b000200616665726f340000";
    private const string Set6 = "0500010006000000" + "0b000200616665726f360000";

    private readonly byte[] _buffer = new byte[IpsetMessage.MaxSize];

    public IpsetMessageTests() => Array.Fill(_buffer, (byte)0xee);

    [Theory]
    [InlineData(false, Set4, "02")]
    [InlineData(true, Set6, "0a")]
    public void A_set_is_made_unless_it_is_there(bool isIpv6, string set, string family) => Assert.Equal(
        "5c000000" + "0206" + "0500" + "07000000" + "00000000" + family + "000000" + set
        + "0d000300686173683a6e657400000000" + "0500040000000000" + "05000500" + family + "000000"
        + "14000780" + "0800064000000000" + "0800134000010000",
        Text(IpsetMessage.Create(_buffer, isIpv6, 7)));

    [Fact]
    public void A_prefix_is_added() => Assert.Equal(
        "48000000" + "0906" + "0500" + "01000000" + "00000000" + "02000000" + Set4
        + "20000780" + "0c000180" + "08000140c6120700" + "0500030018000000" + "0800064000000f3c",
        Text(IpsetMessage.Add(_buffer, Prefix("198.18.7.0", 24), 3900, 1)));

    [Fact]
    public void An_ipv6_address_is_added_for_ever() => Assert.Equal(
        "54000000" + "0906" + "0500" + "01000000" + "00000000" + "0a000000" + Set6
        + "2c000780" + "18000180" + "14000240" + "20010db8000000000000000000000001" + "0500030080000000"
        + "0800064000000000", Text(IpsetMessage.Add(_buffer, Prefix("2001:db8::1", 128), 0, 1)));

    [Fact]
    public void An_address_is_taken_out() => Assert.Equal(
        "40000000" + "0a06" + "0500" + "02000000" + "00000000" + "02000000" + Set4
        + "18000780" + "0c000180" + "08000140c6120701" + "0500030020000000",
        Text(IpsetMessage.Delete(_buffer, Prefix("198.18.7.1", 32), 2)));

    [Fact]
    public void An_address_is_looked_for() => Assert.Equal(
        "0b06", Text(IpsetMessage.Test(_buffer, Prefix("198.18.7.1", 32), 3))[8..12]);

    [Fact]
    public void Every_request_fits()
    {
        Assert.InRange(IpsetMessage.Create(_buffer, true, 1).Length, 1, IpsetMessage.MaxSize);
        Assert.InRange(IpsetMessage.Add(_buffer, Prefix("2001:db8::", 32), int.MaxValue, 1).Length, 1,
            IpsetMessage.MaxSize);
    }

    // The set afero4 as Linux 6.18 lists it, with 198.18.7.0/24 and 3899 s left.
    private static readonly byte[] Row = Convert.FromHexString(
        "54000000" + "0706" + "0200" + "05000000" + "00000000" + "02000000" + "0500010006000000"
        + "0b000200616665726f340000"
        + "2c000880" + "28000780" + "0c000180" + "08000140c6120700" + "0500030018000000" + "0800064000000f3b"
        + "0800094000000000");

    [Fact]
    public void Elements_of_a_list_are_read() =>
        Assert.Equal("198.18.7.0/24 3899", string.Join(", ", Elements(Row)));

    [Fact]
    public void A_list_that_is_cut_or_changed_is_survived()
    {
        for (int i = 0; i < Row.Length; i++)
        {
            Elements(Row[..i]);
            foreach (byte flip in new byte[] { 1, 0x80, 0xff })
            {
                byte[] changed = [.. Row];
                changed[i] ^= flip;
                Assert.InRange(Elements(changed).Count, 0, 5);
            }
        }
    }

    private static List<string> Elements(byte[] datagram)
    {
        List<string> found = [];
        NetlinkReader reader = new(datagram);
        while (reader.TryRead(out NetlinkMessage message))
        {
            IpsetMessage.Elements elements = IpsetMessage.ElementsOf(message);
            while (elements.TryRead(out IpPrefix prefix, out uint timeout))
            {
                found.Add($"{prefix} {timeout}");
            }
        }
        return found;
    }

    [Theory]
    [InlineData(17, "a set of that name has another type")]
    [InlineData(4352, "the set is full")]
    [InlineData(4104, "ipset error 4104")]
    [InlineData(1, null)]
    public void Errors_in_words(int error, string? words) => Assert.Equal(words, IpsetMessage.Words(error));

    private static IpPrefix Prefix(string address, byte length) =>
        new(IpNumber.Of(IPAddress.Parse(address)), length);

    private static string Text(ReadOnlySpan<byte> request) => Convert.ToHexStringLower(request);
}
