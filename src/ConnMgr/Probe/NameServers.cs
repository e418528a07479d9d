using System.Net;
using ConnMgr.Native;
using ConnMgr.Net;

namespace ConnMgr.Probe;

/// <summary>
/// Knows the name servers of each link, in the order in which to ask them. This class alone reads the
/// resolv.conf files, and rereads a file only if it has changed. On OpenWrt it also uses netifd's networks.
/// </summary>
/// <param name="configured">The servers of `--resolver`, asked before all others.</param>
/// <param name="written">The file that `--resolv-conf` names; null for none.</param>
internal sealed class NameServers(IReadOnlyList<IPAddress> configured, string? written = null)
{
    /// <summary>The largest number of servers of a link.</summary>
    public const int Most = 16;

    /// <summary>The number of silent servers that a probe has time to ask.</summary>
    public const int Soon = 6;

    private const int Limit = 65536; // bytes of a file

    private const string PerInterface = "/tmp/resolv.conf.d/resolv.conf.auto"; // netifd writes it
    private const string SystemWide = "/etc/resolv.conf"; // resolv.conf(5)
    private const string BehindStub = "/run/systemd/resolve/resolv.conf"; // of the stub 127.0.0.53

    private const string Forwarder = "/run/dnsmasq/resolv.conf"; // resolvconf(8) writes it for dnsmasq

    // The script wannetwork of Afero's earlier connmgr writes the modem's name servers there. The file is not
    // in Paths: watching /tmp would wake the daemon for each file that any program creates there.
    private const string OfModem = "/tmp/resolv.conf.wan";

    private readonly CachedFile? _written = written is null ? null : new CachedFile(written, Limit);
    private readonly CachedFile _forwarder = new(Forwarder, Limit);
    private readonly CachedFile _perInterface = new(PerInterface, Limit, onlyRoots: true);
    private readonly CachedFile _ofModem = new(OfModem, Limit, onlyRoots: true);
    private readonly CachedFile _system = new(SystemWide, Limit);
    private readonly CachedFile _behindStub = new(BehindStub, Limit);

    private List<NetifdNetwork> _networks = [];
    private List<LinkServers> _learned = [];
    private List<ResolverServer> _asked = []; // of the resolver, if its configuration does not say
    private int _answers; // changed answers of netifd and of resolv_conf.sh

    /// <summary>
    /// The files that name servers are read from, and whose directories can be watched.
    /// </summary>
    public IReadOnlyList<string> Paths { get; } = written is null
        ? [PerInterface, SystemWide, BehindStub, Forwarder]
        : [PerInterface, SystemWide, BehindStub, Forwarder, written];

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

    /// <summary>Stores what `resolv_conf.sh` reports.</summary>
    /// <param name="learned">The servers of each link.</param>
    /// <param name="asked">The servers that the device's resolver asks now, if its files do not say so; else
    /// empty.</param>
    public void Learn(List<LinkServers> learned, List<ResolverServer> asked)
    {
        bool isSame = learned.Count == _learned.Count && asked.Count == _asked.Count;
        for (int i = 0; isSame && i < learned.Count; i++)
        {
            isSame = learned[i].IsSameAs(_learned[i]);
        }
        for (int i = 0; isSame && i < asked.Count; i++)
        {
            isSame = asked[i].Address.Equals(_asked[i].Address);
        }
        (_learned, _asked) = (learned, asked);
        _answers += isSame ? 0 : 1;
        Refresh();
    }

    /// <summary>
    /// Returns the servers that the device's resolver asks. If the resolver runs on this host, returns those
    /// to which it forwards questions, as far as they are known: those of `--resolv-conf`, of
    /// systemd-resolved, and of dnsmasq.
    /// </summary>
    public List<ResolverServer> OfResolver()
    {
        List<ResolverServer> servers = [];
        if (_asked.Count > 0)
        {
            return _asked;
        }
        bool isHere = ResolvConf.AddAll(servers, _system.Text);
        if (isHere)
        {
            _ = ResolvConf.AddAll(servers, WrittenText);
        }
        foreach (CachedFile file in (ReadOnlySpan<CachedFile>)[_behindStub, _perInterface, _forwarder])
        {
            if (isHere && servers.Count == 0)
            {
                _ = ResolvConf.AddAll(servers, file.Text);
            }
        }
        return servers;
    }

    /// <summary>
    /// Returns a device's servers according to netifd, or to a script of Afero's earlier connmgr. They are
    /// for resolv_conf.sh, which itself finds the servers of other platforms.
    /// </summary>
    public List<IPAddress> OfPlatform(ServerLink link)
    {
        List<IPAddress> servers = [];
        foreach (NetifdNetwork network in _networks)
        {
            if (network.Device == link.Device)
            {
                servers.AddRange(network.NameServers);
            }
        }
        servers.AddRange(ResolvConf.OfInterface(_perInterface.Text, link, DeviceOf, []));
        if (IsModem(link))
        {
            servers.AddRange(ServersOfModem(link));
        }
        return [.. servers.Distinct()];
    }

    /// <summary>True for the link whose name Afero's scripts take from WAN_INTERFACE_0.</summary>
    private static bool IsModem(ServerLink link) => link is { Kind: LinkKind.Wan, IsFirst: true };

    private List<IPAddress> ServersOfModem(ServerLink link) =>
        ResolvConf.Remote(_ofModem.Text, static () => "", link);

    /// <summary>
    /// The text of the `--resolv-conf` file in the syntax of resolv.conf, even if the file is a servers-file
    /// of dnsmasq.
    /// </summary>
    private string WrittenText =>
        _written?.Text.Replace("server=", "nameserver ", StringComparison.Ordinal) ?? "";

    /// <summary>
    /// Checks whether the files have changed, with one system call per file. Call it periodically, and when
    /// routes change.
    /// </summary>
    public void Refresh()
    {
        Version = _answers;
        foreach (CachedFile? file in (ReadOnlySpan<CachedFile?>)
            [_perInterface, _ofModem, _system, _behindStub, _forwarder, _written])
        {
            _ = file?.Text;
            Version += file?.Version ?? 0;
        }
    }

    /// <summary>
    /// Returns the servers that the link can ask, without duplicates: at most <see cref="Most"/>, the
    /// gateways among the first <see cref="Soon"/>, and servers on another link's subnet last.
    /// </summary>
    /// <param name="link">The link.</param>
    /// <param name="gateways">The link's gateways, because a router may be a name server although no file
    /// names it.</param>
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
        List<IPAddress> learned = [];
        List<IPAddress> ofOthers = []; // asked last, even if resolv.conf names them now
        foreach (LinkServers each in _learned)
        {
            (each.Device == link.Device ? learned : ofOthers).AddRange(each.Servers);
        }
        (IsModem(link) ? learned : ofOthers).AddRange(ServersOfModem(link));
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
        Add(learned);
        List<IPAddress> system = ResolvConf.Remote(
            _system.Text, () => $"{_behindStub.Text}\n{_forwarder.Text}\n{WrittenText}", link);
        Add(system.Where(server => !ofOthers.Contains(server)));
        AddSoon(servers, link, gateways);
        Add(unknown);
        Add(ofOthers);
        servers.AddRange(elsewhere);
        return servers.Count <= Most ? servers : servers[..Most];
    }

    /// <summary>Adds the gateways after the servers, but among the first <see cref="Soon"/>.</summary>
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
