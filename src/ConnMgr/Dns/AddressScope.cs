using ConnMgr.Net;

namespace ConnMgr.Dns;

/// <summary>
/// Whether the firewall may open an address from a DNS answer (IANA special-purpose registries).
/// </summary>
internal enum AddressScope
{
    /// <summary>The firewall may open it.</summary>
    Public,

    /// <summary>
    /// Private (RFC 1918, RFC 6598, RFC 4193, RFC 3879) or link-local (RFC 3927, RFC 4291): the firewall
    /// opens it only if private answers are allowed.
    /// </summary>
    Private,

    /// <summary>
    /// The firewall never opens it: unspecified, loopback, multicast, broadcast or reserved.
    /// </summary>
    Never,
}

/// <summary>Finds the <see cref="AddressScope"/> of an address.</summary>
internal static class AddressScopes
{
    /// <summary>
    /// Returns the scope of an address. An IPv6 address that embeds an IPv4 address (NAT64: RFC 6052; 6to4:
    /// RFC 3056) has the scope of the embedded address, so that embedding cannot bypass the check.
    /// </summary>
    public static AddressScope Of(IpNumber address)
    {
        UInt128 value = address.Value;
        if (address.IsIpv4)
        {
            return OfIpv4((uint)value);
        }
        ulong high = (ulong)(value >> 64);
        // 64:ff9b::/96, and 64:ff9b:1::/48 (RFC 8215), whose meaning depends on the network.
        if (high >> 32 == 0x0064_ff9b)
        {
            return value >> 32 == (UInt128)0x0064_ff9b << 64 ? OfIpv4((uint)value) : AddressScope.Private;
        }
        return (high >> 48) switch
        {
            0 => AddressScope.Never, // ::, ::1, IPv4-compatible (RFC 4291 section 2.5.5.1), unassigned
            0x2002 => OfIpv4((uint)(high >> 16)),
            >= 0xff00 => AddressScope.Never, // multicast
            >= 0xfe80 => AddressScope.Private, // link-local fe80::/10, site-local fec0::/10
            >= 0xfc00 and < 0xfe00 => AddressScope.Private, // unique local
            _ => AddressScope.Public,
        };
    }

    private static AddressScope OfIpv4(uint address) => (address >> 24) switch
    {
        0 or 127 or >= 224 => AddressScope.Never,
        10 => AddressScope.Private,
        100 when (address >> 22 & 3) == 1 => AddressScope.Private, // 100.64.0.0/10
        169 when address >> 16 == 0xa9fe => AddressScope.Private,
        172 when address >> 20 == 0xac1 => AddressScope.Private,
        192 when address >> 16 == 0xc0a8 => AddressScope.Private,
        _ => AddressScope.Public,
    };
}
