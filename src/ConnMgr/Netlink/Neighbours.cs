using ConnMgr.Net;

namespace ConnMgr.Netlink;

/// <summary>
/// The addresses that each device reaches without a gateway, by the routes other than defaults: those of
/// routes without a gateway (a subnet, a modem's management address), and the gateways themselves. A packet
/// from there says nothing about what is beyond. Gateways of defaults are in <see
/// cref="KernelState.Defaults"/>. Pure.
/// </summary>
/// <remarks>
/// Entries are added by events too, but removed by a dump only: a second route to the same addresses may be
/// left.
/// </remarks>
internal sealed class Neighbours
{
    private const byte FamilyIpv4 = 2; // AF_INET
    private const byte FamilyIpv6 = 10; // AF_INET6
    private const int HeaderSize = 12; // struct rtmsg
    private const int HopSize = 8; // struct rtnexthop

    private Dictionary<int, OfDevice> _now = [];
    private Dictionary<int, OfDevice> _new = []; // of the running dump, and of events since it began

    /// <summary>Call it before the rows of a dump.</summary>
    public void BeginDump() => _new.Clear();

    /// <summary>Call it after a complete dump of the routes. True if anything has changed.</summary>
    public bool EndDump()
    {
        bool isSame = _now.Count == _new.Count;
        foreach ((int ifindex, OfDevice device) in _new)
        {
            isSame = isSame && _now.TryGetValue(ifindex, out OfDevice? before)
                && before.Prefixes.SetEquals(device.Prefixes);
        }
        (_now, _new) = (_new, _now);
        return !isSame;
    }

    /// <summary>Adds what RTM_NEWROUTE says. True if it is an event and has added something.</summary>
    public bool Add(ReadOnlySpan<byte> payload, bool isDumpRow) =>
        Read(payload, isDumpRow ? Use.Row : Use.Event, out _);

    /// <summary>
    /// Returns the device of a deleted route whose addresses were neighbours; 0 if RTM_DELROUTE is about
    /// another kind of route.
    /// </summary>
    public int DeviceOf(ReadOnlySpan<byte> payload)
    {
        Read(payload, Use.Deletion, out int ifindex);
        return ifindex;
    }

    /// <summary>Forgets a device.</summary>
    public void Remove(int ifindex)
    {
        _now.Remove(ifindex);
        _new.Remove(ifindex);
    }

    /// <summary>Returns the prefixes of a device, in any order.</summary>
    public IEnumerable<IpPrefix> Of(int ifindex) =>
        _now.TryGetValue(ifindex, out OfDevice? device) ? device.Prefixes : [];

    /// <summary>Parses struct rtmsg and its attributes (rtnetlink(7)); ignores malformed ones.</summary>
    private bool Read(ReadOnlySpan<byte> payload, Use use, out int direct)
    {
        direct = 0;
        if (payload.Length < HeaderSize || payload[0] is not (FamilyIpv4 or FamilyIpv6)
            || payload[7] != 1 /* RTN_UNICAST */
            || (NetlinkWire.UInt32(payload[8..]) & 0x200) != 0 /* RTM_F_CLONED */)
        {
            return false;
        }
        IpNumber destination = default;
        ReadOnlySpan<byte> hops = default;
        AttributeReader attributes = new(payload[HeaderSize..]);
        while (attributes.TryRead(out NetlinkAttribute attribute))
        {
            switch (attribute.Type)
            {
                case 1: // RTA_DST
                    IpNumber.TryRead(attribute.Value, out destination);
                    break;
                case 9: // RTA_MULTIPATH
                    hops = attribute.Value;
                    break;
            }
        }
        // Shorter prefixes are halves of a default route, and the like.
        byte length = payload[1];
        IpPrefix near = default;
        if (destination.Value != default && length >= (destination.IsIpv4 ? 8 : 16)
            && length <= (destination.IsIpv4 ? 32 : 128))
        {
            near = new IpPrefix(IpPrefix.Masked(destination, length), length);
        }
        bool isNew = AddHop(payload[HeaderSize..], 0, near, use, ref direct);
        while (hops.Length >= HopSize)
        {
            ushort size = NetlinkWire.UInt16(hops);
            if (size < HopSize || size > hops.Length)
            {
                break;
            }
            int ifindex = (int)NetlinkWire.UInt32(hops[4..]);
            isNew |= AddHop(hops[HopSize..size], ifindex, near, use, ref direct);
            hops = hops[Math.Min(hops.Length, NetlinkWire.Align(size))..];
        }
        return isNew;
    }

    /// <summary>
    /// Reads the device and the gateway of a route or of one nexthop, and adds the gateway, or the route's
    /// own prefix if there is none.
    /// </summary>
    private bool AddHop(ReadOnlySpan<byte> bytes, int ifindex, IpPrefix prefix, Use use, ref int direct)
    {
        AttributeReader attributes = new(bytes);
        while (attributes.TryRead(out NetlinkAttribute attribute))
        {
            bool isVia = attribute.Type == 18 && attribute.Value.Length > 2; // RTA_VIA: the family first
            if (attribute.Type == 4) // RTA_OIF
            {
                ifindex = (int)attribute.AsUInt32;
            }
            else if ((attribute.Type == 5 || isVia) // RTA_GATEWAY
                && IpNumber.TryRead(attribute.Value[(isVia ? 2 : 0)..], out IpNumber gateway))
            {
                if (use == Use.Deletion)
                {
                    return false;
                }
                prefix = IpPrefix.Of(gateway);
            }
        }
        if (ifindex <= 0 || prefix.Length == 0 || IsLinkLocal(prefix.First))
        {
            return false;
        }
        if (use == Use.Deletion)
        {
            direct = ifindex;
            return false;
        }
        Add(_new, ifindex, prefix);
        return use == Use.Event && Add(_now, ifindex, prefix);
    }

    /// <summary>fe80::/10 and 169.254.0.0/16: packets from there are never evidence.</summary>
    private static bool IsLinkLocal(IpNumber address) => address.IsIpv4
        ? (uint)(address.Value >> 16) == 0xffffa9fe
        : (uint)(address.Value >> 118) == 0x3fa;

    private static bool Add(Dictionary<int, OfDevice> devices, int ifindex, IpPrefix prefix)
    {
        if (!devices.TryGetValue(ifindex, out OfDevice? device))
        {
            device = new OfDevice();
            devices.Add(ifindex, device);
        }
        return device.Add(prefix);
    }

    private enum Use
    {
        Row,
        Event,
        Deletion,
    }

    /// <summary>
    /// The neighbours of one device. If there are too many, their prefixes become shorter: that only hides
    /// evidence, and silence leads to a probe.
    /// </summary>
    private sealed class OfDevice
    {
        private const int MaxPrefixes = 128;
        private const int Step4 = 4; // bits
        private const int Step6 = 8;
        private const int Shortest4 = 8;
        private const int Shortest6 = 16;

        private int _longest4 = 32;
        private int _longest6 = 64; // neighbours may have any address of such a subnet

        public HashSet<IpPrefix> Prefixes { get; private set; } = [];

        /// <summary>True if the prefix was not there.</summary>
        public bool Add(IpPrefix prefix)
        {
            bool isNew = Prefixes.Add(Shortened(prefix));
            while (Prefixes.Count > MaxPrefixes && (_longest4 > Shortest4 || _longest6 > Shortest6))
            {
                _longest4 = Math.Max(Shortest4, _longest4 - Step4);
                _longest6 = Math.Max(Shortest6, _longest6 - Step6);
                HashSet<IpPrefix> shorter = [];
                foreach (IpPrefix each in Prefixes)
                {
                    shorter.Add(Shortened(each));
                }
                Prefixes = shorter;
            }
            if (Prefixes.Count > MaxPrefixes)
            {
                Prefixes.Remove(Shortened(prefix));
                return false;
            }
            return isNew;
        }

        private IpPrefix Shortened(IpPrefix prefix)
        {
            byte length = (byte)Math.Min(prefix.Length, prefix.First.IsIpv4 ? _longest4 : _longest6);
            return new IpPrefix(IpPrefix.Masked(prefix.First, length), length);
        }
    }
}
