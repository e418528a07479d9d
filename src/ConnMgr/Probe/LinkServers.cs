using System.Net;

namespace ConnMgr.Probe;

/// <summary>The name servers of one link, as the platform says, such as a DHCP client's lease.</summary>
/// <param name="device">The link's interface name.</param>
/// <param name="servers">Its servers.</param>
internal sealed class LinkServers(string device, List<IPAddress> servers)
{
    public string Device => device;

    public List<IPAddress> Servers => servers;

    /// <summary>True if both have the same content.</summary>
    public bool IsSameAs(LinkServers other) =>
        device == other.Device && servers.SequenceEqual(other.Servers);
}
