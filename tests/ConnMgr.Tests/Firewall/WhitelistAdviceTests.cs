using System.Text;
using ConnMgr.Config;
using ConnMgr.Firewall;

namespace ConnMgr.Tests.Firewall;

public class WhitelistAdviceTests
{
    [Theory]
    [InlineData("https://api.example.com/v1?x=1", "write 'api.example.com', not a URL")]
    [InlineData("https://user:word@api.example.com:8443/", "write 'api.example.com', not a URL")]
    [InlineData("coap://[2001:db8::1]:5683/x", "write '2001:db8::1', not a URL")]
    [InlineData("api.example.com:443", "write 'api.example.com', without a port: an entry admits all ports")]
    [InlineData("192.0.2.1:443", "write '192.0.2.1', without a port: an entry admits all ports")]
    [InlineData("[2001:db8::1]:443", "write '2001:db8::1', without a port: an entry admits all ports")]
    [InlineData("[2001:db8::1]", "write '2001:db8::1', without a port: an entry admits all ports")]
    [InlineData("*.example.com:443", "write '*.example.com', without a port: an entry admits all ports")]
    [InlineData("api.example.com/v1", "write 'api.example.com', without a path")]
    [InlineData(".example.com", "write '*.example.com', with a star for the names below a domain")]
    [InlineData("192.0.2.1/33", null)]
    [InlineData("2001:db8::g", null)]
    [InlineData("two..dots.example", null)]
    [InlineData("://x", null)]
    [InlineData("*", null)]
    public void A_bad_line_says_what_to_write_instead(string line, string? advice)
    {
        List<Remark> errors = [];
        WhitelistReader.Read(Encoding.UTF8.GetBytes(line), errors, []);
        string text = Assert.Single(errors).Text;
        if (advice is null)
        {
            Assert.DoesNotContain("write", text);
        }
        else
        {
            Assert.EndsWith($"; {advice}", text);
        }
    }

    [Theory]
    [InlineData("localhost", "remove the line")]
    [InlineData("LOCALHOST.", "remove the line")]
    [InlineData("127.0.0.1", "remove the line")]
    [InlineData("127.5.0.1", "remove the line")]
    [InlineData("::1", "remove the line")]
    [InlineData("server", "write the full name")]
    public void An_entry_that_does_not_what_it_seems_to_is_a_warning(string line, string advice)
    {
        List<Remark> errors = [];
        List<Remark> warnings = [];
        Assert.Equal(1, WhitelistReader.Read(Encoding.UTF8.GetBytes(line), errors, warnings).Count);
        Assert.Empty(errors);
        Assert.Contains(advice, Assert.Single(warnings).Text);
    }
}
