using ConnMgr.Dns;

namespace ConnMgr.Tests.Dns;

public class DnsWatchTcpTests
{
    private const string OtherServer = "198.18.100.66 53";

    private static readonly byte[] Question = PacketBuilder.Framed(WatchRig.Query());
    private static readonly byte[] Answer = PacketBuilder.Framed(GoldenMessages.Chain);

    private readonly WatchRig _rig = new();
    private readonly TcpTalk _talk;

    public DnsWatchTcpTests() => _talk = new TcpTalk(_rig);

    [Fact]
    public void An_answer_by_tcp_counts()
    {
        _talk.Open();
        _talk.Ask(Question);
        Assert.Equal(DnsVerdict.Answer, _talk.Reply(0, Answer));
        Assert.Single(_rig.Answers);
    }

    /// <summary>Hold the segment that completes the message, not the ones before it.</summary>
    [Fact]
    public void Cut_anywhere_the_piece_that_completes_it_is_the_answer()
    {
        for (int cut = 1; cut < Answer.Length; cut++)
        {
            _talk.Open(asked: (uint)cut * 1000);
            _talk.Ask(Question[..2]);
            _talk.Ask(Question[2..], 2);
            Assert.Equal(DnsVerdict.Unfinished, _talk.Reply(0, Answer[..cut]));
            Assert.Equal(DnsVerdict.Answer, _talk.Reply(cut, Answer[cut..]));

            _talk.Open(asked: (uint)cut * 1000 + 500_000);
            _talk.Ask(Question[4..], 4);
            _talk.Ask(Question[..4]);
            Assert.Equal(DnsVerdict.Unfinished, _talk.Reply(cut, Answer[cut..]));
            Assert.Equal(DnsVerdict.Answer, _talk.Reply(0, Answer[..cut]));
        }
        Assert.Equal(2 * (Answer.Length - 1), _rig.Answers.Count);
    }

    [Fact]
    public void Several_messages_in_one_segment_are_all_read()
    {
        byte[] other = WatchRig.Query(id: 7, name: "b.afero.io");
        byte[] otherAnswer = new MessageBuilder().Short(7, 0x8180, 1, 1, 0, 0).Name("b.afero.io").Short(1, 1)
            .Address("b.afero.io", "198.51.100.7").ToArray();
        _talk.Open();
        _talk.Ask([.. Question, .. PacketBuilder.Framed(other)]);
        Assert.Equal(DnsVerdict.Answer, _talk.Reply(0, [.. Answer, .. PacketBuilder.Framed(otherAnswer), 0]));
        Assert.Equal(2, _rig.Answers.Count);
    }

    [Fact]
    public void A_question_that_went_with_the_syn_counts()
    {
        byte[] syn = PacketBuilder.Tcp(WatchRig.Device, WatchRig.Server, 1000, Question, PacketBuilder.Syn);
        _rig.Watch.SeeQuestion(syn, DnsSide.Device, _rig.Now);
        byte[] synAck = PacketBuilder.Tcp(
            WatchRig.Server, WatchRig.Device, 5000, [], PacketBuilder.Syn | PacketBuilder.Ack, 1001
            + (uint)Question.Length);
        Assert.Equal(DnsVerdict.Unfinished, _rig.SeeReply(synAck, DnsSide.Device, null, _rig.Now));
        byte[] answer = PacketBuilder.Tcp(WatchRig.Server, WatchRig.Device, 5001, Answer);
        Assert.Equal(DnsVerdict.Answer, _rig.SeeReply(answer, DnsSide.Device, null, _rig.Now));
    }

    [Fact]
    public void A_lone_segment_from_port_53_is_nothing()
    {
        Assert.Equal(DnsVerdict.LostStream, _talk.Reply(0, Answer));
        Assert.Empty(_rig.Answers);
    }

    [Fact]
    public void An_answer_in_a_connection_without_that_question_is_nothing()
    {
        _rig.Ask(); // by UDP
        _talk.Open();
        Assert.Equal(DnsVerdict.Unasked, _talk.Reply(0, Answer));
        Assert.Empty(_rig.Answers);
    }

    /// <summary>An attacker off the path does not know the initial sequence numbers.</summary>
    [Fact]
    public void Who_does_not_acknowledge_the_syn_has_not_accepted()
    {
        _talk.Syn();
        _talk.SynAck(777, 12345);
        _talk.SynAck(0xffff_ff00, 0xffff_fff1);
        _talk.SynAck(888, 0xffff_fff1); // too late
        _talk.Ask(Question);
        Assert.Equal(DnsVerdict.Answer, _talk.Reply(0, Answer));
    }

    [Fact]
    public void Two_versions_of_one_byte_end_the_stream()
    {
        _talk.Open();
        _talk.Ask(Question);
        Assert.Equal(DnsVerdict.Unfinished, _talk.Reply(0, Answer[..40]));
        byte[] other = Answer[..41];
        other[39]++;
        Assert.Equal(DnsVerdict.LostStream, _talk.Reply(0, other));
        Assert.Equal(DnsVerdict.Unfinished, _talk.Reply(40, Answer[40..]));
        Assert.Empty(_rig.Answers);
        Assert.Equal(1, _rig.Watch.LostStreamCount);
    }

    [Fact]
    public void A_connection_between_the_same_ports_as_an_old_one_begins_anew()
    {
        _talk.Open();
        _talk.Ask(Question[..10]);
        _talk.Open(asked: 5, answered: 6);
        _talk.Ask(Question);
        Assert.Equal(DnsVerdict.Answer, _talk.Reply(0, Answer));
    }

    [Fact]
    public void Memory_is_bounded_and_the_longest_silent_connection_goes()
    {
        byte[] most = [0xff, 0xff, .. new byte[50_000]];
        List<TcpTalk> talks = [];
        for (int i = 0; i < DnsWatch.MaxConnections + 1; i++)
        {
            TcpTalk talk =
                new(_rig, $"198.18.1.2 {40000 + i}") { Now = _rig.Now + TimeSpan.FromMilliseconds(i) };
            talk.Open();
            talk.Ask(Question);
            Assert.Equal(DnsVerdict.Unfinished, talk.Reply(0, most));
            talks.Add(talk);
        }
        // Each needs 65,536 bytes and eight fit, so the oldest was dropped.
        Assert.Equal(DnsWatch.MaxConnections + 1 - 8 + 1, _rig.Watch.LostStreamCount);
        Assert.Equal(DnsVerdict.LostStream, talks[0].Reply(0, Answer)); // gone
        Assert.Equal(DnsVerdict.Unfinished, talks[2].Reply(0, Answer)); // lost
    }

    [Fact]
    public void Connections_that_ask_nothing_do_not_throw_out_one_that_does()
    {
        _talk.Open();
        _talk.Ask(Question);
        for (int i = 0; i < 3 * DnsWatch.MaxConnections; i++)
        {
            new TcpTalk(_rig, $"198.18.1.2 {41000 + i}") { Now = _rig.Now + TimeSpan.FromSeconds(1) }.Open();
        }
        Assert.Equal(DnsVerdict.Answer, _talk.Reply(0, Answer));
    }

    [Fact]
    public void What_an_extender_asks_a_server_of_its_own_counts_no_more_on_the_link()
    {
        TcpTalk bridge = new(_rig, WatchRig.Extender, OtherServer) { Side = DnsSide.Bridge };
        TcpTalk copy = new(_rig, WatchRig.Device, OtherServer);
        bridge.Syn();
        copy.Open();
        bridge.Ask(Question);
        copy.Ask(Question);
        Assert.Equal(DnsVerdict.UntrustedServer, copy.Reply(0, Answer));
        Assert.Empty(_rig.Answers);
    }
    /// <summary>
    /// The kernel forwards both. The bridge's socket is read first, so the second question is known before
    /// the first one's copy is read.
    /// </summary>
    [Fact]
    public void A_second_syn_does_not_hide_the_first()
    {
        TcpTalk bridge = new(_rig, WatchRig.Extender, OtherServer) { Side = DnsSide.Bridge };
        bridge.Open(asked: 1000);
        bridge.Open(asked: 2000);
        TcpTalk copy = new(_rig, WatchRig.Device, OtherServer);
        copy.Open(asked: 1000);
        copy.Ask(Question);
        Assert.Equal(DnsVerdict.UntrustedServer, copy.Reply(0, Answer));
        copy.Open(asked: 2000);
        copy.Ask(Question);
        Assert.Equal(DnsVerdict.UntrustedServer, copy.Reply(0, Answer));
        Assert.Empty(_rig.Answers);
    }

    /// <summary>
    /// More connections than the table holds, all before the first one's copy is read. The first one asks
    /// much later.
    /// </summary>
    [Fact]
    public void Nor_do_many_connections()
    {
        new TcpTalk(_rig, WatchRig.Extender, OtherServer) { Side = DnsSide.Bridge }.Open(asked: 1000);
        for (int i = 0; i < 2 * DnsWatch.MaxConnections; i++)
        {
            new TcpTalk(_rig, $"198.18.50.2 {41000 + i}", OtherServer) { Side = DnsSide.Bridge }.Open();
        }
        AssertIsNoQuestionOfTheDevice();
    }

    [Fact]
    public void Nor_is_one_the_devices_that_began_while_extenders_were_not_heard()
    {
        _rig.Watch.MissQuestions(_rig.Now);
        AssertIsNoQuestionOfTheDevice();
    }

    private void AssertIsNoQuestionOfTheDevice()
    {
        TcpTalk copy = new(_rig, WatchRig.Device, OtherServer);
        copy.Open(asked: 1000);
        copy.Now = _rig.Now + (Questions.Lifetime * 2);
        copy.Ask(Question);
        Assert.Equal(DnsVerdict.UntrustedServer, copy.Reply(0, Answer));
        Assert.Empty(_rig.Answers);
    }

    /// <summary>The device itself used the port before the extender did.</summary>
    [Fact]
    public void A_copy_is_not_taken_for_an_older_connection_of_the_device()
    {
        TcpTalk own = new(_rig, WatchRig.Device, OtherServer);
        own.Open(asked: 900);
        TcpTalk bridge = new(_rig, WatchRig.Extender, OtherServer) { Side = DnsSide.Bridge };
        bridge.Open(asked: 1000);
        TcpTalk copy = new(_rig, WatchRig.Device, OtherServer);
        copy.Open(asked: 1000);
        copy.Ask(Question);
        Assert.Equal(DnsVerdict.UntrustedServer, copy.Reply(0, Answer));
    }

    [Fact]
    public void A_lost_question_does_not_make_later_ones_unreadable()
    {
        _talk.Open();
        _talk.Ask(Question, at: 1000); // what was before it was not seen
        Assert.Equal(DnsVerdict.Answer, _talk.Reply(0, Answer));
        _talk.Ask(Question[..5], at: 1000 + Question.Length);
        _talk.Ask(Question[5..], at: 1005 + Question.Length);
        Assert.Equal(DnsVerdict.Answer, _talk.Reply(Answer.Length, Answer));
        Assert.Equal(0, _rig.Watch.LostStreamCount);
    }

    [Fact]
    public void Nor_does_one_of_which_a_piece_was_lost()
    {
        _talk.Open();
        _talk.Ask(Question[..5]);
        _talk.Ask(Question, at: Question.Length);
        Assert.Equal(DnsVerdict.Answer, _talk.Reply(0, Answer));
    }

    [Fact]
    public void Nor_do_more_gaps_than_are_kept()
    {
        _talk.Open();
        for (int i = 1; i <= 2 * TcpStream.MaxGaps; i++)
        {
            _talk.Ask([0], at: 10 * i);
        }
        Assert.Equal(1, _rig.Watch.LostStreamCount);
        _talk.Ask(Question, at: 1000);
        Assert.Equal(DnsVerdict.Answer, _talk.Reply(0, Answer));
    }

    [Fact]
    public void After_a_lost_reply_the_next_one_is_read()
    {
        _talk.Open();
        _talk.Ask(Question);
        _talk.Ask(Question, at: Question.Length, received: 700); // the reply of 700 bytes was not seen
        Assert.Equal(DnsVerdict.Answer, _talk.Reply(700, Answer));
    }

    /// <summary>Bytes in the middle of a reply may be chosen by whoever owns the name.</summary>
    [Theory]
    [InlineData(699), InlineData(701)]
    public void But_only_where_a_reply_begins(int at)
    {
        _talk.Open();
        _talk.Ask(Question);
        _talk.Ask(Question, at: Question.Length, received: 700);
        Assert.Equal(DnsVerdict.Unfinished, _talk.Reply(at, Answer));
        Assert.Empty(_rig.Answers);
    }

    [Fact]
    public void Nor_after_two_versions_of_one_byte()
    {
        _talk.Open();
        _talk.Ask(Question);
        _talk.Reply(5, [1]);
        _talk.Reply(5, [2]);
        _talk.Ask(Question, at: Question.Length, received: 700);
        Assert.Equal(DnsVerdict.Unfinished, _talk.Reply(700, Answer));
        Assert.Empty(_rig.Answers);
    }

    [Fact]
    public void What_is_no_question_does_not_fill_a_gap()
    {
        _talk.Open();
        _talk.Ask(Answer, at: 1000);
        _talk.Ask([.. Question, 0], at: 3000);
        Assert.Equal(DnsVerdict.Unasked, _talk.Reply(0, Answer));
    }

    /// <summary>A connection that is older than the daemon: its SYN was not seen.</summary>
    [Theory]
    [InlineData(0, 0), InlineData(12345, 777)]
    public void A_connection_is_read_from_its_next_question_on(int at, int received)
    {
        _talk.Ask(Question, at, received);
        Assert.Equal(DnsVerdict.Answer, _talk.Reply(received, Answer));
        _talk.Ask(Question[..7], at + Question.Length, received + Answer.Length);
        _talk.Ask(Question[7..], at + Question.Length + 7, received + Answer.Length);
        Assert.Equal(DnsVerdict.Unfinished, _talk.Reply(received + Answer.Length, Answer[..9]));
        Assert.Equal(DnsVerdict.Answer, _talk.Reply(received + Answer.Length + 9, Answer[9..]));
    }

    [Fact]
    public void So_is_one_whose_earlier_reply_is_on_its_way()
    {
        byte[] earlier = PacketBuilder.Framed(GoldenMessages.Chain[..^1]);
        _talk.Ask(Question);
        Assert.Equal(DnsVerdict.Malformed, _talk.Reply(0, earlier));
        Assert.Equal(DnsVerdict.Answer, _talk.Reply(earlier.Length, Answer));
    }

    [Fact]
    public void So_is_one_of_an_extender()
    {
        TcpTalk bridge = new(_rig, WatchRig.Extender) { Side = DnsSide.Bridge };
        bridge.Ask(Question, at: 5);
        Assert.Equal(DnsVerdict.Answer, bridge.Reply(0, Answer));
        TcpTalk other = new(_rig, WatchRig.Extender, OtherServer) { Side = DnsSide.Bridge };
        other.Ask(Question, at: 5);
        Assert.Equal(DnsVerdict.UntrustedServer, other.Reply(0, Answer));
    }

    [Theory]
    [InlineData(false), InlineData(true)]
    public void Not_at_what_is_no_whole_question(bool isCut)
    {
        _talk.Ask(isCut ? Question[..^1] : Answer);
        Assert.Equal(DnsVerdict.LostStream, _talk.Reply(0, Answer));
        Assert.Empty(_rig.Answers);
    }

    /// <summary>A sequence number that was not acknowledged is one that an attacker has guessed.</summary>
    [Theory]
    [InlineData(-1), InlineData(1), InlineData(70_000)]
    public void And_its_replies_begin_where_the_client_says(int at)
    {
        _talk.Ask(Question);
        Assert.NotEqual(DnsVerdict.Answer, _talk.Reply(at, Answer));
        Assert.Empty(_rig.Answers);
    }

    /// <summary>
    /// An extender's older connection also leaves through a link with the device's address, perhaps in other
    /// segments.
    /// </summary>
    [Theory]
    [InlineData(0), InlineData(1), InlineData(500)]
    public void An_older_connection_of_an_extender_is_none_of_the_devices(int junk)
    {
        byte[] sent = [.. new byte[junk], .. Question];
        new TcpTalk(_rig, WatchRig.Extender, OtherServer) { Side = DnsSide.Bridge }.Ask(sent);
        TcpTalk copy = new(_rig, WatchRig.Device, OtherServer);
        copy.Ask(Question, at: junk);
        Assert.Equal(DnsVerdict.UntrustedServer, copy.Reply(0, Answer));
        Assert.Empty(_rig.Answers);

        TcpTalk own = new(_rig, "198.18.1.2 40001", OtherServer)
        {
            Now = _rig.Now + TimeSpan.FromSeconds(11),
        };
        own.Ask(Question);
        Assert.Equal(DnsVerdict.Answer, own.Reply(0, Answer));
    }

    [Fact]
    public void Nor_is_one_while_extenders_were_not_heard()
    {
        _rig.Watch.MissQuestions(_rig.Now);
        TcpTalk copy = new(_rig, WatchRig.Device, OtherServer);
        copy.Ask(Question);
        Assert.Equal(DnsVerdict.UntrustedServer, copy.Reply(0, Answer));
    }
}
