using System.Net;
using System.Net.Sockets;
using ConnMgr.Net;

namespace ConnMgr.Netlink;

/// <summary>
/// The kernel's devices, addresses and default routes, kept up to date from messages; opens no socket. Events
/// update devices and addresses. Default routes always come from a complete dump, because the kernel removes
/// IPv4 routes without an event when a device or an address goes, and reports a replacing route without the
/// one that it replaced. A device or an address that no default uses needs no dump: with a large routing
/// table, a dump takes far more time than the event itself.
/// </summary>
internal sealed class KernelState
{
    private const int MostReplaced = 64;

    private const uint SafeLifetime = 30; // seconds

    private readonly Dictionary<int, Device> _devices = [];
    private readonly List<DeviceAddress> _addresses = []; // in the kernel's order: primary addresses first
    private readonly HashSet<DeviceAddress> _knownAddresses = []; // the same ones
    private readonly HashSet<int> _seenDevices = [];
    private readonly HashSet<DeviceAddress> _seenAddresses = [];
    private bool _isDumping;
    private List<DefaultRoute> _routes = [];
    private List<DefaultRoute> _newRoutes = [];
    private List<KernelRoute> _defaults = [];
    private List<KernelRoute> _newDefaults = [];
    private readonly LostRoutes _lost = new();
    private List<KernelRoute> _subnets = [];
    private List<KernelRoute> _newSubnets = [];
    private readonly List<SourceRule> _rules = [];
    private readonly List<SourceRule> _seenRules = [];
    private List<KernelRoute> _hosts = [];
    private List<KernelRoute> _newHosts = [];
    private IReadOnlyList<IpNumber> _nameServers = [];
    private readonly Neighbours _neighbours = new();
    private readonly DefaultOwners _owners = new();

    // The places where another program has replaced a default: the kernel does not report the replaced route.
    private readonly HashSet<(bool IsIpv6, uint Metric)> _replaced = [];
    private readonly HashSet<(bool IsIpv6, uint Metric)> _replacedBeforeDump = [];

    /// <summary>Increases with every change.</summary>
    public int Version { get; private set; }

    /// <summary>
    /// Increases when the kernel reports a change of a device's settings: rp_filter, forwarding and others.
    /// </summary>
    public int SettingsVersion { get; private set; }

    /// <summary>
    /// True if a device has lost carrier since the last dump of the routes began. The kernel keeps the
    /// device's routes and marks them. So decide by the known routes first, and dump the routes afterwards.
    /// </summary>
    public bool HasLostCarrier { get; set; }

    /// <summary>All devices, in no order.</summary>
    public IReadOnlyCollection<Device> Devices => _devices.Values;

    /// <summary>The default routes of the main table, one per nexthop.</summary>
    public List<DefaultRoute> Routes => _routes;

    /// <summary>
    /// The complete default routes of all types, including those for some sources only. Of the advertised
    /// routes, only those that <see cref="RivalRouters.Admit"/> has admitted.
    /// </summary>
    public List<KernelRoute> Defaults => _defaults;

    /// <summary>
    /// The routes that connmgr has added: those to subnets (<see cref="KernelRoute.ToSubnet"/>), and all
    /// routes in the tables of its own rules.
    /// </summary>
    public List<KernelRoute> Subnets => _subnets;

    /// <summary>The policy rules that connmgr has added.</summary>
    public IReadOnlyList<SourceRule> Rules => _rules;

    /// <summary>False if the kernel has no policy rules (CONFIG_IP_MULTIPLE_TABLES).</summary>
    public bool HasRules { get; private set; }

    /// <summary>The routes of other programs to single name servers.</summary>
    public List<KernelRoute> Hosts => _hosts;

    /// <summary>
    /// Sets the name servers whose host routes <see cref="Hosts"/> contains. Returns true if they have
    /// changed: the caller must then dump the routes to find their host routes.
    /// </summary>
    public bool Follow(IReadOnlyList<IpNumber> nameServers)
    {
        bool isSame = _nameServers.SequenceEqual(nameServers);
        _nameServers = nameServers;
        return !isSame;
    }

    /// <summary>The addresses of all devices.</summary>
    public List<DeviceAddress> Addresses => _addresses;

    /// <summary>
    /// The netlink port id of the socket with which the daemon changes routes, so that replacements from it
    /// do not count as another program's; 0 for none.
    /// </summary>
    public uint OwnPort { get; set; }

    /// <summary>
    /// The defaults that another program has removed by replacing them, while their devices kept carrier and
    /// address.
    /// </summary>
    public IReadOnlyCollection<KernelRoute> Lost => _lost.Routes;

    /// <summary>Tells what a default was restored from; see <see cref="LostRoutes.OriginOf"/>.</summary>
    public string? OriginOf(int ifindex, bool isIpv6) => _lost.OriginOf(ifindex, isIpv6);

    /// <summary>
    /// The addresses that each device reaches without a gateway, according to the routes other than defaults.
    /// </summary>
    public Neighbours Neighbours => _neighbours;

    /// <summary>The routers that advertise themselves on a device where another router does too.</summary>
    public RivalRouters Routers { get; } = new();

    /// <summary>Returns the device with this name or alternative name; null if there is none.</summary>
    public Device? Find(string name)
    {
        string between = $"/{name}/";
        Device? found = null;
        foreach (Device device in _devices.Values)
        {
            if (device.Name == name)
            {
                return device;
            }
            found = device.OtherNames is { Length: > 0 } others
                && others.Contains(between, StringComparison.Ordinal) ? device : found;
        }
        return found;
    }

    /// <summary>Returns the device of that interface index, or null.</summary>
    public Device? Find(int ifindex) => _devices.GetValueOrDefault(ifindex);

    /// <summary>
    /// Returns the default route that the kernel uses: of the given family, the one with the lowest metric.
    /// Considers routes that the kernel passes over only if there is no other. Null if there is none.
    /// </summary>
    public DefaultRoute? InFront(bool isIpv6)
    {
        DefaultRoute? front = null;
        foreach (DefaultRoute route in _routes)
        {
            front = route.IsIpv6 == isIpv6 && (front is null || (route.IsDead == front.IsDead
                ? route.Metric < front.Metric : front.IsDead)) ? route : front;
        }
        return front;
    }

    /// <summary>
    /// Call it before the rows of a dump. The end of the dump deletes the entries that had no row.
    /// </summary>
    public void BeginDump()
    {
        _isDumping = true;
        _seenDevices.Clear();
        _seenAddresses.Clear();
        _newRoutes.Clear();
        _newDefaults.Clear();
        _newSubnets.Clear();
        _seenRules.Clear();
        _newHosts.Clear();
        _neighbours.BeginDump();
        _owners.BeginDump();
        _replacedBeforeDump.UnionWith(_replaced);
        _replaced.Clear();
        _lost.BeginDump();
    }

    /// <summary>
    /// Call it after the rows of a dump of the requested <paramref name="type"/> (RTM_GET*).
    /// </summary>
    public void OnDumpEnded(ushort type)
    {
        _isDumping = false;
        switch (type)
        {
            case RouteMessage.GetLink:
                foreach (int ifindex in _devices.Keys)
                {
                    if (!_seenDevices.Contains(ifindex))
                    {
                        _devices.Remove(ifindex);
                        Version++;
                    }
                }
                break;
            case RouteMessage.GetAddress:
                Remove(address => !_seenAddresses.Contains(address));
                break;
            case RouteMessage.GetRule:
                HasRules = true;
                Version += _rules.RemoveAll(rule => !_seenRules.Contains(rule));
                break;
            case RouteMessage.GetRoute:
                bool isSame = _routes.SequenceEqual(_newRoutes) && AreSame(_defaults, _newDefaults)
                    && AreSame(_subnets, _newSubnets) && AreSame(_hosts, _newHosts);
                (_hosts, _newHosts) = (_newHosts, _hosts);
                (_subnets, _newSubnets) = (_newSubnets, _subnets);
                (_routes, _newRoutes) = (_newRoutes, _routes);
                (_defaults, _newDefaults) = (_newDefaults, _defaults);
                // The rows may be the same, but netifd may have named lost defaults since the last dump.
                isSame &= !_lost.Update(
                    _defaults, MayHaveRoute,
                    (isIpv6, metric) => _replaced.Contains((isIpv6, metric))
                        || _replacedBeforeDump.Contains((isIpv6, metric)));
                _replacedBeforeDump.Clear();
                _owners.OnDumpEnded(_lost.Routes);
                isSame &= !_neighbours.OnDumpEnded();
                Routers.Update(_defaults);
                Version += isSame ? 0 : 1;
                break;
        }
    }

    /// <summary>
    /// Processes an event or a row of a dump. Returns true if the default routes must be dumped again.
    /// </summary>
    public bool Apply(in NetlinkMessage message, bool isDumpRow)
    {
        switch (message.Type)
        {
            case RouteMessage.NewLink when RouteMessage.TryReadLink(message.Payload, out Device device):
                Device? before = _devices.GetValueOrDefault(device.Ifindex);
                See(device);
                // Not every event contains all attributes.
                if (device.HardwareAddress == 0 && before is not null)
                {
                    device = device with { HardwareAddress = before.HardwareAddress };
                }
                if (device.OtherNames is null)
                {
                    device = device with { OtherNames = before?.OtherNames ?? "" };
                }
                if (device == before)
                {
                    return false;
                }
                _devices[device.Ifindex] = device;
                Version++;
                if (before?.Flags == device.Flags || isDumpRow || !_owners.Has(device.Ifindex))
                {
                    return false;
                }
                bool hasOnlyLostCarrier = device is { IsAdminUp: true, IsRunning: false }
                    && before is { IsAdminUp: true, IsRunning: true } && !MayExpire();
                HasLostCarrier |= hasOnlyLostCarrier;
                return !hasOnlyLostCarrier;

            case RouteMessage.DelLink when RouteMessage.TryReadLink(message.Payload, out Device device):
                Version += _devices.Remove(device.Ifindex) ? 1 : 0;
                Remove(address => address.Ifindex == device.Ifindex);
                _neighbours.Remove(device.Ifindex);
                return _owners.Has(device.Ifindex);

            case RouteMessage.NewAddress
                when RouteMessage.TryReadAddress(message.Payload, out DeviceAddress address):
                See(address);
                if (_knownAddresses.TryGetValue(address, out DeviceAddress? known))
                {
                    if (known.Scope == address.Scope && known.Flags == address.Flags)
                    {
                        return false;
                    }
                    _addresses[_addresses.IndexOf(known)] = address;
                    _knownAddresses.Remove(known);
                }
                else
                {
                    _addresses.Add(address);
                }
                _knownAddresses.Add(address);
                Version++;
                return false;

            case RouteMessage.DelAddress
                when RouteMessage.TryReadAddress(message.Payload, out DeviceAddress address):
                if (_knownAddresses.Contains(address))
                {
                    Remove(address.Equals);
                }
                return _owners.Has(address.Ifindex) || _owners.HasSource(address.Address);

            case RouteMessage.NewNeighbour:
                Version += Routers.Apply(message.Payload) ? 1 : 0;
                return false;

            case RouteMessage.NewRule when SourceRule.TryRead(message.Payload, out SourceRule rule):
                if (_isDumping)
                {
                    _seenRules.Add(rule);
                }
                if (!_rules.Contains(rule))
                {
                    _rules.Add(rule);
                    Version++;
                }
                return false;

            case RouteMessage.DelRule when SourceRule.TryRead(message.Payload, out SourceRule rule):
                _seenRules.Remove(rule);
                Version += _rules.Remove(rule) ? 1 : 0;
                return false;

            case RouteMessage.NewNetconf:
                SettingsVersion++;
                return false;

            case RouteMessage.NewRoute when isDumpRow:
                if (Routers.IsOneTooMany(_newDefaults, message.Payload, isDeleted: false))
                {
                    return false;
                }
                if (KernelRoute.TryRead(message.Payload, out KernelRoute row))
                {
                    AddDefault(row, message.Payload);
                }
                else
                {
                    _neighbours.Add(message.Payload, isDumpRow);
                    if (KernelRoute.TryReadOwn(message.Payload, out KernelRoute own))
                    {
                        _newSubnets.Add(own);
                        _owners.Add(own);
                    }
                    else if (KernelRoute.TryReadHost(message.Payload, _nameServers, out KernelRoute host))
                    {
                        _newHosts.Add(host);
                    }
                }
                return false;

            case RouteMessage.NewRoute or RouteMessage.DelRoute:
                if (Routers.IsOneTooMany(
                    _defaults, message.Payload, isDeleted: message.Type == RouteMessage.DelRoute))
                {
                    return false;
                }
                if (!KernelRoute.TryRead(message.Payload, out KernelRoute changed))
                {
                    return SeeNeighbours(message)
                        || KernelRoute.TryReadHost(message.Payload, _nameServers, out _);
                }
                _owners.Add(changed);
                if (OwnPort == 0 || message.PortId != OwnPort)
                {
                    _lost.See(changed, isDeleted: message.Type == RouteMessage.DelRoute);
                    if ((message.Flags & NetlinkMessage.FlagReplace) != 0 && _replaced.Count < MostReplaced
                        && message.Type == RouteMessage.NewRoute)
                    {
                        _replaced.Add((changed.IsIpv6, changed.Metric));
                    }
                }
                return true;

            default:
                return false;
        }
    }

    private void AddDefault(KernelRoute row, ReadOnlySpan<byte> payload)
    {
        if (!Routers.Admit(_newDefaults, row, out KernelRoute? dropped))
        {
            return;
        }
        if (dropped is not null)
        {
            _newRoutes.RemoveAll(route => route.IsIpv6 && route.Ifindex == dropped.Ifindex
                && route.Metric == dropped.Metric && Equals(route.Gateway, dropped.Router));
        }
        RouteMessage.TryReadDefaultRoute(payload, _newRoutes);
        _owners.Add(row);
    }

    /// <summary>
    /// Processes the event of a route that is not a default. Returns true if the routes must be dumped again:
    /// another route to the same neighbours may remain, and only a dump shows it.
    /// </summary>
    private bool SeeNeighbours(in NetlinkMessage message)
    {
        if (message.Type == RouteMessage.DelRoute && KernelRoute.TryReadOwn(message.Payload, out _))
        {
            return true;
        }
        if (message.Type == RouteMessage.DelRoute)
        {
            int device = _neighbours.DeviceOf(message.Payload);
            return device != 0 && _owners.Has(device);
        }
        Version += _neighbours.Add(message.Payload, isDumpRow: false) ? 1 : 0;
        // The new route may have replaced one of connmgr's routes without an event for the replaced one.
        return _subnets.Count > 0 && (message.Flags & NetlinkMessage.FlagReplace) != 0
            && (OwnPort == 0 || message.PortId != OwnPort)
            && KernelRoute.TryReadPrefix(message.Payload, out KernelRoute route)
            && _subnets.Exists(route.HasSameDestination);
    }

    private void Remove(Predicate<DeviceAddress> isGone)
    {
        Version += _addresses.RemoveAll(isGone);
        _ = _knownAddresses.RemoveWhere(isGone);
    }

    /// <summary>
    /// True if a route may have expired since the last dump, or if a copy of it would get a wrong lifetime.
    /// Advertised routes are dumped again every 16 s, and are copied without their lifetime.
    /// </summary>
    private bool MayExpire() => _defaults.Exists(
        static route => route.Expires is { } seconds
            && !(route.IsAdvertised && route.Metric > 1 && seconds > SafeLifetime));

    /// <summary>
    /// True if the device is up and has an address of the family (in IPv6, not a link-local one), even
    /// without carrier or if the address is tentative: at boot, routes appear before the kernel reports
    /// carrier and has checked an IPv6 address.
    /// </summary>
    private bool MayHaveRoute(int ifindex, bool isIpv6) =>
        _devices.TryGetValue(ifindex, out Device? device) && device.IsAdminUp
        && _addresses.Exists(address => address.Ifindex == ifindex && !address.Address.IsIPv6LinkLocal
            && (address.Address.AddressFamily == AddressFamily.InterNetworkV6) == isIpv6);

    /// <summary>
    /// Stores the defaults that netifd names for networks without a metric; see
    /// <see cref="LostRoutes.Claim"/>. Dump the routes afterwards.
    /// </summary>
    public void Claim(IReadOnlyList<NetifdNetwork> networks)
    {
        List<KernelRoute> routes = [];
        foreach (NetifdNetwork network in networks)
        {
            foreach (IPAddress gateway in network.Gateways)
            {
                if (Find(network.Device) is { } device)
                {
                    routes.Add(KernelRoute.Default(device.Ifindex, gateway));
                }
            }
        }
        _lost.Claim(routes);
    }

    /// <summary>Compares routes. A lifetime that has merely become shorter is not a change.</summary>
    private static bool AreSame(List<KernelRoute> before, List<KernelRoute> after)
    {
        if (before.Count != after.Count)
        {
            return false;
        }
        for (int i = 0; i < before.Count; i++)
        {
            if (before[i].Metric != after[i].Metric || !before[i].IsCopyOf(after[i])
                || before[i].Expires is null != after[i].Expires is null
                || before[i].HasRunOut != after[i].HasRunOut)
            {
                return false;
            }
        }
        return true;
    }

    /// <summary>
    /// Records that an event named the entry during a dump. The entry then exists even if the dump has no row
    /// for it.
    /// </summary>
    private void See(Device device)
    {
        if (_isDumping)
        {
            _seenDevices.Add(device.Ifindex);
        }
    }

    private void See(DeviceAddress address)
    {
        if (_isDumping)
        {
            _seenAddresses.Add(address);
        }
    }
}
