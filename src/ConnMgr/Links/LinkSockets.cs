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

/// <summary>
/// The I/O of one link: its evidence socket and its probes. It tells the <see cref="LinkDriver"/> what it hears and
/// decides nothing.
/// </summary>
internal sealed class LinkSockets : IDisposable
{
    private const int FileLimit = 4096; // bytes of a file below /proc/sys

    private readonly Loop _loop;
    private readonly Log _log;
    private readonly NameServers _servers;
    private readonly Action<News> _tell;
    private readonly ProbeRunner _prober;
    private readonly bool _ignoresLinkdownRoutes;
    private readonly Pace _filterPace = new(burst: 5, TimeSpan.FromMinutes(1)); // a fight over it may be endless
    private EvidenceSocket? _evidence;
    private int _ifindex; // of the evidence socket
    private List<Subnet> _own = [];
    private byte[] _lastEvidence = [];
    private List<IPAddress>? _asked; // by the last probe; null if there was none
    private bool _isProbeEarly; // of the last probe
    private bool _isDisturbed;

    /// <param name="loop">Where packets arrive.</param>
    /// <param name="log">Gets what it hears, and what the kernel refuses.</param>
    /// <param name="link">The link; only the core changes it.</param>
    /// <param name="settings">What a probe asks.</param>
    /// <param name="servers">Which name servers a probe asks.</param>
    /// <param name="ignoresLinkdownRoutes">Let the kernel pass over the routes of the link while it has no carrier.</param>
    /// <param name="tell">Gets the news.</param>
    public LinkSockets(
        Loop loop, Log log, Link link, ProbeSettings settings, NameServers servers, bool ignoresLinkdownRoutes,
        Action<News> tell)
    {
        _ignoresLinkdownRoutes = ignoresLinkdownRoutes;
        _loop = loop;
        _log = log;
        _servers = servers;
        _tell = tell;
        Link = link;
        _prober = new ProbeRunner(loop, link.Name, settings, OnProbeEnded);
    }

    public Link Link { get; }

    /// <summary>What the probes have cost, in bytes of IP, both ways.</summary>
    public long ProbeBytes => _prober.Bytes;

    /// <summary>The last evidence in words; null if there was none.</summary>
    public string? EvidenceWords => Frame.TryDescribe(_lastEvidence, out string? packet, out _) ? packet : null;

    /// <summary>When the last evidence came, in the loop's time.</summary>
    public TimeSpan EvidenceAt { get; private set; }

    /// <summary>Opens the evidence socket, or tells it of other subnets. Call it when the kernel's state has changed.</summary>
    public void Refresh(KernelState state)
    {
        if (_evidence is not null && _ifindex != Link.Facts.Ifindex)
        {
            _evidence.Dispose();
            _evidence = null;
        }
        if (!Link.Facts.Runs)
        {
            return;
        }
        List<Subnet> own = SubnetsOf(state, Link.Facts.Ifindex);
        if (_evidence is not { IsGone: false })
        {
            _own = own;
            Open();
        }
        else if (!own.SequenceEqual(_own))
        {
            _own = own;
            _evidence.SetSubnets(CollectionsMarshal.AsSpan(own));
        }
    }

    /// <summary>A tick begins: hear the first evidence of it.</summary>
    /// <param name="isForOutgoing">Hear what leaves, too.</param>
    public void Listen(bool isForOutgoing) => _evidence?.Rearm(isForOutgoing);

    /// <summary>Starts a probe. Until the tick after its end, the evidence socket hears nothing: what a probe brings in is no evidence.</summary>
    public void StartProbe(KernelState state, bool isEarly, TimeSpan now)
    {
        _evidence?.Mute();
        _asked = NameServersOf(state);
        _isProbeEarly = isEarly;
        Probe(now);
    }

    private void Probe(TimeSpan now) =>
        _prober.Start(isIpv6: !Link.Facts.Ipv4.IsConnected, _asked!, _isProbeEarly, now);

    /// <summary>
    /// Says whether the firewall is being put in force or restored. It may then drop the probe, so a probe without an
    /// answer says nothing about the link: the probe is sent again when the rules are in force.
    /// </summary>
    public void SetDisturbed(bool isDisturbed)
    {
        bool isOver = _isDisturbed && !isDisturbed;
        _isDisturbed = isDisturbed;
        if (isOver && Link.IsProbing)
        {
            Probe(_loop.Now);
        }
    }

    /// <summary>
    /// Tells it if the link has other name servers than those that its last probe asked, is not confirmed and
    /// is not being probed. Call it every tick, and when name servers have changed.
    /// </summary>
    public void CompareServers(KernelState state)
    {
        if (Link.State is LinkState.Unconfirmed or LinkState.Failed && !Link.IsProbing
            && _asked is not null && !NameServersOf(state).SequenceEqual(_asked))
        {
            _tell(new News(NewsKind.ServersChanged, _loop.Now, Link));
        }
    }

    private List<IPAddress> NameServersOf(KernelState state) =>
        _servers.Of(Link.Kind, Link.Name, KernelFacts.Gateways(state, Link.Facts.Ifindex));

    public void CancelProbe() => _prober.Cancel();

    private void Open()
    {
        CheckSettings();
        _evidence?.Dispose();
        _ifindex = Link.Facts.Ifindex;
        _evidence = EvidenceSocket.Open(
            _loop, _ifindex, CollectionsMarshal.AsSpan(_own), LinkSocket.Mark, OnEvidence,
            () => _tell(new News(NewsKind.Outgoing, _loop.Now, Link)), out int errno);
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
    /// Sets what the daemon depends on. Call it when the device appears, and when the kernel reports a change of settings:
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
            if (_filterPace.TryTake(_loop.Now))
            {
                _log.Event(
                    EventKind.Link,
                    $"{Link.Name}: rp_filter was 1 (strict), " + (errno == 0 ? "set to 2 (loose)" : Errno.Text(errno)));
            }
        }
    }

    private static string? Read(string path) => SmallFile.Read(path, FileLimit, out _, out _);

    private void OnEvidence()
    {
        EvidenceAt = _loop.Now;
        _lastEvidence = _evidence!.LastEvidence.ToArray();
        if (_log.IsDebug && EvidenceWords is { } packet)
        {
            _log.Debug($"evidence on {Link.Name}: {packet}");
        }
        _tell(new News(NewsKind.Evidence, EvidenceAt, Link));
    }

    private void OnProbeEnded(ProbeResult result)
    {
        if (_isDisturbed && result.Outcome is ProbeOutcome.NoAnswer)
        {
            _log.Debug($"probe of {Link.Name}: {result.Detail}; not judged before the firewall is in force");
            return;
        }
        _log.Event(EventKind.Probe, $"probe of {Link.Name}: {result.Detail}", LogLevel.Debug);
        _tell(new News(NewsKind.ProbeEnded, _loop.Now, Link, result));
    }

    /// <summary>The subnets on the link; on a point-to-point link the peer's, so that the own address is added.</summary>
    private static List<Subnet> SubnetsOf(KernelState state, int ifindex)
    {
        List<Subnet> subnets = [];
        foreach (DeviceAddress address in state.Addresses)
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
