using System.ComponentModel;
using ConnMgr.Native;
using static ConnMgr.Netlink.NetlinkHeader;

namespace ConnMgr.Netlink;

/// <summary>Receives one socket of a list. Returns false to receive no more.</summary>
internal delegate bool SockDiagRow(in SockDiagMessage row);

/// <summary>
/// Lists sockets of both families with sock_diag(7). Never waits: the kernel produces its answer while the
/// request is sent, and while the answer is read.
/// </summary>
/// <param name="protocol"><see cref="SockDiagMessage.Tcp"/> or <see cref="SockDiagMessage.Udp"/>.</param>
/// <param name="ipv4">The request for the sockets of IPv4.</param>
/// <param name="ipv6">The request for those of IPv6.</param>
internal sealed class SockDiagQuery(byte protocol, byte[] ipv4, byte[] ipv6)
{
    private const int AnswerSize = 8192; // bytes; the kernel fills each part of its answer up to this size

    private bool _isAbsent; // the kernel lacks the module: do not make it search again at each request

    /// <summary>Lists the sockets.</summary>
    /// <param name="see">Receives each socket.</param>
    /// <returns>False if the list is incomplete: the kernel lacks tcp_diag, udp_diag or memory, or
    /// <paramref name="see"/> wanted no more.</returns>
    public bool TryList(SockDiagRow see)
    {
        if (_isAbsent)
        {
            return false;
        }
        try
        {
            using NetlinkSocket socket = new(NETLINK_SOCK_DIAG, AnswerSize, checkCredentials: false);
            return TryList(socket, ipv4, see) && TryList(socket, ipv6, see);
        }
        catch (Win32Exception exception)
        {
            _isAbsent = !Errno.IsShortage(exception.NativeErrorCode);
            return false;
        }
    }

    private bool TryList(NetlinkSocket socket, byte[] request, SockDiagRow see)
    {
        if (!socket.Send(request))
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
                    return error == 0; // the end of the list
                }
                if (message.Type == SockDiagMessage.DumpRow
                    && SockDiagMessage.TryRead(protocol, message.Payload, out SockDiagMessage row)
                    && !see(row))
                {
                    return false;
                }
            }
        }
        return false;
    }
}
