using System.Net;
using System.Net.Sockets;
using ConnMgr.Net;
using ConnMgr.Netlink;
using ConnMgr.Probe;

namespace ConnMgr.Links;

/// <summary>Derives from the rtnetlink tables what the selection needs to know. Pure.</summary>
internal static class KernelFacts
{
    /// <summary>
    /// Returns what the table holds about each device. Reads each address and route once, however many
    /// devices there are.
    /// </summary>
    public static LinkFacts[] Of(KernelState table, string[] names)
    {
        Dictionary<int, DeviceFacts> facts = [];
        DeviceFacts?[] ofName = new DeviceFacts?[names.Length];
        for (int i = 0; i < names.Length; i++)
        {
            if (table.Find(names[i]) is { } device)
            {
                ofName[i] = facts.GetValueOrDefault(device.Ifindex) ?? new DeviceFacts(device);
                facts[device.Ifindex] = ofName[i]!;
            }
        }
        foreach (DeviceAddress address in table.Addresses)
        {
            if (address.IsUsable && facts.TryGetValue(address.Ifindex, out DeviceFacts? device))
            {
                bool isIpv6 = address.Address.AddressFamily == AddressFamily.InterNetworkV6;
                device.Of(isIpv6).AddAddress(address.Address);
            }
        }
        // Include routes that are about to be restored.
        foreach (KernelRoute route in table.Defaults.Concat(table.Lost))
        {
            if (route.IsUnicast && !route.IsDerived && !route.HasRunOut) // a copy repeats its original
            {
                foreach (KernelRoute hop in route.Legs)
                {
                    if (facts.TryGetValue(hop.Ifindex, out DeviceFacts? device))
                    {
                        device.Of(route.IsIpv6).AddGateway(hop.Router ?? IPAddress.None);
                    }
                }
            }
        }
        return Array.ConvertAll(ofName, static device => device?.Facts ?? default);
    }

    /// <summary>Returns what the table holds about the device of that name.</summary>
    public static LinkFacts Of(KernelState table, string name) => Of(table, [name])[0];

    /// <summary>
    /// The link that the kernel's routes lead over: the choice if it is in front in each family that it
    /// has. So an IPv6-only choice is in use although IPv4 leaves over another link. Otherwise the link in
    /// front, even if it is down by now: by IPv4 if IPv4 has a default route, else by IPv6. Null if it is
    /// none of the links, or if none of them is up. A link that must not send anything counts only if it
    /// is in front itself.
    /// </summary>
    public static Link? InUse(KernelState table, IReadOnlyList<Link> links, Link? choice)
    {
        if (choice is { Facts.IsConnected: true } && choice.State.IsUp() && IsInPlace(table, choice))
        {
            return choice;
        }
        bool isAnyUp = false;
        foreach (Link link in links)
        {
            isAnyUp |= Selector.ClassOf(link) != LinkClass.None;
        }
        Link? front = InFront(table, links, isIpv6: table.InFront(isIpv6: false) is null);
        return isAnyUp || (front is not null && front.State.IsUp()) ? front : null;
    }

    /// <summary>
    /// Returns the link that the preferred default route of a family uses; null if it is none of the links.
    /// </summary>
    public static Link? InFront(KernelState table, IReadOnlyList<Link> links, bool isIpv6)
    {
        if (table.InFront(isIpv6) is { } front)
        {
            foreach (Link link in links)
            {
                if (link.Facts.Ifindex == front.Ifindex)
                {
                    return link;
                }
            }
        }
        return null;
    }

    /// <summary>
    /// True if the routes are as switch_route.sh leaves them: in each family in which the link has an address
    /// and a default route, that route is preferred, with metric 0 (IPv6: metric 1, because the kernel turns
    /// 0 into 1024).
    /// </summary>
    public static bool IsInPlace(KernelState table, Link link) =>
        (!link.Facts.Ipv4.IsConnected || IsInFront(table, link, isIpv6: false, metric: 0))
        && (!link.Facts.Ipv6.IsConnected || IsInFront(table, link, isIpv6: true, metric: 1));

    /// <summary>
    /// Returns the choice if it is up and the routes use it; null while it may only be renewing its address.
    /// </summary>
    public static Link? ChoiceInPlace(KernelState table, Link? choice) =>
        choice is { IsInterrupted: false } && choice.State.IsUp() && IsInPlace(table, choice) ? choice : null;

    /// <summary>
    /// True if the link has IPv4 default routes by more than one gateway. Its DHCP client may have received
    /// another router, so the preferred route may be stale; only switch_route.sh can tell.
    /// </summary>
    public static bool HasAnotherGateway(KernelState table, Link link)
    {
        DefaultRoute? first = null;
        foreach (DefaultRoute route in table.Routes)
        {
            if (!route.IsIpv6 && route.Ifindex == link.Facts.Ifindex)
            {
                first ??= route;
                if (!Equals(route.Gateway, first.Gateway))
                {
                    return true;
                }
            }
        }
        return false;
    }

    /// <summary>The gateways of the device's default routes.</summary>
    public static IEnumerable<IPAddress> Gateways(KernelState table, int ifindex)
    {
        foreach (DefaultRoute route in table.Routes)
        {
            if (route.Ifindex == ifindex && route.Gateway is { } gateway)
            {
                yield return gateway;
            }
        }
    }

    /// <summary>Returns the facts that decide which name servers a link can ask.</summary>
    public static ServerLink ServersOf(
        KernelState table, LinkKind kind, string name, in LinkFacts facts, int index = 0) =>
        new(kind, name, facts.Ifindex, facts.Ipv4.IsConnected, facts.Ipv6.IsConnected, table, index);

    /// <summary>
    /// Describes the preferred default route of each family, e.g. `default via 198.18.1.1 dev eth0 metric 0`.
    /// </summary>
    public static string RoutesInWords(KernelState table, IReadOnlyList<Link> links)
    {
        string Words(DefaultRoute? route)
        {
            if (route is null)
            {
                return "none";
            }
            if (route.Ifindex == 0)
            {
                return $"one that sends nothing on, metric {route.Metric}";
            }
            string name = links.FirstOrDefault(link => link.Facts.Ifindex == route.Ifindex)?.Name
                ?? $"device {route.Ifindex}";
            string gateway = route.Gateway is null ? "" : $"via {route.Gateway} ";
            return $"{gateway}dev {name} metric {route.Metric}";
        }
        return $"IPv4 default {Words(table.InFront(false))}, IPv6 default {Words(table.InFront(true))}";
    }

    /// <summary>
    /// True if there are defaults up to that metric, and every nexthop of each uses the link.
    /// </summary>
    private static bool IsInFront(KernelState table, Link link, bool isIpv6, uint metric)
    {
        bool isFound = false;
        foreach (DefaultRoute route in table.Routes)
        {
            if (route.IsIpv6 == isIpv6 && route.Metric <= metric)
            {
                if (route.Ifindex != link.Facts.Ifindex || route.Metric != metric)
                {
                    return false;
                }
                isFound = true;
            }
        }
        return isFound;
    }

    /// <summary>Collects the facts of one device.</summary>
    private sealed class DeviceFacts(Device device)
    {
        private readonly FamilySum _ipv4 = new();
        private readonly FamilySum _ipv6 = new();

        public LinkFacts Facts =>
            new(device.Ifindex, device.IsAdminUp, device.IsRunning, _ipv4.Facts, _ipv6.Facts);

        public FamilySum Of(bool isIpv6) => isIpv6 ? _ipv6 : _ipv4;
    }

    /// <summary>Collects the facts of one family of a device.</summary>
    private sealed class FamilySum
    {
        // While a route moves to another metric, the table has it twice: count each gateway once.
        private readonly HashSet<IPAddress> _gateways = [];
        private bool _hasAddress;
        private int _fingerprint; // a sum, so that the order does not matter

        public FamilyFacts Facts => new(_hasAddress, _gateways.Count > 0, _fingerprint);

        public void AddAddress(IPAddress address)
        {
            _hasAddress = true;
            _fingerprint += address.GetHashCode();
        }

        public void AddGateway(IPAddress gateway)
        {
            if (_gateways.Add(gateway))
            {
                _fingerprint += 31 * gateway.GetHashCode();
            }
        }
    }
}
