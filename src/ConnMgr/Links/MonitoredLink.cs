using System.Net;
using System.Runtime.InteropServices;
using ConnMgr.Capture;
using ConnMgr.EventLoop;
using ConnMgr.Logging;
using ConnMgr.Native;
using ConnMgr.Net;
using ConnMgr.Netlink;
using ConnMgr.Probe;
using ConnMgr.Routing;

namespace ConnMgr.Links;

/// <summary>One link with all that belongs to it: its state machine, its evidence socket, its probes.</summary>
internal sealed class MonitoredLink : IDisposable
{
    private const int FileLimit = 65536;

    private readonly Loop _loop;
    private readonly Log _log;
    private readonly IReadOnlyList<IPAddress> _resolvers;
    private readonly ProbeRunner _prober;
    private readonly bool _ignoresLinkdownRoutes;
    private readonly Pace _saidFilter = new(burst: 5, TimeSpan.FromMinutes(1)); // a fight over it may be endless
    private EvidenceSocket? _evidence;
    private int _evidenceIfindex;
    private List<Subnet> _own = [];
    private bool _hadEvidence;
    private byte[] _lastEvidence = [];

    public MonitoredLink(
        Loop loop, Log log, Link link, ProbeSettings settings,
        IReadOnlyList<IPAddress> resolvers, bool ignoresLinkdownRoutes)
    {
        _ignoresLinkdownRoutes = ignoresLinkdownRoutes;
        _loop = loop;
        _log = log;
        _resolvers = resolvers;
        Link = link;
        _prober = new ProbeRunner(loop, link.Name, settings, EndProbe);
    }

    public Link Link { get; }

    /// <summary>What its probes have cost, in bytes of IP, both ways.</summary>
    public long ProbeBytes => _prober.Bytes;

    /// <summary>When it came up; null while it is down.</summary>
    public TimeSpan? UpSince { get; private set; }

    /// <summary>What the last evidence was; null if there was none.</summary>
    public string? EvidenceWords =>
        Frame.TryDescribe(_lastEvidence, out string? packet, out _) ? packet : null;

    public TimeSpan EvidenceAt { get; private set; }

    /// <summary>How the last probe ended, since this link is monitored; null if none has.</summary>
    public ProbeResult? LastProbe { get; private set; }

    public TimeSpan LastProbeAt { get; private set; }

    /// <summary>How many probes have ended in each way.</summary>
    public int[] ProbesEnded { get; } = new int[(int)ProbeOutcome.NoAnswer + 1];

    /// <summary>Takes the kernel's picture.</summary>
    public void Refresh(KernelState table, TimeSpan now)
    {
        LinkFacts facts = KernelFacts.Of(table, Link.Name);
        Link.SetFacts(facts, now);
        if (_evidence is not null && _evidenceIfindex != facts.Ifindex)
        {
            _evidence.Dispose();
            _evidence = null;
        }
        if (!facts.Runs)
        {
            return;
        }

        Listen(table, facts.Ifindex);
    }

    /// <summary>Opens the evidence socket, or tells it of other subnets.</summary>
    private void Listen(KernelState table, int ifindex)
    {
        List<Subnet> own = SubnetsOf(table, ifindex);
        if (_evidence is { IsGone: false })
        {
            if (!own.SequenceEqual(_own))
            {
                _own = own;
                _evidence.SetSubnets(CollectionsMarshal.AsSpan(own));
            }
            return;
        }

        CheckSettings();
        _evidence?.Dispose();
        _own = own;
        _evidenceIfindex = ifindex;
        _evidence = EvidenceSocket.Open(
            _loop, ifindex, CollectionsMarshal.AsSpan(own), LinkSocket.Mark, SeeEvidence,
            () => Link.SeeOutgoing(_loop.Now), out int errno);
        if (_evidence is null)
        {
            _log.Event(
                EventKind.Link,
                $"{Link.Name}: cannot listen for evidence: {Errno.Text(errno)}, retrying when it changes", LogLevel.Warn);
        }
        else if (!Link.IsProbing)
        {
            _evidence.Rearm(Link.WantsOutgoing);
        }
    }

    /// <summary>
    /// Sets what the daemon depends on. Called when the device appears, and when the kernel reports a change of settings:
    /// another program may read its own later (`sysctl --system`, ufw).
    /// </summary>
    public void CheckSettings()
    {
        if (Link.Facts.Ifindex == 0)
        {
            return;
        }
        LoosenReversePathFilter();
        foreach (string family in _ignoresLinkdownRoutes ? (ReadOnlySpan<string>)["ipv4", "ipv6"] : [])
        {
            // The kernel then passes over routes of a link without carrier at once, without the daemon.
            string path = $"/proc/sys/net/{family}/conf/{Link.Name}/ignore_routes_with_linkdown";
            if (Read(path) is ['0', ..] && SmallFile.Overwrite(path, "1\n"u8) is not 0 and int errno)
            {
                _log.Event(EventKind.Link, $"{path}: {Errno.Text(errno)}, ignoring", LogLevel.Warn);
            }
        }
    }

    /// <summary>Strict filtering would drop the answers to probes while the link is not in use.</summary>
    private void LoosenReversePathFilter()
    {
        string path = ReversePathFilter.Path(Link.Name);
        if (ReversePathFilter.IsStrict(Read(ReversePathFilter.Path("all")), Read(path)))
        {
            int errno = SmallFile.Overwrite(path, "2\n"u8);
            if (_saidFilter.TryTake(_loop.Now))
            {
                _log.Event(
                    EventKind.Link,
                    $"{Link.Name}: rp_filter was 1 (strict), " + (errno == 0 ? "set to 2 (loose)" : Errno.Text(errno)));
            }
        }
    }

    private static string? Read(string path) => SmallFile.Read(path, FileLimit, out _, out _);

    /// <summary>The end of a tick, and the beginning of the next.</summary>
    public void Tick(TimeSpan now)
    {
        Link.Tick(_hadEvidence, now);
        _hadEvidence = false;
        if (!Link.IsProbing)
        {
            _evidence?.Rearm(Link.WantsOutgoing);
        }
    }

    /// <summary>Carries out what the state machine wants.</summary>
    public void CarryOut(KernelState table, TimeSpan now)
    {
        for (int i = 0; i < Link.Effects.Count; i++)
        {
            LinkEffect effect = Link.Effects[i];
            switch (effect.Kind)
            {
                case LinkEffectKind.StateChanged:
                    UpSince = !effect.To.IsUp() ? null : UpSince ?? now;
                    _log.Event(
                        EventKind.Link, $"{Link.Name}: {effect.From.Name()} -> {effect.To.Name()}: {effect.Reason}");
                    break;
                case LinkEffectKind.StartProbe:
                    _log.Event(EventKind.Probe, $"probe of {Link.Name}: started: {effect.Reason}", LogLevel.Debug);
                    _hadEvidence = false;
                    _evidence?.Mute(); // what the probe itself brings in is no evidence
                    StartProbe(table, effect.IsEarly, now);
                    break;
                case LinkEffectKind.CancelProbe:
                    _log.Event(EventKind.Probe, $"probe of {Link.Name}: cancelled, since it {effect.Reason}", LogLevel.Debug);
                    _prober.Cancel();
                    break;
            }
        }
        Link.ClearEffects();
    }

    private void StartProbe(KernelState table, bool isEarly, TimeSpan now)
    {
        bool isIpv6 = !Link.Facts.Ipv4.IsConnected;
        _prober.Start(isIpv6, NameServers(table, withGateways: true), isEarly, now);
    }

    private void EndProbe(ProbeResult result)
    {
        _log.Event(EventKind.Probe, $"probe of {Link.Name}: {result.Detail}", LogLevel.Debug);
        LastProbe = result;
        LastProbeAt = _loop.Now;
        ProbesEnded[(int)result.Outcome]++;
        Link.EndProbe(result, LastProbeAt);
    }

    private void SeeEvidence()
    {
        _hadEvidence = true;
        EvidenceAt = _loop.Now;
        _lastEvidence = _evidence!.LastEvidence.ToArray();
        if (_log.IsDebug && EvidenceWords is { } packet)
        {
            _log.Debug($"evidence on {Link.Name}: {packet}");
        }
        Link.SeeEvidence(EvidenceAt);
    }

    /// <summary>Where the link's names are resolved, in the order of the contract (section 6).</summary>
    /// <param name="table">The kernel's picture.</param>
    /// <param name="withGateways">The last resort, too: a gateway that nobody has said to be a name server.</param>
    public List<IPAddress> NameServers(KernelState table, bool withGateways)
    {
        List<IPAddress> servers = [.. _resolvers];
        servers.AddRange(ResolvConf.OfInterface(NameServerFiles.Auto.Text, Link.Kind, Link.Name));
        servers.AddRange(ResolvConf.Remote(
            NameServerFiles.ResolvConf.Text, () => NameServerFiles.BehindStub.Text, Link.Name));
        foreach (DefaultRoute route in table.Routes)
        {
            if (withGateways && route.Ifindex == Link.Facts.Ifindex && route.Gateway is { } gateway)
            {
                servers.Add(gateway);
            }
        }
        return [.. servers.Distinct()];
    }

    /// <summary>The subnets on the link; on a point-to-point link the peer's, so that the own address is named, too.</summary>
    private static List<Subnet> SubnetsOf(KernelState table, int ifindex)
    {
        List<Subnet> subnets = [];
        foreach (DeviceAddress address in table.Addresses)
        {
            if (address.Ifindex == ifindex)
            {
                subnets.Add(new Subnet(address.Prefix.BaseAddress, address.Prefix.PrefixLength));
                if (!address.Prefix.Contains(address.Address))
                {
                    subnets.Add(new Subnet(address.Address, address.Address.GetAddressBytes().Length * 8));
                }
            }
        }
        return subnets;
    }

    public void Dispose()
    {
        _prober.Cancel();
        _evidence?.Dispose();
    }
}
