using System.Net;
using ConnMgr.Net;
using ConnMgr.Netlink;

namespace ConnMgr.Links;

/// <summary>
/// The subnets of each device, and whatever else it reaches without a gateway, including the gateways. On a
/// point-to-point link the subnet is the peer's, so the own address is added. Reads the kernel's tables once
/// for all devices. Pure.
/// </summary>
internal sealed class LinkSubnets
{
    private readonly Dictionary<int, List<Subnet>> _subnets = [];
    private readonly KernelState _state;

    /// <param name="state">The kernel's state; valid until it changes.</param>
    public LinkSubnets(KernelState state)
    {
        _state = state;
        foreach (DeviceAddress address in state.Addresses)
        {
            Add(address.Ifindex, new Subnet(address.Prefix.BaseAddress, address.Prefix.PrefixLength));
            if (!address.Prefix.Contains(address.Address))
            {
                AddHost(address.Ifindex, address.Address);
            }
        }
        foreach (DefaultRoute route in state.Routes)
        {
            if (route.Gateway is { IsIPv6LinkLocal: false } gateway)
            {
                AddHost(route.Ifindex, gateway);
            }
        }
    }

    /// <summary>Returns the subnets of a device.</summary>
    public List<Subnet> Of(int ifindex)
    {
        List<Subnet> subnets = [.. _subnets.TryGetValue(ifindex, out List<Subnet>? known) ? known : []];
        Span<byte> bytes = stackalloc byte[16];
        foreach (IpPrefix prefix in _state.Neighbours.Of(ifindex))
        {
            int size = prefix.First.Write(bytes);
            subnets.Add(new Subnet(new IPAddress(bytes[..size]), prefix.Length));
        }
        return subnets;
    }

    private void AddHost(int ifindex, IPAddress address) =>
        Add(ifindex, new Subnet(address, address.GetAddressBytes().Length * 8));

    private void Add(int ifindex, Subnet subnet)
    {
        if (!_subnets.TryGetValue(ifindex, out List<Subnet>? subnets))
        {
            _subnets.Add(ifindex, subnets = []);
        }
        subnets.Add(subnet);
    }
}
