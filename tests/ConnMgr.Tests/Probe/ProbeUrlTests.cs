using ConnMgr.Probe;
using CsCheck;

namespace ConnMgr.Tests.Probe;

public class ProbeUrlTests
{
    private const string Scheme =
        "write SCHEME://HOST, with SCHEME one of echo, http, tls, mqtt, coap or tcp";
    private const string OtherScheme = "write one of echo, http, tls, mqtt, coap or tcp in front of ://";
    private const string BadPort = "write the port as a number from 1 to 65535";
    private const string BadHost = "write the host as a host name, or as an IP address without scope";
    private const string NoHost = "write a host name or an IP address as the host";
    private const string Brackets = "write an IPv6 address with a port as [ADDRESS]:PORT";
    private const string NoBrackets = "write an IPv6 address in brackets: [ADDRESS]";
    private const string Answer =
        "write the correct answer at the end: #204 for that status, or #=TEXT for a body that begins "
        + "with TEXT";

    [Theory]
    [InlineData("echo://echo.example", "echo", "echo.example", 7)]
    [InlineData("ECHO://Echo.Example.:80", "echo", "echo.example", 80)]
    [InlineData("tls://cloud.example", "tls", "cloud.example", 443)]
    [InlineData("tls://192.0.2.1:8883", "tls", "192.0.2.1", 8883)]
    [InlineData("mqtt://[2001:DB8::1]", "mqtt", "2001:db8::1", 1883)]
    [InlineData("coap://[2001:db8::1]:65535", "coap", "2001:db8::1", 65535)]
    [InlineData("tcp://localhost:1", "tcp", "localhost", 1)]
    public void A_url_is_read(string text, string scheme, string host, int port)
    {
        Assert.True(ProbeUrl.TryParse(text, out ProbeUrl url, out string error), error);
        Assert.Equal(
            (scheme, host, port, "", null), (url.Scheme.Name(), url.Host, url.Port, url.Path, url.Text));
        AssertIsReadBack(url);
    }

    [Theory]
    [InlineData("http://a.example#204", "a.example", 80, "/", null)]
    [InlineData("http://a.example:8080/generate_204#204", "a.example", 8080, "/generate_204", null)]
    [InlineData("http://[2001:db8::1]/a?b=c&d=%20#204", "2001:db8::1", 80, "/a?b=c&d=%20", null)]
    [InlineData(
        "http://a.example/#=NetworkManager is online", "a.example", 80, "/", "NetworkManager is online")]
    [InlineData("http://a.example/#=<HTML>#=2", "a.example", 80, "/", "<HTML>#=2")]
    [InlineData("http://a.example/#=all%20is%20well", "a.example", 80, "/", "all is well")]
    [InlineData("http://a.example/#=100%, 5%2, %25x, %80", "a.example", 80, "/", "100%, 5%2, %x, %80")]
    [InlineData("http://a.example/#=204", "a.example", 80, "/", "204")]
    [InlineData("http://a.example/#=é", "a.example", 80, "/", "é")]
    public void A_url_of_http_says_what_is_right(
        string text, string host, int port, string path, string? body)
    {
        Assert.True(ProbeUrl.TryParse(text, out ProbeUrl url, out string error), error);
        Assert.Equal(new ProbeUrl(ProbeScheme.Http, host, port, path, body), url);
        AssertIsReadBack(url);
    }

    [Theory]
    [InlineData("", Scheme)]
    [InlineData("echo.example:80", Scheme)]
    [InlineData("echo:/a", Scheme)]
    [InlineData("://a", OtherScheme)]
    [InlineData("ftp://a", OtherScheme)]
    [InlineData("echo2://a", OtherScheme)]
    [InlineData("https://a/", "write tls://HOST[:PORT] for an HTTPS server")]
    [InlineData("mqtts://a", "write tls://HOST:8883 for an MQTT server with TLS")]
    [InlineData("echo://", NoHost)]
    [InlineData("echo://:7", NoHost)]
    [InlineData("echo://[]:7", NoHost)]
    [InlineData("http:///path#204", NoHost)]
    [InlineData("echo://a:", BadPort)]
    [InlineData("echo://a:0", BadPort)]
    [InlineData("echo://a:65536", BadPort)]
    [InlineData("echo://a:+1", BadPort)]
    [InlineData("echo://a:99999999999", BadPort)]
    [InlineData("tcp://a", "write the port: HOST:PORT")]
    [InlineData("tcp://[2001:db8::1]", "write the port: HOST:PORT")]
    [InlineData("echo://2001:db8::1", NoBrackets)]
    [InlineData("echo://2001:db8::1:7", NoBrackets)]
    [InlineData("echo://[2001:db8::1", Brackets)]
    [InlineData("echo://[2001:db8::1]7", Brackets)]
    [InlineData("echo://[192.0.2.1]", BadHost)]
    [InlineData("echo://[fe80::1%eth0]", BadHost)]
    [InlineData("echo://user@a", BadHost)]
    [InlineData("echo://192.0.2.01", BadHost)]
    [InlineData("echo://a b", BadHost)]
    [InlineData("echo://a;reboot", BadHost)]
    [InlineData("echo://a\n", BadHost)]
    [InlineData("tls://a/", "write nothing behind tls://HOST:PORT: only http has a path and an answer")]
    [InlineData("echo://a#204", "write nothing behind echo://HOST:PORT: only http has a path and an answer")]
    [InlineData("http://a", Answer)]
    [InlineData("http://a/", Answer)]
    [InlineData("http://a/#", Answer)]
    [InlineData("http://a/#=", Answer)]
    [InlineData("http://a/#200", Answer)]
    [InlineData("http://a/#204 ", Answer)]
    [InlineData("http://a?b#204", "write the path, which starts with /, in front of the query")]
    [InlineData(
        "http://a/b c#204", "write a path of at most 512 characters, others than printable ASCII as %XX")]
    [InlineData(
        "http://a/é#204", "write a path of at most 512 characters, others than printable ASCII as %XX")]
    [InlineData("http://a/\r\nX: y#204",
        "write a path of at most 512 characters, others than printable ASCII as %XX")]
    [InlineData("http://a/#=a%0ab", "write at most 256 bytes behind #=, without control characters")]
    [InlineData("http://a/#=a\nb", "write at most 256 bytes behind #=, without control characters")]
    public void Anything_else_is_refused_with_what_to_write(string text, string expected)
    {
        Assert.False(ProbeUrl.TryParse(text, out ProbeUrl url, out string error));
        Assert.Equal(expected, error);
        Assert.Null(url);
    }

    [Fact]
    public void Long_paths_and_texts_are_refused()
    {
        Assert.True(
            ProbeUrl.TryParse($"http://a/{new string('p', 511)}#={new string('t', 256)}", out _, out _));
        Assert.False(ProbeUrl.TryParse($"http://a/{new string('p', 512)}#204", out _, out _));
        Assert.False(ProbeUrl.TryParse($"http://a/#={new string('t', 257)}", out _, out _));
        Assert.False(ProbeUrl.TryParse($"http://a/#={new string('é', 129)}", out _, out _));
        Assert.False(ProbeUrl.TryParse($"echo://{new string('1', 5000)}", out _, out _));
    }

    [Theory]
    [InlineData("echo.example", "echo.example", 80, false)]
    [InlineData("Echo.Example.:7", "echo.example", 7, false)]
    [InlineData("localhost:65535", "localhost", 65535, false)]
    [InlineData("192.0.2.1", "192.0.2.1", 80, true)]
    [InlineData("192.0.2.1:1", "192.0.2.1", 1, true)]
    [InlineData("2001:DB8::1", "2001:db8::1", 80, true)]
    [InlineData("2001:db8::1:80", "2001:db8::1:80", 80, true)]
    [InlineData("[2001:db8::1]", "2001:db8::1", 80, true)]
    [InlineData("[2001:db8::1]:8080", "2001:db8::1", 8080, true)]
    [InlineData("::ffff:192.0.2.1", "::ffff:192.0.2.1", 80, true)]
    public void The_old_spelling_is_read(string text, string host, int port, bool isAddress)
    {
        Assert.True(ProbeUrl.TryParseEcho(text, out ProbeUrl url, out string error), error);
        Assert.Equal(new ProbeUrl(ProbeScheme.Echo, host, port), url);
        Assert.Equal(isAddress, url.Address is not null);
        Assert.Equal("", error);
        AssertIsReadBack(url);
    }

    [Theory]
    [InlineData("", NoHost)]
    [InlineData(":80", NoHost)]
    [InlineData("[]:80", NoHost)]
    [InlineData("a:", BadPort)]
    [InlineData("a:-1", BadPort)]
    [InlineData("a: 1", BadPort)]
    [InlineData("a:http", BadPort)]
    [InlineData("http://a", BadPort)]
    [InlineData("[::1]:", BadPort)]
    [InlineData("[::1", Brackets)]
    [InlineData("[::1]80", Brackets)]
    [InlineData("[a]:80", BadHost)]
    [InlineData("fe80::1%eth0", BadHost)]
    [InlineData("a:b:c", BadHost)]
    [InlineData("1", BadHost)]
    [InlineData("0x7f.1", BadHost)]
    [InlineData("192.0.2.256", BadHost)]
    public void Anything_else_is_refused_in_the_old_spelling_too(string text, string expected)
    {
        Assert.False(ProbeUrl.TryParseEcho(text, out _, out string error));
        Assert.Equal(expected, error);
    }

    [Fact]
    public void No_text_whatever_does_harm() =>
        Gen.String[Gen.Char["ah1.:[]%-é\0 /#=?tp204"], 0, 24].Sample(text =>
    {
        foreach (string whole in (string[])[text, "http://" + text, "tls://" + text])
        {
            bool isRead = ProbeUrl.TryParse(whole, out ProbeUrl url, out string error);
            Assert.Equal(isRead, error.Length == 0);
            Assert.Equal(isRead, url is not null);
            if (url is not null)
            {
                AssertIsReadBack(url);
            }
        }
        bool isEcho = ProbeUrl.TryParseEcho(text, out ProbeUrl echo, out string echoError);
        Assert.Equal(isEcho, echoError.Length == 0);
        Assert.Equal(isEcho, echo is not null);
    });

    [Fact]
    public void Every_scheme_has_its_name_port_and_strength()
    {
        string table = string.Join('\n', Enum.GetValues<ProbeScheme>().Select(scheme =>
            $"{scheme.Name()} {scheme.DefaultPort()} {scheme.Strength().Name()}"));
        Assert.Equal(
            """
            echo 7 content
            http 80 content
            tls 443 content
            mqtt 1883 protocol
            coap 5683 protocol
            tcp 0 connection
            """, table);
        Assert.All(Enum.GetValues<ProbeScheme>(), scheme =>
            Assert.Equal(scheme, ProbeSchemes.Parse(scheme.Name())));
    }

    private static void AssertIsReadBack(ProbeUrl url)
    {
        Assert.True(ProbeUrl.TryParse(url.ToString(), out ProbeUrl again, out string error), error);
        Assert.Equal(url, again);
    }
}
