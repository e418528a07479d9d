using ConnMgr.Dns;

namespace ConnMgr.Firewall;

/// <summary>Why the lockdown would admit a use.</summary>
internal enum AuditCover
{
    /// <summary>The lockdown would drop it.</summary>
    None,

    /// <summary>The whitelist has the name or the address.</summary>
    Whitelist,

    /// <summary>It needs no entry: a name server of the device, NTP, ping, DHCP.</summary>
    Service,
}

/// <summary>Judges uses by the whitelist and by what needs no entry (docs/lockdown.md). Pure.</summary>
internal static class AuditCovers
{
    private const byte Icmp = 1;
    private const byte Tcp = 6;
    private const byte Udp = 17;
    private const byte Icmpv6 = 58;

    /// <summary>Judges a use.</summary>
    /// <param name="entry">The use.</param>
    /// <param name="whitelist">The whitelist in force.</param>
    /// <param name="mayAsk">True if the user may ask the address, as a name server.</param>
    public static AuditCover Of(AuditEntry entry, Whitelist whitelist, bool mayAsk)
    {
        bool isDns = entry.Port == 53 && entry.Protocol is Tcp or Udp;
        bool isService = entry.Source switch
        {
            AuditSource.Inward => entry.Protocol == Udp && entry.Port is 68 or 546,
            AuditSource.HostInward => isDns || (entry.Protocol == Udp && entry.Port is 67 or 68 or 547),
            AuditSource.Host when isDns && entry.Protocol == Udp && entry.Address.IsIpv4 => true,
            _ => (isDns && mayAsk) || entry.Protocol is Icmp or Icmpv6
                || (entry.Protocol == Udp && entry.Port is 67 or 123 or 547),
        };
        if (isService)
        {
            return AuditCover.Service;
        }
        bool isOutward = entry.Source is AuditSource.Device or AuditSource.Host;
        return isOutward && (whitelist.Covers(entry.Address) || IsWanted(entry.Name, whitelist))
            ? AuditCover.Whitelist
            : AuditCover.None;
    }

    /// <summary>Returns a name from its wire format.</summary>
    public static DnsName NameOf(byte[] wire)
    {
        DnsReader reader = new(wire);
        _ = DnsName.TryRead(ref reader, out DnsName name);
        return name;
    }

    private static bool IsWanted(byte[]? name, Whitelist whitelist) =>
        name is not null && whitelist.IsWanted(NameOf(name), out _);
}
