namespace ConnMgr.Links;

/// <summary>What the kernel reports about a link's device.</summary>
/// <param name="Ifindex">The interface index; 0 if there is no device of that name.</param>
/// <param name="IsAdminUp">IFF_UP.</param>
/// <param name="IsRunning">IFF_RUNNING: the device has carrier, or its driver does not report
/// carrier.</param>
/// <param name="Ipv4">The IPv4 facts.</param>
/// <param name="Ipv6">The IPv6 facts; only global addresses count.</param>
internal readonly record struct LinkFacts(
    int Ifindex, bool IsAdminUp, bool IsRunning, FamilyFacts Ipv4, FamilyFacts Ipv6)
{
    /// <summary>
    /// True if the device exists, is administratively up, and has carrier as far as the kernel knows.
    /// </summary>
    public bool Runs => Ifindex != 0 && IsAdminUp && IsRunning;

    /// <summary>True if the device runs and has an address and a default route of the same family.</summary>
    public bool IsConnected => Runs && (Ipv4.IsConnected || Ipv6.IsConnected);

    /// <summary>The family that the link is judged by: IPv4 if that is connected, else IPv6.</summary>
    public FamilyFacts Judged => Ipv4.IsConnected ? Ipv4 : Ipv6;
}

/// <summary>What the kernel reports about one address family of a device.</summary>
/// <param name="HasAddress">The device has at least one usable address.</param>
/// <param name="HasWayOut">The device has a default route, whatever its metric.</param>
/// <param name="Fingerprint">Changes when an address or a gateway changes, but not with a metric.</param>
internal readonly record struct FamilyFacts(bool HasAddress, bool HasWayOut, int Fingerprint)
{
    /// <summary>True if the device has an address and a default route of this family.</summary>
    public bool IsConnected => HasAddress && HasWayOut;
}
