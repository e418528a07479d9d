using ConnMgr.Net;
using static ConnMgr.Netlink.Rtnetlink;

namespace ConnMgr.Netlink;

/// <summary>
/// The addresses that each device reaches without a gateway, according to the routes other than defaults: the
/// destinations of routes without a gateway (a subnet, a modem's management address), and the gateways of the
/// others. A packet from such an address does not show that the upstream works. For the gateways of defaults
/// see <see cref="KernelState.Defaults"/>. Pure.
/// </summary>
/// <remarks>
/// Events add entries, but only a dump removes them, because another route to the same addresses may remain.
/// </remarks>
internal sealed class Neighbours
{
    private const int HeaderSize = 12; // struct rtmsg
    private const int HopSize = 8; // struct rtnexthop

    private Dictionary<int, OfDevice> _now = [];
    private Dictionary<int, OfDevice> _new = []; // of the running dump, and of events since it began

    private int _lastIfindex; // the last entry added to both
    private IpPrefix _last;

    /// <summary>Call it before the rows of a dump.</summary>
    public void BeginDump()
    {
        _new.Clear();
        _lastIfindex = 0;
    }

    /// <summary>Call it after a complete dump of the routes. True if anything has changed.</summary>
    public bool OnDumpEnded()
    {
        bool isSame = _now.Count == _new.Count;
        foreach ((int ifindex, OfDevice device) in _new)
        {
            isSame = isSame && _now.TryGetValue(ifindex, out OfDevice? before)
                && before.Prefixes.SetEquals(device.Prefixes);
        }
        (_now, _new) = (_new, _now);
        _lastIfindex = 0;
        return !isSame;
    }

    /// <summary>
    /// Adds the neighbours of RTM_NEWROUTE. Returns true if it is an event and has added something.
    /// </summary>
    public bool Add(ReadOnlySpan<byte> payload, bool isDumpRow) =>
        Read(payload, isDumpRow ? Use.Row : Use.Event, out _);

    /// <summary>
    /// Returns the device of a deleted route whose destination was a neighbour, from RTM_DELROUTE; 0 if the
    /// route was of another kind.
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
        _lastIfindex = 0;
    }

    /// <summary>Returns the prefixes of a device, in any order.</summary>
    public IEnumerable<IpPrefix> Of(int ifindex) =>
        _now.TryGetValue(ifindex, out OfDevice? device) ? device.Prefixes : [];

    /// <summary>Parses struct rtmsg and its attributes (rtnetlink(7)); ignores malformed ones.</summary>
    private bool Read(ReadOnlySpan<byte> payload, Use use, out int direct)
    {
        direct = 0;
        if (payload.Length < HeaderSize || payload[0] is not (AF_INET or AF_INET6)
            || payload[7] != RTN_UNICAST || (NetlinkWire.UInt32(payload[8..]) & RTM_F_CLONED) != 0)
        {
            return false;
        }
        Hop hop = default;
        hop.Read(payload[HeaderSize..]);
        bool isNew = Add(hop, hop.Destination, payload[1], use, ref direct);
        ReadOnlySpan<byte> hops = hop.Others;
        while (hops.Length >= HopSize)
        {
            ushort size = NetlinkWire.UInt16(hops);
            if (size < HopSize || size > hops.Length)
            {
                break;
            }
            Hop other = new() { Ifindex = (int)NetlinkWire.UInt32(hops[4..]) };
            other.Read(hops[HopSize..size]);
            isNew |= Add(other, hop.Destination, payload[1], use, ref direct);
            hops = hops[Math.Min(hops.Length, NetlinkWire.Align(size))..];
        }
        return isNew;
    }

    /// <summary>Adds the gateway of a nexthop, or the route's own prefix if there is none.</summary>
    private bool Add(in Hop hop, ReadOnlySpan<byte> destination, byte length, Use use, ref int direct)
    {
        bool hasGateway = IpNumber.TryRead(hop.Gateway, out IpNumber gateway);
        IpPrefix prefix = hasGateway ? IpPrefix.Of(gateway) : Near(destination, length);
        if (hop.Ifindex <= 0 || prefix.Length == 0 || IsLinkLocal(prefix.First))
        {
            return false;
        }
        if (use == Use.Deletion)
        {
            direct = hasGateway ? direct : hop.Ifindex;
            return false;
        }
        // Thousands of consecutive routes may have the same gateway.
        if (hop.Ifindex != _lastIfindex || prefix != _last)
        {
            Add(_new, hop.Ifindex, prefix);
            (_lastIfindex, _last) = (hop.Ifindex, prefix);
        }
        return use == Use.Event && Add(_now, hop.Ifindex, prefix);
    }

    /// <summary>
    /// Returns the destination of a route. Returns no prefix for a short one, such as half of a default
    /// route.
    /// </summary>
    private static IpPrefix Near(ReadOnlySpan<byte> destination, byte length) =>
        IpNumber.TryRead(destination, out IpNumber first) && length >= (first.IsIpv4 ? 8 : 16)
            && length <= (first.IsIpv4 ? 32 : 128)
                ? new IpPrefix(IpPrefix.Masked(first, length), length)
                : default;

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

    /// <summary>What the attributes of a route, or of one nexthop, say.</summary>
    private ref struct Hop
    {
        public int Ifindex;
        public ReadOnlySpan<byte> Destination;
        public ReadOnlySpan<byte> Gateway;
        public ReadOnlySpan<byte> Others; // struct rtnexthop, one after the other

        public void Read(ReadOnlySpan<byte> bytes)
        {
            AttributeReader attributes = new(bytes);
            while (attributes.TryRead(out NetlinkAttribute attribute))
            {
                switch (attribute.Type)
                {
                    case RTA_DST:
                        Destination = attribute.Value;
                        break;
                    case RTA_OIF:
                        Ifindex = (int)attribute.AsUInt32;
                        break;
                    case RTA_GATEWAY:
                        Gateway = attribute.Value;
                        break;
                    case RTA_MULTIPATH:
                        Others = attribute.Value;
                        break;
                    case RTA_VIA when attribute.Value.Length > 2: // the family, then the address
                        Gateway = attribute.Value[2..];
                        break;
                }
            }
        }
    }

    private enum Use
    {
        Row,
        Event,
        Deletion,
    }

    /// <summary>
    /// The neighbours of one device. If there are too many, their prefixes become shorter. That only hides
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

        /// <summary>Adds a prefix. Returns true if it is new.</summary>
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
