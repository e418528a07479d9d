namespace ConnMgr.Net;

/// <summary>A prefix of addresses; a single address is a prefix of full length.</summary>
/// <param name="First">The first address; all bits beyond the length are zero.</param>
/// <param name="Length">0 to 32 for IPv4, 0 to 128 for IPv6.</param>
internal readonly record struct IpPrefix(IpNumber First, byte Length)
{
    /// <summary>Returns the prefix of full length that contains only this address.</summary>
    public static IpPrefix Of(IpNumber address) => new(address, MaxLength(address));

    /// <summary>True if the prefix contains a single address.</summary>
    public bool IsAddress => Length == MaxLength(First);

    /// <summary>True if the prefix contains the address. An IPv6 prefix contains no IPv4 address.</summary>
    public bool Contains(IpNumber address) =>
        First.IsIpv4 == address.IsIpv4 && First == Masked(address, Length);

    /// <summary>Returns the first address of the prefix of this length that contains the address.</summary>
    public static IpNumber Masked(IpNumber address, byte length)
    {
        int hostBits = MaxLength(address) - length;
        return hostBits >= 128 ? default : new IpNumber(address.Value >> hostBits << hostBits);
    }

    public override string ToString() => IsAddress ? First.ToString() : $"{First}/{Length}";

    private static byte MaxLength(IpNumber address) => (byte)(address.IsIpv4 ? 32 : 128);
}
