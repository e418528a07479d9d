using System.Globalization;
using System.Net;
using System.Net.Sockets;
using ConnMgr.Net;
using ConnMgr.Netlink;

namespace ConnMgr.Probe;

/// <summary>
/// The link over which name servers are asked, and which servers can be asked over it. Pure.
/// </summary>
/// <param name="kind">The link's kind.</param>
/// <param name="device">The link's interface name, as configured.</param>
/// <param name="ifindex">The interface index; 0 if there is no device.</param>
/// <param name="hasIpv4">True if the link has an IPv4 address and a default route.</param>
/// <param name="hasIpv6">True if the link has a global IPv6 address and a default route.</param>
/// <param name="state">The kernel's state.</param>
/// <param name="index">The number of the link among those of its kind, from 0.</param>
internal sealed class ServerLink(
    LinkKind kind, string device, int ifindex, bool hasIpv4, bool hasIpv6, KernelState state, int index = 0)
{
    public LinkKind Kind => kind;

    /// <summary>True for the first link of its kind, whose network may have the conventional name.</summary>
    public bool IsFirst => index == 0;

    public string Device => device;

    /// <summary>
    /// True if the link has what a question to the server needs: an address and a default route of the
    /// server's family. A server on the link's own subnet, or with a link-local address, needs no default
    /// route.
    /// </summary>
    public bool CanAsk(IPAddress server)
    {
        bool isIpv4 = server.AddressFamily == AddressFamily.InterNetwork || server.IsIPv4MappedToIPv6;
        return (isIpv4 ? hasIpv4 : hasIpv6 || server.IsIPv6LinkLocal) || IsOnSubnet(server, own: true);
    }

    /// <summary>
    /// True if the server is on a subnet of another device and on none of the link's. The link's router
    /// may lead to it, but rarely does.
    /// </summary>
    public bool IsElsewhere(IPAddress server) =>
        IsOnSubnet(server, own: false) && !IsOnSubnet(server, own: true);

    /// <summary>
    /// True if the zone of an address, the text after `%`, is this link: a name of its device, or its index
    /// (RFC 4007 section 11.2).
    /// </summary>
    public bool IsZone(ReadOnlySpan<char> zone) =>
        zone.SequenceEqual(device)
        || (ifindex != 0 && (zone.SequenceEqual(ifindex.ToString(CultureInfo.InvariantCulture))
            || state.Find(zone.ToString())?.Ifindex == ifindex));

    private bool IsOnSubnet(IPAddress server, bool own)
    {
        IpNumber number = IpNumber.Of(server);
        foreach (DeviceAddress address in state.Addresses)
        {
            if (address.Ifindex == ifindex == own && number.IsIn(address.Prefix))
            {
                return true;
            }
        }
        return false;
    }
}
