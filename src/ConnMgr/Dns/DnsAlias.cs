namespace ConnMgr.Dns;

/// <summary>
/// One step from a name to another name that provides its addresses: a CNAME, or the target of an SRV, SVCB
/// or HTTPS record of the question's name (RFC 2782, RFC 9460).
/// </summary>
/// <param name="Owner">The name that has the record.</param>
/// <param name="Target">The name in the record.</param>
/// <param name="Ttl">The TTL of the record, in seconds.</param>
internal readonly record struct DnsAlias(DnsName Owner, DnsName Target, uint Ttl);
