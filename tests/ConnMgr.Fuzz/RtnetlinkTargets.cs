using System.Net;
using System.Text;
using ConnMgr.Net;
using ConnMgr.Netlink;
using static ConnMgr.Fuzz.BrokenRuleException;

namespace ConnMgr.Fuzz;

/// <summary>What the kernel says of links, addresses, routes, rules, neighbours and devices.</summary>
internal static class RtnetlinkTargets
{
    private const int MostNeighbours = 128; // prefixes of one device

    private static readonly IpNumber[] NameServers = [IpNumber.Of(IPAddress.Parse("198.18.100.53"))];

    /// <summary>A datagram, as the rows of a dump and then as events.</summary>
    public static void State(ReadOnlySpan<byte> datagram)
    {
        KernelState state = new() { OwnPort = 7 };
        state.Follow(NameServers);
        Dump(state, datagram);
        string first = TextOf(state);
        Dump(state, datagram);
        Unless(TextOf(state) == first, "the same dump means the same");

        NetlinkReader reader = new(datagram);
        while (reader.TryRead(out NetlinkMessage message))
        {
            int before = state.Version;
            _ = state.Apply(message, isDumpRow: false);
            Unless(state.Version >= before, "a version never falls");
        }
        _ = TextOf(state);
        _ = state.Find("eth0");
        foreach (Device device in state.Devices)
        {
            Unless(device.Ifindex > 0 && device.Name.Length > 0, "a device has an index and a name");
            Unless(device.OtherNames is not null, "the other names of a device are known");
            Unless(device.MacAddress().Length == 6, "a hardware address has 6 bytes");
        }
        foreach (DeviceAddress address in state.Addresses)
        {
            Unless(address.Ifindex > 0, "an address has a device");
            Unless(address.Prefix.PrefixLength <= 8 * address.Prefix.BaseAddress.GetAddressBytes().Length,
                "a prefix is not longer than its address");
            _ = address.IsUsable;
            _ = IpNumber.Of(address.Address).IsIn(address.Prefix);
        }
        foreach (DefaultRoute route in state.Routes)
        {
            Unless(route.Ifindex >= 0, "a route has a device or none");
        }
        for (int ifindex = 1; ifindex < 16; ifindex++)
        {
            Unless(state.Neighbours.Of(ifindex).Count() <= MostNeighbours, "the neighbours are bounded");
            foreach (IpPrefix prefix in state.Neighbours.Of(ifindex))
            {
                Unless(prefix == new IpPrefix(IpPrefix.Masked(prefix.First, prefix.Length), prefix.Length),
                    "a prefix has no bits beyond its length");
            }
        }
        foreach (SourceRule rule in state.Rules)
        {
            byte[] sent = rule.ToMessage(RouteMessage.NewRule, 0);
            Unless(SourceRule.TryRead(PayloadOf(sent), out SourceRule same) && same == rule,
                "a rule is the same when it is written and read again");
        }
    }

    private static void Dump(KernelState state, ReadOnlySpan<byte> datagram)
    {
        state.BeginDump();
        NetlinkReader reader = new(datagram);
        while (reader.TryRead(out NetlinkMessage message))
        {
            _ = state.Apply(message, isDumpRow: true);
        }
        state.OnDumpEnded(RouteMessage.GetLink);
        state.OnDumpEnded(RouteMessage.GetAddress);
        state.OnDumpEnded(RouteMessage.GetRule);
        state.OnDumpEnded(RouteMessage.GetRoute);
    }

    private static string TextOf(KernelState state)
    {
        StringBuilder text = new();
        foreach (Device device in state.Devices.OrderBy(device => device.Ifindex))
        {
            text.Append(device).Append('\n');
        }
        foreach (DeviceAddress address in state.Addresses)
        {
            text.Append(address).Append('\n');
        }
        foreach (KernelRoute route in state.Defaults.Concat(state.Subnets).Concat(state.Hosts))
        {
            text.Append(Convert.ToHexString(route.ToMessage(RouteMessage.DelRoute, 0))).Append('\n');
        }
        return text.Append(state.InFront(false)).Append(state.InFront(true)).ToString();
    }

    /// <summary>The payload of RTM_NEWROUTE: what is read can be sent, and means the same then.</summary>
    public static void Route(ReadOnlySpan<byte> payload)
    {
        List<DefaultRoute> found = [];
        bool isDefault = RouteMessage.TryReadDefaultRoute(payload, found);
        Unless(isDefault || found.Count == 0, "what is refused adds nothing");
        Unless(found.Count <= 1 + (payload.Length / 8), "each nexthop takes 8 bytes");
        KernelRoute? route = null;
        if (KernelRoute.TryRead(payload, out KernelRoute any))
        {
            route = any;
            byte[] sent = any.ToMessage(RouteMessage.DelRoute, 0);
            Unless(any.NexthopId != 0
                || (KernelRoute.TryRead(PayloadOf(sent), out KernelRoute same) && same.IsCopyOf(any)
                    && same.Metric == any.Metric), "a route is the same when it is written and read again");
        }
        if (KernelRoute.TryReadOwn(payload, out KernelRoute own))
        {
            route = own;
            byte[] sent = own.ToMessage(RouteMessage.DelRoute, 0);
            Unless(own.NexthopId != 0
                || (KernelRoute.TryReadOwn(PayloadOf(sent), out KernelRoute same) && same.IsCopyOf(own)),
                "an own route is the same when it is written and read again");
        }
        if (KernelRoute.TryReadPrefix(payload, out KernelRoute prefix))
        {
            route = prefix;
        }
        if (KernelRoute.TryReadHost(payload, NameServers, out KernelRoute host))
        {
            Unless(host.IsOfMainTable || host.IsDerived, "a host route is of a known table");
            _ = host.Host;
            _ = host.ToMessage(RouteMessage.NewRoute, 0);
        }
        if (route is not null)
        {
            Check(route);
        }
    }

    private static void Check(KernelRoute route)
    {
        _ = PayloadOf(route.ToMessage(RouteMessage.NewRoute, NetlinkMessage.FlagReplace));
        _ = route.Words(ifindex => $"{ifindex}");
        _ = route.Router;
        KernelRoute copy = route.Derive(1);
        Unless(copy.IsDerived && copy.Metric == 1 && copy.Expires is null, "a copy is marked");
        _ = PayloadOf(copy.ToMessage(RouteMessage.NewRoute, 0));
        Unless(route.InTable(SourceRule.TableOf(2)).Table == SourceRule.TableOf(2), "a copy has its table");
        Unless(route.AsOnLink().IsCopyOf(route), "RTNH_F_ONLINK makes no other route");
        foreach (KernelRoute leg in route.Legs)
        {
            _ = PayloadOf(leg.At(5).ToMessage(RouteMessage.DelRoute, 0, isPart: true));
            _ = leg.Router;
        }
    }

    /// <summary>Returns the payload of one whole message whose attributes are whole, too.</summary>
    private static ReadOnlySpan<byte> PayloadOf(byte[] sent)
    {
        NetlinkReader reader = new(sent);
        Unless(reader.TryRead(out NetlinkMessage message) && !reader.TryRead(out _), "one message is sent");
        Unless(message.Payload.Length == sent.Length - NetlinkReader.HeaderSize, "the message is whole");
        return message.Payload;
    }

    /// <summary>A uevent.</summary>
    public static void Event(ReadOnlySpan<byte> message)
    {
        if (!Uevent.TryParse(message, out Uevent uevent))
        {
            return;
        }
        Unless(uevent.Interface.Length > 0, "a uevent names a device");
        byte[] written = Encoding.UTF8.GetBytes(
            $"x@/x\0ACTION={uevent.Action}\0SUBSYSTEM=net\0INTERFACE={uevent.Interface}\0");
        Unless(Uevent.TryParse(written, out Uevent same) && same == uevent,
            "a uevent is the same when it is written and read again");
    }
}
