using System.Net;
using ConnMgr.Native;
using ConnMgr.Net;

namespace ConnMgr.Probe;

/// <summary>
/// Knows the name servers of each link, in the order of asking. It is the only reader of the resolv.conf
/// files, and rereads a file only if it has changed. On OpenWrt it also uses netifd's networks.
/// </summary>
/// <param name="configured">The servers of `--resolver`, asked before all others.</param>
internal sealed class NameServers(IReadOnlyList<IPAddress> configured)
{
    private const int Limit = 65536; // bytes of a file

    // netifd writes this file.
    private readonly CachedFile _perInterface =
        new("/tmp/resolv.conf.d/resolv.conf.auto", Limit, onlyRoots: true);

    private readonly CachedFile _system = new("/etc/resolv.conf", Limit); // resolv.conf(5)
    private readonly CachedFile _behindStub = // of the stub 127.0.0.53
        new("/run/systemd/resolve/resolv.conf", Limit);

    private List<NetifdNetwork> _networks = [];
    private int _answers; // answers of netifd that differed from the previous one

    /// <summary>
    /// Increases whenever <see cref="Refresh"/> finds a changed file, or netifd's networks change.
    /// </summary>
    public int Version { get; private set; }

    /// <summary>Stores the networks of netifd that are up. Call it only if they have changed.</summary>
    public void SetNetworks(List<NetifdNetwork> networks)
    {
        _networks = networks;
        _answers++;
        Refresh();
    }

    /// <summary>
    /// Checks whether the files have changed, by one system call per file. Call it every tick, and when
    /// routes change.
    /// </summary>
    public void Refresh()
    {
        _ = (_perInterface.Text, _system.Text, _behindStub.Text);
        Version = _perInterface.Version + _system.Version + _behindStub.Version + _answers;
    }

    /// <summary>Returns the servers of a link, without duplicates.</summary>
    /// <param name="kind">The link's kind.</param>
    /// <param name="device">The link's interface name.</param>
    /// <param name="gateways">The link's gateways, because a router may be a name server although nothing
    /// says so.</param>
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
        List<IPAddress> unknown = []; // servers of networks that may be on any link
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

    /// <summary>Returns the device of a netifd network; null if netifd has not named it.</summary>
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
