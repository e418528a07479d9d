namespace ConnMgr.Net;

/// <summary>From where to where a packet goes: the five-tuple. IPv4 and IPv6 never meet in one.</summary>
/// <param name="Source">Who sent it.</param>
/// <param name="Destination">Who is to get it.</param>
/// <param name="SourcePort">0 to 65535.</param>
/// <param name="DestinationPort">0 to 65535.</param>
/// <param name="IsTcp">TCP, or else UDP.</param>
internal readonly record struct Flow(
    IpNumber Source, IpNumber Destination, ushort SourcePort, ushort DestinationPort, bool IsTcp)
{
    /// <summary>The way back.</summary>
    public Flow Reversed => new(Destination, Source, DestinationPort, SourcePort, IsTcp);
}
