using System.Buffers.Binary;

namespace ConnMgr.Dns;

/// <summary>A question, usually for the addresses of a name; always of class IN.</summary>
/// <param name="Name">The name.</param>
/// <param name="Type">QTYPE, see <see cref="DnsType"/>.</param>
internal readonly record struct DnsQuestion(DnsName Name, ushort Type)
{
    public const ushort ClassIn = 1;

    /// <summary>The size of the largest query without EDNS, in bytes.</summary>
    public const int MaxQuerySize = DnsReader.HeaderSize + DnsName.MaxWireLength + 4;

    /// <summary>
    /// Writes a query that requests recursion. It has no EDNS: an answer of 512 bytes holds enough addresses,
    /// is never fragmented, and every old forwarder handles it.
    /// </summary>
    /// <param name="query">At least <see cref="MaxQuerySize"/> bytes.</param>
    /// <param name="id">An unpredictable identifier.</param>
    /// <returns>The size of the query in bytes.</returns>
    public int WriteQuery(Span<byte> query, ushort id)
    {
        ReadOnlySpan<byte> name = Name.Wire;
        int end = DnsReader.HeaderSize + name.Length;
        query[..DnsReader.HeaderSize].Clear();
        BinaryPrimitives.WriteUInt16BigEndian(query, id);
        BinaryPrimitives.WriteUInt16BigEndian(query[2..], DnsFlags.RecursionDesired);
        BinaryPrimitives.WriteUInt16BigEndian(query[4..], 1); // QDCOUNT
        name.CopyTo(query[DnsReader.HeaderSize..]);
        BinaryPrimitives.WriteUInt16BigEndian(query[end..], Type);
        BinaryPrimitives.WriteUInt16BigEndian(query[(end + 2)..], ClassIn);
        return end + 4;
    }

    /// <summary>
    /// Parses a query: not a response, opcode 0, one question of class IN. Ignores the bytes after the
    /// question, usually EDNS.
    /// </summary>
    public static bool TryReadQuery(ReadOnlySpan<byte> query, out ushort id, out DnsQuestion question)
    {
        question = default;
        DnsReader reader = new(query);
        if (!DnsHeader.TryRead(ref reader, out DnsHeader header) || header.IsResponse || header.Opcode != 0
            || header.QuestionCount != 1
            || !DnsName.TryRead(ref reader, out DnsName name) || !reader.TryReadUInt16(out ushort type)
            || !reader.TryReadUInt16(out ushort dnsClass) || dnsClass != ClassIn)
        {
            id = 0;
            return false;
        }
        id = header.Id;
        question = new DnsQuestion(name, type);
        return true;
    }
}

/// <summary>
/// The types of records and questions that connmgr uses (RFC 1035 section 3.2, RFC 3596).
/// </summary>
internal static class DnsType
{
    public const ushort A = 1;
    public const ushort Cname = 5;
    public const ushort Aaaa = 28;
    public const ushort Srv = 33; // RFC 2782
    public const ushort Svcb = 64; // RFC 9460
    public const ushort Https = 65;

    /// <summary>QTYPE `*`: records of any type.</summary>
    public const ushort Any = 255;
}
