namespace ConnMgr.Dns;

/// <summary>The result of judging a message as the reply to a given question.</summary>
internal enum DnsOutcome
{
    /// <summary>The answer, with its addresses; there may be none.</summary>
    Answer,

    /// <summary>The answer, truncated by the server (TC): ask again over TCP.</summary>
    Truncated,

    /// <summary>The answer is that the name does not exist (RCODE 3).</summary>
    NoSuchName,

    /// <summary>The server could not or would not answer (any other RCODE).</summary>
    Failed,

    /// <summary>
    /// Not a reply to this question, or malformed; see <see cref="DnsReply.Flaw"/>. Ignore it.
    /// </summary>
    NotAnAnswer,
}

/// <summary>Why a message is <see cref="DnsOutcome.NotAnAnswer"/>.</summary>
internal enum DnsFlaw
{
    None,

    /// <summary>A header, name or record is malformed or missing.</summary>
    Malformed,

    /// <summary>A query (QR is 0).</summary>
    NotAResponse,
    WrongId,
    WrongOpcode,

    /// <summary>
    /// The name, type or class differs from the question, or there is not exactly one question.
    /// </summary>
    WrongQuestion,

    /// <summary>More CNAMEs than <see cref="DnsReply.MaxAliases"/>.</summary>
    TooManyAliases,

    /// <summary>The CNAMEs form a loop.</summary>
    AliasCircle,
}

/// <summary>
/// Judges a message as the reply to a question and extracts its addresses. The bytes are hostile: it never
/// throws, allocates nothing, and takes time linear in the size of the message.
/// </summary>
/// <param name="Outcome">The result.</param>
/// <param name="Flaw">The reason, if it is not an answer.</param>
/// <param name="Rcode">RCODE, 0 to 15; 0 if it is not an answer.</param>
/// <param name="Count">The number of addresses written.</param>
/// <param name="Omitted">The number of addresses for which the caller had no room.</param>
internal readonly record struct DnsReply(DnsOutcome Outcome, DnsFlaw Flaw, byte Rcode, int Count, int Omitted)
{
    /// <summary>
    /// The number of aliases written: the CNAMEs that were followed, then the targets of service records.
    /// </summary>
    public int AliasCount { get; init; }

    /// <summary>The largest number of CNAMEs in an answer; resolvers follow fewer.</summary>
    public const int MaxAliases = 32;

    private const byte NameError = 3;

    /// <summary>
    /// Reads a reply. Its addresses are those of the last name of the CNAME chain that starts at the
    /// question's name, of the question's type, or of both types if the question asks for any. The records of
    /// the chain may be in any order; the first of two CNAMEs of one name counts. Skips records of other
    /// names and classes, and all sections but the answer. Writes an address twice if the answer contains it
    /// twice.
    /// </summary>
    /// <param name="message">A whole DNS message, without the length that precedes it in TCP.</param>
    /// <param name="id">The identifier of the query.</param>
    /// <param name="question">The question of the query.</param>
    /// <param name="addresses">Receives the addresses; if there are more than fit, the first ones.</param>
    /// <param name="aliases">Receives the steps of the chain, in its order, and after them the targets of
    /// requested SRV, SVCB and HTTPS records; steps that do not fit are left out.</param>
    public static DnsReply Read(
        ReadOnlySpan<byte> message, ushort id, in DnsQuestion question, Span<DnsAddress> addresses,
        Span<DnsAlias> aliases = default)
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

        flaw = Collect(reader, header.AnswerCount, question, addresses, aliases,
            out int found, out int steps);
        if (header.IsTruncated)
        {
            // A truncated message may end in the middle of a record. Use its records only if all of them
            // can be read.
            (found, steps) = flaw == DnsFlaw.None ? (found, steps) : (0, 0);
        }
        else if (flaw != DnsFlaw.None)
        {
            return Not(flaw);
        }
        int count = Math.Min(found, addresses.Length);
        return new DnsReply(
            header.IsTruncated ? DnsOutcome.Truncated : DnsOutcome.Answer, DnsFlaw.None, 0,
            count, found - count)
        {
            AliasCount = steps,
        };
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
    /// First finds the CNAMEs and follows them, then reads the addresses of the last name. So the order of
    /// the records does not matter, and the time grows only with their number.
    /// </summary>
    private static DnsFlaw Collect(
        DnsReader answer, int recordCount, in DnsQuestion question,
        Span<DnsAddress> addresses, Span<DnsAlias> steps,
        out int found, out int stepCount)
    {
        found = 0;
        stepCount = 0;
        Span<byte> wire = stackalloc byte[DnsName.MaxWireLength];
        Span<int> aliases = stackalloc int[MaxAliases];
        question.Name.Wire.CopyTo(wire);
        int length = question.Name.Wire.Length;
        uint chainTtl = uint.MaxValue;

        DnsFlaw flaw = FindAliases(answer, recordCount, aliases, out int aliasCount);
        if (flaw == DnsFlaw.None)
        {
            flaw = FollowAliases(
                answer, aliases[..aliasCount], wire, ref length, ref chainTtl, steps, ref stepCount);
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
                if (record.IsOfName && record.Type == question.Type && stepCount < steps.Length
                    && record.TryReadServiceTarget(out DnsName target))
                {
                    steps[stepCount++] = new DnsAlias(NameOf(wire[..length]), target,
                        Math.Min(chainTtl, record.Ttl));
                }
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

    /// <summary>Finds the positions of all CNAMEs.</summary>
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
    /// Replaces the name by the last name of the CNAME chain, and the TTL by the smallest TTL of the chain.
    /// </summary>
    private static DnsFlaw FollowAliases(
        DnsReader answer, ReadOnlySpan<int> aliases, Span<byte> wire, ref int length, ref uint ttl,
        Span<DnsAlias> steps, ref int stepCount)
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
            DnsName owner = steps.IsEmpty ? default : NameOf(wire[..length]);
            if (!record.TryReadTarget(wire, out length))
            {
                return DnsFlaw.Malformed;
            }
            if (stepCount < steps.Length)
            {
                steps[stepCount++] = new DnsAlias(owner, NameOf(wire[..length]), record.Ttl);
            }
            ttl = Math.Min(ttl, record.Ttl);
            i = -1; // start again: the CNAMEs may be in any order
        }
        return DnsFlaw.None;
    }

    private static DnsName NameOf(ReadOnlySpan<byte> wire)
    {
        DnsReader reader = new(wire);
        _ = DnsName.TryRead(ref reader, out DnsName name);
        return name;
    }

    private static bool IsAskedFor(ushort type, ushort asked) =>
        (type is DnsType.A or DnsType.Aaaa) && (type == asked || asked == DnsType.Any);
}
