namespace ConnMgr.Dns;

/// <summary>
/// The header of a message (RFC 1035 section 4.1.1), without the counts of the authority and additional
/// sections.
/// </summary>
/// <param name="Id">The query's identifier, repeated in the reply.</param>
/// <param name="Flags">The second 16 bits, see <see cref="DnsFlags"/>.</param>
/// <param name="QuestionCount">QDCOUNT.</param>
/// <param name="AnswerCount">ANCOUNT, as the sender claims.</param>
internal readonly record struct DnsHeader(ushort Id, ushort Flags, ushort QuestionCount, ushort AnswerCount)
{
    public bool IsResponse => (Flags & DnsFlags.Response) != 0;

    public bool IsTruncated => (Flags & DnsFlags.Truncated) != 0;

    /// <summary>0 to 15; 0 is a standard query.</summary>
    public int Opcode => (Flags >> 11) & 0xf;

    /// <summary>0 to 15; 0 is no error, 3 is no such name.</summary>
    public byte Rcode => (byte)(Flags & 0xf);

    /// <summary>Reads 12 bytes. Returns false if the message is shorter.</summary>
    public static bool TryRead(ref DnsReader reader, out DnsHeader header)
    {
        header = default;
        if (!reader.TryReadUInt16(out ushort id) || !reader.TryReadUInt16(out ushort flags)
            || !reader.TryReadUInt16(out ushort questions) || !reader.TryReadUInt16(out ushort answers)
            || !reader.TryReadUInt32(out _)) // NSCOUNT, ARCOUNT
        {
            return false;
        }
        header = new DnsHeader(id, flags, questions, answers);
        return true;
    }
}

/// <summary>Bits of <see cref="DnsHeader.Flags"/>.</summary>
internal static class DnsFlags
{
    public const ushort Response = 0x8000; // QR
    public const ushort Truncated = 0x0200; // TC
    public const ushort RecursionDesired = 0x0100; // RD
}
