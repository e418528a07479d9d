using System.Text;
using ConnMgr.Dns;
using ConnMgr.Net;
using static ConnMgr.Fuzz.BrokenRuleException;

namespace ConnMgr.Fuzz;

/// <summary>DNS messages, streams and the packets around them.</summary>
internal static class DnsTargets
{
    private const int Room = 64; // addresses

    /// <summary>The message is judged as the reply to the question that it repeats.</summary>
    public static void Reply(ReadOnlySpan<byte> message)
    {
        ushort id = 0;
        DnsQuestion question = default;
        DnsReader reader = new(message);
        if (DnsHeader.TryRead(ref reader, out DnsHeader header)
            && DnsName.TryRead(ref reader, out DnsName name) && reader.TryReadUInt16(out ushort type))
        {
            (id, question) = (header.Id, new DnsQuestion(name, type));
        }
        DnsAddress[] addresses = new DnsAddress[Room];
        DnsAlias[] aliases = new DnsAlias[4];
        DnsReply reply = DnsReply.Read(message, id, question, addresses, aliases);

        Unless(
            reply.Outcome == DnsOutcome.NotAnAnswer == (reply.Flaw != DnsFlaw.None), "a refusal has a flaw");
        Unless(reply.Count is >= 0 and <= Room, "the addresses fit");
        Unless(reply.Omitted == 0 || (reply.Omitted > 0 && reply.Count == Room),
            "none is left out without need");
        Unless(reply.AliasCount >= 0 && reply.AliasCount <= aliases.Length, "the aliases fit");
        Unless(reply.Count == 0 || reply.Outcome is DnsOutcome.Answer or DnsOutcome.Truncated,
            "only an answer has addresses");
        for (int i = 0; i < reply.Count; i++)
        {
            int length = addresses[i].Bytes.Length;
            Unless(length == 4 ? question.Type is DnsType.A or DnsType.Any
                : length == 16 && question.Type is DnsType.Aaaa or DnsType.Any,
                "an address has the type asked for");
            Unless(message.IndexOf(addresses[i].Bytes) >= 0, "an address is in the message");
            Unless(addresses[i].Ttl <= int.MaxValue, "a TTL is in bounds");
        }
        for (int i = 0; i < reply.AliasCount; i++)
        {
            CheckName(aliases[i].Owner);
            CheckName(aliases[i].Target);
        }

        DnsReply counted = DnsReply.Read(message, id, question, default);
        Unless(counted.Outcome == reply.Outcome && counted.Flaw == reply.Flaw
            && counted.Omitted == reply.Count + reply.Omitted, "the room for addresses changes nothing else");
        if (reply.Outcome == DnsOutcome.Answer)
        {
            byte[] longer = [.. message, 0, 0xc0, 0xff];
            Unless(
                DnsReply.Read(longer, id, question, addresses, aliases) == reply, "what follows is ignored");
        }
    }

    /// <summary>A query that is accepted means the same when it is written again.</summary>
    public static void Query(ReadOnlySpan<byte> query)
    {
        if (!DnsQuestion.TryReadQuery(query, out ushort id, out DnsQuestion question))
        {
            return;
        }
        CheckName(question.Name);
        byte[] written = new byte[DnsQuestion.MaxQuerySize];
        int length = question.WriteQuery(written, id);
        Unless(DnsQuestion.TryReadQuery(written.AsSpan(0, length), out ushort again, out DnsQuestion same)
            && again == id && same == question, "a query is the same when it is written and read again");
    }

    /// <summary>A host name as text.</summary>
    public static void Name(ReadOnlySpan<byte> bytes)
    {
        string text = Encoding.UTF8.GetString(bytes);
        if (!DnsName.TryParse(text, out DnsName name))
        {
            return;
        }
        CheckName(name);
        string plain = text.EndsWith('.') ? text[..^1] : text;
        Unless(name.IsHostName, "what was read as a host name is one");
        Unless(name.ToString().Equals(plain, StringComparison.OrdinalIgnoreCase), "a name has its text");
        Unless(!LiteralAddress.TryParse(plain, out _), "a name is no address");
    }

    /// <summary>The segments of one direction of a TCP connection; some lie about their bytes.</summary>
    public static void Stream(ReadOnlySpan<byte> bytes)
    {
        InputBytes input = new(bytes);
        uint first = (uint)((input.UInt16() << 16) | input.UInt16());
        TcpStream stream = new();
        stream.Start(first - 1);
        bool[] sent = new bool[TcpStream.MaxWindow + 1]; // by the distance from the first byte
        byte[] segment = new byte[65536];
        int next = 0; // the distance of the first byte that was not read
        bool isHonest = true;
        while (!input.IsEmpty && !stream.IsLost)
        {
            byte kind = input.Byte();
            int at = Math.Max(0, next + (short)input.UInt16());
            int length = Math.Min(segment.Length, input.Byte() << (kind & 7));
            length = Math.Min(length, sent.Length - at);
            if (length <= 0)
            {
                continue;
            }
            isHonest &= (kind & 8) == 0;
            for (int i = 0; i < length; i++)
            {
                segment[i] = (byte)(ByteAt(at + i) ^ ((kind & 8) != 0 ? i & 1 : 0));
                sent[at + i] = true;
            }
            ReadOnlySpan<byte> available = stream.Accept((uint)(first + at), segment.AsSpan(0, length));
            Unless(stream.Size <= TcpStream.MaxWindow, "the memory of a stream is bounded");
            int contiguous = Array.IndexOf(sent, false, next);
            Unless(next + available.Length <= (contiguous < 0 ? sent.Length : contiguous),
                "nothing is read that was not sent");
            for (int i = 0; isHonest && i < available.Length; i++)
            {
                Unless(available[i] == ByteAt(next + i), "the bytes are in order");
            }
            int taken = (kind & 16) != 0 ? available.Length : available.Length / 2;
            if (!available.IsEmpty)
            {
                stream.Advance(taken, available);
                next += taken;
            }
        }
    }

    private static byte ByteAt(int at) => (byte)((at * 167) + (at >> 8));

    /// <summary>
    /// Packets of DNS, each behind a byte that says from where it is, and its length: an answer counts only
    /// to a question that was asked.
    /// </summary>
    public static void Watch(ReadOnlySpan<byte> bytes)
    {
        DnsWatch watch = new(new NameHash(1, 2));
        IpNumber server = new(((UInt128)0xffff << 32) | 0xc6126435); // 198.18.100.53
        watch.SetServers([server], null);
        HashSet<(Flow, ushort, DnsQuestion)> asked = [];
        HashSet<DnsQuestion> questions = []; // of TCP, too
        TimeSpan now = TimeSpan.FromHours(1);
        InputBytes input = new(bytes);
        while (!input.IsEmpty)
        {
            byte kind = input.Byte();
            ReadOnlySpan<byte> packet = input.Take(input.UInt16());
            DnsSide side = (kind & 2) != 0 ? DnsSide.Bridge : DnsSide.Device;
            now += TimeSpan.FromSeconds(kind >> 4);
            bool isRead = Packet.Read(packet, out Packet read) == PacketFlaw.None;
            if ((kind & 1) == 0)
            {
                if (isRead && DnsQuestion.TryReadQuery(read.Payload, out ushort id, out DnsQuestion question))
                {
                    asked.Add((read.Flow, id, question));
                }
                watch.SeeQuestion(packet, side, now);
                continue;
            }
            _ = watch.Redirected(packet, now);
            _ = watch.Unseen(packet, now);
            DnsWatch.Replies replies = watch.SeeReply(packet, side, null, now);
            while (replies.TryRead(out DnsAnswer answer))
            {
                ushort answered = (ushort)((read.Payload[0] << 8) | read.Payload[1]);
                Unless(isRead && (read.Flow.IsTcp
                    || asked.Contains((read.Flow.Reversed, answered, answer.Question))),
                    "an answer is to a question that was asked");
                Unless(!read.Flow.IsTcp || watch.QuestionCount > 0, "an answer needs a question");
                foreach (ref readonly DnsAlias alias in answer.Aliases)
                {
                    CheckName(alias.Owner);
                    CheckName(alias.Target);
                }
                _ = watch.Counts(answer);
                questions.Add(answer.Question);
            }
        }
        Unless(questions.Count <= watch.QuestionCount, "there are no more answers than questions");
    }

    private static void CheckName(in DnsName name)
    {
        ReadOnlySpan<byte> wire = name.Wire;
        Unless(wire.Length is >= 1 and <= DnsName.MaxWireLength, "a name has 1 to 255 bytes");
        int at = 0;
        while (wire[at] != 0)
        {
            Unless(wire[at] <= 63, "a label has at most 63 bytes");
            at += 1 + wire[at];
            Unless(at < wire.Length, "a name ends with the root");
        }
        Unless(at == wire.Length - 1, "a name has one root");
        foreach (byte letter in wire)
        {
            // A length is at most 63, less than any capital letter.
            Unless(letter is < (byte)'A' or > (byte)'Z', "a name is in lower case");
        }
        Unless(!name.IsHostName || (DnsName.TryParse(name.ToString(), out DnsName same) && same.Equals(name)),
            "a host name is the same as text");
    }
}
