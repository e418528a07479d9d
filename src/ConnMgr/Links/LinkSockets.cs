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
/// The I/O of one link: its evidence socket and its probes. It reports events to the <see cref="LinkDriver"/>
/// and decides nothing.
/// </summary>
internal sealed class LinkSockets : IDisposable
{
    private const int FileLimit = 16; // bytes of a setting below /proc/sys: a digit and a line feed

    /// <summary>
    /// The longest time for which a probe is repeated because of the firewall. A program that changes the
    /// firewall without a pause must not hide a dead link.
    /// </summary>
    private static readonly TimeSpan LongestDelay = TimeSpan.FromSeconds(30);

    private readonly Loop _loop;
    private readonly Log _log;
    private readonly NameServers _servers;
    private readonly Action<News> _tell;
    private readonly ProbeRunner _prober;
    private readonly bool _ignoresLinkdownRoutes;
    // Limits the log if another program keeps changing rp_filter.
    private readonly Pace _filterPace = new(burst: 5, TimeSpan.FromMinutes(1));
    private EvidenceSocket? _evidence;
    private int _ifindex; // of the evidence socket
    private string _device; // the name that /proc/sys uses: not an alternative one
    private List<Subnet> _own = [];
    private byte[] _lastEvidence = [];
    private List<IPAddress>? _asked; // the servers that the last probe asked; null if there was none
    private bool _isProbeEarly; // of the last probe
    private TimeSpan? _probeLimit; // of the last probe
    private TimeSpan _probeAt; // when the core started the last probe
    private bool _isDisturbed;
    private bool _hasWarnedDeaf;
    private bool _isRetrying; // the present failure has been logged
    private bool _hasMissedSetting; // a setting could not be read or changed now

    /// <param name="loop">The event loop.</param>
    /// <param name="log">Receives events, and refusals of the kernel.</param>
    /// <param name="link">The link; only the core changes it.</param>
    /// <param name="settings">What a probe asks.</param>
    /// <param name="servers">The name servers that a probe asks.</param>
    /// <param name="ignoresLinkdownRoutes">Make the kernel skip the routes of the link while it has no
    /// carrier.</param>
    /// <param name="tell">Receives the news.</param>
    public LinkSockets(
        Loop loop, Log log, Link link, ProbeSettings settings, NameServers servers,
        bool ignoresLinkdownRoutes,
        Action<News> tell)
    {
        _ignoresLinkdownRoutes = ignoresLinkdownRoutes;
        _loop = loop;
        _log = log;
        _servers = servers;
        _tell = tell;
        Link = link;
        _device = link.Name;
        _prober = new ProbeRunner(loop, link.Name, settings, OnProbeEnded);
    }

    public Link Link { get; }

    /// <summary>The cost of all probes in bytes of IP, both directions.</summary>
    public long ProbeBytes => _prober.Bytes;

    /// <summary>The last evidence packet, described; null if there was none.</summary>
    public string? EvidenceWords =>
        Frame.TryDescribe(_lastEvidence, out string? packet, out _) ? packet : null;

    /// <summary>When the last evidence arrived, in the loop's time.</summary>
    public TimeSpan EvidenceAt { get; private set; }

    /// <summary>
    /// Opens the evidence socket, or updates its subnets. Call it when the kernel's state has changed.
    /// </summary>
    /// <param name="state">The kernel's state.</param>
    /// <param name="subnets">The subnets of all devices in that state.</param>
    public void Refresh(KernelState state, LinkSubnets subnets)
    {
        if (_evidence is not null && _ifindex != Link.Facts.Ifindex)
        {
            _evidence.Dispose();
            _evidence = null;
        }
        _device = state.Find(Link.Facts.Ifindex)?.Name ?? Link.Name;
        if (!Link.Facts.Runs)
        {
            return;
        }
        List<Subnet> own = subnets.Of(Link.Facts.Ifindex);
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

    /// <summary>Retries what failed for lack of memory or descriptors. Call it every tick.</summary>
    public void Retry(KernelState state)
    {
        _isRetrying = true;
        if (Link.Facts.Runs && _evidence is not { IsGone: false })
        {
            Refresh(state, new LinkSubnets(state));
        }
        else if (_hasMissedSetting)
        {
            CheckSettings();
        }
        _isRetrying = false;
    }

    /// <summary>Begins a tick: reports the first evidence of it.</summary>
    /// <param name="isForOutgoing">Report outgoing packets, too.</param>
    public void Listen(bool isForOutgoing) => _evidence?.Rearm(isForOutgoing);

    /// <summary>
    /// Starts a probe. The evidence socket stays silent until the first tick after the probe, because the
    /// packets of a probe are not evidence. If the probe has a limit of its own, the socket continues to
    /// listen: any packet that arrives, even for an application, extends the limit to the usual time.
    /// </summary>
    public void StartProbe(KernelState state, bool isEarly, TimeSpan? limit, TimeSpan now)
    {
        if (limit is not null)
        {
            _evidence?.Rearm(outgoing: false);
        }
        else
        {
            _evidence?.Mute();
        }
        _asked = NameServersOf(state);
        _isProbeEarly = isEarly;
        _probeLimit = limit;
        _probeAt = now;
        Probe(now);
    }

    private void Probe(TimeSpan now) =>
        _prober.Start(isIpv6: !Link.Facts.Ipv4.IsConnected, _asked!, _isProbeEarly, _probeLimit, now);

    /// <summary>
    /// Reports whether the firewall is being installed or restored. It may then drop the packets of a probe,
    /// so a probe without an answer proves nothing: it is repeated when the rules are in force.
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
    /// Reports if the link's name servers differ from those that its last probe asked; only for an
    /// unconfirmed link that is not being probed. Call it every tick, and when name servers have changed.
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
        _servers.Of(
            KernelFacts.ServersOf(state, Link.Kind, Link.Name, Link.Facts, Link.Index),
            KernelFacts.Gateways(state, Link.Facts.Ifindex));

    /// <summary>Cancels the running probe; it reports no result.</summary>
    public void CancelProbe()
    {
        _prober.Cancel();
        _evidence?.Mute();
    }

    private void Open()
    {
        CheckSettings();
        _evidence?.Dispose();
        _ifindex = Link.Facts.Ifindex;
        _evidence = EvidenceSocket.Open(
            _loop, _ifindex, CollectionsMarshal.AsSpan(_own), LinkSocket.Mark, OnEvidence,
            () => _tell(new News(NewsKind.Outgoing, _loop.Now, Link)), out KernelError error);
        if (_evidence is null)
        {
            _log.Event(
                EventFacts.OfLink(
                    Link.Name, "evidence", $"cannot listen for evidence: {error.ToString()}, retrying"),
                _hasWarnedDeaf ? LogLevel.Debug : LogLevel.Warn);
        }
        else if (!Link.IsProbing)
        {
            _evidence.Rearm(Link.WantsOutgoing);
        }
        _hasWarnedDeaf = _evidence is null;
    }

    /// <summary>
    /// Applies the sysctl settings that the daemon depends on. Call it when the device appears and when
    /// the kernel reports a change: another program (`sysctl --system`, ufw) may apply its own settings
    /// later.
    /// </summary>
    public void CheckSettings()
    {
        if (Link.Facts.Ifindex == 0)
        {
            return;
        }
        _hasMissedSetting = false;
        LoosenReversePathFilter();
        CheckSilentSettings();
        foreach (string family in _ignoresLinkdownRoutes ? (ReadOnlySpan<string>)["ipv4", "ipv6"] : [])
        {
            // With this setting, the kernel itself skips the routes of a link that has lost carrier, without
            // delay.
            string path = $"/proc/sys/net/{family}/conf/{_device}/ignore_routes_with_linkdown";
            if (Read(path) is ['0', ..] && SmallFile.Overwrite(path, "1\n"u8) is not 0 and int errno)
            {
                LogSetting(path, errno);
            }
        }
    }

    /// <summary>
    /// Applies the settings whose changes the kernel does not report. If two links are in one LAN, each must
    /// answer ARP for its own addresses alone, and ask with one of them (Documentation/networking/
    /// ip-sysctl.rst): else answers to one link's packets arrive on the other.
    /// </summary>
    public void CheckSilentSettings()
    {
        if (Link.Facts.Ifindex != 0)
        {
            Raise("arp_ignore", '1');
            Raise("arp_announce", '2');
        }
    }

    /// <summary>
    /// Raises an IPv4 setting of the link. The larger one of the link's and that of `all` is in force.
    /// </summary>
    private void Raise(string setting, char least)
    {
        string path = $"/proc/sys/net/ipv4/conf/{_device}/{setting}";
        if (Read(path) is [>= '0' and <= '9', ..] own && own[0] < least
            && (Read($"/proc/sys/net/ipv4/conf/all/{setting}") is not [>= '0' and <= '9', ..] all
                || all[0] < least)
            && SmallFile.Overwrite(path, [(byte)least, (byte)'\n']) is not 0 and int errno)
        {
            LogSetting(path, errno);
        }
    }

    /// <summary>
    /// Sets strict reverse-path filtering to loose: strict filtering drops the answers to probes of a link
    /// that is not in use.
    /// </summary>
    private void LoosenReversePathFilter()
    {
        string path = ReversePathFilter.Path(_device);
        if (ReversePathFilter.IsStrict(Read(ReversePathFilter.Path("all")), Read(path)))
        {
            int errno = SmallFile.Overwrite(path, "2\n"u8);
            _hasMissedSetting |= Errno.IsShortage(errno);
            if (_filterPace.TryTake(_loop.Now))
            {
                string what = errno == 0 ? "set to 2 (loose)" : Errno.Text(errno);
                _log.Event(
                    EventFacts.OfLink(Link.Name, "rp_filter", $"rp_filter was 1 (strict), {what}"));
            }
        }
    }

    private void LogSetting(string path, int errno)
    {
        _hasMissedSetting |= Errno.IsShortage(errno);
        _log.Event(
            EventFacts.OfLink(Link.Name, path, $"{Errno.Text(errno)}, ignoring", path),
            _isRetrying ? LogLevel.Debug : LogLevel.Warn);
    }

    private string? Read(string path)
    {
        string? text = SmallFile.Read(path, FileLimit, out _, out int errno);
        _hasMissedSetting |= Errno.IsShortage(errno);
        return text;
    }

    private void OnEvidence()
    {
        if (Link.IsProbing)
        {
            _prober.SeeLife(); // of the application or of the probe itself
            return;
        }
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
        if (_isDisturbed && result.Outcome is ProbeOutcome.NoAnswer && _loop.Now - _probeAt < LongestDelay)
        {
            _log.Debug($"probe of {Link.Name}: {result.Detail}; not judged before the firewall is in force");
            return;
        }
        _evidence?.Mute();
        _log.Event(EventFacts.ProbeEnded(Link.Name, result.Detail), LogLevel.Debug);
        _tell(new News(NewsKind.ProbeEnded, _loop.Now, Link, result));
    }

    public void Dispose()
    {
        _prober.Dispose();
        _evidence?.Dispose();
    }
}
