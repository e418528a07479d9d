namespace ConnMgr.Dns;

/// <summary>
/// One resource record of a message (RFC 1035 section 4.1.3), compared with a wanted owner name.
/// </summary>
internal readonly ref struct DnsRecord
{
    private readonly DnsReader _dataReader;

    private DnsRecord(bool isOfName, ushort type, uint ttl, DnsReader dataReader, ReadOnlySpan<byte> data)
    {
        IsOfName = isOfName;
        Type = type;
        Ttl = ttl;
        Data = data;
        _dataReader = dataReader;
    }

    /// <summary>True if its owner is the wanted name and its class is IN.</summary>
    public bool IsOfName { get; }

    /// <summary>TYPE, see <see cref="DnsType"/>.</summary>
    public ushort Type { get; }

    /// <summary>In seconds, 0 to 2^31-1; a larger value counts as 0 (RFC 2181 section 8).</summary>
    public uint Ttl { get; }

    /// <summary>RDATA, of any length and content.</summary>
    public ReadOnlySpan<byte> Data { get; }

    /// <summary>Reads the next record. Returns false if it is malformed.</summary>
    /// <param name="reader">A reader at the record; it advances past it.</param>
    /// <param name="name">The wanted owner name, in wire format and lower case.</param>
    /// <param name="record">The record.</param>
    public static bool TryRead(ref DnsReader reader, scoped ReadOnlySpan<byte> name, out DnsRecord record)
    {
        record = default;
        if (!reader.TryMatchName(name, out bool isOfName) || !reader.TryReadUInt16(out ushort type)
            || !reader.TryReadUInt16(out ushort dnsClass) || !reader.TryReadUInt32(out uint ttl)
            || !reader.TryReadUInt16(out ushort length))
        {
            return false;
        }
        DnsReader dataReader = reader;
        if (!reader.TryReadBytes(length, out ReadOnlySpan<byte> data))
        {
            return false;
        }
        record = new DnsRecord(
            isOfName && dnsClass == DnsQuestion.ClassIn, type, ttl <= int.MaxValue ? ttl : 0,
            dataReader, data);
        return true;
    }

    /// <summary>
    /// Reads the target of an SRV, SVCB or HTTPS record. False if the record has another type or is
    /// malformed, or if its target is the root, which means the owner or no service.
    /// </summary>
    public bool TryReadServiceTarget(out DnsName target)
    {
        target = default;
        int offset = Type switch
        {
            DnsType.Srv => 6, // priority, weight, port
            DnsType.Svcb or DnsType.Https => 2, // priority
            _ => 0,
        };
        DnsReader reader = _dataReader;
        return offset > 0 && reader.TryReadBytes(offset, out _) && DnsName.TryRead(ref reader, out target)
            && reader.Position <= _dataReader.Position + Data.Length && target.Wire.Length > 1;
    }

    /// <summary>Reads the RDATA of a CNAME: a name, possibly compressed, and nothing after it.</summary>
    /// <param name="wire">Receives the name; at least <see cref="DnsName.MaxWireLength"/> bytes.</param>
    /// <param name="length">Its length in bytes.</param>
    public bool TryReadTarget(scoped Span<byte> wire, out int length)
    {
        DnsReader reader = _dataReader;
        return reader.TryReadName(wire, out length) && reader.Position == _dataReader.Position + Data.Length;
    }
}
