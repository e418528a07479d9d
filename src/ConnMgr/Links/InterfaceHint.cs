using ConnMgr.Netlink;

namespace ConnMgr.Links;

/// <summary>
/// Names the interfaces that exist when those of netif_names do not: most machines have enp1s0 and wlp2s0,
/// not eth0 and wlan0. Pure.
/// </summary>
internal static class InterfaceHint
{
    private const uint Loopback = 0x8; // IFF_LOOPBACK, <linux/if.h>
    private const int MostNamed = 8;

    /// <summary>
    /// Prefixes of the names of devices that rarely lead to the internet: containers and tunnels.
    /// </summary>
    private static readonly string[] Others =
        ["br-", "docker", "veth", "virbr", "tap", "tun", "wg", "sit", "ip6tnl", "gre", "gretap", "erspan",
            "tunl", "ip_vti", "ip6_vti", "ip6gre", "ifb", "teql", "dummy", "bond"];

    /// <summary>
    /// Returns e.g. `no interface eth0; present: enp1s0 (default route), wlp2s0`. Null if all links exist; or
    /// if one does, and no other device has a default route; or if there is no other device.
    /// <paramref name="isComplete"/>: null only if all links exist.
    /// </summary>
    /// <param name="table">The kernel's devices and routes.</param>
    /// <param name="names">The names of the links.</param>
    /// <param name="isComplete">True to name every link that is missing.</param>
    public static string? For(
        KernelState table, IReadOnlyCollection<string> names, bool isComplete = false)
    {
        string missing = "";
        int missed = 0;
        HashSet<int> links = []; // a link may be named by an alternative name of its device
        foreach (string name in names)
        {
            if (table.Find(name) is { } found)
            {
                links.Add(found.Ifindex);
            }
            else
            {
                missing += (missed++ > 0 ? ", " : "") + name;
            }
        }
        string ways = "";
        string present = "";
        int named = 0;
        foreach (Device device in table.Devices.OrderBy(device => device.Ifindex))
        {
            if (links.Contains(device.Ifindex) || (device.Flags & Loopback) != 0 || IsOther(device.Name))
            {
                continue;
            }
            bool isWayOut = table.Routes.Exists(route => route.Ifindex == device.Ifindex);
            if (isWayOut)
            {
                ways += $", {device.Name} (default route)";
            }
            else if (named++ < MostNamed)
            {
                present += $", {device.Name}";
            }
        }
        bool isHelpful = missed > 0 && (ways.Length > 0 || (missed == names.Count && present.Length > 0));
        if (!isHelpful)
        {
            return isComplete && missed > 0 ? $"no interface {missing}" : null;
        }
        return $"no interface {missing}; present: {(ways + present)[2..]}";
    }

    private static bool IsOther(string name)
    {
        foreach (string beginning in Others)
        {
            if (name.StartsWith(beginning, StringComparison.Ordinal))
            {
                return true;
            }
        }
        return false;
    }
}
