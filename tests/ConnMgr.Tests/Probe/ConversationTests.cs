using System.Text;
using ConnMgr.Probe;
using ConnMgr.Tests.Dns;
using CsCheck;

namespace ConnMgr.Tests.Probe;

/// <summary>
/// Each conversation with right, wrong, truncated and hostile answers, in pieces of any size.
/// </summary>
public class ConversationTests
{
    private static readonly byte[] Entropy =
        [.. Enumerable.Range(1, Conversation.EntropySize).Select(i => (byte)i)];

    private static byte[] SessionId => Entropy[32..64];

    private static byte[] ServerHello => GoldenMessages.Hex("""
        16 0303 007a 02 000076 0303     # record, ServerHello, legacy_version
        aaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaa
        20 2122232425262728292a2b2c2d2e2f303132333435363738393a3b3c3d3e3f40
        1301 00 002e 002b 0002 0304 0033 0024 001d 0020
        bbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbb
        14 0303 0001 01                 # what follows is not needed
        """);

    [Theory]
    [InlineData("echo://a", "01", "Content", "")]
    [InlineData(
        "echo://a", "02", "Wrong", "answered with something else than the echo (a portal?): \"\\x02\"")]
    [InlineData("echo://a", "0101", "Wrong",
        "answered with something else than the echo (a portal?): \"\\x01\\x01\"")]
    [InlineData("mqtt://a", "20020000", "Protocol", "")]
    [InlineData("mqtt://a", "20020005", "Protocol", "CONNACK, return code 5")]
    [InlineData("mqtt://a", "2002", "NotYet", null)]
    [InlineData("mqtt://a", "20020006", "Wrong", "does not speak MQTT: \" \\x02\\x00\\x06\"")]
    [InlineData("mqtt://a", "20020100", "Wrong", null)] // a session that was to be clean is present
    [InlineData("mqtt://a", "2003", "Wrong", null)]
    [InlineData("mqtt://a", "10", "Wrong", null)] // an echo service
    [InlineData("coap://a", "70000102", "Protocol", "")]
    [InlineData("coap://a", "70000103", "NotYet", null)]
    [InlineData("coap://a", "7000010200", "NotYet", null)]
    [InlineData("coap://a", "60000102", "NotYet", null)] // an acknowledgement
    [InlineData("coap://a", "40000102", "NotYet", null)] // the message itself
    [InlineData("tls://a", "1503030002 0228", "Protocol", "TLS alert 40")]
    [InlineData("tls://a", "1503030002 02", "NotYet", null)]
    [InlineData("tls://a", "1503030002 0328", "Wrong", null)]
    [InlineData("tls://a", "1503030003 022800", "Wrong", null)]
    [InlineData("tls://a", "1603030000", "Wrong", null)]
    [InlineData("tls://a", "1603034001", "Wrong", null)]
    [InlineData("tls://a", "1603030004 0b", "Wrong", null)] // a Certificate
    [InlineData("tls://a", "1603030004 02000020", "Wrong", null)] // too short for a ServerHello
    [InlineData("tls://a", "1703030001 00", "Wrong", null)]
    public void An_answer_is_judged(string url, string answer, string expected, string? detail)
    {
        IConversation conversation = With(url);
        Assert.Equal(expected, $"{conversation.Read(GoldenMessages.Hex(answer))}");
        if (detail is not null)
        {
            Assert.Equal(detail, conversation.Detail);
        }
        if (!url.StartsWith("coap", StringComparison.Ordinal)
            && !url.StartsWith("echo", StringComparison.Ordinal))
        {
            Assert.Equal(expected, $"{ByteByByte(With(url), GoldenMessages.Hex(answer))}");
        }
    }

    [Fact]
    public void A_server_hello_that_repeats_the_session_id_is_right()
    {
        Assert.Equal(Verdict.Content, With("tls://a").Read(ServerHello));
        Assert.Equal(Verdict.Content, ByteByByte(With("tls://a"), ServerHello));
        for (int size = 0; size < ServerHello.Length; size++)
        {
            Assert.Equal(size < 76 ? Verdict.NotYet
                : Verdict.Content, With("tls://a").Read(ServerHello.AsSpan(0, size)));
        }
    }

    [Fact]
    public void A_session_id_with_any_byte_changed_proves_only_that_the_peer_speaks_tls()
    {
        for (int at = 44; at < 76; at++)
        {
            byte[] hello = ServerHello;
            hello[at] ^= 1;
            IConversation conversation = With("tls://a");
            Assert.Equal(Verdict.Protocol, conversation.Read(hello));
            Assert.Equal("a ServerHello of TLS 1.2 or older", conversation.Detail);
        }
        byte[] empty = [.. ServerHello[..43], 0, .. ServerHello[76..]]; // TLS 1.2 without sessions
        Assert.Equal(Verdict.Protocol, With("tls://a").Read(empty));
    }

    [Fact]
    public void A_server_hello_in_records_of_one_byte_is_right()
    {
        List<byte> records = [];
        foreach (byte value in ServerHello.AsSpan(5, 118))
        {
            records.AddRange([0x16, 3, 3, 0, 1, value]);
        }
        Assert.Equal(Verdict.Content, With("tls://a").Read([.. records]));
    }

    [Fact]
    public void A_retry_request_is_right_and_says_so()
    {
        byte[] retry = ServerHello;
        GoldenMessages.Hex("CF21AD74E59A6111BE1D8C021E65B891C2A211167ABB8C5E079E09E2C8A8339C")
            .CopyTo(retry, 11);
        IConversation conversation = With("tls://a");
        Assert.Equal(Verdict.Content, conversation.Read(retry));
        Assert.Equal("HelloRetryRequest", conversation.Detail);
    }

    [Fact]
    public void A_client_hello_is_well_formed()
    {
        byte[] hello = Request("tls://cloud.example");
        Assert.Equal(hello.Length - 5, (hello[3] << 8) | hello[4]);
        Assert.Equal(hello.Length - 9, (hello[7] << 8) | hello[8]);
        Assert.Equal(Entropy[..32], hello[11..43]);
        Assert.Equal(SessionId, hello[44..76]);
        Assert.Equal(Entropy[64..96], hello[^32..]);

        int extensions = 76 + 2 + 18 + 2;
        Assert.Equal(hello.Length - extensions - 2, (hello[extensions] << 8) | hello[extensions + 1]);
        List<int> types = [];
        for (int at = extensions + 2; at < hello.Length; at += 4 + ((hello[at + 2] << 8) | hello[at + 3]))
        {
            types.Add((hello[at] << 8) | hello[at + 1]);
        }
        Assert.Equal([0, 10, 11, 13, 43, 51], types);
        Assert.Contains("cloud.example", Encoding.ASCII.GetString(hello), StringComparison.Ordinal);
        // RFC 6066, section 3: addresses are not allowed in server_name.
        Assert.DoesNotContain(
            "192.0.2.1", Encoding.ASCII.GetString(Request("tls://192.0.2.1")), StringComparison.Ordinal);
        Assert.InRange(Request("tls://" + LongName).Length, 300, IConversation.MaxRequestSize);
    }

    [Fact]
    public void Requests_are_written()
    {
        Assert.Equal([1], Request("echo://a"));
        Assert.Equal(GoldenMessages.Hex("40 00 0102"), Request("coap://a"));
        Assert.Empty(Request("tcp://a:1"));
        Assert.Equal(
            [.. GoldenMessages.Hex("10 1c 0004 4d515454 04 02 003c 0010"), .. "0102030405060708"u8],
            Request("mqtt://a"));
        Assert.Equal(
            "GET /x?y HTTP/1.1\r\nHost: a.example:8080\r\nUser-Agent: connmgr\r\nCache-Control: no-cache\r\n"
            + "Connection: close\r\n\r\n",
            Encoding.ASCII.GetString(Request("http://A.example:8080/x?y#204")));
        Assert.Contains("\r\nHost: [2001:db8::1]\r\n",
            Encoding.ASCII.GetString(Request("http://[2001:db8::1]#204")), StringComparison.Ordinal);
        Assert.InRange(
            Request($"http://{LongName}:65535/{new string('p', 511)}#204").Length, 700,
            IConversation.MaxRequestSize);
    }

    [Theory]
    [InlineData("#204", "HTTP/1.1 204 No Content\r\n", "Content", "")]
    [InlineData("#204", "HTTP/1.0 204\r\n", "Content", "")]
    [InlineData("#204", "HTTP/1.1 204\n", "Content", "")]
    [InlineData("#204", "HTTP/1.1 204 No Content", "NotYet", "")]
    [InlineData("#204", "HTTP/1.1 100 Continue\r\nA: b\r\n\r\nHTTP/1.1 204 No Content\r\n", "Content", "")]
    [InlineData("#204", "HTTP/1.1 200 OK\r\n", "Wrong", "answered with status 200 instead of 204")]
    [InlineData("#204", "HTTP/1.1 404 Not Found\r\n", "Wrong", "answered with status 404 instead of 204")]
    [InlineData("#204", "HTTP/1.1 511 Network Authentication Required\r\n", "Wrong",
        "answered with status 511 instead of 204")]
    [InlineData(
        "#204", "HTTP/1.1 503 Service Unavailable\r\n", "Failed", "answered with status 503 instead of 204")]
    [InlineData(
        "#204", "HTTP/1.1 429 Too Many Requests\r\n", "Failed", "answered with status 429 instead of 204")]
    [InlineData("#204", "HTTP/1.1 302 Found\r\nLocation: http://portal.example/login\r\n", "Wrong",
        "redirects to \"http://portal.example/login\" (a portal?): status 302 instead of 204")]
    [InlineData("#204", "HTTP/1.1 302 Found\r\nDate: x\r\nLOCATION:\t/\x1b[31m\"\r\n", "Wrong",
        "redirects to \"/\\x1b[31m\\\"\" (a portal?): status 302 instead of 204")]
    [InlineData("#204", "HTTP/1.1 302 Found\r\nLocation: http://por", "NotYet", null)]
    [InlineData(
        "#204", "HTTP/1.1 302 Found\r\n\r\n", "Wrong", "redirects (a portal?): status 302 instead of 204")]
    [InlineData(
        "#204", "SSH-2.0-OpenSSH_9.2\r\n", "Wrong", "does not speak HTTP: \"SSH-2.0-OpenSSH_9.2\\r\\n\"")]
    [InlineData("#204", "HTTP/1.1 20x OK\r\n", "Wrong", null)]
    [InlineData("#204", "HTTP/1.1 2044 OK\r\n", "Wrong", null)]
    [InlineData("#204", "HTTP/1.1 20\r\n", "Wrong", null)]
    [InlineData("#204", "HTTP/2.0 204 OK\r\n", "Wrong", null)]
    [InlineData("#204", "\r\n", "Wrong", null)]
    [InlineData("#=yes", "HTTP/1.1 200 OK\r\nA: b\r\n\r\nyes, of course", "Content", "")]
    [InlineData("#=yes", "HTTP/1.1 200 OK\n\nyes", "Content", "")]
    [InlineData("#=yes", "HTTP/1.1 200 OK\r\n\r\nye", "NotYet", "")]
    [InlineData(
        "#=yes", "HTTP/1.1 200 OK\r\n\r\nyet", "Wrong", "answered with another body (a portal?): \"yet\"")]
    [InlineData("#=yes", "HTTP/1.1 204 No Content\r\n", "Wrong", "answered with status 204 instead of 200")]
    [InlineData(
        "#=yes", "HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n1\r\ny\r\n2;x=y\r\nes\r\n0\r\n\r\n",
        "Content", "")]
    [InlineData(
        "#=yes", "HTTP/1.1 200 OK\r\ntransfer-encoding: gzip, Chunked\r\n\r\nA\r\nyes", "Content", "")]
    [InlineData("#=yes", "HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n1\r\ny\r\n0\r\n\r\n", "Wrong",
        "answered with a body that ends too early (a portal?)")]
    [InlineData("#=yes", "HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\nyes\r\n", "Wrong", null)]
    [InlineData("#=yes", "HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n-1\r\n", "Wrong", null)]
    [InlineData(
        "#=yes", "HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\nffffffffffff\r\n", "Wrong", null)]
    public void An_answer_of_http_is_judged(string right, string answer, string expected, string? detail)
    {
        IConversation whole = With("http://a/" + right);
        Assert.Equal(expected, $"{whole.Read(Encoding.UTF8.GetBytes(answer))}");
        Assert.Equal(expected, $"{ByteByByte(With("http://a/" + right), Encoding.UTF8.GetBytes(answer))}");
        if (detail is not null)
        {
            Assert.Equal(detail, whole.Detail);
        }
    }

    [Fact]
    public void What_has_come_is_concluded_when_nothing_more_comes()
    {
        Assert.Equal(Verdict.Wrong, Concluded("#204", "HTTP/1.1 302 Found\r\nDate:", isClosed: false));
        Assert.Equal(Verdict.NotYet, Concluded("#204", "HTTP/1.1 204", isClosed: true));
        Assert.Equal(Verdict.NotYet, Concluded("#=yes", "HTTP/1.1 200 OK\r\n\r\nye", isClosed: false));
        Assert.Equal(Verdict.Wrong, Concluded("#=yes", "HTTP/1.1 200 OK\r\n\r\nye", isClosed: true));
        Assert.Equal(Verdict.NotYet, Concluded("#=yes", "HTTP/1.1 200 OK\r\nDate:", isClosed: true));
        Assert.Equal(Verdict.Connection, With("tcp://a:1").Conclude(isClosed: false));
        foreach (string url in (string[])["echo://a", "tls://a", "mqtt://a", "coap://a"])
        {
            Assert.Equal(Verdict.NotYet, With(url).Conclude(isClosed: true));
        }
    }

    [Fact]
    public void A_header_that_does_not_end_is_cut_short()
    {
        byte[] endless = Encoding.ASCII.GetBytes(
            "HTTP/1.1 200 OK\r\n" + string.Concat(Enumerable.Repeat("A: b\r\n", 4000)));
        IConversation conversation = With("http://a/#=yes");
        Assert.Equal(Verdict.Failed, conversation.Read(endless));
        Assert.Equal("answered with a header that does not end", conversation.Detail);
        Assert.Equal(
            Verdict.Failed, With("http://a/#=yes").Read([.. "HTTP/1.1 200 OK\r\n"u8, .. new byte[20000]]));
        Assert.Equal(
            Verdict.Wrong, With("http://a/#204").Read([.. "HTTP/1.1 302 Found\r\n"u8, .. new byte[20000]]));
    }

    [Theory]
    [InlineData("http://a/#204")]
    [InlineData("http://a/#=yes")]
    [InlineData("tls://a")]
    [InlineData("mqtt://a")]
    [InlineData("coap://a")]
    public void Reading_allocates_nothing(string url)
    {
        byte[] answer = url[0] switch
        {
            'h' => Encoding.ASCII.GetBytes(
                "HTTP/1.1 200 OK\r\nLocation: x\r\nTransfer-Encoding: chunked\r\n\r\n9\r\nyet"),
            't' => ServerHello,
            _ => [0x20, 2, 0, 6],
        };
        IConversation[] conversations = [.. Enumerable.Range(0, 100).Select(_ => With(url))];
        ByteByByte(conversations[0], answer);
        long before = GC.GetAllocatedBytesForCurrentThread();
        foreach (IConversation conversation in conversations.AsSpan(1))
        {
            for (int i = 0; i < answer.Length
                && conversation.Read(answer.AsSpan(i, 1)) == Verdict.NotYet; i++)
            {
            }
        }
        Assert.Equal(0, GC.GetAllocatedBytesForCurrentThread() - before);
    }

    [Theory]
    [InlineData("http://a/#204", "HTTP/1.1 204 No Content\r\nA: b\r\n\r\n")]
    [InlineData(
        "http://a/#=yes", "HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n1\r\ny\r\n2\r\nes\r\n")]
    [InlineData("tls://a", null)]
    [InlineData("mqtt://a", "\x20\x02\0\0")]
    public void Any_bytes_do_no_harm_and_pieces_change_nothing(string url, string? right)
    {
        byte[] seed = right is null ? ServerHello : Encoding.ASCII.GetBytes(right);
        Gen<byte[]> mutated = Gen.Select(Gen.Int[0, seed.Length - 1], Gen.Byte, Gen.Byte.Array[0, 40]).Select(
            (at, value, more) =>
                (byte[])[.. seed[..at], value, .. seed[Math.Min(at + 1, seed.Length)..], .. more]);
        Gen.OneOf(mutated, Gen.Byte.Array[0, 200]).Sample(answer =>
        {
            IConversation whole = With(url);
            IConversation bytes = With(url);
            Verdict verdict = whole.Read(answer);
            Assert.Equal(verdict, ByteByByte(bytes, answer));
            Assert.True(whole.Detail.Length < 1500
                && whole.Detail.All(c => c is >= ' ' and < '\x7f' or '…'), whole.Detail);
            Assert.Equal(whole.Conclude(isClosed: true), bytes.Conclude(isClosed: true));
        });
    }

    private static string LongName => string.Join('.', Enumerable.Repeat(new string('a', 62), 4));

    private static IConversation With(string text)
    {
        Assert.True(ProbeUrl.TryParse(text, out ProbeUrl url, out string error), error);
        return Conversation.With(url, Entropy);
    }

    private static byte[] Request(string url)
    {
        byte[] buffer = new byte[IConversation.MaxRequestSize];
        return buffer[..With(url).WriteRequest(buffer)];
    }

    private static Verdict Concluded(string right, string answer, bool isClosed)
    {
        IConversation conversation = With("http://a/" + right);
        Assert.Equal(Verdict.NotYet, conversation.Read(Encoding.ASCII.GetBytes(answer)));
        return conversation.Conclude(isClosed);
    }

    private static Verdict ByteByByte(IConversation conversation, byte[] answer)
    {
        Verdict verdict = Verdict.NotYet;
        for (int i = 0; i < answer.Length && verdict == Verdict.NotYet; i++)
        {
            verdict = conversation.Read(answer.AsSpan(i, 1));
        }
        return verdict;
    }
}
