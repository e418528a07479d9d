using System.Buffers.Binary;
using ConnMgr.Net;

namespace ConnMgr.Dns;

/// <summary>Whose questions and replies.</summary>
internal enum DnsSide
{
    /// <summary>The device's own: they leave through a link, and what comes back is for the device.</summary>
    Device,

    /// <summary>Those of extenders: they come in through the bridge.</summary>
    Bridge,
}

/// <summary>What a reply is worth, and why it is worth nothing. Each is counted.</summary>
internal enum DnsVerdict
{
    /// <summary>It answers a question; its addresses were handed over, perhaps none.</summary>
    Answer,

    /// <summary>A TCP segment that completes no message. Not a refusal; not counted.</summary>
    Unfinished,

    /// <summary>The packet cannot be taken apart, or is no UDP or TCP from port 53.</summary>
    BadPacket,

    /// <summary>A piece of a packet (<see cref="PacketFlaw.Fragment"/>).</summary>
    Fragment,

    /// <summary>Nothing was asked with this id between these addresses and ports, or it is answered already.</summary>
    Unasked,

    /// <summary>Something else was asked: another name, type or class, or not exactly one question is repeated.</summary>
    WrongQuestion,

    /// <summary>The message is not well-formed, or its CNAMEs lead nowhere.</summary>
    Malformed,

    /// <summary>A query, or another opcode than 0.</summary>
    NotAReply,

    /// <summary>The server says that there is none, or that it cannot tell (RCODE is not 0).</summary>
    ErrorCode,

    /// <summary>A server whose answers do not count.</summary>
    UntrustedServer,

    /// <summary>TCP of a connection whose beginning was not seen, or that had to be given up.</summary>
    LostStream,
}

/// <summary>One answer that counts.</summary>
/// <param name="question">What was asked.</param>
/// <param name="addresses">The addresses that the answer gives, perhaps none; valid until the next reply is read.</param>
internal readonly ref struct DnsAnswer(scoped in DnsQuestion question, ReadOnlySpan<DnsAddress> addresses)
{
    public readonly DnsQuestion Question = question;

    public readonly ReadOnlySpan<DnsAddress> Addresses = addresses;
}

/// <summary>
/// Knows what was asked, and tells which replies answer it (behaviour, section 10, rules 1 and 2). Pure; hostile bytes;
/// bounded memory, no allocation per message.
/// </summary>
/// <remarks>
/// What an extender asks leaves through a link once more, from the device's address if it is masqueraded. Such a copy must
/// not pass for a question of the device's own, since those may go to any server: hence <see cref="_expected"/>. To be
/// told of in this order: questions of the bridge, questions of the links, replies.
/// </remarks>
internal sealed class DnsWatch
{
    /// <summary>Open questions of the device; of extenders; of copies of the latter.</summary>
    public const int MaxQuestions = 2048;

    /// <summary>TCP connections of each of the three.</summary>
    public const int MaxConnections = 64;

    /// <summary>What unfinished TCP messages take, of each of the three.</summary>
    public const int MaxStreamBytes = 512 * 1024;

    private const ushort DnsPort = 53;

    /// <summary>The smallest record of an address has 16 bytes: so everything fits that a message can hold.</summary>
    private const int MaxAddresses = 4096;

    private readonly Origin _device;
    private readonly Origin _bridge;
    private readonly Origin _copies;
    private readonly Questions _expected; // what came in through the bridge, by server, id and question
    private readonly DnsAddress[] _addresses = GC.AllocateArray<DnsAddress>(MaxAddresses, pinned: true); // mostly never touched
    private readonly long[] _counts = new long[(int)DnsVerdict.LostStream + 1];
    private readonly IpNumber[] _askedByExtenders = new IpNumber[8];
    private int _nextAsked;
    private IpNumber[] _used = [];
    private IpNumber[]? _listed;
    private TimeSpan _blindUntil = TimeSpan.MinValue;
    private long _lostStreams;

    /// <param name="hash">With a random key.</param>
    public DnsWatch(NameHash hash)
    {
        _device = new Origin(hash);
        _bridge = new Origin(hash);
        _copies = new Origin(hash);
        _expected = new Questions(MaxQuestions, hash, int.MaxValue);
    }

    /// <summary>Questions that were remembered.</summary>
    public long QuestionCount { get; private set; }

    /// <summary>Packets to port 53 that were no question, or could not be read.</summary>
    public long BadQuestionCount { get; private set; }

    /// <summary>Questions that went out of memory for newer ones before their time.</summary>
    public long EvictedCount => _device.Questions.Evicted + _bridge.Questions.Evicted + _copies.Questions.Evicted;

    /// <summary>TCP connections that went out of memory for others, and streams that could not be put together.</summary>
    public long LostStreamCount =>
        _lostStreams + _device.Connections.Evicted + _bridge.Connections.Evicted + _copies.Connections.Evicted;

    /// <summary>How many replies met with this.</summary>
    public long CountOf(DnsVerdict verdict) => _counts[(int)verdict];

    /// <summary>Says whose answers count. Before the first call, anybody's do for the device and nobody's for extenders.</summary>
    /// <param name="used">Servers that the device itself uses: the only ones whose answers to extenders count.</param>
    /// <param name="listed">Servers whose answers count at all; null is any.</param>
    public void SetServers(ReadOnlySpan<IpNumber> used, IpNumber[]? listed)
    {
        if (!used.SequenceEqual(_used))
        {
            _used = used.ToArray();
        }
        _listed = listed;
    }

    /// <summary>
    /// Questions of extenders may have been missed, because a socket overflowed. For as long as their copies might come, what
    /// goes to servers that the device does not use itself is taken for one.
    /// </summary>
    public void MissQuestions(TimeSpan now) => _blindUntil = now + Questions.Lifetime;

    /// <summary>Takes a packet to port 53.</summary>
    /// <param name="bytes">An IP packet, or its first part.</param>
    /// <param name="side">Device: it leaves through a link. Bridge: it comes in through the bridge.</param>
    /// <param name="now">Monotonic.</param>
    public void SeeQuestion(ReadOnlySpan<byte> bytes, DnsSide side, TimeSpan now)
    {
        PacketFlaw flaw = Packet.Read(bytes, out Packet packet);
        if (flaw != PacketFlaw.None || packet.Flow.DestinationPort != DnsPort)
        {
            BadQuestionCount++;
            if (side == DnsSide.Bridge && flaw != PacketFlaw.None)
            {
                MissQuestions(now); // pieces of a question: connection tracking may have put them together when it leaves
            }
            return;
        }
        if (side == DnsSide.Bridge)
        {
            RememberServer(packet.Flow.Destination);
        }
        if (!packet.Flow.IsTcp)
        {
            Ask(packet.Payload, packet.Flow, side, isCopy: false, now);
            return;
        }

        Origin origin = side == DnsSide.Bridge ? _bridge : _device;
        TcpConnection? connection;
        if (packet.IsSyn)
        {
            origin = OriginOf(packet, side, now);
            connection = origin.Connections.Start(packet, now);
        }
        else
        {
            connection = FindConnection(packet.Flow, ref origin, now);
        }
        if (connection is null)
        {
            return;
        }
        Incoming incoming = new(connection.Questions, packet);
        while (incoming.TryRead(out ReadOnlySpan<byte> message))
        {
            connection.HasAsked = true;
            Ask(message, packet.Flow, side, isCopy: origin == _copies, now);
        }
        _lostStreams += incoming.End() ? 0 : 1;
        origin.Connections.Trim(connection);
    }

    /// <summary>
    /// Judges a packet from port 53. Read its answers with <see cref="Replies.TryRead"/> until that returns false: each
    /// message is judged when it is read, and a TCP stream moves on at the end.
    /// </summary>
    /// <param name="bytes">A whole IP packet.</param>
    /// <param name="side">Device: it is for the device. Bridge: it is for an extender.</param>
    /// <param name="asked">
    /// The flow of the question where addresses are translated and connection tracking is known: for the bridge the original
    /// tuple, for a link the reply tuple reversed, as the packets were seen there. Null: the packet's own, reversed.
    /// </param>
    /// <param name="now">Monotonic.</param>
    public Replies SeeReply(ReadOnlySpan<byte> bytes, DnsSide side, Flow? asked, TimeSpan now)
    {
        PacketFlaw flaw = Packet.Read(bytes, out Packet packet);
        if (flaw != PacketFlaw.None || packet.Flow.SourcePort != DnsPort)
        {
            return new Replies(Count(flaw == PacketFlaw.Fragment ? DnsVerdict.Fragment : DnsVerdict.BadPacket));
        }
        Flow flow = asked ?? packet.Flow.Reversed;
        Origin origin = side == DnsSide.Bridge ? _bridge : _device;
        if (!packet.Flow.IsTcp)
        {
            return new Replies(this, packet, flow, origin, null, now);
        }
        TcpConnection? connection = FindConnection(flow, ref origin, now);
        if (connection is null)
        {
            return new Replies(packet.Payload.IsEmpty ? DnsVerdict.Unfinished : Count(DnsVerdict.LostStream));
        }
        if (packet.IsSyn)
        {
            connection.Accept(packet);
        }
        return new Replies(this, packet, flow, origin, connection, now);
    }

    /// <summary>
    /// What an extender asked, as it asked, where questions are redirected and connection tracking is not told: one to another
    /// server, from the port that the reply goes to. Only for a packet that connection tracking has found to be an answer.
    /// Whether the server that answers may do so is judged as ever. Null: as the packet says.
    /// </summary>
    /// <param name="bytes">A whole IP packet, for an extender.</param>
    /// <param name="now">Monotonic.</param>
    public Flow? Redirected(ReadOnlySpan<byte> bytes, TimeSpan now)
    {
        if (Packet.Read(bytes, out Packet packet) != PacketFlaw.None || IsAsked(packet, packet.Flow.Reversed, now))
        {
            return null;
        }
        foreach (IpNumber server in _askedByExtenders)
        {
            Flow candidate = packet.Flow.Reversed with { Destination = server };
            if (server != default && IsAsked(packet, candidate, now))
            {
                return candidate;
            }
        }
        return null;
    }

    private bool IsAsked(in Packet packet, in Flow flow, TimeSpan now) => flow.IsTcp
        ? _bridge.Connections.Find(flow, now) is not null
        : packet.Payload.Length >= 2
            && _bridge.Questions.Has(flow, BinaryPrimitives.ReadUInt16BigEndian(packet.Payload), now);

    private void RememberServer(IpNumber server)
    {
        if (!Contains(_askedByExtenders, server))
        {
            _askedByExtenders[_nextAsked++ % _askedByExtenders.Length] = server;
        }
    }

    private DnsVerdict Count(DnsVerdict verdict)
    {
        _counts[(int)verdict]++;
        return verdict;
    }

    /// <summary>A copy's connection is looked for where copies are.</summary>
    private TcpConnection? FindConnection(in Flow flow, ref Origin origin, TimeSpan now)
    {
        TcpConnection? connection = origin.Connections.Find(flow, now);
        if (connection is null && origin == _device)
        {
            connection = _copies.Connections.Find(flow, now);
            origin = connection is null ? origin : _copies;
        }
        return connection;
    }

    private void Ask(ReadOnlySpan<byte> message, in Flow flow, DnsSide side, bool isCopy, TimeSpan now)
    {
        if (!DnsQuestion.TryReadQuery(message, out ushort id, out DnsQuestion question))
        {
            BadQuestionCount++;
            return;
        }
        QuestionCount++;
        Flow toServer = new(default, flow.Destination, 0, flow.DestinationPort, flow.IsTcp);
        if (side == DnsSide.Bridge)
        {
            _bridge.Questions.Add(flow, id, question, now);
            Expect(toServer, id, question, now);
            return;
        }
        isCopy |= IsExpected(toServer, id, question, now);
        (isCopy ? _copies : _device).Questions.Add(flow, id, question, now);
    }

    /// <summary>
    /// Whose connection begins here. A copy has the sequence number of what came in through the bridge, and another port: it is
    /// remembered as a question would be, so that no later SYN makes it forgotten.
    /// </summary>
    private Origin OriginOf(in Packet syn, DnsSide side, TimeSpan now)
    {
        Flow toServer = new(
            default, syn.Flow.Destination, (ushort)(syn.Sequence >> 16), syn.Flow.DestinationPort, IsTcp: true);
        if (side == DnsSide.Bridge)
        {
            Expect(toServer, (ushort)syn.Sequence, default, now);
            return _bridge;
        }
        bool isCopy = IsExpected(toServer, (ushort)syn.Sequence, default, now);
        (isCopy ? _device : _copies).Connections.Forget(syn.Flow);
        return isCopy ? _copies : _device;
    }

    private void Expect(in Flow toServer, ushort id, in DnsQuestion question, TimeSpan now)
    {
        if (!_expected.Add(toServer, id, question, now))
        {
            MissQuestions(now);
        }
    }

    /// <summary>Whether it came in through the bridge before, as often as it did, or may have, unseen.</summary>
    private bool IsExpected(in Flow toServer, ushort id, in DnsQuestion question, TimeSpan now)
    {
        if (_expected.Find(toServer, id, question, now) is > 0 and int expected)
        {
            _expected.Answer(expected);
            return true;
        }
        return now < _blindUntil && !Contains(_used, toServer.Destination);
    }

    private DnsVerdict Judge(
        ReadOnlySpan<byte> message, scoped in Flow flow, IpNumber server, Origin origin, TimeSpan now,
        out DnsAnswer answer)
    {
        answer = default;
        DnsReader reader = new(message);
        if (!DnsHeader.TryRead(ref reader, out DnsHeader header))
        {
            return DnsVerdict.Malformed;
        }
        if (!header.IsResponse || header.Opcode != 0)
        {
            return DnsVerdict.NotAReply;
        }
        bool isReadable = DnsName.TryRead(ref reader, out DnsName name) & reader.TryReadUInt16(out ushort type)
            & reader.TryReadUInt16(out ushort dnsClass);
        DnsQuestion question = new(name, type);
        int asked = 0;
        if (isReadable && header.QuestionCount == 1 && dnsClass == DnsQuestion.ClassIn)
        {
            asked = origin.Questions.Find(flow, header.Id, question, now);
            if (asked == 0 && origin == _device)
            {
                asked = _copies.Questions.Find(flow, header.Id, question, now);
                origin = asked == 0 ? origin : _copies;
            }
        }
        if (asked == 0)
        {
            bool isKnown = origin.Questions.Has(flow, header.Id, now)
                || (origin == _device && _copies.Questions.Has(flow, header.Id, now));
            return !isKnown ? DnsVerdict.Unasked
                : isReadable || header.QuestionCount != 1 ? DnsVerdict.WrongQuestion
                : DnsVerdict.Malformed;
        }
        if (header.Rcode != 0)
        {
            return DnsVerdict.ErrorCode;
        }
        if ((_listed is { } listed && !Contains(listed, server)) || (origin != _device && !Contains(_used, server)))
        {
            return DnsVerdict.UntrustedServer;
        }
        DnsReply reply = DnsReply.Read(message, header.Id, question, _addresses);
        if (reply.Outcome == DnsOutcome.NotAnAnswer)
        {
            return DnsVerdict.Malformed;
        }
        if (reply.Count > 0)
        {
            // One without addresses may be a forgery that is to keep the true answer from counting.
            origin.Questions.Answer(asked);
        }
        answer = new DnsAnswer(question, _addresses.AsSpan(0, reply.Count));
        return DnsVerdict.Answer;
    }

    private static bool Contains(IpNumber[] servers, IpNumber server)
    {
        foreach (IpNumber one in servers)
        {
            if (one == server)
            {
                return true;
            }
        }
        return false;
    }

    /// <summary>What is remembered of the questions that have one origin.</summary>
    internal sealed class Origin(NameHash hash)
    {
        public Questions Questions { get; } = new(MaxQuestions, hash);

        public TcpConnections Connections { get; } = new(MaxConnections, MaxStreamBytes);
    }

    /// <summary>The replies in one packet: one of a UDP datagram, none or several of a TCP segment.</summary>
    internal ref struct Replies
    {
        private readonly DnsWatch? _watch; // null: there is nothing left to read
        private readonly ReadOnlySpan<byte> _datagram;
        private readonly Flow _flow;
        private readonly IpNumber _server;
        private readonly Origin _origin;
        private readonly TcpConnection? _connection;
        private readonly TimeSpan _now;
        private Incoming _incoming;
        private bool _hasEnded;

        public Replies(DnsVerdict verdict)
        {
            Verdict = verdict;
            _origin = null!;
            _hasEnded = true;
        }

        public Replies(
            DnsWatch watch, scoped in Packet packet, scoped in Flow flow, Origin origin, TcpConnection? connection, TimeSpan now)
        {
            _watch = watch;
            _datagram = packet.Payload;
            _flow = flow;
            _server = packet.Flow.Source;
            _origin = origin;
            _connection = connection;
            _now = now;
            Verdict = DnsVerdict.Unfinished;
            if (connection is not null)
            {
                _incoming = new Incoming(connection.Replies, packet);
            }
        }

        /// <summary>Answer if there was one at least; else what the last message met with. Complete at the end.</summary>
        public DnsVerdict Verdict { get; private set; }

        /// <summary>The next answer; false if there is none left.</summary>
        public bool TryRead(out DnsAnswer answer)
        {
            answer = default;
            if (_hasEnded || _watch is null)
            {
                return false;
            }
            if (_connection is null)
            {
                _hasEnded = true;
                Verdict = _watch.Count(_watch.Judge(_datagram, _flow, _server, _origin, _now, out answer));
                return Verdict == DnsVerdict.Answer;
            }
            while (_incoming.TryRead(out ReadOnlySpan<byte> message))
            {
                DnsVerdict next = _watch.Count(_watch.Judge(message, _flow, _server, _origin, _now, out answer));
                Verdict = Verdict == DnsVerdict.Answer ? Verdict : next;
                if (next == DnsVerdict.Answer)
                {
                    return true;
                }
            }
            _hasEnded = true;
            if (!_incoming.End())
            {
                _watch._lostStreams++;
                Verdict = Verdict == DnsVerdict.Unfinished ? _watch.Count(DnsVerdict.LostStream) : Verdict;
            }
            _origin.Connections.Trim(_connection);
            return false;
        }
    }

    /// <summary>The messages (RFC 1035 section 4.2.2) that a segment completes.</summary>
    private ref struct Incoming
    {
        private readonly TcpStream _stream;
        private readonly ReadOnlySpan<byte> _available;
        private readonly bool _wasLost;
        private int _taken;

        public Incoming(TcpStream stream, scoped in Packet packet)
        {
            _stream = stream;
            _wasLost = stream.IsLost;
            _available = stream.Accept(packet.IsSyn ? unchecked(packet.Sequence + 1) : packet.Sequence, packet.Payload);
        }

        public bool TryRead(out ReadOnlySpan<byte> message)
        {
            ReadOnlySpan<byte> rest = _available[_taken..];
            message = default;
            if (rest.Length < sizeof(ushort))
            {
                return false;
            }
            int length = BinaryPrimitives.ReadUInt16BigEndian(rest);
            if (rest.Length - sizeof(ushort) < length)
            {
                return false;
            }
            message = rest.Slice(sizeof(ushort), length);
            _taken += sizeof(ushort) + length;
            return true;
        }

        /// <summary>Keeps what is not read yet. False: the stream has just been lost.</summary>
        public readonly bool End()
        {
            if (!_available.IsEmpty)
            {
                _stream.Advance(_taken, _available);
            }
            return _wasLost || !_stream.IsLost;
        }
    }
}
