using System.Buffers.Binary;
using ConnMgr.Net;

namespace ConnMgr.Dns;

/// <summary>
/// Remembers questions and matches replies with them (contract, section 10, rules 1 and 2). The bytes are
/// hostile. Memory is bounded; no message causes an allocation. Pure.
/// </summary>
/// <remarks>
/// An extender's question leaves the device again through a link, with the device's address if it is
/// masqueraded. Such a copy must not count as a question of the device, which may ask any server:
/// <see cref="_expected"/> recognizes it. Therefore pass in the questions from the bridge first, then those
/// from the links, then the replies.
/// </remarks>
internal sealed partial class DnsWatch
{
    /// <summary>
    /// The largest number of open questions in each of the three tables: the device's questions, those of
    /// extenders, and copies.
    /// </summary>
    public const int MaxQuestions = 2048;

    /// <summary>The largest number of TCP connections in each of the three tables.</summary>
    public const int MaxConnections = 64;

    /// <summary>The largest number of bytes of unfinished TCP messages in each of the three tables.</summary>
    public const int MaxStreamBytes = 512 * 1024;

    private const ushort DnsPort = 53;

    /// <summary>A packet that came in through the bridge has left through a link by then.</summary>
    private static readonly TimeSpan CopyLifetime = TimeSpan.FromSeconds(10);

    /// <summary>
    /// The largest number of addresses in a message: the smallest address record takes 16 bytes.
    /// </summary>
    private const int MaxAddresses = 4096;

    private readonly Origin _device;
    private readonly Origin _bridge;
    private readonly Origin _copies;
    private readonly Questions _expected; // questions of the bridge, by server, identifier and name
    // Pinned: the garbage collector would otherwise move the array, and touch memory that is mostly never
    // used.
    private readonly DnsAddress[] _addresses = GC.AllocateArray<DnsAddress>(MaxAddresses, pinned: true);
    private readonly DnsAlias[] _aliases = GC.AllocateArray<DnsAlias>(DnsReply.MaxAliases, pinned: true);
    private readonly long[] _counts = new long[(int)DnsVerdict.LostStream + 1];
    private readonly IpNumber[] _askedByExtenders = new IpNumber[8];
    private int _nextAsked;
    private IpNumber[] _used = [];
    private IpNumber[]? _listed;
    private TimeSpan _blindUntil = TimeSpan.MinValue;
    private TimeSpan _extendersSentUntil = TimeSpan.MinValue; // when the last copy of their segments has left
    private long _lostStreams;

    /// <param name="hash">A hash with a random key.</param>
    public DnsWatch(NameHash hash)
    {
        _device = new Origin(hash);
        _bridge = new Origin(hash);
        _copies = new Origin(hash);
        _expected = new Questions(MaxQuestions, hash, CopyLifetime, int.MaxValue);
    }

    /// <summary>The number of remembered questions.</summary>
    public long QuestionCount { get; private set; }

    /// <summary>The number of packets to port 53 that were malformed or no question.</summary>
    public long BadQuestionCount { get; private set; }

    /// <summary>The number of questions dropped early for newer ones.</summary>
    public long EvictedCount =>
        _device.Questions.Evicted + _bridge.Questions.Evicted + _copies.Questions.Evicted;

    /// <summary>
    /// The number of TCP connections that were dropped to make room, or could not be reassembled.
    /// </summary>
    public long LostStreamCount =>
        _lostStreams + _device.Connections.Evicted + _bridge.Connections.Evicted
        + _copies.Connections.Evicted;

    /// <summary>The number of replies with this result.</summary>
    public long CountOf(DnsVerdict verdict) => _counts[(int)verdict];

    /// <summary>
    /// Sets the trusted servers. Before the first call, the device trusts any server and extenders trust
    /// none.
    /// </summary>
    /// <param name="used">
    /// The servers that the device uses itself. Only their answers to extenders count.
    /// </param>
    /// <param name="listed">The only servers whose answers count; null for any.</param>
    /// <returns>True if the servers have changed.</returns>
    public bool SetServers(ReadOnlySpan<IpNumber> used, IpNumber[]? listed)
    {
        bool hasChanged = !used.SequenceEqual(_used) || !listed.AsSpan().SequenceEqual(_listed);
        if (hasChanged)
        {
            _used = used.ToArray();
        }
        _listed = listed;
        return hasChanged;
    }

    /// <summary>Accepts the answers of every server from now on.</summary>
    public void TrustAllServers() => _listed = null;

    /// <summary>True if answers of this server to this question count.</summary>
    public bool Counts(scoped in DnsAnswer answer) =>
        (_listed is null || Contains(_listed, answer.Server))
            && (answer.IsOfDevice || Contains(_used, answer.Server));

    /// <summary>
    /// Call it when a socket has overflowed, because questions of extenders may have been missed. While their
    /// copies may still arrive, a question to a server that the device does not use itself counts as a copy.
    /// </summary>
    public void MissQuestions(TimeSpan now) => _blindUntil = now + CopyLifetime;

    /// <summary>Processes a packet to port 53.</summary>
    /// <param name="bytes">An IP packet, or its first part.</param>
    /// <param name="side">
    /// Device if it leaves through a link, Bridge if it arrives through the bridge.
    /// </param>
    /// <param name="now">Monotonic time.</param>
    public void SeeQuestion(ReadOnlySpan<byte> bytes, DnsSide side, TimeSpan now)
    {
        PacketFlaw flaw = Packet.Read(bytes, out Packet packet);
        if (flaw != PacketFlaw.None || packet.Flow.DestinationPort != DnsPort)
        {
            BadQuestionCount++;
            if (side == DnsSide.Bridge && flaw != PacketFlaw.None)
            {
                // Connection tracking may reassemble the fragments before the question leaves.
                MissQuestions(now);
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
        if (side == DnsSide.Bridge && !packet.Payload.IsEmpty)
        {
            _extendersSentUntil = now + CopyLifetime;
        }
        TcpConnection? connection;
        if (packet.IsSyn)
        {
            origin = OriginOf(packet, side, now);
            connection = origin.Connections.Start(packet, now);
        }
        else
        {
            connection = FindConnection(packet.Flow, ref origin, now) ?? Adopt(packet, side, ref origin, now);
        }
        if (connection is null)
        {
            return;
        }
        if (!packet.IsSyn && connection.Questions.IsBroken(packet.Sequence)
            && TcpMessages.AreQueries(packet.Payload))
        {
            connection.Questions.Resume(packet.Sequence);
        }
        TcpMessages incoming = new(connection.Questions, packet);
        while (incoming.TryRead(out ReadOnlySpan<byte> message))
        {
            connection.HasAsked = true;
            connection.NextReply = packet.Acknowledgment;
            Ask(message, packet.Flow, side, isCopy: origin == _copies, now);
        }
        _lostStreams += incoming.KeepRest() ? 0 : 1;
        origin.Connections.Trim(connection);
    }

    /// <summary>
    /// Judges a packet from port 53. Read its answers with <see cref="Replies.TryRead"/> until that returns
    /// false: each message is judged when it is read, and a TCP stream advances at the end.
    /// </summary>
    /// <param name="bytes">A whole IP packet.</param>
    /// <param name="side">Device if it is for the device, Bridge if it is for an extender, Container if it is
    /// forwarded elsewhere.</param>
    /// <param name="asked">The flow of the question if addresses are translated and conntrack reports them:
    /// for the bridge the original tuple, for a link the reply tuple reversed, as the packets were seen
    /// there. Null to use the packet's own flow, reversed.</param>
    /// <param name="now">Monotonic time.</param>
    public Replies SeeReply(ReadOnlySpan<byte> bytes, DnsSide side, Flow? asked, TimeSpan now)
    {
        PacketFlaw flaw = Packet.Read(bytes, out Packet packet);
        if (flaw != PacketFlaw.None || packet.Flow.SourcePort != DnsPort)
        {
            bool isFragment = flaw == PacketFlaw.Fragment;
            return new Replies(Count(isFragment ? DnsVerdict.Fragment : DnsVerdict.BadPacket));
        }
        Flow flow = asked ?? packet.Flow.Reversed;
        Origin origin = side == DnsSide.Bridge ? _bridge : _device;
        bool isForDevice = side == DnsSide.Device;
        if (!packet.Flow.IsTcp)
        {
            return new Replies(this, packet, flow, origin, isForDevice, null, now);
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
        else if (packet.Sequence == connection.NextReply && !connection.Replies.IsLost
            && connection.Replies.IsBroken(packet.Sequence)
            && IsReply(packet.Payload, flow, origin, now))
        {
            connection.Replies.Resume(packet.Sequence);
        }
        return new Replies(this, packet, flow, origin, isForDevice, connection, now);
    }

    /// <summary>
    /// Finds the extender's question behind a reply if a rule redirected the question and the kernel does not
    /// report conntrack's tuple: an open question to another server from the port to which the reply goes.
    /// Call it only for a packet that conntrack knows as an answer; the server is still judged. Returns the
    /// flow of that question; null to use the packet's own flow, reversed.
    /// </summary>
    /// <param name="bytes">A whole IP packet for an extender.</param>
    /// <param name="now">Monotonic time.</param>
    public Flow? Redirected(ReadOnlySpan<byte> bytes, TimeSpan now)
    {
        if (Packet.Read(bytes, out Packet packet) != PacketFlaw.None
            || IsAsked(packet, packet.Flow.Reversed, _bridge, now))
        {
            return null;
        }
        foreach (IpNumber server in _askedByExtenders)
        {
            Flow candidate = packet.Flow.Reversed with { Destination = server };
            if (server != default && IsAsked(packet, candidate, _bridge, now))
            {
                return candidate;
            }
        }
        return null;
    }

    /// <summary>
    /// True for a segment that begins with a whole reply to an open question. After lost bytes, the stream of
    /// replies resumes at such a segment if it is the first one after a question.
    /// </summary>
    private static bool IsReply(ReadOnlySpan<byte> segment, in Flow flow, Origin origin, TimeSpan now) =>
        TcpMessages.TryReadFirst(segment, out ReadOnlySpan<byte> message) && message.Length >= sizeof(ushort)
        && origin.Questions.Has(flow, BinaryPrimitives.ReadUInt16BigEndian(message), now);

    /// <summary>
    /// Returns the flow of the question that a packet for the device answers, according to the packet's own
    /// addresses, if no such question was seen: a rule may have translated the question's address or port
    /// before it left. Null if the question was seen, or the packet is no answer.
    /// </summary>
    /// <param name="bytes">A whole IP packet for the device.</param>
    /// <param name="now">Monotonic time.</param>
    public Flow? Unseen(ReadOnlySpan<byte> bytes, TimeSpan now) =>
        Packet.Read(bytes, out Packet packet) == PacketFlaw.None && packet.Flow.SourcePort == DnsPort
            && !IsAsked(packet, packet.Flow.Reversed, _device, now)
            && !IsAsked(packet, packet.Flow.Reversed, _copies, now)
        ? packet.Flow.Reversed
        : null;

    private static bool IsAsked(in Packet packet, in Flow flow, Origin origin, TimeSpan now) => flow.IsTcp
        ? origin.Connections.Find(flow, now) is not null
        : packet.Payload.Length >= 2
            && origin.Questions.Has(flow, BinaryPrimitives.ReadUInt16BigEndian(packet.Payload), now);

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

    /// <summary>Finds a connection, and its origin if it is a copy.</summary>
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

    /// <summary>
    /// Adds a connection whose SYN was not seen, because it is older than the daemon: at a segment of whole
    /// queries, as after lost bytes. Returns null for any other segment.
    /// </summary>
    /// <remarks>
    /// The copy of an extender's connection is recognized by its SYN. So a connection counts as the device's
    /// own only if extenders have sent no TCP data to name servers shortly before, however it was cut into
    /// segments. Otherwise only the servers that the device uses count for it, as for extenders.
    /// </remarks>
    private TcpConnection? Adopt(in Packet packet, DnsSide side, ref Origin origin, TimeSpan now)
    {
        if (!TcpMessages.AreQueries(packet.Payload))
        {
            return null;
        }
        if (side == DnsSide.Device && (now < _extendersSentUntil || now < _blindUntil))
        {
            origin = _copies;
        }
        return origin.Connections.Adopt(packet, now);
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
    /// Returns the origin of a new connection. A copy has the sequence number of the SYN that arrived through
    /// the bridge, but another source port. That SYN is remembered in the same way as a question, so that a
    /// later SYN does not displace it.
    /// </summary>
    private Origin OriginOf(in Packet syn, DnsSide side, TimeSpan now)
    {
        Flow toServer = new(
            default, syn.Flow.Destination, (ushort)(syn.Sequence >> 16), syn.Flow.DestinationPort,
            IsTcp: true);
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

    /// <summary>True if the question arrived through the bridge before, or may have arrived unseen.</summary>
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
        ReadOnlySpan<byte> message, scoped in Flow flow, IpNumber server, Origin origin, bool isForDevice,
        TimeSpan now, out DnsAnswer answer)
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
        bool isReadable = DnsName.TryRead(ref reader, out DnsName name)
            & reader.TryReadUInt16(out ushort type)
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
        DnsReply reply = DnsReply.Read(message, header.Id, question, _addresses, _aliases);
        if (reply.Outcome == DnsOutcome.NotAnAnswer)
        {
            // A zone may have an endless chain of aliases. Let the resolver receive this reply: without one,
            // it would take the server for dead.
            return reply.Flaw == DnsFlaw.Malformed ? DnsVerdict.Malformed : DnsVerdict.ErrorCode;
        }
        answer = new DnsAnswer(
            question, _addresses.AsSpan(0, reply.Count), _aliases.AsSpan(0, reply.AliasCount),
            server, isForDevice && origin == _device);
        if (!Counts(answer))
        {
            return DnsVerdict.UntrustedServer;
        }
        if (reply.Count > 0)
        {
            // Keep the question open after an answer without addresses: a forger may have sent that answer to
            // use up the question.
            origin.Questions.Answer(asked);
        }
        return DnsVerdict.Answer;
    }

    /// <summary>
    /// True if a question with this id is open. False for an error without a question, which old servers send
    /// in reply to a query that they do not understand (RFC 6891 section 7).
    /// </summary>
    private bool IsPending(ReadOnlySpan<byte> message, in Flow flow, Origin origin, TimeSpan now)
    {
        if (message.Length < sizeof(ushort))
        {
            return false;
        }
        bool isBareError = message.Length >= 6 && (message[3] & 0xf) != 0
            && message[4] == 0 && message[5] == 0;
        ushort id = BinaryPrimitives.ReadUInt16BigEndian(message);
        return !isBareError && (origin.Questions.Has(flow, id, now)
            || (origin == _device && _copies.Questions.Has(flow, id, now)));
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

    /// <summary>The questions and connections of one origin.</summary>
    internal sealed class Origin(NameHash hash)
    {
        public Questions Questions { get; } = new(MaxQuestions, hash, Questions.Lifetime);

        public TcpConnections Connections { get; } = new(MaxConnections, MaxStreamBytes);
    }
}
