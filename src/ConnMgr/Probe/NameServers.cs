using System.Net;
using ConnMgr.Native;
using ConnMgr.Net;

namespace ConnMgr.Probe;

/// <summary>
/// Knows the name servers of each link, in the order in which they are to be asked. It is the only reader of
/// the resolv.conf files, and reads one again only if the file has changed. On OpenWrt, netifd's networks
/// count as well.
/// </summary>
/// <param name="configured">`--resolver`: asked before all others.</param>
internal sealed class NameServers(IReadOnlyList<IPAddress> configured)
{
    private const int Limit = 65536; // bytes of a file

    // netifd writes this one.
    private readonly CachedFile _perInterface =
        new("/tmp/resolv.conf.d/resolv.conf.auto", Limit, onlyRoots: true);

    private readonly CachedFile _system = new("/etc/resolv.conf", Limit); // resolv.conf(5)
    private readonly CachedFile _behindStub = // of the stub 127.0.0.53
        new("/run/systemd/resolve/resolv.conf", Limit);

    private List<NetifdNetwork> _networks = [];
    private int _answers; // of netifd that differed from the one before

    /// <summary>
    /// Grows whenever <see cref="Refresh"/> has found one of the files changed, or netifd's networks have.
    /// </summary>
    public int Version { get; private set; }

    /// <summary>Takes the networks of netifd that are up. Call it only if they have changed.</summary>
    public void SetNetworks(List<NetifdNetwork> networks)
    {
        _networks = networks;
        _answers++;
        Refresh();
    }

    /// <summary>
    /// Looks whether the files have changed: one system call for each. Call it every tick, and when routes
    /// change.
    /// </summary>
    public void Refresh()
    {
        _ = (_perInterface.Text, _system.Text, _behindStub.Text);
        Version = _perInterface.Version + _system.Version + _behindStub.Version + _answers;
    }

    /// <summary>The servers of a link, without duplicates.</summary>
    /// <param name="kind">Of the link.</param>
    /// <param name="device">Its interface name.</param>
    /// <param name="gateways">
    /// Its routers, since a router may be a name server although nothing says so.
    /// </param>
    public List<IPAddress> Of(LinkKind kind, string device, IEnumerable<IPAddress> gateways)
    {
        List<IPAddress> fromNetifd = [];
        foreach (NetifdNetwork network in _networks)
        {
            if (network.Device == device)
            {
                fromNetifd.AddRange(network.NameServers);
            }
        }
        List<IPAddress> unknown = []; // of networks that may be on any link
        List<IPAddress> named = ResolvConf.OfInterface(_perInterface.Text, kind, device, DeviceOf, unknown);
        return
        [
            .. configured
                .Concat(fromNetifd)
                .Concat(named)
                .Concat(ResolvConf.Remote(_system.Text, () => _behindStub.Text, device))
                .Concat(gateways)
                .Concat(unknown)
                .Distinct(),
        ];
    }

    /// <summary>The device of a network of netifd; null if netifd has not named it.</summary>
    private string? DeviceOf(string network)
    {
        foreach (NetifdNetwork each in _networks)
        {
            if (each.Name == network)
            {
                return each.Device;
            }
        }
        return null;
    }
}
