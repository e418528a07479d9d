using System.Net.Sockets;

namespace ConnMgr.Netlink;

/// <summary>
/// What the kernel has: devices, their addresses, default routes. Filled by messages; knows nothing of sockets.
/// Devices and addresses are kept by their events. Default routes are always a whole dump, since the kernel drops
/// IPv4 routes without a word when a device or an address goes, and replaces them without naming the old one.
/// </summary>
internal sealed class KernelState
{
    private const int MostReplaced = 64;

    private readonly Dictionary<int, Device> _devices = [];
    private readonly List<DeviceAddress> _addresses = [];
    private readonly HashSet<int> _seenDevices = [];
    private readonly List<DeviceAddress> _seenAddresses = [];
    private bool _isDumping;
    private List<DefaultRoute> _routes = [];
    private List<DefaultRoute> _newRoutes = [];
    private List<KernelRoute> _defaults = [];
    private List<KernelRoute> _newDefaults = [];
    private readonly LostRoutes _lost = new();

    // Where another program has replaced a default. The kernel does not say what stood there.
    private readonly HashSet<(bool IsIpv6, uint Metric)> _replaced = [];
    private readonly HashSet<(bool IsIpv6, uint Metric)> _replacedBeforeDump = [];

    /// <summary>Grows with every change.</summary>
    public int Version { get; private set; }

    /// <summary>Grows when the kernel reports a change of a device's settings: rp_filter, forwarding and others.</summary>
    public int SettingsVersion { get; private set; }

    public List<DefaultRoute> Routes => _routes;

    /// <summary>The default routes whole, of all types, also those for some sources only.</summary>
    public List<KernelRoute> Defaults => _defaults;

    public List<DeviceAddress> Addresses => _addresses;

    /// <summary>Who changes routes on purpose: what this port of netlink replaces is not noted as replaced; 0: nobody.</summary>
    public uint OwnPort { get; set; }

    /// <summary>
    /// Defaults that another program's replace has removed, while their devices kept carrier and address.
    /// </summary>
    public IReadOnlyCollection<KernelRoute> Lost => _lost.Routes;

    /// <summary>The device of that name, or null.</summary>
    public Device? Find(string name)
    {
        foreach (Device device in _devices.Values)
        {
            if (device.Name == name)
            {
                return device;
            }
        }
        return null;
    }

    /// <summary>The device of that number, or null.</summary>
    public Device? Find(int ifindex) => _devices.GetValueOrDefault(ifindex);

    /// <summary>The route that the kernel uses: of all defaults of the family, the one with the lowest metric; null if none.</summary>
    public DefaultRoute? InFront(bool isIpv6)
    {
        DefaultRoute? front = null;
        foreach (DefaultRoute route in _routes)
        {
            front = route.IsIpv6 == isIpv6 && (front is null || route.Metric < front.Metric) ? route : front;
        }
        return front;
    }

    /// <summary>Before the rows of a dump: what it does not name will be gone.</summary>
    public void BeginDump()
    {
        _isDumping = true;
        _seenDevices.Clear();
        _seenAddresses.Clear();
        _newRoutes.Clear();
        _newDefaults.Clear();
        _replacedBeforeDump.UnionWith(_replaced);
        _replaced.Clear();
    }

    /// <summary>After the rows of a dump, of the requested <paramref name="type"/> (RTM_GET*).</summary>
    public void EndDump(ushort type)
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
                Version += _addresses.RemoveAll(
                    address => !_seenAddresses.Exists(seen => seen.IsSameAs(address)));
                break;
            case RouteMessage.GetRoute:
                bool isSame = _routes.SequenceEqual(_newRoutes) && HasSameDefaults();
                (_routes, _newRoutes) = (_newRoutes, _routes);
                (_defaults, _newDefaults) = (_newDefaults, _defaults);
                _lost.Update(
                    _defaults, MayHaveRoute,
                    (isIpv6, metric) => _replaced.Contains((isIpv6, metric)) || _replacedBeforeDump.Contains((isIpv6, metric)));
                _replacedBeforeDump.Clear();
                Version += isSame ? 0 : 1;
                break;
        }
    }

    /// <summary>
    /// Takes an event or a row of a dump. True if the default routes are to be dumped anew because of it.
    /// </summary>
    public bool Apply(in NetlinkMessage message, bool isDumpRow)
    {
        switch (message.Type)
        {
            case RouteMessage.NewLink when RouteMessage.TryReadLink(message.Payload, out Device device):
                Device? before = _devices.GetValueOrDefault(device.Ifindex);
                See(device);
                if (device.HardwareAddress == 0 && before is not null)
                {
                    device = device with { HardwareAddress = before.HardwareAddress }; // not every event names it
                }
                if (device == before)
                {
                    return false;
                }
                _devices[device.Ifindex] = device;
                Version++;
                return before?.Flags != device.Flags && !isDumpRow;

            case RouteMessage.DelLink when RouteMessage.TryReadLink(message.Payload, out Device device):
                Version += _devices.Remove(device.Ifindex) ? 1 : 0;
                Version += _addresses.RemoveAll(address => address.Ifindex == device.Ifindex);
                return true;

            case RouteMessage.NewAddress when RouteMessage.TryReadAddress(message.Payload, out DeviceAddress address):
                See(address);
                int at = _addresses.FindIndex(address.IsSameAs);
                if (at >= 0 && _addresses[at] == address)
                {
                    return false;
                }
                if (at >= 0)
                {
                    _addresses[at] = address;
                }
                else
                {
                    _addresses.Add(address);
                }
                Version++;
                return false;

            case RouteMessage.DelAddress when RouteMessage.TryReadAddress(message.Payload, out DeviceAddress address):
                Version += _addresses.RemoveAll(address.IsSameAs);
                return true;

            case RouteMessage.NewNetconf:
                SettingsVersion++;
                return false;

            case RouteMessage.NewRoute when isDumpRow:
                if (KernelRoute.TryRead(message.Payload, out KernelRoute row))
                {
                    RouteMessage.TryReadDefaultRoute(message.Payload, _newRoutes);
                    _newDefaults.Add(row);
                }
                return false;

            case RouteMessage.NewRoute or RouteMessage.DelRoute:
                if (!KernelRoute.TryRead(message.Payload, out KernelRoute changed))
                {
                    return false;
                }
                if ((message.Flags & NetlinkMessage.FlagReplace) != 0 && message.Type == RouteMessage.NewRoute
                    && (OwnPort == 0 || message.PortId != OwnPort) && _replaced.Count < MostReplaced)
                {
                    _replaced.Add((changed.IsIpv6, changed.Metric));
                }
                return true;

            default:
                return false;
        }
    }

    private bool MayHaveRoute(int ifindex, bool isIpv6) =>
        _devices.TryGetValue(ifindex, out Device? device) && device.IsAdminUp && device.IsRunning
        && _addresses.Exists(address => address.Ifindex == ifindex && address.IsUsable
            && (address.Address.AddressFamily == AddressFamily.InterNetworkV6) == isIpv6);

    /// <summary>A lifetime that goes by is no change.</summary>
    private bool HasSameDefaults()
    {
        if (_defaults.Count != _newDefaults.Count)
        {
            return false;
        }
        for (int i = 0; i < _defaults.Count; i++)
        {
            if (_defaults[i].Metric != _newDefaults[i].Metric || !_defaults[i].IsCopyOf(_newDefaults[i])
                || _defaults[i].Expires is null != _newDefaults[i].Expires is null
                || _defaults[i].HasRunOut != _newDefaults[i].HasRunOut)
            {
                return false;
            }
        }
        return true;
    }

    /// <summary>While a dump runs, what an event names is there, whether or not a row names it, too.</summary>
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
