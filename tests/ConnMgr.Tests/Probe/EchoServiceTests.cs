using ConnMgr.Probe;
using CsCheck;

namespace ConnMgr.Tests.Probe;

public class EchoServiceTests
{
    private const string BadPort = "the port is not a number from 1 to 65535";
    private const string BadHost = "the host is neither a host name nor an IP address without scope";
    private const string NoHost = "the host is missing";
    private const string Brackets = "an IPv6 address with a port is written [ADDRESS]:PORT";

    [Theory]
    [InlineData("echo.afero.io", "echo.afero.io", 80, false)]
    [InlineData("Echo.Afero.IO.:7", "echo.afero.io", 7, false)]
    [InlineData("localhost:65535", "localhost", 65535, false)]
    [InlineData("192.0.2.1", "192.0.2.1", 80, true)]
    [InlineData("192.0.2.1:1", "192.0.2.1", 1, true)]
    [InlineData("2001:DB8::1", "2001:db8::1", 80, true)]
    [InlineData("2001:db8::1:80", "2001:db8::1:80", 80, true)]
    [InlineData("[2001:db8::1]", "2001:db8::1", 80, true)]
    [InlineData("[2001:db8::1]:8080", "2001:db8::1", 8080, true)]
    [InlineData("::ffff:192.0.2.1", "::ffff:192.0.2.1", 80, true)]
    public void A_service_is_read(string text, string host, int port, bool isAddress)
    {
        Assert.True(EchoService.TryParse(text, out EchoService service, out string error), error);
        Assert.Equal(new EchoService(host, port), service);
        Assert.Equal(isAddress, service.Address is not null);
        Assert.Equal("", error);

        Assert.True(EchoService.TryParse(service.ToString(), out EchoService again, out _));
        Assert.Equal(service, again);
    }

    [Theory]
    [InlineData("", NoHost)]
    [InlineData(":80", NoHost)]
    [InlineData("[]:80", NoHost)]
    [InlineData("a:", BadPort)]
    [InlineData("a:0", BadPort)]
    [InlineData("a:65536", BadPort)]
    [InlineData("a:-1", BadPort)]
    [InlineData("a:+1", BadPort)]
    [InlineData("a: 1", BadPort)]
    [InlineData("a:http", BadPort)]
    [InlineData("a:99999999999", BadPort)]
    [InlineData("[::1]:", BadPort)]
    [InlineData("[::1", Brackets)]
    [InlineData("[::1]80", Brackets)]
    [InlineData("[a]:80", BadHost)]
    [InlineData("[192.0.2.1]:80", BadHost)]
    [InlineData("fe80::1%eth0", BadHost)]
    [InlineData("a:b:c", BadHost)]
    [InlineData("a b", BadHost)]
    [InlineData("http://a", BadPort)]
    [InlineData("1", BadHost)]
    [InlineData("0x7f.1", BadHost)]
    [InlineData("192.0.2.01", BadHost)]
    [InlineData("192.0.2.256", BadHost)]
    [InlineData("a;reboot", BadHost)]
    [InlineData("a\n", BadHost)]
    public void Anything_else_is_refused_with_the_reason(string text, string expected)
    {
        Assert.False(EchoService.TryParse(text, out _, out string error));
        Assert.Equal(expected, error);
    }

    [Fact]
    public void No_text_whatever_does_harm() => Gen.String[Gen.Char["a1.:[]%-é\0 "], 0, 20].Sample(text =>
    {
        bool isRead = EchoService.TryParse(text, out EchoService service, out string error);
        Assert.Equal(isRead, error.Length == 0);
        Assert.Equal(isRead, service is not null);
    });
}
