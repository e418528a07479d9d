using ConnMgr.Logging;

namespace ConnMgr.Status;

/// <summary>
/// Formats the status in the Prometheus text format 0.0.4 or as OpenMetrics 1.0, with their naming rules and
/// base units. Pure.
/// </summary>
/// <param name="text">Receives the metrics.</param>
/// <param name="isOpen">True for OpenMetrics: HELP and TYPE of a counter have its name without `_total`, and
/// the text ends with the line `# EOF`.</param>
internal sealed class MetricsText(Utf8Text text, bool isOpen)
{
    private const string Gauge = "gauge";
    private const string Counter = "counter";
    private const string CounterSuffix = "_total";

    /// <summary>
    /// The bounds of <see cref="UsageTally.Bounds"/> in seconds, as Prometheus writes them.
    /// </summary>
    private static readonly string[] Bounds =
        ["0.01", "0.025", "0.05", "0.1", "0.25", "0.5", "1", "2.5", "5"];

    /// <summary>Writes all metrics.</summary>
    public void Write(DaemonStatus status, EventRing events)
    {
        Head("build_info", Gauge, "The version that runs; always 1.");
        text.Add("connmgr_build_info{version=\""u8);
        AddLabelValue(status.Version);
        text.Add("\"} 1\n"u8);

        One("uptime_seconds", Gauge, "Time since the start.", status.Uptime);
        Time("process_start_time_seconds", "When the daemon started, since 1970.", status.StartedAt);
        One("resident_memory_bytes", Gauge, "Resident set of the daemon.", status.MemoryBytes);
        One("wakeups_total", Counter, "How often the event loop has woken up.", status.WakeUps);
        Head(
            "link_confirmed", Gauge,
            "1 if the cloud is confirmed over at least one link, 0.5 if a metered link is assumed to work, "
                + "else 0.");
        text.Add(status.IsAnyConfirmed ? "connmgr_link_confirmed 1\n"u8
            : status.IsAnyAssumed ? "connmgr_link_confirmed 0.5\n"u8
            : "connmgr_link_confirmed 0\n"u8);
        if (status.Services.Count > 0)
        {
            Head(
                "service_proven", Gauge,
                "1 if the service has answered a probe correctly since the start.");
        }
        foreach (ServiceStatus service in status.Services)
        {
            text.Add("connmgr_service_proven{service=\""u8);
            AddLabelValue(service.Url);
            text.Add("\"} "u8).Add(service.IsProven ? 1 : 0).Add('\n');
        }
        if (status.Attrd is not null)
        {
            One(
                "attrd_connected", Gauge, "1 while the attribute daemon accepts connmgr.",
                status.IsAttrdConnected ? 1 : 0);
        }

        Head("switches_total", Counter, "Ended attempts to switch to another link.");
        Sample("switches_total", "result", "succeeded").Add(status.Switches.Succeeded).Add('\n');
        Sample("switches_total", "result", "failed").Add(status.Switches.Failed).Add('\n');
        One(
            "route_repairs_total", Counter, "Routes repaired after another program changed them.",
            status.Switches.Repairs);
        if (status.LastSwitchTook is { } took)
        {
            One(
                "last_switch_duration_seconds", Gauge, "From the decision to the kernel's routes.",
                took);
        }

        Head("link_changes_total", Counter, "How often one link followed another as the one in use.");
        foreach (LinkChange change in status.Changes)
        {
            text.Add("connmgr_link_changes_total{from=\""u8);
            AddLabelValue(change.From.Length > 0 ? change.From : "none");
            text.Add("\",to=\""u8);
            AddLabelValue(change.To.Length > 0 ? change.To : "none");
            text.Add("\"} "u8).Add(change.Count).Add('\n');
        }
        Time(
            "last_link_change_timestamp_seconds", "When another link came into use.",
            status.ChangedAt);
        Time(
            "last_reload_timestamp_seconds", "When the configuration was last read again.",
            status.ReloadedAt);
        One(
            "last_reload_successful", Gauge, "0 if the last reload was refused.",
            status.IsReloadGood ? 1 : 0);
        One(
            "hook_failures_total", Counter, "Hooks that failed or were not run.",
            events.Warnings(EventKind.Hook));
        WriteInfo(status);
        Head(
            "link_state", Gauge,
            "0 down, 1 no address or default route, 2 not a link, 3 unconfirmed, 4 failed, 5 confirmed, "
            + "6 assumed: metered, up, not confirmed.");
        foreach (LinkStatus link in status.Links)
        {
            Sample("link_state", link).Add(link.IsAssumed ? 6 : link.StateValue).Add('\n');
        }
        Head("link_state_duration_seconds", Gauge, "How long the link has been in its state.");
        foreach (LinkStatus link in status.Links)
        {
            Sample("link_state_duration_seconds", link).AddSeconds(link.StateFor).Add('\n');
        }
        Head("link_in_use", Gauge, "1 for the link over which the kernel's routes lead.");
        foreach (LinkStatus link in status.Links)
        {
            Sample("link_in_use", link).Add(link.IsInUse ? 1 : 0).Add('\n');
        }
        Head("link_failures", Gauge, "Failures within the last hour, at most 8.");
        foreach (LinkStatus link in status.Links)
        {
            Sample("link_failures", link).Add(link.Failures).Add('\n');
        }
        Head(
            "link_hold_seconds", Gauge,
            "How long the link must still stay good before it replaces the link in use.");
        foreach (LinkStatus link in status.Links)
        {
            Sample("link_hold_seconds", link).AddSeconds(link.HoldLeft).Add('\n');
        }
        Head("link_receive_bytes_total", Counter, "By the kernel's counter of the interface.");
        foreach (LinkStatus link in status.Links)
        {
            Sample("link_receive_bytes_total", link).Add((long)link.BytesReceived).Add('\n');
        }
        Head("link_transmit_bytes_total", Counter, "By the kernel's counter of the interface.");
        foreach (LinkStatus link in status.Links)
        {
            Sample("link_transmit_bytes_total", link).Add((long)link.BytesSent).Add('\n');
        }
        Head("probe_bytes_total", Counter, "IP bytes of probes, both directions.");
        foreach (LinkStatus link in status.Links)
        {
            Sample("probe_bytes_total", link).Add(link.ProbeBytes).Add('\n');
        }
        if (status.Links.Any(link => link.Budget is not null))
        {
            WriteBudgets(status);
        }
        WriteUsage(status);
        Head("probes_total", Counter, "Ended probes.");
        foreach (LinkStatus link in status.Links)
        {
            Sample("probes_total", link, "result", "echo").Add(link.Probes.Echo).Add('\n');
            Sample("probes_total", link, "result", "wrong_content").Add(link.Probes.WrongContent)
                .Add('\n');
            Sample("probes_total", link, "result", "ping_only").Add(link.Probes.PingOnly).Add('\n');
            Sample("probes_total", link, "result", "no_answer").Add(link.Probes.NoAnswer).Add('\n');
        }
        Head(
            "probe_round_trip_seconds", Gauge,
            "Round-trip time of the last probe, if it was answered.");
        foreach (LinkStatus link in status.Links)
        {
            if (link.RoundTrip is { } roundTrip)
            {
                Sample("probe_round_trip_seconds", link).AddMicroseconds(roundTrip).Add('\n');
            }
        }

        if (status.Firewall is { } firewall)
        {
            Write(firewall);
        }
        One(
            "locked_by_earlier_start", Gauge,
            "1 if connmgr runs without a firewall on a device that an earlier start has locked.",
            status.IsLockedByEarlier ? 1 : 0);

        Head("events_total", Counter, "Events by kind.");
        for (EventKind kind = 0; kind <= EventKind.Hook; kind++)
        {
            Sample("events_total", "kind", kind.Name()).Add(events.Total(kind)).Add('\n');
        }
        Head(
            "warnings_total", Counter, "Events that are warnings or errors: scripts that failed, too.");
        for (EventKind kind = 0; kind <= EventKind.Hook; kind++)
        {
            Sample("warnings_total", "kind", kind.Name()).Add(events.Warnings(kind)).Add('\n');
        }
        if (isOpen)
        {
            text.Add("# EOF\n"u8);
        }
    }

    /// <summary>The addresses and gateways of the links that have any.</summary>
    private void WriteInfo(DaemonStatus status)
    {
        Head("link_info", Gauge, "Addresses and gateways of the link; always 1.");
        foreach (LinkStatus link in status.Links)
        {
            text.Add("connmgr_link_info{link=\""u8);
            AddLabelValue(link.Name);
            text.Add("\",kind=\""u8).Add(link.Kind)
                .Add("\",ipv4=\""u8).Add(link.Ipv4.Address ?? "")
                .Add("\",ipv4_gateway=\""u8).Add(link.Ipv4.Gateway ?? "")
                .Add("\",ipv6=\""u8).Add(link.Ipv6.Address ?? "")
                .Add("\",ipv6_gateway=\""u8).Add(link.Ipv6.Gateway ?? "")
                .Add("\"} 1\n"u8);
        }
    }

    /// <summary>The budgets of the links that have one.</summary>
    private void WriteBudgets(DaemonStatus status)
    {
        Head("link_budget_bytes", Gauge, "The bytes that a metered link may use in a month.");
        foreach (LinkStatus link in status.Links)
        {
            if (link.Budget is { } budget)
            {
                Sample("link_budget_bytes", link).Add(budget.Bytes).Add('\n');
            }
        }
        Head("link_budget_used_bytes", Gauge, "The bytes of this month, both directions.");
        foreach (LinkStatus link in status.Links)
        {
            if (link.Budget is { } budget)
            {
                Sample("link_budget_used_bytes", link).Add(budget.Used).Add('\n');
            }
        }
        Head("link_budget_reset_timestamp_seconds", Gauge, "Unix time at which the next month begins.");
        foreach (LinkStatus link in status.Links)
        {
            if (link.Budget?.ResetsAt is { } at)
            {
                Sample("link_budget_reset_timestamp_seconds", link)
                    .AddSeconds(at - DateTime.UnixEpoch).Add('\n');
            }
        }
    }

    private void WriteUsage(DaemonStatus status)
    {
        Head("link_in_use_seconds_total", Counter, "How long the link was in use.");
        foreach (LinkStatus link in status.Links)
        {
            Sample("link_in_use_seconds_total", link)
                .AddSeconds(link.Usage?.InUse ?? default).Add('\n');
        }
        Head(
            "link_in_use_bytes_total", Counter,
            "Bytes that the link received and sent while it was in use.");
        foreach (LinkStatus link in status.Links)
        {
            Sample("link_in_use_bytes_total", link).Add((long)(link.Usage?.BytesInUse ?? 0)).Add('\n');
        }
        Head(
            "link_last_proof_timestamp_seconds", Gauge,
            "When a service last answered correctly over the link.");
        foreach (LinkStatus link in status.Links)
        {
            if (link.ProvedAt is { } at)
            {
                Sample("link_last_proof_timestamp_seconds", link)
                    .AddSeconds(at - DateTime.UnixEpoch).Add('\n');
            }
        }
        Head("probe_duration_seconds", "histogram", "How long probes took, whatever their result.");
        foreach (LinkStatus link in status.Links)
        {
            if (link.Usage is { } usage)
            {
                WriteDurations(link, usage);
            }
        }
    }

    private void WriteDurations(LinkStatus link, LinkUsage usage)
    {
        long count = 0;
        for (int i = 0; i < usage.Durations.Length; i++)
        {
            count += usage.Durations[i];
            Sample("probe_duration_seconds_bucket", link, "le", i < Bounds.Length ? Bounds[i] : "+Inf")
                .Add(count).Add('\n');
        }
        Sample("probe_duration_seconds_sum", link).AddMicroseconds(usage.DurationSum).Add('\n');
        Sample("probe_duration_seconds_count", link).Add(count).Add('\n');
    }

    private void Time(string name, string help, DateTime? at)
    {
        if (at is { } time)
        {
            Head(name, Gauge, help);
            text.Add("connmgr_"u8).Add(name).Add(' ').AddSeconds(time - DateTime.UnixEpoch).Add('\n');
        }
    }

    private void Write(FirewallStatus firewall)
    {
        One(
            "firewall_locked", Gauge, "1 while the rules of the lockdown are in force.",
            firewall.IsLocked ? 1 : 0);
        One(
            "firewall_audit", Gauge, "1 while --audit is on: nothing is dropped.",
            firewall.IsAudit ? 1 : 0);
        One(
            "firewall_local_drops", Gauge,
            "1 while this device drops what the lockdown admits: another program's rules do that.",
            firewall.Drops.Count > 0 ? 1 : 0);
        One(
            "lockdown_failed", Gauge, "1 if the last run of init_firewall.sh failed.",
            firewall.HasLastFailed ? 1 : 0);
        One(
            "firewall_user_failed", Gauge, "1 if firewall.user failed: the device is locked without it.",
            firewall.UserStatus is null ? 0 : 1);
        One(
            "lockdown_failures_total", Counter, "Runs of init_firewall.sh that failed.",
            firewall.Failures);
        One(
            "firewall_repairs_total", Counter,
            "Firewall rules restored after another program changed them.",
            firewall.Repairs);
        One(
            "whitelist_entries", Gauge, "Names, addresses and prefixes of the whitelist.",
            firewall.Entries);
        One("holes", Gauge, "Addresses that are open because of a name.", firewall.Holes);
        One("dns_questions_total", Counter, "DNS questions seen.", firewall.Questions);
        Head(
            "dns_replies_total", Counter,
            "DNS replies by result; all but answers and error codes were refused.");
        foreach ((string verdict, long count) in firewall.Replies)
        {
            Sample("dns_replies_total", "verdict", verdict.Replace(' ', '_')).Add(count).Add('\n');
        }
        One(
            "dns_replies_held_total", Counter, "DNS replies held until their addresses were open.",
            firewall.Held);
        One(
            "dns_replies_late_total", Counter,
            "Held DNS replies released before all their addresses were open.",
            firewall.Late);
        One(
            "dns_dropped_total", Counter, "False replies to open questions that were dropped.",
            firewall.Dropped);
        One(
            "dns_queue_overruns_total", Counter,
            "How often the queue was full and DNS replies passed unread.",
            firewall.Overruns);
        One(
            "dns_bad_addresses_total", Counter,
            "Addresses of whitelisted names that may never be opened.",
            firewall.BadAddresses);
    }

    private void Head(string name, string type, string help)
    {
        ReadOnlySpan<char> family = isOpen && name.EndsWith(CounterSuffix, StringComparison.Ordinal)
            ? name.AsSpan(0, name.Length - CounterSuffix.Length)
            : name;
        text.Add("# HELP connmgr_"u8).Add(family).Add(' ').Add(help)
            .Add("\n# TYPE connmgr_"u8).Add(family).Add(' ').Add(type).Add('\n');
    }

    private void One(string name, string type, string help, long value)
    {
        Head(name, type, help);
        text.Add("connmgr_"u8).Add(name).Add(' ').Add(value).Add('\n');
    }

    private void One(string name, string type, string help, TimeSpan value)
    {
        Head(name, type, help);
        text.Add("connmgr_"u8).Add(name).Add(' ').AddMicroseconds(value).Add('\n');
    }

    private Utf8Text Sample(string name, string label, string value) =>
        text.Add("connmgr_"u8).Add(name).Add('{').Add(label).Add("=\""u8).Add(value).Add("\"} "u8);

    private Utf8Text Sample(
        string name, LinkStatus link, string label = "", string value = "")
    {
        text.Add("connmgr_"u8).Add(name).Add("{link=\""u8);
        AddLabelValue(link.Name);
        text.Add("\",kind=\""u8).Add(link.Kind).Add('"');
        if (label.Length > 0)
        {
            text.Add(',').Add(label).Add("=\""u8).Add(value).Add('"');
        }
        return text.Add("} "u8);
    }

    /// <summary>Escapes backslashes and quotes; the values have no line feeds.</summary>
    private void AddLabelValue(string value)
    {
        foreach (char c in value)
        {
            text.Add(c is '"' or '\\' ? "\\" : "").Add([c]);
        }
    }
}
