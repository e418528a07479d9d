using System.Net;
using ConnMgr.Native;
using ConnMgr.Net;

namespace ConnMgr.Probe;

/// <summary>
/// Knows the name servers of each link, in the order in which they are to be asked. It is the only reader of the
/// resolv.conf files, and reads one again only if the file has changed.
/// </summary>
/// <param name="configured">`--resolver`: asked before all others.</param>
internal sealed class NameServers(IReadOnlyList<IPAddress> configured)
{
    private const int Limit = 65536; // bytes of a file

    private readonly CachedFile _perInterface = new("/tmp/resolv.conf.d/resolv.conf.auto", Limit, onlyRoots: true); // netifd writes it
    private readonly CachedFile _system = new("/etc/resolv.conf", Limit); // resolv.conf(5)
    private readonly CachedFile _behindStub = new("/run/systemd/resolve/resolv.conf", Limit); // behind 127.0.0.53

    /// <summary>Grows whenever <see cref="Refresh"/> has found one of the files changed.</summary>
    public int Version { get; private set; }

    /// <summary>Looks whether the files have changed: one system call for each. Call it every tick, and when routes change.</summary>
    public void Refresh()
    {
        _ = (_perInterface.Text, _system.Text, _behindStub.Text);
        Version = _perInterface.Version + _system.Version + _behindStub.Version;
    }

    /// <summary>The servers of a link, without duplicates.</summary>
    /// <param name="kind">Of the link.</param>
    /// <param name="device">Its interface name.</param>
    /// <param name="gateways">Its routers, as the last resort: a router may be a name server although nothing says so.</param>
    public List<IPAddress> Of(LinkKind kind, string device, IEnumerable<IPAddress> gateways) =>
    [
        .. configured
            .Concat(ResolvConf.OfInterface(_perInterface.Text, kind, device))
            .Concat(ResolvConf.Remote(_system.Text, () => _behindStub.Text, device))
            .Concat(gateways)
            .Distinct(),
    ];
}
