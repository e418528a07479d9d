using System.Globalization;
using System.Net;
using System.Runtime.InteropServices;
using ConnMgr.Config;
using ConnMgr.Logging;
using ConnMgr.Native;
using ConnMgr.Net;
using ConnMgr.Probe;

namespace ConnMgr.Firewall;

/// <summary>What may be asked although the whitelist does not name it: name servers, and probes.</summary>
internal sealed partial class Lockdown
{
    private const int AccountLimit = 1 << 16; // bytes of /etc/passwd
    private const string AnyServer = "CONNMGR_NAME_SERVERS=any";

    private readonly ServerPolicy? _policy; // null if any server may be asked
    private readonly ProbedAddresses _probed = new();
    private readonly string _probePorts;
    private readonly MarkQuery _marks;
    private TimeSpan? _marksKeptSince; // since when the rules keep the mark of the daemon's packets
    private bool _isUnrestricted; // the script could not restrict the servers
    private bool _presumesUsers = true;
    private TimeSpan _nextSearch;
    private string _loggedServers = "";

    /// <summary>Which name servers may be asked, as a phrase.</summary>
    public string NameServerWords => _policy is null ? "any"
        : _isUnrestricted ? $"any, since the firewall cannot match users (wanted: {_policy})"
        : _policy.ToString();

    /// <summary>Tells why the lockdown would admit a use.</summary>
    public AuditCover CoverOf(AuditEntry entry) =>
        AuditCovers.Of(entry, _store.Whitelist, MayAsk(entry.Address, entry.User));

    private bool MayAsk(IpNumber server, uint user) => _policy is not { IsAny: false } policy
        || _isUnrestricted || policy.Servers.Contains(server) || policy.Users.Contains(user);

    /// <summary>True if the script has last been told what it would be told now.</summary>
    private bool IsScriptTold => ServiceVariables().AsSpan().SequenceEqual(_firewall.Services);

    /// <summary>True if the script has last been told which servers may be asked.</summary>
    private bool WasListTold => _firewall.Services is [string servers, ..] && servers != AnyServer;

    /// <summary>Opens an address to a probe of the daemon that is about to begin.</summary>
    public void AdmitProbe(IPAddress address)
    {
        if (_probed.Add(IpNumber.Of(address), _loop.Now))
        {
            ApplyProbed();
        }
    }

    /// <summary>True if another program's rules overwrite the mark of the daemon's packets.</summary>
    public bool IsMarkOverwritten => _marks.IsOverwritten;

    /// <summary>Handles the end of a probe's conversation.</summary>
    public void SeeProbe(in Flow flow, TimeSpan startedAt)
    {
        if (_marksKeptSince < startedAt && !IsDisturbed)
        {
            _marks.See(flow, _loop.Now);
        }
    }

    /// <summary>
    /// Follows the servers that the device uses: first in the kernel's sets, then in the rules. So a server
    /// is open before it counts, and closed after the device has turned to another one.
    /// </summary>
    private void SeeServers(in LockdownView view, TimeSpan now)
    {
        List<IpNumber> used = view.UsedServers();
        if (_policy is not null && view.Connection.Links.Count > 0)
        {
            List<IpNumber> permitted = PermittedOf(used);
            if (_options.DnsServerMode == DnsServerMode.Auto)
            {
                view.AddGateways(permitted);
            }
            bool isInKernel = !_policy.Use(permitted, now)
                || TryAdmit(ServiceSet.NameServers, _policy.Servers);
            if (_wasLocked && (!isInKernel || !IsScriptTold))
            {
                RunScript();
            }
            LogServers();
        }
        // What has left the device has passed the lockdown. So with name servers of the device, which may ask
        // any server, each answer counts.
        bool isAny = _policy is null || _policy.IsAny || _policy.IsLocalFound || _isUnrestricted;
        if (Watch.SetServers(CollectionsMarshal.AsSpan(used), isAny ? null : [.. _policy!.Servers]))
        {
            _reader.JudgeAgain(now);
        }
    }

    private List<IpNumber> PermittedOf(List<IpNumber> used)
    {
        List<IpNumber> permitted = [];
        if (_options.DnsServerMode == DnsServerMode.Listed)
        {
            AddServers(permitted, _options.DnsServers);
        }
        else
        {
            permitted.AddRange(used);
        }
        AddServers(permitted, _options.Resolvers);
        return permitted;
    }

    private static void AddServers(List<IpNumber> servers, IReadOnlyList<IPAddress> added)
    {
        foreach (IPAddress server in added)
        {
            servers.Add(IpNumber.Of(server));
        }
    }

    /// <summary>Forgets the name servers of the device, and finds those that run now.</summary>
    private void FindResolversAnew()
    {
        _policy?.ForgetUsers();
        if (_presumesUsers && _options.DnsServerMode == DnsServerMode.Auto)
        {
            _policy?.Presume(ReadAccounts());
        }
        _ = FindResolvers();
    }

    /// <summary>
    /// Finds a name server of the device that has just started, because an unlisted server has answered.
    /// </summary>
    /// <returns>True if the answers of every server count from now on.</returns>
    private bool HasNewResolver()
    {
        if (_loop.Now < _nextSearch)
        {
            return false;
        }
        _nextSearch = _loop.Now + TimeSpan.FromSeconds(1);
        if (!FindResolvers())
        {
            return false;
        }
        _seenVersion = null;
        Watch.CountAll();
        return true;
    }

    private static string ReadAccounts() => SmallFile.Read("/etc/passwd", AccountLimit, out _, out _) ?? "";

    /// <summary>Finds the name servers that run on the device. True if there are new ones.</summary>
    private bool FindResolvers()
    {
        bool hasChanged = false;
        if (_options.DnsServerMode == DnsServerMode.Auto && _policy is { } policy)
        {
            foreach (string path in (ReadOnlySpan<string>)["/proc/net/udp", "/proc/net/udp6"])
            {
                SmallFile.ReadParts(path, text => hasChanged |= policy.SeeSockets(text, ReadAccounts));
            }
        }
        return hasChanged;
    }

    private void LogServers()
    {
        string words = NameServerWords;
        if (_wasLocked && words != _loggedServers)
        {
            _loggedServers = words;
            _log.Event(EventKind.Firewall, $"name servers: {words}");
        }
    }

    private void ApplyProbed()
    {
        if (!TryAdmit(ServiceSet.Probed, _probed.Addresses) && _wasLocked)
        {
            RunScript();
        }
    }

    private bool TryAdmit(ServiceSet service, IReadOnlyList<IpNumber> addresses) =>
        _store.Backend.TryAdmit(service, [.. addresses]);

    /// <summary>Puts the addresses into the kernel again, because they may be gone.</summary>
    private void AdmitAll()
    {
        if (_policy is not null)
        {
            _ = TryAdmit(ServiceSet.NameServers, _policy.Servers);
        }
        _ = TryAdmit(ServiceSet.Probed, _probed.Addresses);
    }

    /// <summary>Returns the variables of init_firewall.sh that name the services.</summary>
    private string[] ServiceVariables()
    {
        bool hasSets = _store.Backend is not RuleBackend;
        bool isListing = _policy is { IsAny: false };
        // The list is empty if only name servers of the device are known: then no other program may ask.
        string servers = hasSets || !isListing ? "set" : Join(_policy!.Servers);
        string users = "";
        for (int i = 0; isListing && i < _policy!.Users.Count; i++)
        {
            users += (i > 0 ? " " : "") + _policy.Users[i].ToString(CultureInfo.InvariantCulture);
        }
        return
        [
            isListing ? $"CONNMGR_NAME_SERVERS={servers}" : AnyServer, $"CONNMGR_RESOLVER_USERS={users}",
            $"CONNMGR_PROBED={(hasSets ? "set" : Join(_probed.Addresses))}",
            $"CONNMGR_PROBE_PORTS={_probePorts}",
        ];
    }

    private static string Join(IReadOnlyList<IpNumber> addresses)
    {
        string text = "";
        for (int i = 0; i < addresses.Count; i++)
        {
            text += (i > 0 ? " " : "") + addresses[i].ToString();
        }
        return text;
    }

    private static string PortsOf(IReadOnlyList<ProbeUrl> services)
    {
        List<string> ports = [];
        foreach (ProbeUrl service in services)
        {
            string port = $"{(service.Scheme == ProbeScheme.Coap ? "udp" : "tcp")}:{service.Port}";
            if (!ports.Contains(port))
            {
                ports.Add(port);
            }
        }
        return string.Join(' ', ports);
    }
}
