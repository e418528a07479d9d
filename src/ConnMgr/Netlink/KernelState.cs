namespace ConnMgr.Netlink;

/// <summary>
/// What the kernel has: devices, their addresses, default routes. Filled by messages; knows nothing of sockets.
/// Devices and addresses are kept by their events. Default routes are always a whole dump, since the kernel drops
/// IPv4 routes without a word when a device or an address goes, and replaces them without naming the old one.
/// </summary>
internal sealed class KernelState
{
    private readonly Dictionary<int, Device> _devices = [];
    private readonly List<DeviceAddress> _addresses = [];
    private readonly HashSet<int> _seenDevices = [];
    private readonly List<DeviceAddress> _seenAddresses = [];
    private bool _isDumping;
    private List<DefaultRoute> _routes = [];
    private List<DefaultRoute> _newRoutes = [];

    /// <summary>Grows with every change.</summary>
    public int Version { get; private set; }

    public List<DefaultRoute> Routes => _routes;

    public List<DeviceAddress> Addresses => _addresses;

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
                if (!_routes.SequenceEqual(_newRoutes))
                {
                    (_routes, _newRoutes) = (_newRoutes, _routes);
                    Version++;
                }
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

            case RouteMessage.NewRoute when isDumpRow:
                RouteMessage.TryReadDefaultRoute(message.Payload, _newRoutes);
                return false;

            case RouteMessage.NewRoute or RouteMessage.DelRoute:
                return RouteMessage.TryReadDefaultRoute(message.Payload, []);

            default:
                return false;
        }
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
