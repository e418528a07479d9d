using System.Text;
using ConnMgr.Config;
using ConnMgr.Dns;
using ConnMgr.Firewall;
using ConnMgr.Net;
using CsCheck;

namespace ConnMgr.Tests.Firewall;

public class WhitelistTests
{
    [Theory]
    [InlineData("echo.example", "echo.example", true)]
    [InlineData("echo.example", "ECHO.Example.", true)]
    [InlineData("Echo.EXAMPLE.", "echo.example", true)]
    [InlineData("echo.example", "xecho.example", false)]
    [InlineData("echo.example", "a.echo.example", false)]
    [InlineData("echo.example", "example", false)]
    [InlineData("echo.example", "echo.example.net", false)]
    [InlineData("*.afero.example", "a.afero.example", true)]
    [InlineData("*.afero.example", "a.b.afero.example", true)]
    [InlineData("*.afero.example", "afero.example", false)]
    [InlineData("*.afero.example", "xafero.example", false)]
    [InlineData("*.afero.example", "a.afero.example.net", false)]
    [InlineData("otacdn*.afero.example", "otacdn-2.eu.afero.example", true)]
    [InlineData("otacdn*.afero.example", "otacdn1.afero.example", true)]
    [InlineData("otacdn*.afero.example", "otacdn.eu.afero.example", true)]
    [InlineData("otacdn*.afero.example", "otacdn.afero.example", false)]
    [InlineData("otacdn*.afero.example", "otacd.afero.example", false)]
    [InlineData("otacdn*.afero.example", "xotacdn1.afero.example", false)]
    [InlineData("*-cdn.afero.example", "eu-cdn.afero.example", true)]
    [InlineData("*-cdn.afero.example", "a.eu-cdn.afero.example", true)]
    [InlineData("*cdn.afero.example", "cdn.afero.example", false)]
    [InlineData("a*b.afero.example", "axb.afero.example", true)]
    [InlineData("a*b.afero.example", "a.b.afero.example", true)]
    [InlineData("a*b.afero.example", "ax.y.zb.afero.example", true)]
    [InlineData("a*b.afero.example", "ab.afero.example", false)]
    [InlineData("a*a.afero.example", "a.afero.example", false)]
    [InlineData("*.a.afero.example", "a.afero.example", false)]
    public void A_name_is_wanted_or_not(string entry, string name, bool expected)
    {
        Assert.Equal(expected, Read(entry).IsWanted(Name(name), out int found));
        Assert.Equal(expected ? 0 : -1, found);
    }

    [Theory]
    [InlineData("")]
    [InlineData("   \t \r")]
    [InlineData("# echo.example")]
    [InlineData("  #")]
    public void A_line_without_an_entry_says_nothing(string line) =>
        Assert.Equal(0, Read(line + "\n" + line).Count);

    [Theory]
    [InlineData("echo.example\r\n")]
    [InlineData("\t echo.example \t")]
    [InlineData("echo.example# the service")]
    [InlineData("echo.example   # the service")]
    [InlineData("\r\n\r\n\v\fecho.example\f")]
    [InlineData("\uFEFFecho.example\r\n")]
    [InlineData("# \u00e9\necho.example")]
    public void White_space_and_comments_are_no_part_of_an_entry(string text)
    {
        Whitelist whitelist = Read(text);
        Assert.Equal("echo.example", whitelist.TextOf(0));
        Assert.True(whitelist.IsWanted(Name("echo.example"), out _));
        Assert.Equal(1, whitelist.Count);
    }

    [Theory]
    [InlineData("*.io", "a wildcard must keep two labels without '*'")]
    [InlineData("*.io.", "a wildcard must keep two labels without '*'")]
    [InlineData("otacdn*.io", "a wildcard must keep two labels without '*'")]
    [InlineData("*", "a wildcard must keep two labels without '*'")]
    [InlineData("a.*.afero.example", "only one '*', and only in the left-most label")]
    [InlineData("a*b*.afero.example", "only one '*', and only in the left-most label")]
    [InlineData("*.afero*.example", "only one '*', and only in the left-most label")]
    [InlineData("-*.afero.example", "neither a host name nor an address")]
    [InlineData("*-.afero.example", "neither a host name nor an address")]
    [InlineData("a..example", "neither a host name nor an address")]
    [InlineData("echo.example;reboot", "neither a host name nor an address")]
    [InlineData("$(reboot).example", "neither a host name nor an address")]
    [InlineData("`reboot`", "neither a host name nor an address")]
    [InlineData("'echo.example'", "neither a host name nor an address")]
    [InlineData("echo.example..", "neither a host name nor an address")]
    [InlineData("-echo.example", "neither a host name nor an address")]
    [InlineData("echo.example:80", "not an address or prefix")]
    [InlineData("http://echo.example", "not an address or prefix")]
    [InlineData("1.2.3", "not an address or prefix")]
    [InlineData("198.18.0.256", "not an address or prefix")]
    [InlineData("198.18.0.01", "not an address or prefix")]
    [InlineData("198.18.0.1.", "not an address or prefix")]
    [InlineData("198.18.0.0/33", "not an address or prefix")]
    [InlineData("198.18.0.0/", "not an address or prefix")]
    [InlineData("198.18.0.0/+8", "not an address or prefix")]
    [InlineData("198.18.0.0/255.255.0.0", "not an address or prefix")]
    [InlineData("[2001:db8::1]", "not an address or prefix")]
    [InlineData("2001:db8::1%eth0", "not an address or prefix")]
    [InlineData("2001:db8::/129", "not an address or prefix")]
    [InlineData("::ffff:198.18.0.1", "an IPv4 address in IPv6 form")]
    [InlineData("::ffff:0.0.0.0/96", "an IPv4 address in IPv6 form")]
    [InlineData("198.0.0.0/7", "prefix shorter than /8")]
    [InlineData("0.0.0.0/0", "prefix shorter than /8")]
    [InlineData("2001:db8::/15", "prefix shorter than /16")]
    public void A_bad_line_is_said_with_its_number_and_skipped(string line, string expected)
    {
        List<Remark> errors = [];
        Whitelist whitelist = WhitelistReader.Read(
            Encoding.UTF8.GetBytes($"# here\necho.example\n{line}\n198.18.0.1"), errors, []);
        Remark error = Assert.Single(errors);
        Assert.Equal(3, error.Line);
        Assert.Equal($"{expected}: \"{line}\"", error.Text.Split("; write ")[0]);
        Assert.Equal(2, whitelist.Count);
    }

    [Theory]
    [InlineData("echo.example reboot", "more than one word: \"echo.example reboot\"")]
    [InlineData("echo.\texample", "more than one word: \"echo.\\u0009example\"")]
    [InlineData("echo\0.example", "control character: \"echo\\u0000.example\"")]
    [InlineData("echo\u007f.example", "control character: \"echo\\u007f.example\"")]
    [InlineData("a.example\rb.example", "control character: \"a.example\\u000db.example\"")]
    [InlineData("\u00e9cho.example", "not ASCII: \"\u00e9cho.example\"")]
    public void What_is_not_plain_text_is_said_with_its_number(string line, string expected)
    {
        List<Remark> errors = [];
        Assert.Equal(1, WhitelistReader.Read(Encoding.UTF8.GetBytes($"{line}\nb.example"), errors, []).Count);
        Assert.Equal(new Remark(1, expected), Assert.Single(errors));
    }

    [Fact]
    public void A_megabyte_on_one_line_is_one_remark()
    {
        List<Remark> errors = [];
        byte[] text = Encoding.ASCII.GetBytes("a.example\n" + new string('a', 1 << 20) + "\nb.example");
        Assert.Equal(2, WhitelistReader.Read(text, errors, []).Count);
        Assert.Equal(new Remark(2, "longer than any name: 1048576 bytes"), Assert.Single(errors));
    }

    [Fact]
    public void A_name_may_have_253_characters_and_a_label_63()
    {
        string longest = string.Join(
            '.', new string('a', 63), new string('b', 63), new string('c', 63), new string('d', 61));
        Assert.True(Read(longest + ".").IsWanted(Name(longest), out _));
        Assert.Equal(0, WhitelistReader.Read(Encoding.ASCII.GetBytes(longest + "d"), [], []).Count);
        Assert.Equal(
            0, WhitelistReader.Read(Encoding.ASCII.GetBytes($"{new string('a', 63)}*.a.example"),
                [], []).Count);
        string wildcard = $"{new string('a', 30)}*{new string('b', 32)}.a.example";
        Assert.True(Read(wildcard).IsWanted(Name(wildcard.Replace('*', 'x')), out _));
        // A name of the maximum length, with 127 labels.
        string many = string.Join('.', Enumerable.Repeat("a", 127));
        Assert.True(Read("*.a.a").IsWanted(Name(many), out _));
    }

    [Fact]
    public void What_is_there_twice_is_a_warning()
    {
        List<Remark> warnings = [];
        Whitelist whitelist = WhitelistReader.Read(
            "a.example\nA.example.\n*.a.example\n*.A.example\n198.18.0.1\n198.18.0.1/32\n198.18.0.1/24\n"u8,
            [], warnings);
        Assert.Equal(4, whitelist.Count);
        Assert.Equal(
            [
                new Remark(2, "already listed: \"A.example.\""),
                new Remark(4, "already listed: \"*.A.example\""),
                new Remark(6, "already listed: \"198.18.0.1/32\""),
                new Remark(7, "means 198.18.0.0/24: \"198.18.0.1/24\""),
            ],
            warnings);
    }

    [Fact]
    public void Remarks_have_an_end()
    {
        List<Remark> errors = [];
        WhitelistReader.Read(
            Encoding.ASCII.GetBytes(string.Concat(Enumerable.Repeat("?\n", 100_000))), errors, []);
        Assert.Equal(WhitelistReader.MaxRemarks + 1, errors.Count);
        Assert.Equal("neither a host name nor an address: \"?\"; errors in later lines are not reported",
            errors[^1].Text);
    }

    [Theory]
    [InlineData("198.18.5.1", "198.18.5.1", true)]
    [InlineData("198.18.5.1", "198.18.5.2", false)]
    [InlineData("198.18.5.0/24", "198.18.5.255", true)]
    [InlineData("198.18.5.0/24", "198.18.6.0", false)]
    [InlineData("198.0.0.0/8", "198.18.6.0", true)]
    [InlineData("2001:db8::/32", "2001:db8:1::1", true)]
    [InlineData("2001:db8::/32", "2001:db9::1", false)]
    [InlineData("2001:DB8::1", "2001:db8::1", true)]
    [InlineData("::/16", "198.18.5.1", false)]
    [InlineData("::/16", "::1", true)]
    [InlineData("198.18.0.0/15\n198.18.5.1\n2001:db8::/32", "198.19.255.255", true)]
    public void An_address_is_covered_or_not(string text, string address, bool expected) =>
        Assert.Equal(expected, Read(text).Covers(Address(address)));

    [Fact]
    public void Literals_are_told_as_they_are_for_the_kernel()
    {
        Whitelist whitelist = Read("198.18.5.0/24\n2001:db8::/32\nname.example\n198.18.0.1\n2001:db8::1/128");
        Assert.Equal(
            "198.18.5.0/24 2001:db8::/32 198.18.0.1 2001:db8::1",
            string.Join(' ', Enumerable.Range(0, whitelist.LiteralCount).Select(whitelist.LiteralOf)));
        Assert.True(whitelist.HasLiteral(whitelist.LiteralOf(1)));
        Assert.False(whitelist.HasLiteral(IpPrefix.Of(Address("198.18.5.0"))));
    }

    [Fact]
    public void A_wildcard_wants_host_names_only()
    {
        Whitelist whitelist = Read("*.a.example\na.example");
        foreach (string label in new[] { "a;b", "a b", "\0", "$(id)", "*", "-a", "\"", "\u00ff" })
        {
            byte[] wire =
                [(byte)label.Length, .. Encoding.Latin1.GetBytes(label), .. "\u0001a\u0007example\0"u8];
            DnsReader reader = new(wire);
            Assert.True(DnsName.TryRead(ref reader, out DnsName name));
            Assert.False(whitelist.IsWanted(name, out _), label);
        }
        Assert.False(whitelist.IsWanted(default, out _));
    }

    [Fact]
    public void An_exact_name_counts_before_a_wildcard()
    {
        Whitelist whitelist = Read("*.a.example\nb.a.example");
        Assert.True(whitelist.IsWanted(Name("b.a.example"), out int entry));
        Assert.Equal("b.a.example", whitelist.TextOf(entry));
        Assert.True(whitelist.IsExact(entry));
        Assert.True(whitelist.IsWanted(Name("c.a.example"), out entry));
        Assert.Equal("*.a.example", whitelist.TextOf(entry));
        Assert.False(whitelist.IsExact(entry));
    }

    [Fact]
    public void Ten_thousand_entries_are_all_there()
    {
        string text = string.Join('\n', Enumerable.Range(0, 10_000).Select(i => (i % 4) switch
        {
            0 => $"name-{i}.example",
            1 => $"cdn{i}*.example.net",
            2 => $"*.n{i}.example",
            _ => $"198.{18 + (i >> 16)}.{(i >> 8) & 255}.{i & 255}",
        }));
        Whitelist whitelist = Read(text);
        Assert.Equal(10_000, whitelist.Count);
        for (int i = 0; i < 10_000; i++)
        {
            Assert.True(i % 4 == 3
                ? whitelist.Covers(Address($"198.18.{(i >> 8) & 255}.{i & 255}"))
                : whitelist.IsWanted(
                    Name((i % 4) switch
                    {
                        0 => $"name-{i}.example",
                        1 => $"cdn{i}-x.eu.example.net",
                        _ => $"x.n{i}.example"
                    }),
                    out _));
        }
        Assert.False(whitelist.IsWanted(Name("name-10000.example"), out _));
        Assert.False(whitelist.Covers(Address("198.18.0.4")));
    }

    [Fact]
    public void Matching_allocates_nothing()
    {
        Whitelist whitelist = Read("a.example\notacdn*.afero.example\n198.18.5.0/24\n2001:db8::1");
        DnsName name = Name("otacdn-2.eu.afero.example");
        IpNumber address = Address("198.18.5.1");
        int missed = 0;
        long allocated = Allocation.Least(() =>
        {
            for (int i = 0; i < 1000; i++)
            {
                missed += whitelist.IsWanted(name, out _) && whitelist.Covers(address) ? 0 : 1;
            }
        });
        Assert.Equal((0, 0), (missed, allocated));
    }

    /// <summary>
    /// The plain meaning of section 10 of the contract, on text. The tables must agree with it.
    /// </summary>
    private static bool IsWantedPlainly(string entry, string name)
    {
        int star = entry.IndexOf('*', StringComparison.Ordinal);
        return star < 0
            ? entry == name
            : name.Length > entry.Length - 1
                && name.StartsWith(entry[..star], StringComparison.Ordinal)
                && name.EndsWith(entry[(star + 1)..], StringComparison.Ordinal);
    }

    [Fact]
    public void Any_names_are_matched_as_the_plain_meaning_says()
    {
        Gen<string> label = Gen.String[Gen.Char["ab"], 1, 3];
        Gen<string> name = label.Array[2, 5].Select(labels => string.Join('.', labels));
        Gen<string> entry = Gen.OneOf(
            name, Gen.Select(Gen.String[Gen.Char["ab"], 0, 2], Gen.String[Gen.Char["ab"], 0, 2], label, label,
                (before, after, one, two) => $"{before}*{after}.{one}.{two}"));
        Gen.Select(entry.Array[1, 12], name.Array[1, 8]).Sample(
            (entries, names) =>
            {
                Whitelist whitelist = WhitelistReader.Read(
                    Encoding.ASCII.GetBytes(string.Join('\n', entries)), [], []);
                foreach (string asked in names)
                {
                    bool expected = entries.Any(one => IsWantedPlainly(one, asked));
                    bool isWanted = whitelist.IsWanted(Name(asked), out int found);
                    if (expected != isWanted
                        || (isWanted && !IsWantedPlainly(whitelist.TextOf(found), asked)))
                    {
                        return false;
                    }
                }
                return true;
            },
            iter: 20_000);
    }

    [Fact]
    public void Any_bytes_are_read_without_an_exception_and_every_line_is_an_entry_or_a_remark() =>
        Gen.String[Gen.Char["abA.*#\n\r \t/:1029;\0-\u00ff"], 0, 60].Select(Encoding.Latin1.GetBytes).Sample(
            text =>
            {
                List<Remark> errors = [];
                List<Remark> warnings = [];
                Whitelist whitelist = WhitelistReader.Read(text, errors, warnings);
                int lines = 0;
                foreach (string line in Encoding.Latin1.GetString(text).Split('\n'))
                {
                    lines += line.Split('#')[0].Trim(" \t\r\v\f".ToCharArray()).Length > 0 ? 1 : 0;
                }
                int masked = warnings.Count(
                    warning => warning.Text.StartsWith("means", StringComparison.Ordinal));
                int advised = warnings.Count(
                    warning => warning.Text.StartsWith("a single label", StringComparison.Ordinal)
                        || warning.Text.StartsWith("the device reaches", StringComparison.Ordinal));
                return whitelist.Count + errors.Count + warnings.Count - masked - advised == lines;
            },
            iter: 50_000);

    private static Whitelist Read(string text)
    {
        List<Remark> errors = [];
        Whitelist whitelist = WhitelistReader.Read(Encoding.UTF8.GetBytes(text), errors, []);
        Assert.Empty(errors);
        return whitelist;
    }

    private static DnsName Name(string text)
    {
        Assert.True(DnsName.TryParse(text, out DnsName name), text);
        return name;
    }

    private static IpNumber Address(string text) => IpNumber.Of(System.Net.IPAddress.Parse(text));

    /// <summary>Names must find room in the kernel's sets beside the literals.</summary>
    [Theory]
    [InlineData("198.{0}.{1}.{2}"), InlineData("198.{0}.{1}.{2}/31"), InlineData("2001:db8:{0}:{1}::{2}")]
    [InlineData("2001:db8:{0}:{1}:{2}::/80")]
    public void Too_many_literals_are_an_error_and_the_first_ones_count(string format)
    {
        StringBuilder text = new("a.example\n");
        for (int i = 0; i < Whitelist.MaxLiterals + 2; i++)
        {
            text.Append(System.Globalization.CultureInfo.InvariantCulture,
                $"{string.Format(null, format, 18 + (i >> 15), (i >> 7) & 255, (i & 127) << 1)}\n");
        }
        text.Append("b.example\nno entry\n");
        List<Remark> errors = [];
        List<Remark> warnings = [];
        byte[] bytes = Encoding.ASCII.GetBytes(text.ToString());
        Whitelist whitelist = WhitelistReader.Read(bytes, errors, warnings);
        Assert.Equal((Whitelist.MaxLiterals, 2), (whitelist.LiteralCount, whitelist.NameCount));
        Assert.Equal(
            [
                new Remark(Whitelist.MaxLiterals + 2,
                    "2 addresses and prefixes too many: at most 32768 leave room for the addresses of names"),
                new Remark(Whitelist.MaxLiterals + 5, "more than one word: \"no entry\""),
            ],
            errors);
        Assert.Empty(warnings);
    }
}
