namespace ConnMgr.Net;

/// <summary>A prefix of addresses; one address is a prefix of full length.</summary>
/// <param name="First">Its first address, all bits beyond the length zero.</param>
/// <param name="Length">Of its family: 0 to 32, or 0 to 128.</param>
internal readonly record struct IpPrefix(IpNumber First, byte Length)
{
    public static IpPrefix Of(IpNumber address) => new(address, MaxLength(address));

    public bool IsAddress => Length == MaxLength(First);

    /// <summary>True if the address is one of these. An IPv4 address is in no IPv6 prefix.</summary>
    public bool Contains(IpNumber address) =>
        First.IsIpv4 == address.IsIpv4 && First == Masked(address, Length);

    /// <summary>The first address of the prefix of this length that the address is in.</summary>
    public static IpNumber Masked(IpNumber address, byte length)
    {
        int hostBits = MaxLength(address) - length;
        return hostBits >= 128 ? default : new IpNumber(address.Value >> hostBits << hostBits);
    }

    public override string ToString() => IsAddress ? First.ToString() : $"{First}/{Length}";

    private static byte MaxLength(IpNumber address) => (byte)(address.IsIpv4 ? 32 : 128);
}
