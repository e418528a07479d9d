using System.Net;
using ConnMgr.Net;
using CsCheck;

namespace ConnMgr.Tests.Net;

public class IpNumberTests
{
    [Theory]
    [InlineData("198.18.1.2", "198.18.1.2")]
    [InlineData("::ffff:198.18.1.2", "198.18.1.2")]
    [InlineData("::", "::")]
    [InlineData("::1", "::1")]
    [InlineData("1::", "1::")]
    [InlineData("2001:db8::1", "2001:db8::1")]
    [InlineData("2001:db8:0:0:1:0:0:1", "2001:db8::1:0:0:1")] // the first of two
    [InlineData("2001:0:0:1:0:0:0:1", "2001:0:0:1::1")] // the longest
    [InlineData("2001:db8:0:1:1:1:1:1", "2001:db8:0:1:1:1:1:1")] // one group is not shortened
    [InlineData("2001:db8::5efe:198.18.1.2", "2001:db8::5efe:c612:102")]
    [InlineData("::198.18.1.2", "::c612:102")]
    [InlineData("2001:0db8:000A:00b0:0c00:d000:0:0", "2001:db8:a:b0:c00:d000::")]
    public void Text_is_as_RFC_5952_wants_it_and_has_no_dots_in_IPv6(string address, string text) =>
        Assert.Equal(text, IpNumber.Of(IPAddress.Parse(address)).ToString());

    [Fact]
    public void Text_is_read_as_the_same_number() =>
        Gen.Select(Gen.Byte.Array[16], Gen.Int[0, 15], Gen.Int[0, 15]).Sample((bytes, from, to) =>
        {
            for (int i = Math.Min(from, to); i <= Math.Max(from, to); i++)
            {
                bytes[i] = 0;
            }
            IpNumber.TryRead(bytes, out IpNumber number);
            Assert.Equal(number, IpNumber.Of(IPAddress.Parse(number.ToString())));
        });
}
