using System.Globalization;
using System.Net;
using System.Net.Sockets;
using ConnMgr.Attributes;
using ConnMgr.Control;
using ConnMgr.Dns;
using ConnMgr.EventLoop;
using ConnMgr.Firewall;
using ConnMgr.Links;
using ConnMgr.Logging;
using ConnMgr.Native;
using ConnMgr.Netlink;

namespace ConnMgr.Status;

/// <summary>Builds the status of the daemon on request.</summary>
internal sealed class StatusReport(
    Loop loop, Log log, KernelState table, IReadOnlyList<MonitoredLink> links, Selector selector,
    AttributeReport? attributes, Lockdown? lockdown, TimeSpan startedAt)
{
    private const int ProcFileLimit = 65536;

    private readonly long[] _refused = new long[(int)DnsVerdict.LostStream + 1];
    private Link? _inUse;
    private TimeSpan _inUseSince;
    private TimeSpan _decidedAt;
    private SwitchState _switch;
    private string _switchFailure = "";
    private SwitchCounts _switches;
    private TimeSpan? _lastSwitchTook;
    private TimeSpan? _lastRepairAt;

    /// <summary>Takes the link over which the kernel's routes lead from now on.</summary>
    public void SeeInUse(Link? inUse, TimeSpan now)
    {
        _inUse = inUse;
        _inUseSince = now;
    }

    /// <summary>Records the time of a new decision.</summary>
    public void SeeDecision(TimeSpan now) => _decidedAt = now;

    /// <summary>Records that switch_route.sh was started.</summary>
    public void SeeSwitchBegin() => _switch = SwitchState.UnderWay;

    /// <summary>Records a successful switch.</summary>
    /// <param name="isRepair">True if it repaired a route that another program changed.</param>
    /// <param name="took">The time since the decision.</param>
    /// <param name="now">The current time.</param>
    public void SeeSwitch(bool isRepair, TimeSpan took, TimeSpan now)
    {
        _switch = SwitchState.None;
        _lastSwitchTook = took;
        _switches = isRepair
            ? _switches with { Repairs = _switches.Repairs + 1 }
            : _switches with { Succeeded = _switches.Succeeded + 1 };
        _lastRepairAt = isRepair ? now : _lastRepairAt;
    }

    /// <summary>Records a failed switch in words; null if it is not needed any more.</summary>
    public void SeeSwitchFailure(string? words)
    {
        _switch = words is null ? SwitchState.None : SwitchState.Failed;
        _switchFailure = words ?? "";
        _switches = _switches with { Failed = _switches.Failed + (words is null ? 0 : 1) };
    }

    /// <summary>Call it at each tick: logs the replies that were refused since the last one.</summary>
    public void Tick()
    {
        if (lockdown is null)
        {
            return;
        }
        string words = "";
        for (DnsVerdict verdict = DnsVerdict.BadPacket; verdict <= DnsVerdict.LostStream; verdict++)
        {
            long refused = lockdown.Watch.CountOf(verdict) - _refused[(int)verdict];
            if (refused > 0)
            {
                _refused[(int)verdict] += refused;
                words += $"{(words.Length > 0 ? ", " : "")}{refused} {LockdownStatus.NameOf(verdict)}";
            }
        }
        if (words.Length > 0)
        {
            log.Event(EventKind.Reply, $"refused replies: {words}", LogLevel.Debug);
        }
    }

    /// <summary>
    /// Answers `status` and `metrics`. Returns exit status 0 if a link is confirmed, else 1.
    /// </summary>
    public int Answer(in ControlRequest request, Utf8Text reply, TimeSpan now)
    {
        DaemonStatus status = Describe(now);
        if (request.Verb == ControlVerb.Metrics)
        {
            MetricsText.Write(status, log.Events, reply);
            return 0;
        }
        if (request.IsText)
        {
            StatusText.Write(status, request.IsColored, reply);
        }
        else
        {
            StatusJson.Write(status, new JsonWriter(reply));
            reply.Add('\n');
        }
        return status.IsAnyConfirmed ? 0 : 1;
    }

    private DaemonStatus Describe(TimeSpan now)
    {
        string counters = SmallFile.Read("/proc/net/dev", ProcFileLimit, out _, out _) ?? "";
        LinkStatus[] described = new LinkStatus[links.Count];
        for (int i = 0; i < described.Length; i++)
        {
            described[i] = Describe(links[i], counters, now);
        }
        return new DaemonStatus
        {
            Version = BuildInfo.Revision,
            Time = DateTime.UtcNow,
            Uptime = now - startedAt,
            MemoryBytes = ResidentBytes(),
            WakeUps = loop.WakeUps,
            InUse = _inUse?.Name,
            InUseFor = now - _inUseSince,
            Choice = selector.Choice?.Name,
            Reason = selector.Reason,
            ReasonAge = now - _decidedAt,
            Switch = _switch,
            SwitchFailure = _switch == SwitchState.Failed ? _switchFailure : "",
            Switches = _switches,
            LastSwitchTook = _lastSwitchTook,
            LastRepairAge = now - _lastRepairAt,
            Attrd = attributes?.Words,
            IsAttrdConnected = attributes is { IsConnected: true },
            Links = described,
            Firewall = lockdown is null ? null : LockdownStatus.Of(lockdown, now),
        };
    }

    private LinkStatus Describe(MonitoredLink monitored, string counters, TimeSpan now)
    {
        Link link = monitored.Link;
        (ulong received, ulong sent) = InterfaceCounters.Find(counters, link.Name);
        string? evidence = monitored.EvidenceWords;
        int[] probes = monitored.ProbesEnded;
        return new LinkStatus
        {
            Name = link.Name,
            Kind = link.Kind switch
            {
                LinkKind.Ethernet => "ethernet",
                LinkKind.WiFi => "wifi",
                _ => "wan",
            },
            StateValue = (int)link.State,
            State = link.State.Name(),
            Words = link.State == LinkState.Failed && monitored.LastProbe is { } failed
                ? failed.Detail
                : link.Words,
            StateFor = now - (link.Since == default ? startedAt : link.Since),
            UpFor = now - monitored.UpSince,
            IsInUse = link == _inUse,
            IsMetered = link.IsMetered,
            IsConfirmed = link.State == LinkState.Confirmed,
            Ipv4 = AddressOf(link.Facts.Ifindex, isIpv6: false),
            Ipv6 = AddressOf(link.Facts.Ifindex, isIpv6: true),
            Evidence = evidence,
            EvidenceAge = now - monitored.EvidenceAt,
            Probe = monitored.LastProbe?.Outcome switch
            {
                null => null,
                ProbeOutcome.EchoAnswered => "echo",
                ProbeOutcome.WrongContent => "wrong content",
                ProbeOutcome.PingOnly => "ping only",
                _ => "no answer",
            },
            ProbeWords = monitored.LastProbe?.Detail ?? "",
            ProbeAge = now - monitored.LastProbeAt,
            RoundTrip = monitored.LastProbe?.RoundTrip,
            IsProbing = link.IsProbing,
            Probes = new ProbeCounts(
                probes[(int)ProbeOutcome.EchoAnswered], probes[(int)ProbeOutcome.WrongContent],
                probes[(int)ProbeOutcome.PingOnly], probes[(int)ProbeOutcome.NoAnswer]),
            Failures = link.Failures.Count(now),
            FailureAge = now - link.Failures.Last,
            HoldLeft = selector.HoldLeft(link, now),
            BytesReceived = received,
            BytesSent = sent,
            ProbeBytes = monitored.ProbeBytes,
        };
    }

    /// <summary>The first usable address of a family and its first gateway.</summary>
    private AddressStatus AddressOf(int ifindex, bool isIpv6)
    {
        AddressFamily family = isIpv6 ? AddressFamily.InterNetworkV6 : AddressFamily.InterNetwork;
        IPAddress? first = null;
        foreach (DeviceAddress address in table.Addresses)
        {
            if (address.Ifindex == ifindex && address.IsUsable && address.Address.AddressFamily == family)
            {
                first ??= address.Address;
            }
        }
        IPAddress? gateway = null;
        foreach (DefaultRoute route in table.Routes)
        {
            if (route.Ifindex == ifindex && route.IsIpv6 == isIpv6)
            {
                gateway ??= route.Gateway;
            }
        }
        return new AddressStatus(first?.ToString(), gateway?.ToString());
    }

    /// <summary>The resident set: the second number of proc_pid_statm(5), in pages.</summary>
    private static long ResidentBytes()
    {
        ReadOnlySpan<char> text = SmallFile.Read("/proc/self/statm", ProcFileLimit, out _, out _);
        text = text[(text.IndexOf(' ') + 1)..];
        int end = text.IndexOf(' ');
        CultureInfo culture = CultureInfo.InvariantCulture;
        return end > 0 && long.TryParse(text[..end], NumberStyles.None, culture, out long pages)
            ? pages * Environment.SystemPageSize
            : 0;
    }
}
