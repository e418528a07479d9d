using System.Net;
using ConnMgr.Links;
using ConnMgr.Net;
using ConnMgr.Netlink;
using ConnMgr.Probe;

namespace ConnMgr.Firewall;

/// <summary>
/// What the lockdown reads about the links, as of the latest decision. The lockdown keeps no copy of its
/// parts.
/// </summary>
/// <param name="State">The kernel's devices, addresses and routes.</param>
/// <param name="Connection">The links, and the one in use.</param>
/// <param name="Servers">The name servers of the links.</param>
internal readonly record struct LockdownView(
    KernelState State, ConnectionView Connection, NameServers Servers)
{
    /// <summary>Changes whenever something changes that decides which name servers count.</summary>
    public (int State, int Servers, string? InUse) Version =>
        (State.Version, Servers.Version, Connection.InUse?.Name);

    /// <summary>The name servers that the device itself uses, over any link.</summary>
    public List<IpNumber> UsedServers()
    {
        List<IpNumber> used = [];
        foreach (LinkView link in Connection.Links)
        {
            foreach (IPAddress server in Servers.Of(link.Kind, link.Name, gateways: []))
            {
                used.Add(IpNumber.Of(server));
            }
        }
        return used;
    }

    /// <summary>The name servers of the link in use, its gateways last.</summary>
    public IReadOnlyList<IPAddress> ServersInUse() => Connection.InUse is { } link
        ? Servers.Of(link.Kind, link.Name, KernelFacts.Gateways(State, link.Facts.Ifindex))
        : [];
}
