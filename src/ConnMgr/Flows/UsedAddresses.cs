using System.Net;
using System.Net.Sockets;
using ConnMgr.Net;
using ConnMgr.Netlink;

namespace ConnMgr.Flows;

/// <summary>
/// Remembers the addresses of the links that carry the default routes, since sockets outlive the addresses, and both
/// their routes. Each family for itself: a link may lose one and keep the other. Pure.
/// </summary>
/// <param name="links">The names of the links.</param>
internal sealed class UsedAddresses(IReadOnlyList<string> links)
{
    /// <summary>The oldest are forgotten first: IPv6 makes a new temporary address every day (RFC 8981).</summary>
    private const int MaxAddresses = 64;

    private readonly List<Used> _used = [];

    /// <summary>Takes note of the links in front of each family. To be called whenever the table has changed.</summary>
    public void Observe(KernelState table)
    {
        foreach (DeviceAddress address in table.Addresses)
        {
            bool isIpv6 = address.Address.AddressFamily == AddressFamily.InterNetworkV6;
            if (!address.IsUsable || table.InFront(isIpv6)?.Ifindex != address.Ifindex
                || LinkInFront(table, isIpv6) is not { } link)
            {
                continue;
            }
            Used used = new(link, isIpv6, IpNumber.Of(address.Address), address.Prefix);
            if (!_used.Contains(used))
            {
                _used.Add(used);
            }
        }
        if (_used.Count > MaxAddresses)
        {
            _used.RemoveRange(0, _used.Count - MaxAddresses);
        }
    }

    /// <summary>
    /// The addresses of links that another link has taken the place of. Not one that another device has now: its flows
    /// cannot be told from those of its former owner.
    /// </summary>
    /// <param name="table">What the kernel has.</param>
    /// <param name="chosen">The link that is to be used: what it has lost, it may get back.</param>
    public List<OldAddress> Old(KernelState table, string chosen)
    {
        List<OldAddress> old = [];
        foreach (Used used in _used)
        {
            if (used.Link == chosen || LinkInFront(table, used.IsIpv6) is not { } front || front == used.Link)
            {
                continue;
            }
            int ifindex = table.Find(used.Link)?.Ifindex ?? 0;
            bool isPresent = false;
            bool isElsewhere = false;
            foreach (DeviceAddress address in table.Addresses)
            {
                if (IpNumber.Of(address.Address) == used.Address)
                {
                    isPresent |= address.Ifindex == ifindex;
                    isElsewhere |= address.Ifindex != ifindex;
                }
            }
            if (!isElsewhere)
            {
                old.Add(new OldAddress(used.Link, ifindex, used.Address, isPresent, SubnetsOf(used.Link)));
            }
        }
        return old;
    }

    /// <summary>These have been dealt with.</summary>
    public void Forget(IEnumerable<OldAddress> old)
    {
        foreach (OldAddress address in old)
        {
            _used.RemoveAll(used => used.Link == address.Link && used.Address == address.Address);
        }
    }

    private string? LinkInFront(KernelState table, bool isIpv6)
    {
        foreach (string link in links)
        {
            if (table.InFront(isIpv6) is { } front && table.Find(link)?.Ifindex == front.Ifindex)
            {
                return link;
            }
        }
        return null;
    }

    private List<IPNetwork> SubnetsOf(string link)
    {
        List<IPNetwork> subnets = [];
        foreach (Used used in _used)
        {
            if (used.Link == link && !subnets.Contains(used.Subnet))
            {
                subnets.Add(used.Subnet);
            }
        }
        return subnets;
    }

    private sealed record Used(string Link, bool IsIpv6, IpNumber Address, IPNetwork Subnet);
}
