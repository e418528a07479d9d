using System.Net;
using System.Net.Sockets;
using ConnMgr.Net;
using ConnMgr.Netlink;

namespace ConnMgr.Flows;

/// <summary>
/// Remembers the addresses of the links that carry the default routes, because sockets outlive addresses and
/// routes. Treats each family separately, since a link may lose one and keep the other. Pure.
/// </summary>
/// <param name="links">The names of the links.</param>
internal sealed class UsedAddresses(IReadOnlyList<string> links)
{
    /// <summary>
    /// The largest number of addresses. The oldest are dropped first: IPv6 creates a new temporary address
    /// every day (RFC 8981).
    /// </summary>
    private const int MaxAddresses = 64;

    private readonly List<Used> _used = [];

    /// <summary>
    /// Records the links that carry the preferred route of each family. Call it whenever the table has
    /// changed.
    /// </summary>
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
    /// Returns the addresses of links that another link has replaced. Leaves out an address that another
    /// device has now: its flows look the same as those of the former owner.
    /// </summary>
    /// <param name="table">The state of the kernel.</param>
    /// <param name="chosen">The chosen link. Its lost addresses may come back, so they are left out.</param>
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
            bool selectsRoute = false;
            bool isElsewhere = false;
            foreach (DeviceAddress address in table.Addresses)
            {
                if (IpNumber.Of(address.Address) == used.Address)
                {
                    selectsRoute |= address.Ifindex == ifindex
                        && !table.Rules.Any(rule => rule.Address.Equals(address.Address));
                    isElsewhere |= address.Ifindex != ifindex;
                }
            }
            if (!isElsewhere)
            {
                old.Add(new OldAddress(used.Link, ifindex, used.Address, selectsRoute, SubnetsOf(used.Link)));
            }
        }
        return old;
    }

    /// <summary>Forgets addresses whose flows have been ended.</summary>
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
