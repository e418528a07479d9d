using ConnMgr.Config;
using ConnMgr.Control;
using ConnMgr.Links;
using ConnMgr.Logging;
using ConnMgr.Probe;

using ConnMgr.Firewall;

namespace ConnMgr.Status;

/// <summary>Formats the status as text of 80 columns. Pure.</summary>
internal static class StatusText
{
    private const int LabelEnd = 11;

    /// <summary>For this long after the start, it is normal that no link is in use yet.</summary>
    private static readonly TimeSpan StartTime = TimeSpan.FromSeconds(10);

    /// <summary>
    /// The size in bytes after which further entries are only counted, so that the last lines fit.
    /// </summary>
    private const int RoomForEntries = ControlSocket.MaxReply - 4096;

    public static void Write(DaemonStatus status, bool isColored, Utf8Text text)
    {
        string version = status.Version;
        int commit = version.IndexOf('+', StringComparison.Ordinal);
        version = commit > 0 && version.Length > commit + 9 ? version[..(commit + 9)] : version;
        TextLayout.Wrap(
            text,
            $"connmgr {version}, up {TextLayout.Span(status.Uptime)}, "
            + $"memory {TextLayout.Size((ulong)status.MemoryBytes)}",
            0);

        Label(text, "in use", 0);
        TextLayout.Colored(
            text, status.InUse ?? "none",
            !isColored ? "" : status.InUse is null ? TextLayout.Red : TextLayout.Bold);
        bool isStarting = status.InUse is null && status.Uptime < StartTime;
        text.Add(status.InUse is not null ? $" for {TextLayout.Span(status.InUseFor)}\n"
            : isStarting ? ", starting: ask again in some seconds\n"
            : "\n");
        if (status.InUseIpv4 is { } ipv4 && status.InUseIpv6 is { } ipv6 && ipv4 != ipv6)
        {
            Label(text, "", 0);
            text.Add($"IPv4 over {ipv4}, IPv6 over {ipv6}\n");
        }
        if (status.Reason.Length > 0)
        {
            Label(text, "why", 0);
            TextLayout.Wrap(text, $"{TextLayout.Span(status.ReasonAge)} ago: {status.Reason}", LabelEnd);
        }
        if (status.Preferred is not null)
        {
            Label(text, "by hand", 0);
            string left = status.PreferredFor is { } time ? $" for another {TextLayout.Span(time)}" : "";
            TextLayout.Wrap(text, $"{status.Preferred} is preferred{left} (connmgr use)", LabelEnd);
        }
        if (status.Hint is not null)
        {
            Label(text, "names", 0);
            text.Add(isColored ? TextLayout.Red : "");
            TextLayout.Wrap(text, status.Hint, LabelEnd);
            text.Add(isColored ? "\e[0m" : "");
        }
        if (status.Switch != SwitchState.None || status.Choice != status.InUse)
        {
            Label(text, "switch", 0);
            bool isFailed = status.Switch == SwitchState.Failed;
            bool isBlocked = status.Links.Any(
                link => link.Name == status.Choice && link.Budget is { IsBlocked: true });
            text.Add(isColored ? isFailed ? TextLayout.Red : TextLayout.Yellow : "");
            TextLayout.Wrap(
                text,
                isBlocked ? $"none: {status.Choice} is over its budget (--over-budget never)"
                    : isFailed ? status.SwitchFailure
                    : status.Switch == SwitchState.UnderWay ? $"to {status.Choice}, under way"
                    : status.Choice is null ? "none chosen yet"
                    : $"to {status.Choice} when it is up",
                LabelEnd);
            text.Add(isColored ? "\e[0m" : "");
        }
        if (status.LastRepairAge is { } age)
        {
            Label(text, "routes", 0);
            TextLayout.Wrap(
                text,
                $"changed by others and restored {TextLayout.Times(status.Switches.Repairs)}, "
                + $"last {TextLayout.Span(age)} ago",
                LabelEnd);
        }
        if (status.ResolverWarning is not null)
        {
            Label(text, "resolver", 0);
            text.Add(isColored ? TextLayout.Yellow : "");
            TextLayout.Wrap(text, status.ResolverWarning, LabelEnd);
            text.Add(isColored ? "\e[0m" : "");
        }
        if (status.ResolverWords is not null)
        {
            Label(text, status.ResolverWarning is null ? "resolver" : "", 0);
            TextLayout.Wrap(text, status.ResolverWords, LabelEnd);
        }
        if (status.FlowLimit is not null)
        {
            Label(text, "flows", 0);
            TextLayout.Wrap(text, status.FlowLimit, LabelEnd);
        }
        if (status.Attrd is not null)
        {
            Label(text, "attrd", 0);
            TextLayout.Wrap(text, status.Attrd, LabelEnd);
        }

        foreach (ServiceStatus service in status.Services)
        {
            Label(text, "service", 0);
            text.Add(isColored && service.IsSuspected ? TextLayout.Yellow : "");
            TextLayout.Wrap(
                text,
                $"{service.Url}: proves {service.Strength}, about {service.Cost} bytes; "
                + (service.IsProven ? "has answered correctly"
                    : service.Strength == ProbeStrength.Connection.Name() ? "counts like ping"
                    : service.IsSuspected ? "has not answered correctly over any link"
                        + (service.SuspectedBy is { } link ? $", and wrongly over {link}" : "")
                        + ": ping decides meanwhile"
                    : "has not answered yet"),
                LabelEnd);
            text.Add(isColored && service.IsSuspected ? "\e[0m" : "");
        }

        foreach (LinkStatus link in status.Links)
        {
            text.Add('\n');
            Write(link, isColored, text);
        }
        if (status.Firewall is { } firewall)
        {
            text.Add('\n');
            Write(firewall, isColored, text);
        }
        else if (status.IsLockedByEarlier)
        {
            text.Add('\n');
            Label(text, "firewall", 0);
            text.Add(isColored ? TextLayout.Red : "");
            TextLayout.Wrap(text, OldLockdown.Words, LabelEnd);
            text.Add(isColored ? "\e[0m" : "");
        }
    }

    private static void Write(FirewallStatus firewall, bool isColored, Utf8Text text)
    {
        Label(text, "firewall", 0);
        string state = firewall.IsLocked ? "locked"
            : firewall.IsAudit ? Audit.Warning
            : firewall.IsBeingLocked ? "being locked"
            : "not locked";
        TextLayout.Colored(
            text, state,
            !isColored ? "" : firewall.IsLocked ? TextLayout.Green : TextLayout.Red);
        string repairs = firewall.Repairs > 0 ? $", restored {TextLayout.Times(firewall.Repairs)}" : "";
        TextLayout.Wrap(
            text, $", addresses by {firewall.Backend}{repairs}", LabelEnd + state.Length);
        if (firewall.IsLocked)
        {
            Line(text, "", "to open it: stop connmgr, then 'connmgr unlock'");
        }
        if (firewall.BackendReason.Length > 0)
        {
            string better = firewall.Backend == "rules" ? "no sets" : "not by nft";
            Line(text, "", $"{better}, since {firewall.BackendReason}");
        }
        if (firewall.UserStatus is { } status)
        {
            text.Add(isColored ? TextLayout.Red : "");
            Line(text, "", $"firewall.user failed with status {status}: locked without it");
            text.Add(isColored ? "\e[0m" : "");
        }
        if (firewall.IsMarkOverwritten)
        {
            Line(text, "", "another program overwrites the mark of probes: they pass by address and port");
        }
        foreach (string drop in firewall.Drops)
        {
            text.Add(isColored ? TextLayout.Red : "");
            Line(text, drop == firewall.Drops[0] ? "dropped" : "", drop);
            text.Add(isColored ? "\e[0m" : "");
        }
        if (firewall.Drops.Count > 0)
        {
            string chains = string.Join(", ", firewall.OtherChains);
            Line(text, "", $"other chains on the way: {(chains.Length > 0 ? chains : "none in nf_tables")}");
        }

        Label(text, "dns", 0);
        long refused = 0;
        foreach ((string verdict, long count) in firewall.Replies)
        {
            // A server's error, such as no such name, is a correct answer, not a refused reply.
            refused += verdict == LockdownStatus.ErrorCode ? 0 : count;
        }
        refused -= firewall.Replies[0].Count;
        string reason = firewall.DnsReason.Length > 0 ? $", since {firewall.DnsReason}" : "";
        TextLayout.Wrap(
            text,
            $"{firewall.Dns}{reason}; name servers: {firewall.NameServers}; "
            + $"{firewall.Questions} questions, {firewall.Replies[0].Count} answers, "
            + $"{refused} replies refused",
            LabelEnd);
        for (int i = 1; i < firewall.Replies.Count; i++)
        {
            if (firewall.Replies[i].Count > 0)
            {
                Line(
                    text, "",
                    firewall.Replies[i].Verdict == LockdownStatus.ErrorCode
                        ? $"{TextLayout.Count(firewall.Replies[i].Count, "answer", "answers")} more "
                            + "with an error of the server (no such name or record, for example)"
                        : $"refused, {firewall.Replies[i].Verdict}: {firewall.Replies[i].Count}");
            }
        }

        if (firewall.Probed.Count > 0)
        {
            Label(text, "probed", 0);
            TextLayout.Wrap(
                text,
                $"{string.Join(", ", firewall.Probed)}: open to every program of the device, "
                + $"at {firewall.ProbePorts}", LabelEnd);
        }
        Label(text, "whitelist", 0);
        TextLayout.Wrap(
            text,
            $"{TextLayout.Count(firewall.Entries, "entry", "entries")}, "
            + $"{TextLayout.Count(firewall.Holes, "address", "addresses")} open", LabelEnd);
        int entries = firewall.UnlistedEntries;
        int holes = firewall.UnlistedHoles;
        foreach (EntryStatus entry in firewall.Listed)
        {
            if (text.Length > RoomForEntries)
            {
                entries++;
                holes += entry.Holes.Count;
                continue;
            }
            text.Add(' ');
            bool isUnknown = !entry.IsLiteral && entry.Holes.Count == 0;
            TextLayout.Wrap(text, isUnknown ? $"{entry.Text}: no address known" : entry.Text, 1);
            foreach (HoleStatus hole in entry.Holes)
            {
                if (text.Length > RoomForEntries)
                {
                    holes++;
                    continue;
                }
                string connected = hole.IsConnected ? ", connected" : "";
                Line(
                    text, "",
                    $"{hole.Address}, {hole.Name}, open {TextLayout.Span(hole.Age)}, "
                    + $"{TextLayout.Span(hole.Left)} left{connected}");
            }
        }
        foreach (AliasStatus alias in firewall.Aliases)
        {
            if (text.Length <= RoomForEntries)
            {
                Line(text, "", $"{alias.Name} -> {alias.Target}, {TextLayout.Span(alias.Left)} left");
            }
        }
        if (entries + holes > 0)
        {
            TextLayout.Wrap(text, $" and {entries} entries and {holes} addresses more", 0);
        }
    }

    public static void Write(LinkStatus link, bool isColored, Utf8Text text)
    {
        int column = Math.Max(LabelEnd, link.Name.Length + 1);
        TextLayout.Colored(text, link.Name, isColored && link.IsInUse ? TextLayout.Bold : "");
        TextLayout.Indent(text, column - link.Name.Length);
        TextLayout.Colored(text, link.State, isColored ? ColorOf(link) : "");
        string age = $" for {TextLayout.Span(link.StateFor)}: ";
        text.Add(age);
        string budgetRole = link.Budget is not { Level: "over" } ? ""
            : link.Budget.IsBlocked ? "not used, over its budget, "
            : "over its budget, ";
        string role = budgetRole + (link.IsInUse ? "in use, " : "") + (link.IsAssumed ? "assumed, " : "");
        TextLayout.Wrap(text, role + link.Words, column + link.State.Length + age.Length);
        if (link.Budget is not null)
        {
            Write(link.Budget, isColored, text);
        }
        if (link.StateValue == 0)
        {
            return; // the rest dates from before the link went down
        }

        Write("address", link.Ipv4, text);
        Write(link.Ipv4.Address is null ? "address" : "", link.Ipv6, text);
        if (link.Evidence is not null)
        {
            Line(text, "evidence", $"{TextLayout.Span(link.EvidenceAge)} ago: {link.Evidence}");
        }
        if (link.IsProbing)
        {
            Line(text, "probe", "running");
        }
        if (link.Probe is not null)
        {
            string words = $"{TextLayout.Span(link.ProbeAge)} ago: {link.ProbeWords}";
            Line(text, link.IsProbing ? "" : "probe", words);
        }
        if (link.FailureAge is { } failed)
        {
            string hold = link.HoldLeft > TimeSpan.Zero
                ? $"; held back for {TextLayout.Span(link.HoldLeft)}"
                : "";
            Line(
                text, "failures",
                $"{link.Failures} within an hour, the last {TextLayout.Span(failed)} ago{hold}");
        }
        Line(
            text, "traffic",
            $"{TextLayout.Size(link.BytesReceived)} received, {TextLayout.Size(link.BytesSent)} sent"
            + (link.IsMetered ? ", metered" : "")
            + (link.IsMetered || link.ProbeBytes > 0
                ? $"; probes {TextLayout.Size((ulong)link.ProbeBytes)}" : "")
            + (link.ProbeBytes > 0 ? $", {TextLayout.Size((ulong)link.ProbeBytesPerDay)} a day" : ""));
    }

    private static void Write(BudgetStatus budget, bool isColored, Utf8Text text)
    {
        Label(text, "budget", 1);
        text.Add(isColored && budget.Level != "ok" ? TextLayout.Yellow : "");
        string until = budget.ResetsAt is { } end
            ? $"resets {BudgetPeriod.Words(end)} 00:00 UTC"
            : "no synchronised clock yet, so the reset day is not known";
        string trouble = budget.Trouble is null ? "" : $"; a reboot forgets it: {budget.Trouble}";
        TextLayout.Wrap(
            text,
            $"{TextLayout.Size((ulong)budget.Used)} of {TextLayout.Size((ulong)budget.Bytes)}, "
            + $"{budget.Percent} %, {until}{trouble}",
            LabelEnd);
        text.Add(isColored && budget.Level != "ok" ? "\e[0m" : "");
    }

    private static void Write(string label, AddressStatus address, Utf8Text text)
    {
        if (address.Address is not null)
        {
            string via = address.Gateway is null ? "" : $" via {address.Gateway}";
            string origin = address.Origin is null ? ""
                : address.Origin == "netifd" ? ", a default that connmgr restored: netifd names it"
                : ", a default that connmgr restored after another program's replace";
            Line(text, label, address.Address + via + origin);
        }
    }

    private static void Line(Utf8Text text, string label, string words)
    {
        Label(text, label, 1);
        TextLayout.Wrap(text, words, LabelEnd);
    }

    private static void Label(Utf8Text text, string label, int indent)
    {
        TextLayout.Indent(text, indent);
        text.Add(label);
        TextLayout.Indent(text, LabelEnd - indent - label.Length);
    }

    private static string ColorOf(LinkStatus link) => link.State switch
    {
        "ITFUP_SS" => TextLayout.Green,
        "ITFUP_SU" => TextLayout.Yellow,
        "ITFUP_SF" => TextLayout.Red,
        _ => TextLayout.Dim,
    };
}
