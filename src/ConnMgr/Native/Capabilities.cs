using System.Globalization;

namespace ConnMgr.Native;

/// <summary>
/// The privileges of the process and its scripts (capabilities(7)): CAP_NET_ADMIN for routes, firewall, sets,
/// conntrack and network sysctls, CAP_NET_RAW for packet and ICMP sockets and iptables. The daemon drops all
/// others.
/// </summary>
internal static class Capabilities
{
    public const int CAP_NET_ADMIN = 12; // <linux/capability.h>
    public const int CAP_NET_RAW = 13;

    private const int StatusLimit = 65536;

    /// <summary>
    /// Returns the name of the first of the two that the process lacks; null if it has both, or if /proc
    /// cannot be read.
    /// </summary>
    public static string? Missing()
    {
        if (Read("CapEff:") is not { } held)
        {
            return null; // without /proc: the calls that need a capability will fail
        }
        return (held & (1UL << CAP_NET_ADMIN)) == 0 ? nameof(CAP_NET_ADMIN)
            : (held & (1UL << CAP_NET_RAW)) == 0 ? nameof(CAP_NET_RAW)
            : null;
    }

    /// <summary>
    /// Drops all other capabilities in all threads, and for programs that are started later.
    /// </summary>
    /// <returns>The error as a phrase, or null.</returns>
    public static string? GiveUpOthers()
    {
        int result = Shim.connmgr_keep_capabilities((1UL << CAP_NET_ADMIN) | (1UL << CAP_NET_RAW));
        return result < 0 ? Errno.Text(-result) : null;
    }

    /// <summary>
    /// Describes the privileges from /proc, e.g. `user 0, CAP_NET_ADMIN CAP_NET_RAW, no new privileges`.
    /// </summary>
    public static string Describe()
    {
        if (Read("CapPrm:") is not { } held)
        {
            return "unknown privileges, /proc is not mounted";
        }
        string names = "";
        for (int capability = 0; capability < 64; capability++)
        {
            if ((held & (1UL << capability)) != 0)
            {
                names += capability switch
                {
                    CAP_NET_ADMIN => " " + nameof(CAP_NET_ADMIN),
                    CAP_NET_RAW => " " + nameof(CAP_NET_RAW),
                    _ => string.Create(CultureInfo.InvariantCulture, $" {capability}"),
                };
            }
        }
        string privileges = Read("NoNewPrivs:") == 1
            ? "no new privileges"
            : "new privileges by set-user-ID programs";
        return string.Create(
            CultureInfo.InvariantCulture, $"user {(uint)Tmds.Linux.LibC.geteuid()},{names}, {privileges}");
    }

    /// <summary>
    /// Parses the hexadecimal number of a line of /proc/self/status; null if there is none.
    /// </summary>
    private static ulong? Read(string key)
    {
        string status = SmallFile.Read("/proc/self/status", StatusLimit, out _, out _) ?? "";
        foreach (string line in status.Split('\n'))
        {
            if (line.StartsWith(key, StringComparison.Ordinal)
                && ulong.TryParse(
                    line.AsSpan(key.Length).Trim(), NumberStyles.HexNumber, CultureInfo.InvariantCulture,
                    out ulong value))
            {
                return value;
            }
        }
        return null;
    }
}
