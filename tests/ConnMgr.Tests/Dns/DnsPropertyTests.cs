using System.Diagnostics;
using System.Net;
using ConnMgr.Dns;
using CsCheck;

namespace ConnMgr.Tests.Dns;

public class DnsPropertyTests
{
    private static readonly DnsQuestion Asked = ReplyText.Question();

    [Fact]
    public void No_bytes_whatever_do_harm() => Gen.Byte.Array[0, 700].Sample(ReadEveryWay, iter: 20_000);

    [Fact]
    public void No_bytes_after_a_good_question_do_harm()
    {
        // Make small numbers, pointers and types frequent, so that some bytes form records.
        Gen<byte> likely = Gen.OneOf<byte>(
            Gen.Byte, Gen.Byte[0, 16], Gen.OneOf<byte>(0xc0, 12, 31, 43, 1, 5, 28, 4, 16, 0, 0, 0));
        byte[] start = GoldenMessages.NoData;
        Gen.Select(likely.Array[0, 300], Gen.Int[0, 20]).Sample(
            (bytes, count) =>
            {
                start[7] = (byte)count;
                ReadEveryWay([.. start, .. bytes]);
            },
            iter: 20_000, threads: 1);
    }

    [Fact]
    public void Every_golden_message_cut_at_each_length_is_no_answer()
    {
        foreach (byte[] message in GoldenMessages.All)
        {
            for (int length = 0; length < message.Length; length++)
            {
                ReadEveryWay(message[..length]);
            }
        }
        for (int length = 0; length < GoldenMessages.Chain.Length; length++)
        {
            Assert.Equal("NotAnAnswer: Malformed", ReplyText.Of(GoldenMessages.Chain[..length]));
        }
    }

    [Fact]
    public void Every_golden_message_with_any_byte_changed_does_no_harm()
    {
        foreach (byte[] message in GoldenMessages.All)
        {
            for (int at = 0; at < message.Length; at++)
            {
                byte original = message[at];
                for (int value = 0; value < 256; value++)
                {
                    message[at] = (byte)value;
                    ReadEveryWay(message);
                }
                message[at] = original;
            }
        }
    }

    /// <summary>
    /// The reader and a naive model must agree about random answers that the tests' own encoder wrote.
    /// </summary>
    [Fact]
    public void What_is_written_is_read()
    {
        string[] names =
            ["echo.afero.io", "ECHO.afero.io", "a.afero.io", "b.example", "c.b.example", "B.Example", "x"];
        Gen<(int Owner, int Target, int Kind, long Ttl, byte[] Address)> record = Gen.Select(
            Gen.Int[0, names.Length - 1], Gen.Int[0, names.Length - 1], Gen.Int[0, 3],
            Gen.Long[0, 0xffffffff], Gen.Byte.Array[16]);
        Gen.Select(record.Array[0, 12], Gen.Bool).Sample(
            (records, isCompressing) =>
            {
                MessageBuilder message = MessageBuilder.Reply(records.Length, isCompressing: isCompressing);
                foreach ((int owner, int target, int kind, long ttl, byte[] address) in records)
                {
                    _ = kind switch
                    {
                        0 => message.Alias(names[owner], names[target], ttl),
                        1 => message.Record(names[owner], MessageBuilder.Aaaa, ttl, address),
                        _ => message.Record(names[owner], MessageBuilder.A, ttl, address[..4]),
                    };
                }
                Assert.Equal(Model(names, records), ReplyText.Of(message.ToArray(), room: 20));
            },
            iter: 20_000);
    }

    [Fact]
    public void What_is_asked_is_read() =>
        Gen.Select(Gen.UShort, Gen.UShort, Gen.Byte.Array[1, 63].Array[0, 8]).Sample(
        (id, type, labels) =>
        {
            byte[] wire = [.. labels.SelectMany(label => (byte[])[(byte)label.Length, .. label]), 0];
            DnsReader reader = new(wire);
            if (wire.Length > 255)
            {
                Assert.False(DnsName.TryRead(ref reader, out _));
                return;
            }
            Assert.True(DnsName.TryRead(ref reader, out DnsName name));
            DnsQuestion question = new(name, type);
            byte[] query = new byte[DnsQuestion.MaxQuerySize];
            int size = question.WriteQuery(query, id);
            Assert.True(
                DnsQuestion.TryReadQuery(query.AsSpan(0, size), out ushort readId, out DnsQuestion read));
            Assert.Equal((id, question), (readId, read));
        },
        iter: 5_000);

    [Fact]
    public void The_largest_answer_is_read_whole()
    {
        MessageBuilder message = MessageBuilder.Reply(4094, isCompressing: true);
        for (int i = 0; i < 4094; i++)
        {
            message.Address("echo.afero.io", $"198.51.{i / 256}.{i % 256}");
        }
        Assert.InRange(message.Length, 65519, 65535);
        DnsAddress[] addresses = new DnsAddress[5000];
        DnsReply reply = DnsReply.Read(message.ToArray(), GoldenMessages.Id, Asked, addresses);
        Assert.Equal((DnsOutcome.Answer, 4094, 0), (reply.Outcome, reply.Count, reply.Omitted));
        Assert.Equal("198.51.15.253", addresses[4093].ToIPAddress().ToString());
    }

    [Fact]
    public void The_most_laborious_answer_takes_a_bounded_time()
    {
        byte[] message = Laborious();
        Assert.InRange(message.Length, 65500, 65535);
        string name = LongName('a');
        TimeSpan best = TimeSpan.MaxValue; // the best of several runs: the machine may be busy
        for (int i = 0; i < 5; i++)
        {
            Stopwatch watch = Stopwatch.StartNew();
            Assert.Equal("Answer", ReplyText.Of(message, name: name));
            best = watch.Elapsed < best ? watch.Elapsed : best;
        }
        Assert.InRange(best, TimeSpan.Zero, TimeSpan.FromMilliseconds(500));
    }

    [Fact]
    public void Reading_allocates_nothing()
    {
        byte[][] messages = [.. GoldenMessages.All, GoldenMessages.Chain[..40]];
        DnsAddress[] addresses = new DnsAddress[8];
        byte[] query = new byte[DnsQuestion.MaxQuerySize];
        int sum = 0;
        void ReadAll()
        {
            foreach (byte[] message in messages)
            {
                sum += DnsReply.Read(message, GoldenMessages.Id, Asked, addresses).Count;
                sum += DnsQuestion.TryReadQuery(message, out _, out DnsQuestion question)
                    ? question.GetHashCode() & 1
                    : 0;
            }
            sum += Asked.WriteQuery(query, 1);
            sum += DnsName.TryParse("echo.afero.io", out DnsName name) && name.Equals(Asked.Name) ? 1 : 0;
        }

        ReadAll();
        long allocated = Allocation.Least(() =>
        {
            for (int i = 0; i < 1_000; i++)
            {
                ReadAll();
            }
        });
        Assert.Equal(0, allocated);
        Assert.NotEqual(0, sum);
    }

    private static void ReadEveryWay(byte[] message)
    {
        DnsAddress[] addresses = new DnsAddress[4];
        // Use the message's own id. Otherwise a wrong id would end the reading too early.
        ushort id = message.Length < 2 ? (ushort)0 : (ushort)((message[0] << 8) | message[1]);
        foreach (ushort type in (ushort[])[DnsType.A, DnsType.Aaaa, DnsType.Any])
        {
            DnsReply reply = DnsReply.Read(message, id, Asked with { Type = type }, addresses);
            Assert.InRange(reply.Count, 0, addresses.Length);
            Assert.Equal(reply.Outcome == DnsOutcome.NotAnAnswer, reply.Flaw != DnsFlaw.None);
            Assert.True(reply.Count == 0 || reply.Outcome is DnsOutcome.Answer or DnsOutcome.Truncated);
        }
        if (DnsQuestion.TryReadQuery(message, out _, out DnsQuestion question))
        {
            Assert.InRange(question.Name.Wire.Length, 1, 255);
            Assert.NotEmpty(question.Name.ToString());
        }
    }

    private static string Model(
        string[] names, (int Owner, int Target, int Kind, long Ttl, byte[] Address)[] records)
    {
        string name = names[0];
        long least = uint.MaxValue;
        for (int followed = 0; ; followed++)
        {
            int next = Array.FindIndex(records, record => record.Kind == 0 && IsSame(record.Owner));
            if (next < 0)
            {
                break;
            }
            if (followed == records.Count(record => record.Kind == 0))
            {
                return "NotAnAnswer: AliasCircle";
            }
            least = Math.Min(least, Ttl(records[next].Ttl));
            name = names[records[next].Target];
        }
        return string.Concat(
            [
                "Answer",
                .. records.Where(record => record.Kind >= 2 && IsSame(record.Owner)).Select(record =>
                    $" {new IPAddress(record.Address[..4])}/{Math.Min(least, Ttl(record.Ttl))}"),
            ]);

        bool IsSame(int owner) => string.Equals(names[owner], name, StringComparison.OrdinalIgnoreCase);
        static long Ttl(long ttl) => ttl > int.MaxValue ? 0 : ttl;
    }

    /// <summary>
    /// The worst case: the maximum number of CNAMEs in the worst order, and as many records as fit. Each name
    /// has many labels and differs from the wanted one only in the last one compared.
    /// </summary>
    private static byte[] Laborious()
    {
        MessageBuilder message = MessageBuilder.Reply(0, LongName('a'));
        int offset = message.Length;
        _ = message.Record(LongName('b'), 16, 0, []);
        for (int i = DnsReply.MaxAliases - 1; i >= 0; i--)
        {
            message.Alias(LongName(i == 0 ? 'a' : (char)(0x80 + i)), LongName((char)(0x81 + i)));
        }
        int count = 1 + DnsReply.MaxAliases;
        for (; message.Length + 12 <= 65535; count++)
        {
            _ = message.Short(0xc000 | offset).Short(16, 1, 0, 0, 0);
        }
        byte[] bytes = message.ToArray();
        (bytes[6], bytes[7]) = ((byte)(count >> 8), (byte)count);
        return bytes;
    }

    private static string LongName(char last) => string.Concat(Enumerable.Repeat("a.", 125)) + last;
}
