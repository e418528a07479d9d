namespace ConnMgr.Links;

/// <summary>What the kernel says of a link's device.</summary>
/// <param name="Ifindex">The device; 0 if there is none of that name.</param>
/// <param name="IsAdminUp">IFF_UP.</param>
/// <param name="IsRunning">IFF_RUNNING: it has carrier, or knows of none.</param>
/// <param name="Ipv4">Its IPv4 side.</param>
/// <param name="Ipv6">Its IPv6 side; only global addresses count.</param>
internal readonly record struct LinkFacts(
    int Ifindex, bool IsAdminUp, bool IsRunning, FamilyFacts Ipv4, FamilyFacts Ipv6)
{
    public bool Runs => Ifindex != 0 && IsAdminUp && IsRunning;

    /// <summary>It runs, has an address, and has a way out.</summary>
    public bool IsConnected => Runs && (Ipv4.IsConnected || Ipv6.IsConnected);

    /// <summary>The family that the link is judged by: IPv4 where there is a way out by it.</summary>
    public FamilyFacts Judged => Ipv4.IsConnected ? Ipv4 : Ipv6;
}

/// <summary>What the kernel says of one address family of a device.</summary>
/// <param name="HasAddress">At least one usable address.</param>
/// <param name="HasWayOut">A default route of its own, whatever its metric.</param>
/// <param name="Fingerprint">Differs when an address or a gateway differs; metrics do not matter.</param>
internal readonly record struct FamilyFacts(bool HasAddress, bool HasWayOut, int Fingerprint)
{
    public bool IsConnected => HasAddress && HasWayOut;
}
