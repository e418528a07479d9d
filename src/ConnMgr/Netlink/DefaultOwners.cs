using System.Net;
using ConnMgr.Net;

namespace ConnMgr.Netlink;

/// <summary>
/// The devices that have a default route, and the source addresses that default routes name. When one of them
/// changes, the kernel may remove or restore a default without an event. Pure.
/// </summary>
internal sealed class DefaultOwners
{
    // From the last dump, and from the running dump. Both also contain the routes of events since then.
    private HashSet<int> _devices = [];
    private HashSet<int> _newDevices = [];
    private HashSet<IpPrefix> _sources = [];
    private HashSet<IpPrefix> _newSources = [];

    /// <summary>Call it before the rows of a dump.</summary>
    public void BeginDump()
    {
        _newDevices.Clear();
        _newSources.Clear();
    }

    /// <summary>Adds a default route from a dump or from an event.</summary>
    public void Add(KernelRoute route)
    {
        if (route.Hops.Count == 0)
        {
            AddDevice(route);
        }
        else
        {
            foreach (KernelRoute leg in route.Legs)
            {
                AddDevice(leg);
            }
        }
        if (IpNumber.TryRead(route.PreferredSource, out IpNumber source))
        {
            _sources.Add(IpPrefix.Of(source));
            _newSources.Add(IpPrefix.Of(source));
        }
    }

    // Index 0 stands for any device: with net.ipv4.nexthop_compat_mode=0, the kernel reports only the number
    // of a nexthop object.
    private void AddDevice(KernelRoute route)
    {
        if (route.IsUnicast)
        {
            _devices.Add(route.Ifindex);
            _newDevices.Add(route.Ifindex);
        }
    }

    /// <summary>Call it after a complete dump of the routes.</summary>
    /// <param name="lost">The defaults that may be restored.</param>
    public void OnDumpEnded(IReadOnlyCollection<KernelRoute> lost)
    {
        foreach (KernelRoute route in lost)
        {
            Add(route);
        }
        (_devices, _newDevices) = (_newDevices, _devices);
        (_sources, _newSources) = (_newSources, _sources);
    }

    /// <summary>True if the device may have a default route.</summary>
    public bool Has(int ifindex) => _devices.Contains(ifindex) || _devices.Contains(0);

    /// <summary>True if a default route names this source address.</summary>
    public bool HasSource(IPAddress address) => _sources.Contains(IpPrefix.Of(IpNumber.Of(address)));
}
