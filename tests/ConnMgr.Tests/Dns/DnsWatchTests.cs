using System.Buffers.Binary;
using ConnMgr.Dns;
using ConnMgr.Net;

namespace ConnMgr.Tests.Dns;

public class DnsWatchTests
{
    private const string OtherServer = "198.18.100.66 53";
    private const string Addresses = "echo.afero.io 198.51.100.1/60 198.51.100.2/60";

    private readonly WatchRig _rig = new();

    [Fact]
    public void An_answer_to_a_question_is_handed_over_once()
    {
        _rig.Ask();
        Assert.Equal(DnsVerdict.Answer, _rig.Reply());
        Assert.Equal([Addresses], _rig.Answers);
        Assert.Equal(DnsVerdict.Unasked, _rig.Reply());
        Assert.Single(_rig.Answers);
    }

    [Fact]
    public void A_question_that_is_sent_again_may_be_answered_again()
    {
        _rig.Ask();
        _rig.Ask();
        Assert.Equal(DnsVerdict.Answer, _rig.Reply());
        Assert.Equal(DnsVerdict.Answer, _rig.Reply());
        Assert.Equal(DnsVerdict.Unasked, _rig.Reply());
    }

    /// <summary>dnsmasq asks like this.</summary>
    [Fact]
    public void The_same_question_to_several_servers_is_answered_by_each_of_them()
    {
        _rig.Ask();
        _rig.Ask(to: OtherServer);
        Assert.Equal(DnsVerdict.Answer, _rig.Reply());
        Assert.Equal(DnsVerdict.Answer, _rig.Reply(from: OtherServer));
    }

    [Theory]
    [InlineData(29.9, DnsVerdict.Answer)]
    [InlineData(30, DnsVerdict.Unasked)]
    public void A_question_is_remembered_for_thirty_seconds(double seconds, object verdict)
    {
        _rig.Ask();
        _rig.Now += TimeSpan.FromSeconds(seconds);
        Assert.Equal((DnsVerdict)verdict, _rig.Reply());
    }

    [Theory]
    [InlineData("198.18.100.54 53", WatchRig.Device)] // another server
    [InlineData(WatchRig.Server, "198.18.1.2 40001")] // another port
    [InlineData(WatchRig.Server, "198.18.1.3 40000")] // another host
    public void A_reply_from_elsewhere_or_to_elsewhere_was_not_asked_for(string from, string to)
    {
        _rig.Ask();
        Assert.Equal(DnsVerdict.Unasked, _rig.Reply(from, to));
        Assert.Empty(_rig.Answers);
        Assert.Equal(DnsVerdict.Answer, _rig.Reply());
    }

    /// <summary>
    /// Each bad reply leaves the question open, so a sender of bad replies cannot block the real answer.
    /// </summary>
    [Theory]
    [InlineData(0, 0x1b, DnsVerdict.Unasked)] // id
    [InlineData(2, 0x01, DnsVerdict.NotAReply)] // a query
    [InlineData(2, 0x89, DnsVerdict.NotAReply)] // opcode 1
    [InlineData(3, 0x83, DnsVerdict.ErrorCode)] // NXDOMAIN, with answers
    [InlineData(3, 0x82, DnsVerdict.ErrorCode)] // SERVFAIL
    [InlineData(5, 0, DnsVerdict.WrongQuestion)] // none
    [InlineData(5, 2, DnsVerdict.WrongQuestion)] // two
    [InlineData(7, 4, DnsVerdict.Malformed)] // more answers than there are
    [InlineData(13, (int)'f', DnsVerdict.WrongQuestion)] // fcho.afero.io
    [InlineData(12, 5, DnsVerdict.Malformed)] // labels elsewhere
    [InlineData(12, 0xc0, DnsVerdict.Malformed)] // a pointer to nowhere
    [InlineData(28, 28, DnsVerdict.WrongQuestion)] // type
    [InlineData(30, 3, DnsVerdict.WrongQuestion)] // class CH
    [InlineData(42, 0xff, DnsVerdict.Malformed)] // a CNAME longer than the message
    public void A_reply_that_is_wrong_in_one_byte_does_not_count(int at, int value, object verdict)
    {
        _rig.Ask();
        byte[] reply = GoldenMessages.Chain;
        reply[at] = (byte)value;
        Assert.Equal((DnsVerdict)verdict, _rig.Reply(reply: reply));
        Assert.Equal(1, _rig.Watch.CountOf((DnsVerdict)verdict));
        Assert.Empty(_rig.Answers);
        Assert.Equal(DnsVerdict.Answer, _rig.Reply());
        Assert.Equal([Addresses], _rig.Answers);
    }

    [Fact]
    public void Case_does_not_matter_and_the_name_is_handed_over_in_lower_case()
    {
        // unbound asks like this with use-caps-for-id.
        _rig.Ask(query: WatchRig.Query(name: "eChO.aFeRo.Io"));
        byte[] reply = GoldenMessages.Chain;
        "eChO"u8.CopyTo(reply.AsSpan(13));
        Assert.Equal(DnsVerdict.Answer, _rig.Reply(reply: reply));
        Assert.Equal([Addresses], _rig.Answers);
    }

    [Fact]
    public void A_truncated_reply_is_an_answer_with_what_is_in_it()
    {
        _rig.Ask();
        Assert.Equal(DnsVerdict.Answer, _rig.Reply(reply: GoldenMessages.Truncated));
        Assert.Equal(["echo.afero.io 198.51.100.9/5"], _rig.Answers);
    }

    [Fact]
    public void Whoever_is_asked_by_the_device_may_answer_if_any_server_may()
    {
        _rig.Ask(to: OtherServer);
        Assert.Equal(DnsVerdict.Answer, _rig.Reply(from: OtherServer));
    }

    [Fact]
    public void Only_listed_servers_may_answer_if_there_is_a_list()
    {
        WatchRig rig = new(isAnyServer: false);
        rig.Ask(to: OtherServer);
        Assert.Equal(DnsVerdict.UntrustedServer, rig.Reply(from: OtherServer));
        rig.Ask();
        Assert.Equal(DnsVerdict.Answer, rig.Reply());
    }

    [Fact]
    public void Of_extenders_only_what_the_devices_own_servers_answer_counts()
    {
        _rig.Ask(WatchRig.Extender, OtherServer, DnsSide.Bridge);
        Assert.Equal(DnsVerdict.UntrustedServer, _rig.Reply(OtherServer, WatchRig.Extender, DnsSide.Bridge));
        _rig.Ask(WatchRig.Extender, WatchRig.Server, DnsSide.Bridge);
        Assert.Equal(DnsVerdict.Answer, _rig.Reply(WatchRig.Server, WatchRig.Extender, DnsSide.Bridge));
    }

    /// <summary>On the link its questions are like the device's own, which may ask any server.</summary>
    [Fact]
    public void Of_containers_only_what_the_devices_own_servers_answer_counts()
    {
        _rig.Ask(to: OtherServer);
        Assert.Equal(
            DnsVerdict.UntrustedServer, _rig.Reply(OtherServer, WatchRig.Device, DnsSide.Container));
        _rig.Ask();
        Assert.Equal(DnsVerdict.Answer, _rig.Reply(side: DnsSide.Container));
    }

    [Fact]
    public void Questions_of_one_side_are_not_answered_on_the_other()
    {
        _rig.Ask(WatchRig.Extender, WatchRig.Server, DnsSide.Bridge);
        Assert.Equal(DnsVerdict.Unasked, _rig.Reply(WatchRig.Server, WatchRig.Extender));
        _rig.Ask();
        Assert.Equal(DnsVerdict.Unasked, _rig.Reply(side: DnsSide.Bridge));
    }

    /// <summary>
    /// After a redirection the reply comes from another address than the one that was asked.
    /// </summary>
    [Fact]
    public void A_redirected_question_is_found_by_its_original_flow_and_its_server_is_the_real_one()
    {
        Flow asked = new(
            WatchRig.Number("198.18.50.2"), WatchRig.Number("198.18.100.66"), 40000, 53, IsTcp: false);
        _rig.Ask(WatchRig.Extender, OtherServer, DnsSide.Bridge);
        Assert.Equal(DnsVerdict.Unasked, _rig.Reply(WatchRig.Server, WatchRig.Extender, DnsSide.Bridge));
        Assert.Equal(
            DnsVerdict.Answer, _rig.Reply(WatchRig.Server, WatchRig.Extender, DnsSide.Bridge, asked: asked));
    }

    [Theory]
    [InlineData("198.18.50.2 40000", "198.18.100.66 40000")]
    [InlineData("198.18.50.2 40001", null)] // another port
    [InlineData("198.18.50.3 40000", null)] // another extender
    public void Without_connection_tracking_a_redirected_question_is_found_by_its_port(
        string to, string? asked)
    {
        _rig.Ask(WatchRig.Extender, OtherServer, DnsSide.Bridge);
        Flow? found = _rig.Watch.Redirected(
            PacketBuilder.Udp(WatchRig.Server, to, GoldenMessages.Chain), _rig.Now);
        Assert.Equal(asked, found is { } flow ? $"{flow.Destination} {flow.SourcePort}" : null);
        Assert.Null(_rig.Watch.Redirected(
            PacketBuilder.Udp(OtherServer, WatchRig.Extender, GoldenMessages.Chain), _rig.Now));
    }

    /// <summary>A masqueraded question looks as if the device itself had asked.</summary>
    [Fact]
    public void What_an_extender_asks_a_server_of_its_own_counts_no_more_on_the_link()
    {
        _rig.Ask(WatchRig.Extender, OtherServer, DnsSide.Bridge);
        _rig.Ask(WatchRig.Device, OtherServer);
        Assert.Equal(DnsVerdict.UntrustedServer, _rig.Reply(from: OtherServer));
        Assert.Empty(_rig.Answers);
        // When the device asks again, the question is the device's.
        _rig.Ask(WatchRig.Device, OtherServer, query: WatchRig.Query(id: 0x1a2b));
        Assert.Equal(DnsVerdict.Answer, _rig.Reply(from: OtherServer));
    }

    [Fact]
    public void A_copy_of_what_an_extender_asks_the_devices_server_is_answered()
    {
        _rig.Ask(WatchRig.Extender, WatchRig.Server, DnsSide.Bridge);
        _rig.Ask();
        Assert.Equal(DnsVerdict.Answer, _rig.Reply());
    }

    [Fact]
    public void A_flood_of_questions_by_an_extender_does_not_throw_out_the_devices_own()
    {
        _rig.Ask();
        for (int i = 0; i < 3 * DnsWatch.MaxQuestions; i++)
        {
            byte[] query = WatchRig.Query(id: i & 0xffff, name: $"x{i}.afero.io");
            _rig.Ask(WatchRig.Extender, WatchRig.Server, DnsSide.Bridge, query);
            _rig.Ask("198.18.1.2 50000", WatchRig.Server, query: query);
        }
        Assert.True(_rig.Watch.EvictedCount > 0);
        Assert.Equal(DnsVerdict.Answer, _rig.Reply());
    }

    [Fact]
    public void While_questions_of_extenders_may_have_been_missed_foreign_servers_do_not_count()
    {
        _rig.Watch.MissQuestions(_rig.Now);
        _rig.Ask(to: OtherServer);
        Assert.Equal(DnsVerdict.UntrustedServer, _rig.Reply(from: OtherServer));
        _rig.Ask();
        Assert.Equal(DnsVerdict.Answer, _rig.Reply());
        _rig.Now += Questions.Lifetime;
        _rig.Ask(to: OtherServer);
        Assert.Equal(DnsVerdict.Answer, _rig.Reply(from: OtherServer));
    }

    /// <summary>More questions than the table holds, before the link's copies are read.</summary>
    [Fact]
    public void An_extender_cannot_smuggle_a_question_past_by_flooding()
    {
        _rig.Ask(WatchRig.Extender, OtherServer, DnsSide.Bridge);
        for (int i = 0; i < DnsWatch.MaxQuestions; i++)
        {
            _rig.Ask(WatchRig.Extender, OtherServer, DnsSide.Bridge, WatchRig.Query(name: $"x{i}.afero.io"));
        }
        _rig.Ask(to: OtherServer);
        Assert.Equal(DnsVerdict.UntrustedServer, _rig.Reply(from: OtherServer));
    }

    /// <summary>The same question from many ports in one burst: each copy matches one question.</summary>
    [Theory]
    [InlineData(9)]
    [InlineData(300)]
    public void Nor_by_asking_the_same_very_often(int times)
    {
        for (int i = 0; i < times; i++)
        {
            _rig.Ask($"198.18.50.2 {20000 + i}", OtherServer, DnsSide.Bridge);
        }
        for (int i = 0; i < times; i++)
        {
            _rig.Ask($"198.18.1.2 {20000 + i}", OtherServer);
            Assert.Equal(DnsVerdict.UntrustedServer, _rig.Reply(OtherServer, $"198.18.1.2 {20000 + i}"));
        }
        _rig.Ask(to: OtherServer);
        // The device's own question is still open.
        Assert.Equal(DnsVerdict.Answer, _rig.Reply(from: OtherServer));
    }

    /// <summary>
    /// Connection tracking reassembles fragments, so the outgoing copy may be whole. (IPv6 fragments have one
    /// header more.)
    /// </summary>
    [Fact]
    public void Nor_in_pieces()
    {
        const string Asker = "2001:db8:50::2 40000", Own = "2001:db8:1::2 40000",
            Other = "2001:db8:100::66 53";
        byte[] piece = PacketBuilder.Udp(
            Asker, Other, WatchRig.Query(), options: [44, 17, 0, 0, 1, 0, 0, 0, 7]);
        _rig.Watch.SeeQuestion(piece, DnsSide.Bridge, _rig.Now);
        _rig.Ask(Own, Other);
        Assert.Equal(DnsVerdict.UntrustedServer, _rig.Reply(Other, Own));
        Assert.Equal(1, _rig.Watch.BadQuestionCount);
    }

    [Fact]
    public void Fragments_and_packets_of_other_ports_are_counted_and_ignored()
    {
        _rig.Ask();
        byte[] packet = PacketBuilder.Udp(WatchRig.Server, WatchRig.Device, GoldenMessages.Chain);
        packet[6] = 0x20; // more fragments
        Assert.Equal(DnsVerdict.Fragment, _rig.SeeReply(packet, DnsSide.Device, null, _rig.Now));
        packet[6] = 0x40;
        Assert.Equal(DnsVerdict.BadPacket, _rig.Reply(from: "198.18.100.53 54"));
        Assert.Equal(
            DnsVerdict.BadPacket, _rig.SeeReply(packet.AsSpan(0, 40), DnsSide.Device, null, _rig.Now));
        Assert.Equal(DnsVerdict.Answer, _rig.SeeReply(packet, DnsSide.Device, null, _rig.Now));
    }

    [Fact]
    public void What_is_no_question_is_counted_and_not_remembered()
    {
        _rig.Ask(query: GoldenMessages.Chain); // a reply
        _rig.Ask(query: WatchRig.Query(dnsClass: 3));
        _rig.Ask(query: []);
        _rig.Ask(to: "198.18.100.53 54");
        Assert.Equal((0, 4), (_rig.Watch.QuestionCount, _rig.Watch.BadQuestionCount));
        Assert.Equal(DnsVerdict.Unasked, _rig.Reply());
    }

    [Fact]
    public void Ipv6_carries_it_as_well()
    {
        const string Device = "2001:db8:1::2 40000";
        const string Server = "2001:db8:100::53 53";
        _rig.Ask(Device, Server, query: WatchRig.Query(type: 28));
        Assert.Equal(DnsVerdict.Answer, _rig.Reply(Server, Device, reply: GoldenMessages.Ipv6));
        Assert.Equal(["echo.afero.io 2001:db8::7/3600"], _rig.Answers);
    }

    /// <summary>
    /// A real server says so of a broken zone. A resolver that heard nothing would take the server for dead.
    /// </summary>
    [Theory]
    [InlineData(1, true)]
    [InlineData(2, true)]
    [InlineData(32, true)]
    [InlineData(33, false)]
    [InlineData(40, false)]
    public void An_endless_chain_of_aliases_is_no_forgery(int steps, bool isLoop)
    {
        MessageBuilder reply = MessageBuilder.Reply(steps);
        for (int i = 0; i < steps; i++)
        {
            string next = isLoop && i == steps - 1 ? "echo.afero.io" : $"a{i + 1}.example";
            reply.Alias(i == 0 ? "echo.afero.io" : $"a{i}.example", next);
        }
        _rig.Ask();
        Assert.Equal((DnsVerdict.ErrorCode, false), (_rig.Reply(reply: reply.ToArray()), _rig.IsFalse));
        Assert.Empty(_rig.Answers);
        Assert.Equal(DnsVerdict.Answer, _rig.Reply());
    }

    /// <summary>The golden reply with some bytes changed; pairs of offset and value.</summary>
    [Theory]
    [InlineData("", "Answer", false)]
    [InlineData("0 99", "Unasked", false)] // another id: it does not claim to be an answer
    [InlineData("2 1", "NotAReply", true)]
    [InlineData("2 168", "NotAReply", true)] // opcode 5
    [InlineData("13 120", "WrongQuestion", true)]
    [InlineData("5 2", "WrongQuestion", true)]
    [InlineData("5 0", "WrongQuestion", true)]
    [InlineData("5 0 3 129", "WrongQuestion", false)] // FORMERR without a question, of an old server
    [InlineData("3 131", "ErrorCode", false)]
    [InlineData("7 99", "Malformed", true)]
    public void What_claims_to_answer_an_open_question_and_does_not_is_false(
        string changes, string verdict, bool isFalse)
    {
        byte[] reply = [.. GoldenMessages.Chain];
        int[] numbers = [.. changes.Split(' ', StringSplitOptions.RemoveEmptyEntries).Select(int.Parse)];
        for (int i = 0; i < numbers.Length; i += 2)
        {
            reply[numbers[i]] = (byte)numbers[i + 1];
        }
        _rig.Ask();
        Assert.Equal((verdict, isFalse), (_rig.Reply(reply: reply).ToString(), _rig.IsFalse));
        if (isFalse)
        {
            Assert.Equal((DnsVerdict.Answer, false), (_rig.Reply(), _rig.IsFalse));
            _rig.Reply(reply: reply);
            Assert.False(_rig.IsFalse); // nothing is open any more
        }
    }

    [Fact]
    public void The_largest_answer_is_handed_over_whole()
    {
        MessageBuilder message = MessageBuilder.Reply(4094, isCompressing: true);
        for (int i = 0; i < 4094; i++)
        {
            message.Address("echo.afero.io", $"198.51.{i / 256}.{i % 256}");
        }
        TcpTalk talk = new(_rig);
        talk.Open();
        talk.Ask(PacketBuilder.Framed(WatchRig.Query()));
        byte[] stream = PacketBuilder.Framed(message.ToArray());
        for (int at = 0; at < stream.Length; at += 1400)
        {
            byte[] segment = stream[at..Math.Min(at + 1400, stream.Length)];
            bool isLast = at + 1400 >= stream.Length;
            Assert.Equal(isLast ? DnsVerdict.Answer : DnsVerdict.Unfinished, talk.Reply(at, segment));
        }
        Assert.Equal(4094, _rig.Answers.Single().Split(' ').Length - 1);
    }

    [Fact]
    public void Nothing_is_allocated_per_message()
    {
        int answers = 0;
        DnsWatch watch = new(new NameHash(1, 2));
        byte[] open = PacketBuilder.Udp(WatchRig.Device, WatchRig.Server, WatchRig.Query(name: "b.afero.io"));
        byte[] question = PacketBuilder.Udp(WatchRig.Device, WatchRig.Server, WatchRig.Query());
        byte[] reply = PacketBuilder.Udp(WatchRig.Server, WatchRig.Device, GoldenMessages.Chain);
        byte[] syn = PacketBuilder.Tcp(WatchRig.Device, WatchRig.Server, 99, [], PacketBuilder.Syn);
        byte[] synAck = PacketBuilder.Tcp(
            WatchRig.Server, WatchRig.Device, 499, [], PacketBuilder.Syn | PacketBuilder.Ack, 100);
        byte[] framed = PacketBuilder.Tcp(
            WatchRig.Device, WatchRig.Server, 100, PacketBuilder.Framed(WatchRig.Query()));
        byte[] answer = PacketBuilder.Tcp(
            WatchRig.Server, WatchRig.Device, 500, PacketBuilder.Framed(GoldenMessages.Chain));
        void Read(byte[] packet, TimeSpan now)
        {
            DnsWatch.Replies replies = watch.SeeReply(packet, DnsSide.Device, null, now);
            while (replies.TryRead(out _))
            {
                answers++;
            }
        }
        void Once(TimeSpan now)
        {
            watch.SeeQuestion(question, DnsSide.Device, now);
            Read(reply, now);
            watch.SeeQuestion(open, DnsSide.Bridge, now); // remains open until it expires
            uint sequence = (uint)now.Ticks; // another connection each time
            BinaryPrimitives.WriteUInt32BigEndian(open.AsSpan(30), sequence);
            BinaryPrimitives.WriteUInt32BigEndian(syn.AsSpan(24), sequence);
            BinaryPrimitives.WriteUInt32BigEndian(synAck.AsSpan(28), sequence + 1);
            BinaryPrimitives.WriteUInt32BigEndian(framed.AsSpan(24), sequence + 1);
            watch.SeeQuestion(syn, DnsSide.Device, now);
            Read(synAck, now);
            watch.SeeQuestion(framed, DnsSide.Device, now);
            Read(answer, now);
        }

        Once(TimeSpan.Zero);
        // The runtime may allocate while it optimises code, but not in each of five rounds.
        long least = long.MaxValue;
        for (int round = 0, i = 0; round < 5; round++)
        {
            long before = GC.GetAllocatedBytesForCurrentThread();
            for (int end = i + 2_000; i < end; i++)
            {
                Once(TimeSpan.FromMilliseconds(20 * (i + 1)));
            }
            least = Math.Min(least, GC.GetAllocatedBytesForCurrentThread() - before);
        }
        Assert.Equal(0, least);
        Assert.Equal(2 * 10_001, answers);
    }

    [Theory]
    [InlineData(DnsSide.Device)]
    [InlineData(DnsSide.Bridge)]
    public void No_mutilated_packet_does_harm(object where)
    {
        DnsSide side = (DnsSide)where;
        byte[][] packets =
        [
            PacketBuilder.Udp(WatchRig.Server, WatchRig.Device, GoldenMessages.Chain),
            PacketBuilder.Udp(WatchRig.Device, WatchRig.Server, WatchRig.Query()),
            PacketBuilder.Udp("2001:db8:100::53 53", "2001:db8:1::2 40000", GoldenMessages.Ipv6,
                [0, 60, 0, 1, 4, 0, 0, 0, 0, 17, 0, 1, 4, 0, 0, 0, 0]),
            PacketBuilder.Tcp(WatchRig.Server, WatchRig.Device, 500,
                PacketBuilder.Framed(GoldenMessages.Chain), acknowledgment: 100),
        ];
        Flow asked = new(
            WatchRig.Number("198.18.1.2"), WatchRig.Number("198.18.100.53"), 40000, 53, IsTcp: false);
        TcpTalk talk = new(_rig);
        foreach (byte[] packet in packets)
        {
            for (int at = 0; at < packet.Length; at++)
            {
                byte original = packet[at];
                for (int value = 0; value < 256; value = value == 64 ? 250 : value + 1)
                {
                    packet[at] = (byte)value;
                    _rig.Ask(side: side);
                    talk.Open();
                    talk.Ask(PacketBuilder.Framed(WatchRig.Query()));
                    _rig.Watch.SeeQuestion(packet, side, _rig.Now);
                    _ = _rig.SeeReply(packet, side, (value & 1) == 0 ? null : asked, _rig.Now);
                }
                packet[at] = original;
                _rig.Watch.SeeQuestion(packet.AsSpan(0, at), side, _rig.Now);
                Assert.Equal(DnsVerdict.BadPacket, _rig.SeeReply(packet.AsSpan(0, at), side, null, _rig.Now));
                _rig.Now += TimeSpan.FromSeconds(1);
            }
        }
        // Some changes cannot be detected: of a TTL, an address, a letter's case, a name outside the chain. A
        // reply to another question must be.
        Assert.All(_rig.Answers, text => Assert.StartsWith("echo.afero.io", text, StringComparison.Ordinal));
    }
}
