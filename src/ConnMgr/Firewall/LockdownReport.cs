using System.Globalization;

namespace ConnMgr.Firewall;

/// <summary>The report that init_firewall.sh prints. Pure.</summary>
/// <param name="HasSets">The rules match the address sets. If not, each address needs its own rules.</param>
/// <param name="Queue">The NFQUEUE of DNS replies; null for none.</param>
/// <param name="KnowsEnded">The script has ended the connections from before the lockdown. If not, the daemon
/// does.</param>
internal readonly record struct LockdownReport(bool HasSets, ushort? Queue, bool KnowsEnded)
{
    /// <summary>
    /// True if the lockdown is in nf_tables, false if in iptables; null if the script does not say.
    /// </summary>
    public bool? IsNft { get; init; }

    /// <summary>
    /// Why it is not in nf_tables although the script tried that first; null if the script does not say.
    /// </summary>
    public string? BackendReason { get; init; }

    /// <summary>
    /// True if the rules recognize the daemon's packets by their mark, and keep it in the connection's mark.
    /// </summary>
    public bool KeepsMark { get; init; }

    /// <summary>True if nothing is dropped.</summary>
    public bool IsAudit { get; init; }

    /// <summary>True if port 53 is open to the name servers alone.</summary>
    public bool IsServerListed { get; init; }

    /// <summary>
    /// True if the script has failed, and the lockdown of an earlier run is in force as it was.
    /// </summary>
    public bool IsStillLocked { get; init; }

    /// <summary>
    /// With what status firewall.user failed, as the script prints it; null if it succeeded or does not
    /// exist. The device is then locked without it.
    /// </summary>
    public ushort? UserStatus { get; init; }

    /// <summary>
    /// Parses lines `sets: yes|no`, `queue: N|none`, `probes: mark|state`, `name-servers: any|listed`,
    /// `ended: N|unknown`, `backend: nft|iptables`, `backend-reason: TEXT`, `firewall.user: ok|failed, N`
    /// and `still-locked: yes`. Missing or malformed lines count as no and none.
    /// </summary>
    public static LockdownReport Read(string output)
    {
        LockdownReport report = default;
        foreach (ReadOnlySpan<char> line in output.AsSpan().EnumerateLines())
        {
            int colon = line.IndexOf(": ");
            ReadOnlySpan<char> value = colon < 0 ? default : line[(colon + 2)..];
            bool isNumber = ushort.TryParse(value, NumberStyles.None, CultureInfo.InvariantCulture,
                out ushort number);
            switch (colon < 0 ? "" : line[..colon])
            {
                case "sets":
                    report = report with { HasSets = value is "yes" };
                    break;
                case "queue":
                    report = report with { Queue = isNumber ? number : null };
                    break;
                case "probes":
                    report = report with { KeepsMark = value is "mark" };
                    break;
                case "name-servers":
                    report = report with { IsServerListed = value is "listed" };
                    break;
                case "still-locked":
                    report = report with { IsStillLocked = value is "yes" };
                    break;
                case "audit":
                    report = report with { IsAudit = value is "yes" };
                    break;
                case "backend":
                    report = report with { IsNft = value is "nft" };
                    break;
                case "backend-reason":
                    report = report with { BackendReason = value.ToString() };
                    break;
                case "firewall.user":
                    const string Failed = "failed, ";
                    bool isStatus = ushort.TryParse(
                        value.StartsWith(Failed) ? value[Failed.Length..] : default, NumberStyles.None,
                        CultureInfo.InvariantCulture, out ushort status);
                    report = report with { UserStatus = isStatus ? status : null };
                    break;
                case "ended":
                    report = report with { KnowsEnded = value is not "unknown" };
                    break;
            }
        }
        return report;
    }
}
