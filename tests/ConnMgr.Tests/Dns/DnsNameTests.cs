using ConnMgr.Dns;

namespace ConnMgr.Tests.Dns;

public class DnsNameTests
{
    private static readonly string Label63 = new('x', 63);

    public static TheoryData<string> HostNames =>
    [
        "a", "echo.afero.io", "a-b.c", "r3---sn.example", "3com.example", "1.2.3.4.example", "a_b.example",
        "_dmarc.example",
        "xn--bcher-kva.example", $"{Label63}.example", $"{Label63}.{Label63}.{Label63}.{new string('y', 61)}",
    ];

    public static TheoryData<string> OtherText =>
    [
        "", ".", "..", ".a", "a..b", "a..", "-a", "a-", "a.-b", "a b", " a", "a ", "a\t", "a\0",
        "a/b", "a:80", "*.afero.io",
        "a;reboot", "$(reboot).io", "`a`", "'a'", "\"a\"", "a\\046b",
        "bücher.example", "ａ.example", "192.0.2.1", "192.0.2", "1",
        "example.1", "::1", $"{Label63}x.example", $"{Label63}.{Label63}.{Label63}.{new string('y', 62)}",
        new string('a', 70000),
    ];

    [Theory]
    [MemberData(nameof(HostNames))]
    public void A_host_name_is_read(string text)
    {
        foreach (string variant in (string[])[text, text + ".", text.ToUpperInvariant()])
        {
            Assert.True(DnsName.TryParse(variant, out DnsName name));
            Assert.Equal(text, name.ToString());
            Assert.Equal(text.Length + 2, name.Wire.Length);
        }
    }

    [Theory]
    [MemberData(nameof(OtherText))]
    public void Anything_else_is_not(string text)
    {
        Assert.False(DnsName.TryParse(text, out DnsName name));
        Assert.Equal(default, name);
    }

    [Fact]
    public void The_wire_format_is_that_of_the_message() =>
        Assert.Equal("\u0004echo\u0005afero\u0002io\0"u8.ToArray(), Name("Echo.AFERO.io.").Wire.ToArray());

    [Fact]
    public void Names_are_equal_without_case_and_have_equal_hashes()
    {
        Assert.Equal(Name("echo.afero.io"), Name("ECHO.Afero.IO."));
        Assert.Equal(Name("echo.afero.io").GetHashCode(), Name("ECHO.Afero.IO.").GetHashCode());
        Assert.NotEqual(Name("echo.afero.io"), Name("echo.afero.i"));
        Assert.NotEqual(Name("ab.c"), Name("a.bc"));
        Assert.NotEqual(Name("a"), default);
    }

    [Fact]
    public void Only_letters_have_case()
    {
        for (int letter = 0; letter < 256; letter++)
        {
            int expected = letter is >= 'A' and <= 'Z' ? letter + 32 : letter;
            Assert.Equal(expected, DnsName.ToLower((byte)letter));
        }
    }

    [Fact]
    public void A_name_is_escaped_in_text()
    {
        // a, LF, ESC, [, dot, b, space, quote, backslash; then a label of UTF-8
        DnsReader reader = new(GoldenMessages.Hex("09 610a1b5b2e6220225c 02 c3bc 00"));
        Assert.True(DnsName.TryRead(ref reader, out DnsName name));
        Assert.Equal(@"a\010\027\091\046b\032\034\092.\195\188", name.ToString());
        Assert.Equal(".", default(DnsName).ToString());
    }

    [Fact]
    public void A_name_of_any_255_bytes_is_read_from_a_message()
    {
        byte[] label = [63, .. Enumerable.Repeat((byte)0xff, 63)];
        DnsReader reader = new([.. label, .. label, .. label, .. label[..1]]);
        Assert.False(DnsName.TryRead(ref reader, out DnsName name));
        Assert.Equal(default, name);

        byte[] longest = [.. label, .. label, .. label, 61, .. label[1..62], 0];
        reader = new DnsReader(longest);
        Assert.True(DnsName.TryRead(ref reader, out name));
        Assert.Equal(longest, name.Wire.ToArray());
        Assert.Equal(255, name.Wire.Length);
    }

    private static DnsName Name(string text)
    {
        Assert.True(DnsName.TryParse(text, out DnsName name));
        return name;
    }
}
