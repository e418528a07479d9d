using ConnMgr.Dns;

namespace ConnMgr.Tests.Dns;

public class DnsReplyTests
{
    private const string Malformed = "NotAnAnswer: Malformed";
    private const string WrongQuestion = "NotAnAnswer: WrongQuestion";

    [Fact]
    public void A_chain_and_its_addresses_are_read() => Assert.Equal(
        "Answer 198.51.100.1/60 198.51.100.2/60", ReplyText.Of(GoldenMessages.Chain));

    [Fact]
    public void An_ipv6_answer_whose_owner_is_in_upper_case_is_read() => Assert.Equal(
        "Answer 2001:db8::7/3600", ReplyText.Of(GoldenMessages.Ipv6, DnsType.Aaaa));

    [Fact]
    public void A_name_that_does_not_exist_is_told_apart() => Assert.Equal(
        "NoSuchName rcode 3", ReplyText.Of(GoldenMessages.NoSuchName));

    [Fact]
    public void A_name_without_addresses_is_an_answer() =>
        Assert.Equal("Answer", ReplyText.Of(GoldenMessages.NoData));

    [Fact]
    public void A_refusal_is_told_apart() =>
        Assert.Equal("Failed rcode 5", ReplyText.Of(GoldenMessages.Refused));

    [Fact]
    public void A_truncated_answer_gives_what_it_has() => Assert.Equal(
        "Truncated 198.51.100.9/5", ReplyText.Of(GoldenMessages.Truncated));

    [Fact]
    public void A_truncated_answer_cut_inside_a_record_is_still_truncated() => Assert.Equal(
        "Truncated", ReplyText.Of(GoldenMessages.Truncated[..^1]));

    [Fact]
    public void A_truncated_answer_with_a_wrong_length_gives_nothing() => Assert.Equal(
        "Truncated",
        ReplyText.Of(MessageBuilder.Reply(2, flags: 0x8380)
            .Address("echo.afero.io", "198.51.100.1")
            .Record("echo.afero.io", MessageBuilder.A, 60, [198, 51, 100]).ToArray()));

    [Fact]
    public void A_query_is_no_answer() => Assert.Equal(
        "NotAnAnswer: NotAResponse", ReplyText.Of(GoldenMessages.EdnsQuery));

    [Theory]
    [InlineData("1a2c 8180 0001", "NotAnAnswer: WrongId")]
    [InlineData("1a2b 0180 0001", "NotAnAnswer: NotAResponse")]
    [InlineData("1a2b 8980 0001", "NotAnAnswer: WrongOpcode")]
    [InlineData("1a2b f980 0001", "NotAnAnswer: WrongOpcode")]
    [InlineData("1a2b 8180 0000", WrongQuestion)]
    [InlineData("1a2b 8180 0002", WrongQuestion)]
    [InlineData("1a2b 8183 0001", "NoSuchName rcode 3")] // with answers: they do not count
    [InlineData("1a2b 8383 0001", "NoSuchName rcode 3")]
    [InlineData("1a2b 8182 0001", "Failed rcode 2")]
    [InlineData("1a2b 818f 0001", "Failed rcode 15")]
    public void Headers_are_checked(string start, string expected)
    {
        byte[] message = GoldenMessages.Chain;
        GoldenMessages.Hex(start).CopyTo(message, 0);
        Assert.Equal(expected, ReplyText.Of(message));
    }

    [Fact]
    public void Another_question_is_no_answer()
    {
        Assert.Equal(WrongQuestion, ReplyText.Of(GoldenMessages.Chain, DnsType.Aaaa));
        Assert.Equal(WrongQuestion, ReplyText.Of(GoldenMessages.Chain, name: "echo.afero.net"));
        Assert.Equal(WrongQuestion, ReplyText.Of(GoldenMessages.Chain, name: "echo.afero"));
        Assert.Equal(WrongQuestion, ReplyText.Of(GoldenMessages.Chain, name: "echo.afero.io.net"));
        Assert.Equal(WrongQuestion, ReplyText.Of(GoldenMessages.Chain, name: "afero.io"));
        Assert.Equal(WrongQuestion, ReplyText.Of(
            new MessageBuilder().Short(GoldenMessages.Id, 0x8180, 1, 1, 0, 0)
            .Name("echo.afero.io").Short(1, 3)
                .Address("echo.afero.io", "198.51.100.1").ToArray())); // class CH
    }

    [Fact]
    public void Records_of_other_names_classes_and_types_are_skipped() => Assert.Equal(
        "Answer 198.51.100.1/60",
        ReplyText.Of(MessageBuilder.Reply(8)
            .Address("echo.afero.io", "198.51.100.1")
            .Address("other.afero.io", "203.0.113.1")
            .Address("afero.io", "203.0.113.2")
            .Address("echo.afero.io.evil", "203.0.113.3")
            .Address("", "203.0.113.4")
            .Record("echo.afero.io", MessageBuilder.A, 60, [203, 0, 113, 5], dnsClass: 3)
            .Address("echo.afero.io", "2001:db8::1")
            .Record("echo.afero.io", 16, 60, [3, 97, 98, 99])
            .ToArray()));

    [Fact]
    public void A_question_for_any_type_has_addresses_of_both() => Assert.Equal(
        "Answer 198.51.100.1/60 2001:db8::1/60",
        ReplyText.Of(MessageBuilder.Reply(2, type: DnsType.Any)
            .Address("echo.afero.io", "198.51.100.1")
            .Address("echo.afero.io", "2001:db8::1").ToArray(), DnsType.Any));

    [Fact]
    public void Only_the_answer_section_counts()
    {
        byte[] message = MessageBuilder.Reply(0).Address("echo.afero.io", "203.0.113.1").ToArray();
        message[9] = 1; // NSCOUNT
        Assert.Equal("Answer", ReplyText.Of(message));
    }

    [Fact]
    public void The_least_ttl_of_the_chain_holds() => Assert.Equal(
        "Answer 198.51.100.1/20 198.51.100.2/10",
        ReplyText.Of(MessageBuilder.Reply(4)
            .Alias("echo.afero.io", "a.example", 20).Alias("a.example", "b.example", 300)
            .Address("b.example", "198.51.100.1", 30).Address("b.example", "198.51.100.2", 10).ToArray()));

    [Theory]
    [InlineData(0x7fffffff, 0x7fffffff)]
    [InlineData(0x80000000, 0)]
    [InlineData(0xffffffff, 0)]
    public void A_ttl_of_32_bits_is_none(long ttl, long expected) => Assert.Equal(
        $"Answer 198.51.100.1/{expected}",
        ReplyText.Of(MessageBuilder.Reply(1).Address("echo.afero.io", "198.51.100.1", ttl).ToArray()));

    [Fact]
    public void A_chain_may_be_in_any_order()
    {
        Action<MessageBuilder>[] records =
        [
            message => message.Alias("echo.afero.io", "a.example"),
            message => message.Alias("a.example", "b.example"),
            message => message.Alias("b.example", "c.example"),
            message => message.Address("c.example", "198.51.100.1"),
            message => message.Address("b.example", "203.0.113.1"), // an alias has no addresses
        ];
        foreach (int[] order in Permutations([0, 1, 2, 3, 4]))
        {
            MessageBuilder message = MessageBuilder.Reply(5, isCompressing: true);
            Array.ForEach(order, index => records[index](message));
            Assert.Equal("Answer 198.51.100.1/60", ReplyText.Of(message.ToArray()));
        }
    }

    [Fact]
    public void Of_two_aliases_of_one_name_the_first_counts() => Assert.Equal(
        "Answer 198.51.100.1/60",
        ReplyText.Of(MessageBuilder.Reply(4)
            .Alias("echo.afero.io", "a.example").Alias("echo.afero.io", "b.example")
            .Address("b.example", "203.0.113.1").Address("a.example", "198.51.100.1").ToArray()));

    [Theory]
    [InlineData(32, 0, "Answer 198.51.100.1/60")]
    [InlineData(33, 0, "NotAnAnswer: TooManyAliases")]
    [InlineData(1, 31, "Answer 198.51.100.1/60")]
    [InlineData(1, 32, "NotAnAnswer: TooManyAliases")]
    public void An_answer_has_at_most_32_aliases(int aliases, int others, string expected)
    {
        foreach (bool isReversed in (bool[])[false, true])
        {
            MessageBuilder message = MessageBuilder.Reply(aliases + others + 1, "n0.example");
            foreach (int i in Enumerable.Range(0, aliases).OrderBy(i => isReversed ? -i : i))
            {
                message.Alias($"n{i}.example", $"n{i + 1}.example");
            }
            for (int i = 0; i < others; i++)
            {
                message.Alias("other.example", "another.example");
            }
            message.Address($"n{aliases}.example", "198.51.100.1");
            Assert.Equal(expected, ReplyText.Of(message.ToArray(), name: "n0.example"));
        }
    }

    [Fact]
    public void An_alias_of_another_class_is_not_followed() => Assert.Equal(
        "Answer 198.51.100.1/60",
        ReplyText.Of(MessageBuilder.Reply(3)
            .Record("echo.afero.io", MessageBuilder.Cname, 60, [1, (byte)'a', 0], dnsClass: 3)
            .Address("a", "203.0.113.1").Address("echo.afero.io", "198.51.100.1").ToArray()));

    [Theory]
    [InlineData("echo.afero.io")]
    [InlineData("a.example")]
    public void Aliases_in_a_circle_are_no_answer(string back) => Assert.Equal(
        "NotAnAnswer: AliasCircle",
        ReplyText.Of(MessageBuilder.Reply(3)
            .Alias("echo.afero.io", "a.example")
            .Alias("a.example", back).Address("a.example", "203.0.113.1").ToArray()));

    [Theory]
    [InlineData(3)]
    [InlineData(5)]
    [InlineData(0)]
    [InlineData(65535)]
    public void An_address_with_a_wrong_length_spoils_the_message(int length) => Assert.Equal(
        Malformed,
        ReplyText.Of(MessageBuilder.Reply(1)
            .Record("echo.afero.io", MessageBuilder.A, 60, [198, 51, 100, 1, 0], dataLength: length)
            .ToArray()));

    [Theory]
    [InlineData(4)]
    [InlineData(15)]
    [InlineData(17)]
    public void An_ipv6_address_with_a_wrong_length_spoils_the_message(int length) => Assert.Equal(
        Malformed,
        ReplyText.Of(MessageBuilder.Reply(1, type: DnsType.Aaaa)
            .Record("echo.afero.io", MessageBuilder.Aaaa, 60, new byte[17], dataLength: length)
            .ToArray(), DnsType.Aaaa));

    [Theory]
    [InlineData("01 61 00 00", 4)] // a byte after the name
    [InlineData("01 61 00 00", 2)] // shorter than the name
    [InlineData("01 61 00 00", 0)]
    [InlineData("c0ff", 2)] // a pointer past the end
    public void An_alias_whose_length_lies_spoils_the_message(string data, int length) => Assert.Equal(
        Malformed,
        ReplyText.Of(MessageBuilder.Reply(2)
            .Record("echo.afero.io", MessageBuilder.Cname, 60, GoldenMessages.Hex(data)[..length])
            .Address("a", "198.51.100.1").ToArray()));

    [Fact]
    public void Eighty_five_answers_are_counted_and_the_first_ones_kept()
    {
        MessageBuilder message = MessageBuilder.Reply(85, isCompressing: true);
        for (int i = 0; i < 85; i++)
        {
            message.Address("echo.afero.io", $"198.51.100.{i}");
        }
        Assert.Equal(
            "Answer 198.51.100.0/60 198.51.100.1/60 198.51.100.2/60 and 82 more",
            ReplyText.Of(message.ToArray(), room: 3));
        Assert.Equal("Answer and 85 more", ReplyText.Of(message.ToArray(), room: 0));
        Assert.EndsWith(
            "198.51.100.84/60", ReplyText.Of(message.ToArray(), room: 85), StringComparison.Ordinal);
    }

    [Fact]
    public void More_answers_announced_than_there_are_spoil_the_message()
    {
        byte[] message = GoldenMessages.Chain;
        message[6] = message[7] = 0xff;
        Assert.Equal(Malformed, ReplyText.Of(message));
    }

    private static IEnumerable<int[]> Permutations(int[] items) => items.Length <= 1
        ? [items]
        : items.SelectMany(first => Permutations([.. items.Where(item => item != first)])
            .Select(rest => (int[])[first, .. rest]));
}
