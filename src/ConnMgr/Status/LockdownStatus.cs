using System.Text;
using ConnMgr.Dns;
using ConnMgr.Firewall;
using ConnMgr.Net;

namespace ConnMgr.Status;

/// <summary>Builds the status of the lockdown.</summary>
internal static class LockdownStatus
{
    /// <summary>
    /// The largest number of entries and holes listed, so that the reply fits the control socket.
    /// </summary>
    private const int MaxListed = 256;

    private const int MaxAliases = 64;

    /// <summary>
    /// The name of the result of replies in which the server reports an error, e.g. that the name does not
    /// exist.
    /// </summary>
    public const string ErrorCode = "error code";

    public static FirewallStatus Of(Lockdown lockdown, TimeSpan now)
    {
        Whitelist whitelist = lockdown.Store.Holes.Whitelist;
        List<EntryStatus> listed = [];
        for (int i = 0; i < Math.Min(whitelist.NameCount, MaxListed); i++)
        {
            listed.Add(new EntryStatus(whitelist.TextOf(i), IsLiteral: false));
        }
        int names = listed.Count;
        for (int i = 0; i < Math.Min(whitelist.LiteralCount, MaxListed - names); i++)
        {
            listed.Add(new EntryStatus(whitelist.LiteralOf(i).ToString(), IsLiteral: true));
        }
        int listedHoles = 0;
        for (int i = 0; i < lockdown.Store.Holes.Count && listedHoles < MaxListed; i++)
        {
            Hole hole = lockdown.Store.Holes[i];
            bool isListed = false;
            string address = hole.Address.ToString();
            foreach (HoleName name in hole.Names) // several services may share an address
            {
                if (whitelist.IsWanted(name.Name, out int entry) && entry < names)
                {
                    isListed = true;
                    List<HoleStatus> holes = listed[entry].Holes;
                    if (holes is not [.., HoleStatus latest] || latest.Address != address)
                    {
                        holes.Add(new HoleStatus(
                            address, TextOf(name.Wire), now - hole.Since, hole.Until - now,
                            Holes.IsInUse(hole, now)));
                    }
                }
            }
            listedHoles += isListed ? 1 : 0;
        }

        (string, long)[] replies = new (string, long)[(int)DnsVerdict.LostStream];
        for (int i = 0, verdict = 0; verdict <= (int)DnsVerdict.LostStream; verdict++)
        {
            if ((DnsVerdict)verdict != DnsVerdict.Unfinished)
            {
                replies[i++] = (NameOf((DnsVerdict)verdict), lockdown.Watch.CountOf((DnsVerdict)verdict));
            }
        }
        List<string> probed = [];
        foreach (IpNumber address in lockdown.Services.Probed)
        {
            probed.Add(address.ToString());
        }
        return new FirewallStatus
        {
            IsLocked = lockdown.IsLocked,
            IsBeingLocked = !lockdown.Firewall.IsInForce && lockdown.Firewall.IsBusy,
            IsAudit = lockdown.Audit is not null,
            Backend = lockdown.Store.Backend.Name,
            BackendReason = lockdown.Store.Backend.Reason,
            Dns = lockdown.Gate.ModeName,
            DnsReason = lockdown.Gate.Reason,
            NameServers = lockdown.Services.Words,
            Probed = probed,
            ProbePorts = lockdown.Services.ProbePorts,
            UserStatus = lockdown.UserStatus,
            IsMarkOverwritten = lockdown.Services.IsMarkOverwritten,
            Drops = lockdown.Drops.Dropped,
            OtherChains = lockdown.Drops.OtherChains,
            Repairs = lockdown.Firewall.RepairCount,
            Failures = lockdown.Firewall.FailureCount,
            HasLastFailed = lockdown.Firewall.HasFailed,
            Entries = whitelist.Count,
            Literals = whitelist.LiteralCount,
            Holes = lockdown.Store.Holes.Count,
            Listed = listed,
            UnlistedEntries = whitelist.Count - listed.Count,
            UnlistedHoles = lockdown.Store.Holes.Count - listedHoles,
            Aliases =
            [
                .. lockdown.Store.Aliases.List(now, MaxAliases).Select(
                    alias => new AliasStatus(alias.Owner.ToString(), alias.Target.ToString(),
                        alias.Until - now)),
            ],
            Questions = lockdown.Watch.QuestionCount,
            Held = lockdown.Gate.HeldCount,
            Late = lockdown.Gate.LateCount,
            Dropped = lockdown.Gate.DroppedCount,
            Overruns = lockdown.Gate.OverrunCount,
            BadAddresses = lockdown.Store.BadAddressCount,
            Replies = replies,
        };
    }

    /// <summary>Returns the result of a reply as text.</summary>
    public static string NameOf(DnsVerdict verdict) => verdict switch
    {
        DnsVerdict.Answer => "answer",
        DnsVerdict.BadPacket => "bad packet",
        DnsVerdict.Fragment => "fragment",
        DnsVerdict.Unasked => "unasked",
        DnsVerdict.WrongQuestion => "wrong question",
        DnsVerdict.Malformed => "malformed",
        DnsVerdict.NotAReply => "not a reply",
        DnsVerdict.ErrorCode => ErrorCode,
        DnsVerdict.UntrustedServer => "untrusted server",
        _ => "lost stream",
    };

    /// <summary>Formats a name of the whitelist, which has the characters of host names only.</summary>
    private static string TextOf(ReadOnlySpan<byte> wire)
    {
        StringBuilder text = new();
        while (wire.Length > 0 && wire[0] != 0 && wire[0] < wire.Length)
        {
            text.Append(text.Length > 0 ? "." : "").Append(Encoding.ASCII.GetString(wire.Slice(1, wire[0])));
            wire = wire[(1 + wire[0])..];
        }
        return text.ToString();
    }
}
