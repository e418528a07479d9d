using System.Net;
using ConnMgr.Links;
using ConnMgr.Net;
using ConnMgr.Netlink;

namespace ConnMgr.Firewall;

/// <summary>What the lockdown reads about the links, as of the latest decision. It keeps no copy of its parts.</summary>
/// <param name="Table">The kernel's devices, addresses and routes.</param>
/// <param name="Links">All links.</param>
/// <param name="InUse">The link that the default route leads over; null: none.</param>
internal readonly record struct LockdownView(KernelState Table, IReadOnlyList<MonitoredLink> Links, Link? InUse)
{
    /// <summary>The name servers that the device itself uses, over whatever link.</summary>
    public List<IpNumber> UsedServers()
    {
        List<IpNumber> used = [];
        foreach (MonitoredLink link in Links)
        {
            foreach (IPAddress server in link.NameServers(Table, withGateways: false))
            {
                used.Add(IpNumber.Of(server));
            }
        }
        return used;
    }

    /// <summary>The name servers of the link in use, its gateways last.</summary>
    public IReadOnlyList<IPAddress> ServersInUse()
    {
        foreach (MonitoredLink link in Links)
        {
            if (link.Link == InUse)
            {
                return link.NameServers(Table, withGateways: true);
            }
        }
        return [];
    }
}
