namespace ConnMgr.Dns;

/// <summary>
/// One step from a name to another that stands for it: a CNAME, or the target of an SRV, SVCB or HTTPS record of the name
/// that was asked for (RFC 2782, RFC 9460).
/// </summary>
/// <param name="Owner">The name that has the record.</param>
/// <param name="Target">The name in it.</param>
/// <param name="Ttl">Of the record, in seconds.</param>
internal readonly record struct DnsAlias(DnsName Owner, DnsName Target, uint Ttl);
