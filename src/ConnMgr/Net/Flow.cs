namespace ConnMgr.Net;

/// <summary>The five-tuple of a packet. Both addresses are of the same family.</summary>
/// <param name="Source">The source address.</param>
/// <param name="Destination">The destination address.</param>
/// <param name="SourcePort">0 to 65535.</param>
/// <param name="DestinationPort">0 to 65535.</param>
/// <param name="IsTcp">True for TCP, false for UDP.</param>
internal readonly record struct Flow(
    IpNumber Source, IpNumber Destination, ushort SourcePort, ushort DestinationPort, bool IsTcp)
{
    /// <summary>Returns the flow of the answers.</summary>
    public Flow Reversed => new(Destination, Source, DestinationPort, SourcePort, IsTcp);
}
