using ConnMgr.Net;
using static ConnMgr.Netlink.Rtnetlink;

namespace ConnMgr.Netlink;

/// <summary>
/// The IPv6 routers that advertise themselves on a device where another router does too, and which of them
/// neighbour unreachability detection has given up (RFC 4861, section 7.3). The kernel then uses another of
/// its advertised routes (find_rr_leaf, net/ipv6/route.c), and connmgr must copy that one instead. A single
/// router has no alternative, so its neighbour entry does not matter. Pure.
/// </summary>
internal sealed class RivalRouters
{
    private const int HeaderSize = 12; // struct ndmsg

    /// <summary>
    /// The largest number of advertised routers of a device that connmgr uses. Anyone in a LAN can advertise
    /// thousands: connmgr does not remember the others, so that neither memory nor work grows with them.
    /// </summary>
    public const int MostOfDevice = 16;

    private List<Router> _routers = [];
    private bool _hasNew;

    private sealed class Router(int ifindex, IpNumber address)
    {
        public int Ifindex { get; } = ifindex;

        public IpNumber Address { get; } = address;

        public bool IsDead { get; set; }
    }

    /// <summary>True while a device has several advertised routers.</summary>
    public bool Exist => _routers.Count > 0;

    /// <summary>
    /// Adds a row of a dump to the defaults. If the device already has <see cref="MostOfDevice"/> advertised
    /// routes, the row replaces the worst of them, or is dropped if it is no better. A reachable router is
    /// better than an unreachable one, then one with a higher preference, then a known one, then the earlier
    /// one.
    /// </summary>
    /// <param name="defaults">The rows so far.</param>
    /// <param name="row">The row to add.</param>
    /// <param name="dropped">The row that was replaced; null if there was room.</param>
    public bool Admit(List<KernelRoute> defaults, KernelRoute row, out KernelRoute? dropped)
    {
        dropped = null;
        if (row.IsAdvertised
            && CountRouters(defaults, row, out int worst, out int worstRank) >= MostOfDevice)
        {
            if (RankOf(row) >= worstRank)
            {
                return false;
            }
            dropped = defaults[worst];
            defaults.RemoveAt(worst);
        }
        defaults.Add(row);
        return true;
    }

    /// <summary>
    /// True if the defaults do not depend on whether the kernel has this route, because <see cref="Admit"/>
    /// would not add it. Reads the payload of RTM_NEWROUTE or RTM_DELROUTE without allocation, since a flood
    /// causes thousands of them.
    /// </summary>
    public bool IsOneTooMany(List<KernelRoute> defaults, ReadOnlySpan<byte> payload, bool isDeleted)
    {
        if (!TryReadRouter(payload, out int ifindex, out IpNumber address, out byte preference))
        {
            return false;
        }
        int count = 0;
        int worstRank = 0;
        foreach (KernelRoute route in defaults)
        {
            if (route.IsAdvertised && route.Ifindex == ifindex)
            {
                if (IpNumber.TryRead(route.Gateway, out IpNumber known) && known == address)
                {
                    return false;
                }
                count++;
                worstRank = Math.Max(worstRank, RankOf(route));
            }
        }
        return count >= MostOfDevice
            && (isDeleted || RankOf(Find(_routers, ifindex, address), preference) >= worstRank);
    }

    /// <summary>
    /// Reads an advertised default of the main table with one nexthop. Returns false for any other route.
    /// </summary>
    private static bool TryReadRouter(
        ReadOnlySpan<byte> payload, out int ifindex, out IpNumber address, out byte preference)
    {
        (ifindex, address, preference) = (0, default, 0);
        if (payload.Length < 12 || payload[0] != AF_INET6 || payload[1] != 0 || payload[2] != 0
            || payload[4] != KernelRoute.MainTable || payload[5] != Rtnetlink.RTPROT_RA)
        {
            return false;
        }
        bool hasRouter = false;
        bool mayExpire = false;
        AttributeReader attributes = new(payload[12..]);
        while (attributes.TryRead(out NetlinkAttribute attribute))
        {
            switch ((RouteAttributeType)attribute.Type)
            {
                case RouteAttributeType.OutputInterface:
                    ifindex = (int)attribute.AsUInt32;
                    break;
                case RouteAttributeType.Gateway:
                    hasRouter = IpNumber.TryRead(attribute.Value, out address);
                    break;
                case RouteAttributeType.CacheInfo:
                    mayExpire = RouteAttribute.ExpiresOf(attribute.Value) is not null;
                    break;
                case RouteAttributeType.Preference when attribute.Value.Length >= 1:
                    preference = attribute.Value[0];
                    break;
            }
        }
        return hasRouter && mayExpire;
    }

    /// <summary>
    /// Counts the advertised routes of the row's device, and finds the worst of them; of several, the last.
    /// </summary>
    private int CountRouters(
        List<KernelRoute> defaults, KernelRoute row, out int worst, out int worstRank)
    {
        int count = 0;
        (worst, worstRank) = (-1, -1);
        for (int i = 0; i < defaults.Count; i++)
        {
            if (defaults[i].IsAdvertised && defaults[i].Ifindex == row.Ifindex)
            {
                count++;
                int rank = RankOf(defaults[i]);
                (worst, worstRank) = rank >= worstRank ? (i, rank) : (worst, worstRank);
            }
        }
        return count;
    }

    private int RankOf(KernelRoute route) => RankOf(
        TryReadRouter(route, out IpNumber address) ? Find(_routers, route.Ifindex, address) : null,
        route.Preference);

    private static int RankOf(Router? known, byte preference) =>
        (known is { IsDead: true } ? 8 : 0) + 2 * KernelRoute.RankOf(preference) + (known is null ? 1 : 0);

    /// <summary>
    /// Updates the routers from the default routes. A router that was already known keeps its state; a new
    /// one counts as reachable until its neighbour entry is known.
    /// </summary>
    public void Update(IReadOnlyList<KernelRoute> defaults)
    {
        List<Router> present = [];
        foreach (KernelRoute route in defaults.SelectMany(route => route.Legs))
        {
            if (TryReadRouter(route, out IpNumber address)
                && Find(present, route.Ifindex, address) is null)
            {
                present.Add(Find(_routers, route.Ifindex, address) ?? new Router(route.Ifindex, address));
            }
        }
        List<Router> rivals = present.FindAll(
            router => present.Exists(other => other != router && other.Ifindex == router.Ifindex));
        _hasNew |= rivals.Exists(router => !_routers.Contains(router));
        _routers = rivals;
    }

    /// <summary>True if there are new routers since the last call: dump their neighbour entries.</summary>
    public bool TakeNew()
    {
        bool hadNew = _hasNew;
        _hasNew = false;
        return hadNew;
    }

    /// <summary>
    /// Processes the payload of RTM_NEWNEIGH (struct ndmsg). Returns true if a router has become unreachable,
    /// or reachable again. Do not call it for RTM_DELNEIGH, which says nothing about the router: the kernel
    /// deletes a failed entry after a while.
    /// </summary>
    public bool Apply(ReadOnlySpan<byte> payload)
    {
        if (payload.Length < HeaderSize || payload[0] != AF_INET6)
        {
            return false;
        }
        int ifindex = (int)NetlinkWire.UInt32(payload[4..]);
        ushort state = NetlinkWire.UInt16(payload[8..]);
        AttributeReader attributes = new(payload[HeaderSize..]);
        while (attributes.TryRead(out NetlinkAttribute attribute))
        {
            if (attribute.Type == NDA_DST && IpNumber.TryRead(attribute.Value, out IpNumber address)
                && Find(_routers, ifindex, address) is { } router)
            {
                // While the kernel resolves the address again, the router keeps its state.
                bool isDead = state == NUD_INCOMPLETE ? router.IsDead : (state & NUD_FAILED) != 0;
                bool hasChanged = isDead != router.IsDead;
                router.IsDead = isDead;
                return hasChanged;
            }
        }
        return false;
    }

    /// <summary>True if the route's router is known to be unreachable.</summary>
    public bool IsDead(KernelRoute route) =>
        _routers.Count > 0 && TryReadRouter(route, out IpNumber address)
        && Find(_routers, route.Ifindex, address) is { IsDead: true };

    private static bool TryReadRouter(KernelRoute route, out IpNumber address)
    {
        address = default;
        return route.IsAdvertised && route.Ifindex != 0 && IpNumber.TryRead(route.Gateway, out address);
    }

    private static Router? Find(List<Router> routers, int ifindex, IpNumber address)
    {
        foreach (Router router in routers)
        {
            if (router.Ifindex == ifindex && router.Address == address)
            {
                return router;
            }
        }
        return null;
    }
}
