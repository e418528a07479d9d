namespace ConnMgr.Dns;

/// <summary>What a message is, as the reply to a certain question.</summary>
internal enum DnsOutcome
{
    /// <summary>The answer, with the addresses that there are, perhaps none.</summary>
    Answer,

    /// <summary>The answer, cut short by the server (TC): the rest is to be had by TCP.</summary>
    Truncated,

    /// <summary>The answer is that the name does not exist (RCODE 3).</summary>
    NoSuchName,

    /// <summary>The server could not or would not answer (any other RCODE).</summary>
    Failed,

    /// <summary>
    /// No reply to this question, or malformed; <see cref="DnsReply.Flaw"/> says why. It counts for nothing.
    /// </summary>
    NotAnAnswer,
}

/// <summary>Why a message is <see cref="DnsOutcome.NotAnAnswer"/>.</summary>
internal enum DnsFlaw
{
    None,

    /// <summary>A header, name or record that is not well-formed, or is not there.</summary>
    Malformed,

    /// <summary>A query (QR is 0).</summary>
    NotAResponse,
    WrongId,
    WrongOpcode,

    /// <summary>Another name, type or class than was asked for, or not exactly one question.</summary>
    WrongQuestion,

    /// <summary>More CNAMEs than <see cref="DnsReply.MaxAliases"/>.</summary>
    TooManyAliases,

    /// <summary>CNAMEs that lead back to a name before.</summary>
    AliasCircle,
}

/// <summary>
/// Judges a message as the reply to a question that was asked, and takes the addresses out of it. Hostile
/// bytes: never throws, allocates nothing, takes a time that is linear in the size of the message.
/// </summary>
/// <param name="Outcome">What it is.</param>
/// <param name="Flaw">Why it is not an answer.</param>
/// <param name="Rcode">RCODE, 0 to 15; 0 if it is not an answer.</param>
/// <param name="Count">How many addresses were written.</param>
/// <param name="Omitted">How many more there are than the caller had room for.</param>
internal readonly record struct DnsReply(DnsOutcome Outcome, DnsFlaw Flaw, byte Rcode, int Count, int Omitted)
{
    /// <summary>An answer may have so many CNAMEs; resolvers follow fewer.</summary>
    public const int MaxAliases = 32;

    private const byte NameError = 3;

    /// <summary>
    /// Reads a reply. Addresses are those of the name at the end of the CNAME chain that starts at the
    /// question's name, of the question's type (of both types, if it asks for any); the chain's records may
    /// be in any order, and of two CNAMEs of one name the first counts. Records of other names and classes,
    /// and all sections but the answer, are skipped. An address that the answer has twice is written twice.
    /// </summary>
    /// <param name="message">A whole DNS message, without the length that precedes it in TCP.</param>
    /// <param name="id">That was sent.</param>
    /// <param name="question">That was asked.</param>
    /// <param name="addresses">Receives addresses, the first ones of the message if there are more than
    /// fit.</param>
    public static DnsReply Read(
        ReadOnlySpan<byte> message, ushort id, in DnsQuestion question, Span<DnsAddress> addresses)
    {
        DnsReader reader = new(message);
        if (!DnsHeader.TryRead(ref reader, out DnsHeader header))
        {
            return Not(DnsFlaw.Malformed);
        }
        DnsFlaw flaw = FlawOf(header, id);
        if (flaw == DnsFlaw.None)
        {
            flaw = FlawOfQuestion(ref reader, question);
        }
        if (flaw != DnsFlaw.None)
        {
            return Not(flaw);
        }
        if (header.Rcode != 0)
        {
            DnsOutcome outcome = header.Rcode == NameError ? DnsOutcome.NoSuchName : DnsOutcome.Failed;
            return new DnsReply(outcome, DnsFlaw.None, header.Rcode, 0, 0);
        }

        flaw = Collect(reader, header.AnswerCount, question, addresses, out int found);
        if (header.IsTruncated)
        {
            // It may be cut in the middle of a record: then it says that there is more, and nothing else.
            found = flaw == DnsFlaw.None ? found : 0;
        }
        else if (flaw != DnsFlaw.None)
        {
            return Not(flaw);
        }
        int count = Math.Min(found, addresses.Length);
        return new DnsReply(
            header.IsTruncated ? DnsOutcome.Truncated : DnsOutcome.Answer, DnsFlaw.None, 0,
            count, found - count);
    }

    private static DnsReply Not(DnsFlaw flaw) => new(DnsOutcome.NotAnAnswer, flaw, 0, 0, 0);

    private static DnsFlaw FlawOf(in DnsHeader header, ushort id) =>
        !header.IsResponse ? DnsFlaw.NotAResponse
        : header.Id != id ? DnsFlaw.WrongId
        : header.Opcode != 0 ? DnsFlaw.WrongOpcode
        : header.QuestionCount != 1 ? DnsFlaw.WrongQuestion
        : DnsFlaw.None;

    private static DnsFlaw FlawOfQuestion(ref DnsReader reader, in DnsQuestion question)
    {
        if (!reader.TryMatchName(question.Name.Wire, out bool isName)
            || !reader.TryReadUInt16(out ushort type) || !reader.TryReadUInt16(out ushort dnsClass))
        {
            return DnsFlaw.Malformed;
        }
        return isName && type == question.Type && dnsClass == DnsQuestion.ClassIn
            ? DnsFlaw.None
            : DnsFlaw.WrongQuestion;
    }

    /// <summary>
    /// Goes over the records twice: for the CNAMEs, and for the addresses of the name to which they lead. So
    /// its time is linear, whatever the order of the records.
    /// </summary>
    private static DnsFlaw Collect(
        DnsReader answer, int recordCount, in DnsQuestion question, Span<DnsAddress> addresses, out int found)
    {
        found = 0;
        Span<byte> wire = stackalloc byte[DnsName.MaxWireLength];
        Span<int> aliases = stackalloc int[MaxAliases];
        question.Name.Wire.CopyTo(wire);
        int length = question.Name.Wire.Length;
        uint chainTtl = uint.MaxValue;

        DnsFlaw flaw = FindAliases(answer, recordCount, aliases, out int aliasCount);
        if (flaw == DnsFlaw.None)
        {
            flaw = FollowAliases(answer, aliases[..aliasCount], wire, ref length, ref chainTtl);
        }
        if (flaw != DnsFlaw.None)
        {
            return flaw;
        }

        DnsReader reader = answer;
        for (int i = 0; i < recordCount; i++)
        {
            if (!DnsRecord.TryRead(ref reader, wire[..length], out DnsRecord record))
            {
                return DnsFlaw.Malformed;
            }
            if (!record.IsOfName || !IsAskedFor(record.Type, question.Type))
            {
                continue;
            }
            if (record.Data.Length != (record.Type == DnsType.A ? 4 : 16))
            {
                return DnsFlaw.Malformed;
            }
            if (found < addresses.Length)
            {
                addresses[found] = new DnsAddress(record.Data, Math.Min(chainTtl, record.Ttl));
            }
            found++;
        }
        return DnsFlaw.None;
    }

    /// <summary>Notes where the CNAMEs are, of whatever name.</summary>
    private static DnsFlaw FindAliases(DnsReader reader, int recordCount, Span<int> aliases, out int count)
    {
        count = 0;
        for (int i = 0; i < recordCount; i++)
        {
            int position = reader.Position;
            if (!DnsRecord.TryRead(ref reader, default, out DnsRecord record))
            {
                return DnsFlaw.Malformed;
            }
            if (record.Type != DnsType.Cname)
            {
                continue;
            }
            if (count == aliases.Length)
            {
                return DnsFlaw.TooManyAliases;
            }
            aliases[count++] = position;
        }
        return DnsFlaw.None;
    }

    /// <summary>
    /// Replaces the name by the one to which the CNAMEs lead, and lowers the TTL to the least of theirs.
    /// </summary>
    private static DnsFlaw FollowAliases(
        DnsReader answer, ReadOnlySpan<int> aliases, Span<byte> wire, ref int length, ref uint ttl)
    {
        int followed = 0;
        for (int i = 0; i < aliases.Length; i++)
        {
            DnsReader reader = answer.At(aliases[i]);
            if (!DnsRecord.TryRead(ref reader, wire[..length], out DnsRecord record))
            {
                return DnsFlaw.Malformed;
            }
            if (!record.IsOfName)
            {
                continue;
            }
            if (++followed > aliases.Length)
            {
                return DnsFlaw.AliasCircle;
            }
            if (!record.TryReadTarget(wire, out length))
            {
                return DnsFlaw.Malformed;
            }
            ttl = Math.Min(ttl, record.Ttl);
            i = -1; // once more from the first: they may be in any order
        }
        return DnsFlaw.None;
    }

    private static bool IsAskedFor(ushort type, ushort asked) =>
        (type is DnsType.A or DnsType.Aaaa) && (type == asked || asked == DnsType.Any);
}
