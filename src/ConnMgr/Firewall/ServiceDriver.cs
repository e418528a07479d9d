using System.Net;
using System.Runtime.InteropServices;
using ConnMgr.Config;
using ConnMgr.EventLoop;
using ConnMgr.Logging;
using ConnMgr.Native;
using ConnMgr.Net;
using ConnMgr.Netlink;
using ConnMgr.Probe;

namespace ConnMgr.Firewall;

/// <summary>
/// Opens the addresses that the whitelist does not name: name servers, and the services that the daemon
/// probes. It finds the name servers that run on the device, passes all addresses to the kernel's sets and
/// to init_firewall.sh, and decides whose answers count.
/// </summary>
/// <param name="loop">The clock.</param>
/// <param name="log">The log.</param>
/// <param name="options">Which name servers may be asked, and what is probed.</param>
/// <param name="locker">Runs the script again when it must learn of other servers.</param>
/// <param name="reader">Judges the answers of name servers.</param>
internal sealed class ServiceDriver(
    Loop loop, Log log, Options options, LockRunner locker, ReplyReader reader)
{
    private const int AccountLimit = 1 << 16; // bytes of /etc/passwd

    // Null if any server may be asked.
    private readonly ServerPolicy? _policy =
        options.DnsServerMode == DnsServerMode.Any ? null : new ServerPolicy();
    private readonly ProbedAddresses _probed = new();
    private readonly string _probePorts = ServiceVariables.PortsOf(options.Services);
    private readonly ResolverQuery _resolvers = new();
    private readonly MarkQuery _marks = new(log, LinkSocket.Mark);
    private (int State, int Servers, string? InUse)? _seenVersion;
    private bool _isUnrestricted; // the script could not restrict the servers

    /// <summary>
    /// Lets the usual accounts of name servers (dnsmasq, unbound and others) ask any server before they run,
    /// until the rules turn out not to match users.
    /// </summary>
    private bool _trustsKnownUsers = true;
    private TimeSpan _nextSearch;
    private string _loggedServers = "";

    /// <summary>When <see cref="Follow"/> or <see cref="Expire"/> has work.</summary>
    public TimeSpan NextDeadline
    {
        get
        {
            TimeSpan policy = _policy?.NextDeadline ?? TimeSpan.MaxValue;
            return policy < _probed.NextDeadline ? policy : _probed.NextDeadline;
        }
    }

    /// <summary>Which name servers may be asked, as a phrase.</summary>
    public string Words => _policy is null ? "any"
        : _isUnrestricted ? $"any, since the firewall cannot match users (wanted: {_policy})"
        : _policy.ToString();

    /// <summary>The addresses that are open to the device because they are probed.</summary>
    public IReadOnlyList<IpNumber> Probed => _probed.Addresses;

    /// <summary>At which ports those are open, e.g. `tcp:80 udp:5683`.</summary>
    public string ProbePorts => _probePorts;

    /// <summary>Returns why the lockdown would admit a connection that the audit has seen.</summary>
    public AuditCover CoverOf(AuditEntry entry) =>
        AuditCovers.Of(entry, locker.Store.Whitelist, MayAsk(entry.Address, entry.User));

    private bool MayAsk(IpNumber server, uint user) => _policy is not { IsAny: false } policy
        || _isUnrestricted || policy.Servers.Contains(server) || policy.Users.Contains(user);

    /// <summary>True if the last run of the script got the same variables as a run now would get.</summary>
    private bool IsScriptUpToDate => Variables().AsSpan().SequenceEqual(locker.Firewall.Services);

    /// <summary>True if the last run of the script got a list of name servers, not `any`.</summary>
    private bool HasScriptServerList => locker.Firewall.Services is [string servers, ..]
        && servers != ServiceVariables.AnyServer;

    /// <summary>Opens an address to a probe of the daemon that is about to begin.</summary>
    public void AdmitProbe(IPAddress address)
    {
        if (_probed.Add(IpNumber.Of(address), loop.Now))
        {
            ApplyProbed();
        }
    }

    /// <summary>True if another program's rules overwrite the mark of the daemon's packets.</summary>
    public bool IsMarkOverwritten => _marks.IsOverwritten;

    /// <summary>Handles the end of a probe's conversation.</summary>
    public void SeeProbe(in Flow flow, TimeSpan startedAt)
    {
        if (!locker.Firewall.IsDisturbed)
        {
            _marks.See(flow, startedAt, loop.Now);
        }
    }

    /// <summary>
    /// Finds the name servers before the script runs for the first time: those that the files name, and those
    /// of the device.
    /// </summary>
    public void Start(NetifNames names, NameServers servers)
    {
        List<IpNumber> used = [];
        KernelState state = new(); // has not been read yet
        foreach (NamedLink link in names.Links)
        {
            ServerLink any = new(
                link.Kind, link.Name, ifindex: 0, hasIpv4: true, hasIpv6: true, state, link.Index);
            AddServers(used, servers.Of(any, gateways: []));
        }
        FindResolversAnew();
        _ = _policy?.Use(PermittedOf(used), loop.Now);
        AdmitAll();
    }

    /// <summary>
    /// After a reload: finds the name servers of the device again, and makes the next Follow compare
    /// everything.
    /// </summary>
    public void Reload()
    {
        FindResolversAnew();
        _seenVersion = null;
    }

    /// <summary>Follows the links and the name servers. Call it after each decision.</summary>
    /// <returns>True if something about them may have changed.</returns>
    public bool Follow(in LockdownView view)
    {
        TimeSpan now = loop.Now;
        if (view.Version == _seenVersion && !(_policy?.NextDeadline <= now))
        {
            return false;
        }
        if (_seenVersion?.Servers != view.Version.Servers)
        {
            // The program that changed resolv.conf or the like has often started a local name server as well.
            _ = FindResolvers();
        }
        _seenVersion = view.Version;
        SeeServers(view, now);
        return true;
    }

    /// <summary>Closes the addresses that have not been probed for a long time.</summary>
    public void Expire()
    {
        if (_probed.Expire(loop.Now))
        {
            ApplyProbed();
        }
    }

    /// <summary>Checks what the kernel does not report. Call it every few seconds.</summary>
    public void Check()
    {
        if (locker.Store.Backend is SetBackend)
        {
            AdmitAll(); // the kernel does not report changes of ipset
        }
        if (FindResolvers())
        {
            _seenVersion = null;
        }
    }

    /// <summary>Handles the success of init_firewall.sh.</summary>
    public void OnScriptEnded(in LockdownReport report)
    {
        if (!IsScriptUpToDate)
        {
            locker.Run(); // a server or a probe was added while the script ran
        }
        _marks.SetKept(report.KeepsMark, loop.Now);
        _isUnrestricted = HasScriptServerList && !report.IsServerListed && !locker.Firewall.IsBusy;
        if (_isUnrestricted && _trustsKnownUsers)
        {
            // The rules cannot match users, so a presumed user would open port 53 to every program. Now
            // count only name servers that really run.
            _trustsKnownUsers = false;
            FindResolversAnew();
            _seenVersion = null;
        }
        LogServers();
    }

    /// <summary>
    /// Follows the servers that the device uses: first in the kernel's sets, then in the rules. So a
    /// server is open before its answers count, and is closed after the device has stopped using it.
    /// </summary>
    private void SeeServers(in LockdownView view, TimeSpan now)
    {
        List<IpNumber> used = view.UsedServers();
        if (_policy is not null && view.Connection.Links.Count > 0)
        {
            List<IpNumber> permitted = PermittedOf(used);
            if (options.DnsServerMode == DnsServerMode.Auto)
            {
                view.AddGateways(permitted);
            }
            bool isInKernel = !_policy.Use(permitted, now)
                || TryAdmit(ServiceSet.NameServers, _policy.Servers);
            if (locker.WasLocked && (!isInKernel || !IsScriptUpToDate))
            {
                locker.Run();
            }
            LogServers();
        }
        // A question that left the device was admitted by the lockdown. If a name server runs on the
        // device, it may ask any server; then answers of all servers count.
        bool isAny = _policy is null || _policy.IsAny || _policy.IsLocalFound || _isUnrestricted;
        if (reader.Watch.SetServers(CollectionsMarshal.AsSpan(used), isAny ? null : [.. _policy!.Servers]))
        {
            reader.JudgeAgain(now);
        }
    }

    private List<IpNumber> PermittedOf(List<IpNumber> used)
    {
        List<IpNumber> permitted = [];
        if (options.DnsServerMode == DnsServerMode.Listed)
        {
            AddServers(permitted, options.DnsServers);
        }
        else
        {
            permitted.AddRange(used);
        }
        AddServers(permitted, options.Resolvers);
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
        if (_trustsKnownUsers && options.DnsServerMode == DnsServerMode.Auto)
        {
            _policy?.Presume(ReadAccounts());
        }
        _ = FindResolvers();
    }

    /// <summary>
    /// Finds a name server of the device that has just started, because an unlisted server has answered.
    /// </summary>
    /// <returns>True if the answers of every server count from now on.</returns>
    public bool HasNewResolver()
    {
        if (loop.Now < _nextSearch)
        {
            return false;
        }
        _nextSearch = loop.Now + TimeSpan.FromSeconds(1);
        if (!FindResolvers())
        {
            return false;
        }
        _seenVersion = null;
        reader.Watch.TrustAllServers();
        return true;
    }

    private static string ReadAccounts() => SmallFile.Read("/etc/passwd", AccountLimit, out _, out _) ?? "";

    /// <summary>Finds the name servers that run on the device. True if there are new ones.</summary>
    private bool FindResolvers() => options.DnsServerMode == DnsServerMode.Auto
        && _policy is { } policy && _resolvers.Tell(policy, ReadAccounts);

    private void LogServers()
    {
        string words = Words;
        if (locker.WasLocked && words != _loggedServers)
        {
            _loggedServers = words;
            log.Event(EventKind.Firewall, $"name servers: {words}");
        }
    }

    private void ApplyProbed()
    {
        if (!TryAdmit(ServiceSet.Probed, _probed.Addresses) && locker.WasLocked)
        {
            locker.Run();
        }
    }

    private bool TryAdmit(ServiceSet service, IReadOnlyList<IpNumber> addresses) =>
        locker.Store.Backend.TryAdmit(service, [.. addresses]);

    /// <summary>Puts the addresses into the kernel again, because they may be gone.</summary>
    public void AdmitAll()
    {
        if (_policy is not null)
        {
            _ = TryAdmit(ServiceSet.NameServers, _policy.Servers);
        }
        _ = TryAdmit(ServiceSet.Probed, _probed.Addresses);
    }

    /// <summary>Returns the variables of init_firewall.sh that name the services.</summary>
    public string[] Variables() => ServiceVariables.Of(
        locker.Store.Backend is not RuleBackend, _policy, _probed.Addresses, _probePorts);
}
