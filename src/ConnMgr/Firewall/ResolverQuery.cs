using ConnMgr.Native;
using ConnMgr.Netlink;
using static ConnMgr.Netlink.Rtnetlink;

namespace ConnMgr.Firewall;

/// <summary>
/// Finds the name servers that run on the device: the sockets that are bound to UDP port 53. It asks
/// sock_diag(7) for them alone, so the answer is short even if the device has thousands of sockets. A kernel
/// without udp_diag (OpenWrt: kmod-inet-diag) lists all sockets in /proc/net instead. It never waits.
/// </summary>
internal sealed class ResolverQuery
{
    private readonly SockDiagQuery _query = new(
        SockDiagMessage.Udp,
        SockDiagMessage.DumpBound(AF_INET, ServerPolicy.Port),
        SockDiagMessage.DumpBound(AF_INET6, ServerPolicy.Port));

    /// <summary>Reports the sockets to a policy.</summary>
    /// <param name="policy">The policy.</param>
    /// <param name="accounts">Returns the text of /etc/passwd, which is rarely needed.</param>
    /// <returns>True if the policy has changed.</returns>
    public bool Tell(ServerPolicy policy, Func<string> accounts)
    {
        bool hasChanged = false;
        bool isListed = _query.TryList((in SockDiagMessage row) =>
        {
            if (row.LocalPort == ServerPolicy.Port && row.PeerPort == 0)
            {
                hasChanged |= policy.SeeSocket(row.User, accounts);
            }
            return true;
        });
        if (isListed)
        {
            return hasChanged;
        }
        foreach (string path in (ReadOnlySpan<string>)["/proc/net/udp", "/proc/net/udp6"])
        {
            SmallFile.ReadParts(path, text => hasChanged |= policy.SeeSockets(text, accounts));
        }
        return hasChanged;
    }
}
