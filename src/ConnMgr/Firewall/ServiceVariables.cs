using System.Globalization;
using ConnMgr.Net;
using ConnMgr.Probe;

namespace ConnMgr.Firewall;

/// <summary>
/// The variables by which init_firewall.sh learns which name servers and probes to admit. Pure.
/// </summary>
internal static class ServiceVariables
{
    /// <summary>The first variable if every server may be asked.</summary>
    public const string AnyServer = "CONNMGR_NAME_SERVERS=any";

    /// <summary>Returns the variables, each as `NAME=VALUE`.</summary>
    /// <param name="hasSets">The kernel has sets of the addresses, so the rules need not list them.</param>
    /// <param name="policy">The name servers; null if any may be asked.</param>
    /// <param name="probed">The addresses that the daemon has probed lately.</param>
    /// <param name="probePorts">The ports of the probes (<see cref="PortsOf"/>).</param>
    public static string[] Of(
        bool hasSets, ServerPolicy? policy, IReadOnlyList<IpNumber> probed, string probePorts)
    {
        bool isListing = policy is { IsAny: false };
        // The list is empty if only name servers of the device are known: then no other program may ask.
        string servers = hasSets || !isListing ? "set" : Join(policy!.Servers);
        string users = "";
        for (int i = 0; isListing && i < policy!.Users.Count; i++)
        {
            users += (i > 0 ? " " : "") + policy.Users[i].ToString(CultureInfo.InvariantCulture);
        }
        return
        [
            isListing ? $"CONNMGR_NAME_SERVERS={servers}" : AnyServer, $"CONNMGR_RESOLVER_USERS={users}",
            $"CONNMGR_PROBED={(hasSets ? "set" : Join(probed))}",
            $"CONNMGR_PROBE_PORTS={probePorts}",
        ];
    }

    /// <summary>Lists the ports of the services once each, e.g. `tcp:80 udp:5683`.</summary>
    public static string PortsOf(IReadOnlyList<ProbeUrl> services)
    {
        List<string> ports = [];
        foreach (ProbeUrl service in services)
        {
            string port = $"{(service.Scheme == ProbeScheme.Coap ? "udp" : "tcp")}:{service.Port}";
            if (!ports.Contains(port))
            {
                ports.Add(port);
            }
        }
        return string.Join(' ', ports);
    }

    private static string Join(IReadOnlyList<IpNumber> addresses)
    {
        string text = "";
        for (int i = 0; i < addresses.Count; i++)
        {
            text += (i > 0 ? " " : "") + addresses[i].ToString();
        }
        return text;
    }
}
