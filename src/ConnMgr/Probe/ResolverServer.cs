using System.Net;

namespace ConnMgr.Probe;

/// <summary>A name server that the device's resolver asks.</summary>
/// <param name="address">Its address.</param>
/// <param name="zone">The device of a link-local address, by name or number; else empty.</param>
internal sealed class ResolverServer(IPAddress address, string zone)
{
    public IPAddress Address => address;

    public string Zone => zone;
}
