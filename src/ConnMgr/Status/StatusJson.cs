using ConnMgr.Control;
using ConnMgr.Links;
using ConnMgr.Logging;

namespace ConnMgr.Status;

/// <summary>Formats the status as JSON according to scripts/status.schema.json. Pure.</summary>
internal static class StatusJson
{
    /// <summary>Increases when a member is removed or changes its meaning, not when one is added.</summary>
    public const int Version = 1;

    /// <summary>
    /// The size in bytes after which further entries are only counted, so that the document is complete.
    /// </summary>
    private const int RoomForEntries = ControlSocket.MaxReply - 4096;

    public static void Write(DaemonStatus status, JsonWriter json)
    {
        json.Open('{').Name("schema").Value(Version).Name("version").Value(status.Version)
            .Name("time").Value(status.Time).Name("uptime_seconds").Value(status.Uptime)
            .Name("memory_bytes").Value(status.MemoryBytes)
            .Name("confirmed").Value(status.IsAnyConfirmed).Name("assumed").Value(status.IsAnyAssumed);

        json.Name("in_use").Value(status.InUse)
            .Name("in_use_seconds").Value(status.InUse is null ? null : status.InUseFor)
            .Name("in_use_ipv4").Value(status.InUseIpv4).Name("in_use_ipv6").Value(status.InUseIpv6)
            .Name("choice").Value(status.Choice).Name("reason").Value(status.Reason)
            .Name("reason_age_seconds").Value(status.Choice is null ? null : status.ReasonAge)
            .Name("switch").Value(NameOf(status.Switch)).Name("switch_failure").Value(status.SwitchFailure)
            .Name("last_switch_seconds").Value(status.LastSwitchTook)
            .Name("last_repair_age_seconds").Value(status.LastRepairAge)
            .Name("switches").Open('{').Name("succeeded").Value(status.Switches.Succeeded)
            .Name("failed").Value(status.Switches.Failed)
            .Name("repairs").Value(status.Switches.Repairs).Close('}');

        json.Name("services").Open('[');
        foreach (ServiceStatus service in status.Services)
        {
            json.Open('{').Name("url").Value(service.Url).Name("strength").Value(service.Strength)
                .Name("cost_bytes").Value(service.Cost).Name("proven").Value(service.IsProven)
                .Name("suspected").Value(service.IsSuspected)
                .Name("suspected_by").Value(service.SuspectedBy).Close('}');
        }
        json.Close(']').Name("links").Open('[');
        foreach (LinkStatus link in status.Links)
        {
            Write(link, json);
        }
        json.Close(']');

        json.Name("attrd");
        if (status.Attrd is null)
        {
            json.Value((string?)null);
        }
        else
        {
            json.Open('{').Name("connected").Value(status.IsAttrdConnected)
                .Name("words").Value(status.Attrd).Close('}');
        }
        json.Name("flow_limit").Value(status.FlowLimit);
        json.Name("resolver").Open('{').Name("servers").Open('[');
        foreach (string server in status.ResolverServers)
        {
            json.Value(server);
        }
        json.Close(']').Name("words").Value(status.ResolverWords)
            .Name("warning").Value(status.ResolverWarning).Close('}');
        json.Name("preferred").Value(status.Preferred).Name("preferred_seconds_left")
            .Value(status.Preferred is null ? null : status.PreferredFor);
        json.Name("hint").Value(status.Hint)
            .Name("locked_by_earlier_start").Value(status.IsLockedByEarlier);
        json.Name("firewall");
        if (status.Firewall is null)
        {
            json.Value((string?)null);
        }
        else
        {
            Write(status.Firewall, json);
        }
        json.Close('}');
    }

    public static void Write(LinkStatus link, JsonWriter json)
    {
        json.Open('{').Name("name").Value(link.Name).Name("kind").Value(link.Kind)
            .Name("state").Value(link.State).Name("state_value").Value(link.StateValue)
            .Name("words").Value(link.Words).Name("state_seconds").Value(link.StateFor)
            .Name("up_seconds").Value(link.UpFor)
            .Name("in_use").Value(link.IsInUse).Name("metered").Value(link.IsMetered)
            .Name("confirmed").Value(link.IsConfirmed).Name("assumed").Value(link.IsAssumed);
        Write("ipv4", link.Ipv4, json);
        Write("ipv6", link.Ipv6, json);

        json.Name("evidence");
        if (link.Evidence is null)
        {
            json.Value((string?)null);
        }
        else
        {
            json.Open('{').Name("packet").Value(link.Evidence)
                .Name("age_seconds").Value(link.EvidenceAge).Close('}');
        }
        json.Name("probe");
        if (link.Probe is null)
        {
            json.Value((string?)null);
        }
        else
        {
            json.Open('{').Name("result").Value(link.Probe).Name("words").Value(link.ProbeWords)
                .Name("service").Value(link.ProbeService).Name("strength").Value(link.ProbeStrength)
                .Name("age_seconds").Value(link.ProbeAge)
                .Name("round_trip_seconds").Value(link.RoundTrip).Close('}');
        }
        json.Name("probing").Value(link.IsProbing)
            .Name("failures").Value(link.Failures).Name("failure_age_seconds").Value(link.FailureAge)
            .Name("hold_seconds").Value(link.HoldLeft)
            .Name("bytes_received").Value((long)link.BytesReceived)
            .Name("bytes_sent").Value((long)link.BytesSent)
            .Name("probe_bytes").Value(link.ProbeBytes)
            .Name("probe_bytes_per_day").Value(link.ProbeBytesPerDay)
            .Name("busy_round_trip_seconds").Value(link.BusyRoundTrip)
            .Name("patience_seconds").Value(link.Patience)
            .Name("budget");
        if (link.Budget is { } budget)
        {
            json.Open('{').Name("bytes").Value(budget.Bytes).Name("used_bytes").Value(budget.Used)
                .Name("percent").Value(budget.Percent).Name("level").Value(budget.Level)
                .Name("blocked").Value(budget.IsBlocked).Name("resets");
            if (budget.ResetsAt is { } resets)
            {
                json.Value(resets);
            }
            else
            {
                json.Value((string?)null);
            }
            json.Name("trouble").Value(budget.Trouble).Close('}');
        }
        else
        {
            json.Value((string?)null);
        }
        json.Close('}');
    }

    private static void Write(FirewallStatus firewall, JsonWriter json)
    {
        json.Open('{').Name("locked").Value(firewall.IsLocked)
            .Name("audit").Value(firewall.IsAudit)
            .Name("backend").Value(firewall.Backend).Name("backend_reason").Value(firewall.BackendReason)
            .Name("dns").Value(firewall.Dns).Name("dns_reason").Value(firewall.DnsReason)
            .Name("name_servers").Value(firewall.NameServers)
            .Name("mark_overwritten").Value(firewall.IsMarkOverwritten)
            .Name("probe_ports").Value(firewall.ProbePorts).Name("firewall_user_status");
        if (firewall.UserStatus is { } userStatus)
        {
            json.Value(userStatus);
        }
        else
        {
            json.Value((string?)null);
        }
        json.Name("probed").Open('[');
        foreach (string address in firewall.Probed)
        {
            json.Value(address);
        }
        json.Close(']').Name("local_drops").Open('[');
        foreach (string drop in firewall.Drops)
        {
            json.Value(drop);
        }
        json.Close(']').Name("other_chains").Open('[');
        foreach (string chain in firewall.OtherChains)
        {
            json.Value(chain);
        }
        json.Close(']').Name("repairs").Value(firewall.Repairs).Name("entries").Value(firewall.Entries)
            .Name("literals").Value(firewall.Literals).Name("holes").Value(firewall.Holes)
            .Name("questions").Value(firewall.Questions).Name("held").Value(firewall.Held)
            .Name("late").Value(firewall.Late)
            .Name("dropped").Value(firewall.Dropped).Name("overruns").Value(firewall.Overruns)
            .Name("bad_addresses").Value(firewall.BadAddresses);

        json.Name("replies").Open('[');
        foreach ((string verdict, long count) in firewall.Replies)
        {
            json.Open('{').Name("verdict").Value(verdict).Name("count").Value(count).Close('}');
        }
        json.Close(']').Name("whitelist").Open('[');
        int entries = firewall.UnlistedEntries;
        int holes = firewall.UnlistedHoles;
        foreach (EntryStatus entry in firewall.Listed)
        {
            if (json.Text.Length > RoomForEntries)
            {
                entries++;
                holes += entry.Holes.Count;
                continue;
            }
            json.Open('{').Name("entry").Value(entry.Text).Name("literal").Value(entry.IsLiteral)
                .Name("holes").Open('[');
            foreach (HoleStatus hole in entry.Holes)
            {
                if (json.Text.Length > RoomForEntries)
                {
                    holes++;
                    continue;
                }
                json.Open('{').Name("address").Value(hole.Address).Name("name").Value(hole.Name)
                    .Name("age_seconds").Value(hole.Age).Name("left_seconds").Value(hole.Left)
                    .Name("connected").Value(hole.IsConnected).Close('}');
            }
            json.Close(']').Close('}');
        }
        json.Close(']').Name("aliases").Open('[');
        foreach (AliasStatus alias in firewall.Aliases)
        {
            if (json.Text.Length <= RoomForEntries)
            {
                json.Open('{').Name("name").Value(alias.Name).Name("target").Value(alias.Target)
                    .Name("left_seconds").Value(alias.Left).Close('}');
            }
        }
        json.Close(']').Name("unlisted_entries").Value(entries)
            .Name("unlisted_holes").Value(holes).Close('}');
    }

    private static void Write(string family, AddressStatus address, JsonWriter json) =>
        json.Name(family).Open('{').Name("address").Value(address.Address)
            .Name("gateway").Value(address.Gateway)
            .Name("origin").Value(address.Origin).Close('}');

    private static string NameOf(SwitchState state) => state switch
    {
        SwitchState.UnderWay => "under way",
        SwitchState.Failed => "failed",
        _ => "none",
    };
}
