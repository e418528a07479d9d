using System.ComponentModel;
using ConnMgr.Native;
using ConnMgr.Netlink;
using static ConnMgr.Netlink.NetlinkHeader;
using static ConnMgr.Netlink.Rtnetlink;

namespace ConnMgr.Firewall;

/// <summary>
/// Finds the name servers that run on the device: the sockets that are bound to UDP port 53. It asks
/// sock_diag(7) for them alone, so the answer is short even if the device has thousands of sockets. A kernel
/// without udp_diag (OpenWrt: kmod-inet-diag) lists all sockets in /proc/net instead. It never waits.
/// </summary>
internal sealed class ResolverQuery
{
    private const int AnswerSize = 8192;

    private bool _isAbsent; // the kernel has no udp_diag; it would look for the module at each request

    /// <summary>Reports the sockets to a policy.</summary>
    /// <param name="policy">The policy.</param>
    /// <param name="accounts">Returns the text of /etc/passwd, which is rarely needed.</param>
    /// <returns>True if the policy has changed.</returns>
    public bool Tell(ServerPolicy policy, Func<string> accounts)
    {
        bool hasChanged = false;
        if (!_isAbsent && TryAsk(policy, accounts, ref hasChanged))
        {
            return hasChanged;
        }
        foreach (string path in (ReadOnlySpan<string>)["/proc/net/udp", "/proc/net/udp6"])
        {
            SmallFile.ReadParts(path, text => hasChanged |= policy.SeeSockets(text, accounts));
        }
        return hasChanged;
    }

    private bool TryAsk(ServerPolicy policy, Func<string> accounts, ref bool hasChanged)
    {
        try
        {
            using NetlinkSocket socket = new(NETLINK_SOCK_DIAG, AnswerSize, checkCredentials: false);
            return TryAsk(socket, AF_INET, policy, accounts, ref hasChanged)
                && TryAsk(socket, AF_INET6, policy, accounts, ref hasChanged);
        }
        catch (Win32Exception exception)
        {
            _isAbsent = !Errno.IsShortage(exception.NativeErrorCode);
            return false;
        }
    }

    private bool TryAsk(
        NetlinkSocket socket, byte family, ServerPolicy policy, Func<string> accounts, ref bool hasChanged)
    {
        if (!socket.Send(SockDiagMessage.DumpBound(family, ServerPolicy.Port)))
        {
            return false;
        }
        while (socket.Receive(out ReadOnlySpan<byte> datagram) == Received.Datagram)
        {
            NetlinkReader reader = new(datagram);
            while (reader.TryRead(out NetlinkMessage message))
            {
                if (message.ErrorNumber is { } error)
                {
                    _isAbsent = error == Errno.ENOENT;
                    return error == 0; // the end of the dump
                }
                if (message.Type == SockDiagMessage.DumpRow
                    && SockDiagMessage.TryRead(SockDiagMessage.Udp, message.Payload, out SockDiagMessage row)
                    && row.LocalPort == ServerPolicy.Port && row.PeerPort == 0)
                {
                    hasChanged |= policy.SeeSocket(row.User, accounts);
                }
            }
        }
        return false;
    }
}
