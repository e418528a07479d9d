using System.Net;
using ConnMgr.Net;

namespace ConnMgr.Flows;

/// <summary>An address of a link that carried a default route before, but no longer does.</summary>
/// <param name="Link">The link's name.</param>
/// <param name="Ifindex">The link's interface index; 0 if the device is gone.</param>
/// <param name="Address">The address.</param>
/// <param name="SelectsRoute">
/// True if the device still has the address, and connmgr has no rule that sends its packets over the old
/// link: that is for new connections to the address.
/// </param>
/// <param name="Subnets">The link's own subnets, including those whose addresses are gone.</param>
internal sealed record OldAddress(
    string Link, int Ifindex, IpNumber Address, bool SelectsRoute, IReadOnlyList<IPNetwork> Subnets)
{
    /// <summary>True if the peer is on one of the link's own subnets.</summary>
    public bool IsNeighbour(IpNumber peer)
    {
        foreach (IPNetwork subnet in Subnets)
        {
            if (peer.IsIn(subnet))
            {
                return true;
            }
        }
        return false;
    }
}
