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
            // Include servers of a family that the link does not have yet: a program may ask them at once.
            ServerLink any = new(
                link.Kind, link.Name, link.Facts.Ifindex, hasIpv4: true, hasIpv6: true, State, link.Index);
            foreach (IPAddress server in Servers.Of(any, gateways: []))
            {
                used.Add(IpNumber.Of(server));
            }
        }
        return used;
    }

    /// <summary>
    /// The links that are named by an alternative name of their device, each with the real name, which the
    /// rules need; empty if there are none.
    /// </summary>
    public string RealNames()
    {
        string names = "";
        foreach (LinkView link in Connection.Links)
        {
            if (State.Find(link.Facts.Ifindex)?.Name is { } real && real != link.Name)
            {
                names += $"{link.Name} is {real}, ";
            }
        }
        return names;
    }

    /// <summary>Adds the gateways of all links, which the daemon asks last.</summary>
    public void AddGateways(List<IpNumber> servers)
    {
        foreach (LinkView link in Connection.Links)
        {
            foreach (IPAddress gateway in KernelFacts.Gateways(State, link.Facts.Ifindex))
            {
                servers.Add(IpNumber.Of(gateway));
            }
        }
    }

    /// <summary>The name servers of the link in use, its gateways last.</summary>
    public IReadOnlyList<IPAddress> ServersInUse() => Connection.InUse is { } link
        ? Servers.Of(
            KernelFacts.ServersOf(State, link.Kind, link.Name, link.Facts, link.Index),
            KernelFacts.Gateways(State, link.Facts.Ifindex))
        : [];
}
