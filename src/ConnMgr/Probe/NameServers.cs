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
    /// <summary>The largest number of servers of a link.</summary>
    public const int Most = 16;

    /// <summary>The number of silent servers that a probe has the time to ask.</summary>
    public const int Soon = 6;

    private const int Limit = 65536; // bytes of a file

    private const string PerInterface = "/tmp/resolv.conf.d/resolv.conf.auto"; // netifd writes it
    private const string SystemWide = "/etc/resolv.conf"; // resolv.conf(5)
    private const string BehindStub = "/run/systemd/resolve/resolv.conf"; // of the stub 127.0.0.53

    private readonly CachedFile _perInterface = new(PerInterface, Limit, onlyRoots: true);
    private readonly CachedFile _system = new(SystemWide, Limit);
    private readonly CachedFile _behindStub = new(BehindStub, Limit);

    private List<NetifdNetwork> _networks = [];
    private int _answers; // answers of netifd that differed from the previous one

    /// <summary>The files that name servers are read from.</summary>
    public static IReadOnlyList<string> Paths { get; } = [PerInterface, SystemWide, BehindStub];

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

    /// <summary>
    /// Returns the servers that the link can ask, without duplicates: at most <see cref="Most"/>, the
    /// gateways among the first <see cref="Soon"/>, and servers on another link's subnet last.
    /// </summary>
    /// <param name="link">The link.</param>
    /// <param name="gateways">The link's gateways, because a router may be a name server although nothing
    /// says so.</param>
    public List<IPAddress> Of(ServerLink link, IEnumerable<IPAddress> gateways)
    {
        List<IPAddress> fromNetifd = [];
        foreach (NetifdNetwork network in _networks)
        {
            if (network.Device == link.Device)
            {
                fromNetifd.AddRange(network.NameServers);
            }
        }
        List<IPAddress> unknown = []; // servers of networks that may be on any link
        List<IPAddress> named = ResolvConf.OfInterface(_perInterface.Text, link, DeviceOf, unknown);

        List<IPAddress> servers = [];
        List<IPAddress> elsewhere = [];
        void Add(IEnumerable<IPAddress> more)
        {
            foreach (IPAddress server in more)
            {
                List<IPAddress> list = link.IsElsewhere(server) ? elsewhere : servers;
                if (link.CanAsk(server) && !list.Contains(server))
                {
                    list.Add(server);
                }
            }
        }
        Add(configured);
        Add(fromNetifd);
        Add(named);
        Add(ResolvConf.Remote(_system.Text, () => _behindStub.Text, link));
        AddSoon(servers, link, gateways);
        Add(unknown);
        servers.AddRange(elsewhere);
        return servers.Count <= Most ? servers : servers[..Most];
    }

    /// <summary>Adds the gateways at the end, but among the first <see cref="Soon"/>.</summary>
    private static void AddSoon(List<IPAddress> servers, ServerLink link, IEnumerable<IPAddress> gateways)
    {
        List<IPAddress> usable = [.. gateways.Where(link.CanAsk).Distinct().Take(Soon / 2)];
        int at = Math.Min(servers.Count, Soon - usable.Count);
        foreach (IPAddress gateway in usable)
        {
            int before = servers.IndexOf(gateway);
            if (before > at)
            {
                servers.RemoveAt(before);
            }
            if (before < 0 || before > at)
            {
                servers.Insert(at++, gateway);
            }
        }
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
