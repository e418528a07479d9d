using System.Globalization;
using System.Net;
using System.Net.Sockets;
using ConnMgr.Attributes;
using ConnMgr.Cli;
using ConnMgr.Config;
using ConnMgr.Control;
using ConnMgr.Dns;
using ConnMgr.EventLoop;
using ConnMgr.Firewall;
using ConnMgr.Links;
using ConnMgr.Logging;
using ConnMgr.Native;
using ConnMgr.Net;
using ConnMgr.Netlink;
using ConnMgr.Probe;
using ConnMgr.Resolver;

namespace ConnMgr.Status;

/// <summary>Builds the answers to `status` and `metrics`.</summary>
internal sealed class StatusReport(
    Loop loop, Log log, KernelState state, LinkDriver links, AttributeReport? attributes, Lockdown? lockdown,
    ResolverDriver resolver, BudgetDriver budgets, Options options, TimeSpan startedAt)
{
    private const int ProcFileLimit = 65536;
    private const int Usage = 64; // EX_USAGE

    private readonly UsageTally _usage = new(CounterFile.Read);
    private TimeSpan? _reloadedAt;
    private bool _isReloadGood = true;
    private readonly long[] _refused = new long[(int)DnsVerdict.LostStream + 1];

    /// <summary>Records durations and switches. Call it after each batch of events.</summary>
    public void Observe(TimeSpan now) => _usage.Observe(
        links.View, links.View.InUse is { } link ? state.Find(link.Facts.Ifindex)?.Name : null, now);

    /// <summary>Records the end of a reload.</summary>
    public void ReloadEnded(bool isGood, TimeSpan now) => (_reloadedAt, _isReloadGood) = (now, isGood);

    /// <summary>Logs how many replies were refused since the last tick. Call it every tick.</summary>
    public void Tick()
    {
        if (lockdown is null)
        {
            return;
        }
        string words = "";
        for (DnsVerdict verdict = DnsVerdict.BadPacket; verdict <= DnsVerdict.LostStream; verdict++)
        {
            if (verdict == DnsVerdict.ErrorCode)
            {
                continue; // a correct answer, although without addresses
            }
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
    /// Answers `status` and `metrics`. Exit status 0: a link is confirmed. 3: one is, but --audit is on. 2:
    /// no link is confirmed, but a metered one is assumed good. 1: neither, or the lockdown of an earlier run
    /// cuts off the cloud, this device drops what the lockdown admits, or firewall.user failed.
    /// </summary>
    /// <param name="request">The request.</param>
    /// <param name="reply">Receives the answer.</param>
    /// <param name="flowLimit">The flows over the old link that cannot be ended after a switch, as a phrase;
    /// null if all can be ended.</param>
    /// <param name="now">The loop's time.</param>
    public int Answer(in ControlRequest request, Utf8Text reply, string? flowLimit, TimeSpan now)
    {
        DaemonStatus status = Describe(flowLimit, now);
        if (request.Link is not null)
        {
            return AnswerLink(status, request, reply);
        }
        if (request.Verb == ControlVerb.Metrics)
        {
            new MetricsText(reply, request.IsOpenMetrics).Write(status, log.Events);
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
        bool isFirewallWrong = status.Firewall is { Drops.Count: > 0 } or { UserStatus: not null };
        return (int)(status.IsLockedByEarlier || isFirewallWrong ? ExitCode.Failed
            : status.IsAnyConfirmed ? lockdown?.Audit is null ? ExitCode.Ok : ExitCode.Audit
            : status.IsAnyAssumed ? ExitCode.Assumed : ExitCode.Failed);
    }

    /// <summary>
    /// Answers `status LINK`. Exit status 0: it is confirmed; 2: assumed good; 1: neither; 64: no such link.
    /// </summary>
    private int AnswerLink(DaemonStatus status, in ControlRequest request, Utf8Text reply)
    {
        string name = request.Link!;
        LinkStatus? link = status.Links.FirstOrDefault(link => link.Name == name);
        if (link is null)
        {
            reply.Add(links.View.NoLink(name));
            return Usage;
        }
        if (request.IsText)
        {
            StatusText.Write(link, request.IsColored, reply);
        }
        else
        {
            StatusJson.Write(link, new JsonWriter(reply));
            reply.Add('\n');
        }
        return (int)(link.IsConfirmed ? ExitCode.Ok : link.IsAssumed ? ExitCode.Assumed : ExitCode.Failed);
    }

    private DaemonStatus Describe(string? flowLimit, TimeSpan now)
    {
        string counters = CounterFile.Read();
        DateTime wall = DateTime.UtcNow;
        ConnectionView view = links.View;
        LinkStatus[] described = new LinkStatus[view.Links.Count];
        for (int i = 0; i < described.Length; i++)
        {
            described[i] = Describe(i, counters, now, wall);
        }
        return new DaemonStatus
        {
            Version = BuildInfo.Revision,
            Time = wall,
            StartedAt = wall - (now - startedAt),
            ChangedAt = wall - (now - _usage.ChangedAt),
            ReloadedAt = wall - (now - _reloadedAt),
            IsReloadGood = _isReloadGood,
            Changes = _usage.Changes,
            Uptime = now - startedAt,
            MemoryBytes = ResidentBytes(),
            WakeUps = loop.WakeUps,
            InUse = view.InUse?.Name,
            InUseFor = now - view.InUseSince,
            InUseIpv4 = view.InUseIpv4,
            InUseIpv6 = view.InUseIpv6,
            Choice = view.Choice,
            Reason = view.Reason,
            ReasonAge = now - view.ChosenAt,
            Switch = view.Switch.State,
            SwitchFailure = view.Switch.Failure,
            Switches = new SwitchCounts(view.Switch.Succeeded, view.Switch.Failed, view.Switch.Repairs),
            LastSwitchTook = view.Switch.LastTook,
            LastRepairAge = now - view.Switch.LastRepairAt,
            FlowLimit = flowLimit,
            Attrd = attributes?.Words,
            IsAttrdConnected = attributes is { IsConnected: true },
            ResolverWarning = resolver.Warning(view) is { Length: > 0 } warning ? warning : null,
            ResolverWords = resolver.Words,
            ResolverServers = resolver.Servers,
            Preferred = view.Preferred,
            PreferredFor = view.PreferredUntil == TimeSpan.MaxValue ? null : view.PreferredUntil - now,
            Hint = view.InUse is null
                ? InterfaceHint.For(state, [.. view.Links.Select(link => link.Name)])
                : null,
            Services = [.. options.Services.Select(Describe)],
            Links = described,
            Firewall = lockdown is null ? null : LockdownStatus.Of(lockdown, now),
            IsLockedByEarlier = lockdown is null && OldLockdown.IsRecorded(options.RunDirectory),
        };
    }

    private ServiceStatus Describe(ProbeUrl service)
    {
        string url = service.ToString();
        ServiceTrust trust = links.Core.Trust;
        return new ServiceStatus(
            url, service.Scheme.Strength().Name(), service.Scheme.Cost(), trust.Proven.Contains(url),
            trust.SuspectedBy(url)?.Name, trust.IsSuspected(url));
    }

    private LinkStatus Describe(int index, string counters, TimeSpan now, DateTime wall)
    {
        LinkView link = links.View.Links[index];
        LinkSockets sockets = links.Sockets[index];
        (ulong received, ulong sent) = InterfaceCounters.Find(
            counters, state.Find(link.Facts.Ifindex)?.Name ?? link.Name);
        (int failures, TimeSpan? lastFailure) = links.Core.FailuresOf(index, now);
        LinkUsage usage = _usage.Of(link.Name, counters, now);
        bool isBlocked = link.Budget == LinkBudget.Blocked;
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
            Words = link.State == LinkState.Failed && link.LastProbe is { } failed
                ? failed.Detail
                : link.Words,
            StateFor = now - (link.Since == default ? startedAt : link.Since),
            UpFor = now - link.UpSince,
            IsInUse = link == links.View.InUse,
            IsMetered = link.IsMetered,
            IsConfirmed = link.State == LinkState.Confirmed && !link.IsAssumed && !isBlocked,
            IsAssumed = link.IsAssumed && !isBlocked,
            Budget = budgets.Find(link.Name) is { } budget ? Describe(budget, isBlocked) : null,
            Ipv4 = AddressOf(link.Facts.Ifindex, isIpv6: false),
            Ipv6 = AddressOf(link.Facts.Ifindex, isIpv6: true),
            Evidence = sockets.EvidenceWords,
            EvidenceAge = now - sockets.EvidenceAt,
            Probe = link.LastProbe?.Outcome switch
            {
                null => null,
                ProbeOutcome.ServiceAnswered => "echo",
                ProbeOutcome.WrongContent => "wrong content",
                ProbeOutcome.PingOnly => "ping only",
                _ => "no answer",
            },
            ProbeWords = link.LastProbe?.Detail ?? "",
            ProbeService = link.LastProbe?.Service,
            ProbeStrength = link.LastProbe is { Outcome: ProbeOutcome.ServiceAnswered } right
                ? right.Strength
                : null,
            ProbeAge = link.LastProbe is null ? TimeSpan.Zero : now - link.ProbeEndedAt,
            RoundTrip = link.LastProbe?.RoundTrip,
            IsProbing = link.IsProbing,
            Probes = new ProbeCounts(
                link.Tally.Echo, link.Tally.WrongContent, link.Tally.PingOnly, link.Tally.NoAnswer),
            Failures = failures,
            FailureAge = now - lastFailure,
            HoldLeft = links.Core.HoldLeft(index, now),
            BytesReceived = received,
            BytesSent = sent,
            ProbeBytes = sockets.ProbeBytes,
            ProbeBytesPerDay = (long)(
                sockets.ProbeBytes * 86400.0 / Math.Max(60, (now - startedAt).TotalSeconds)),
            BusyRoundTrip = link.RoundTrip,
            Patience = links.Core.PatienceOf(index, now),
            Usage = usage,
            ProvedAt = wall - (now - usage.ProvedAt),
        };
    }

    private BudgetStatus Describe(ByteBudget budget, bool isBlocked) => new()
    {
        Bytes = budget.Limit,
        Used = budget.Used,
        Percent = budget.Percent,
        Level = budget.Level switch
        {
            BudgetLevel.Low => "ok",
            BudgetLevel.Near => "warning",
            _ => "over",
        },
        IsBlocked = isBlocked,
        ResetsAt = budget.Account.Until,
        Trouble = budgets.Trouble,
    };

    /// <summary>Returns the first usable address of a family, and the first gateway.</summary>
    private AddressStatus AddressOf(int ifindex, bool isIpv6)
    {
        AddressFamily family = isIpv6 ? AddressFamily.InterNetworkV6 : AddressFamily.InterNetwork;
        IPAddress? first = null;
        foreach (DeviceAddress address in state.Addresses)
        {
            if (address.Ifindex == ifindex && address.IsUsable && address.Address.AddressFamily == family)
            {
                first ??= address.Address;
            }
        }
        IPAddress? gateway = null;
        foreach (DefaultRoute route in state.Routes)
        {
            if (route.Ifindex == ifindex && route.IsIpv6 == isIpv6)
            {
                gateway ??= route.Gateway;
            }
        }
        return new AddressStatus(
            first?.ToString(), gateway?.ToString(), state.OriginOf(ifindex, isIpv6));
    }

    /// <summary>
    /// Reads the second number of /proc/self/statm (proc_pid_statm(5)), which counts pages, as bytes.
    /// </summary>
    private static long ResidentBytes()
    {
        ReadOnlySpan<char> text = SmallFile.Read("/proc/self/statm", ProcFileLimit, out _, out _);
        text = text[(text.IndexOf(' ') + 1)..];
        int end = text.IndexOf(' ');
        return end > 0 && long.TryParse(text[..end], NumberStyles.None, CultureInfo.InvariantCulture,
            out long pages)
            ? pages * Environment.SystemPageSize
            : 0;
    }
}
