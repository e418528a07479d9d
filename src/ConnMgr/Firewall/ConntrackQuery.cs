using System.ComponentModel;
using ConnMgr.Native;
using ConnMgr.Net;
using ConnMgr.Netlink;
using static ConnMgr.Netlink.NetlinkHeader;

namespace ConnMgr.Firewall;

/// <summary>
/// Looks up single entries of conntrack, to find out how another program's rules have translated a question,
/// or marked a probe. The kernel handles a request while it is sent, so this never waits.
/// </summary>
internal sealed class ConntrackQuery : IDisposable
{
    private const int AnswerSize = 4096;

    private NetlinkSocket? _socket;
    private bool _isAbsent; // the kernel has no ctnetlink
    private uint _sequence;

    private bool TryOpen()
    {
        try
        {
            _socket ??= _isAbsent
                ? null
                : new NetlinkSocket(NETLINK_NETFILTER, AnswerSize, checkCredentials: false);
        }
        catch (Win32Exception exception)
        {
            // Without it, translated questions are not recognized.
            _isAbsent = !Errno.IsShortage(exception.NativeErrorCode);
        }
        return _socket is not null;
    }

    /// <summary>
    /// Returns the tuple of a connection's answers as they arrive; null if the kernel does not know the
    /// connection.
    /// </summary>
    /// <param name="original">The connection's original packets, before address translation.</param>
    public ConntrackMessage.Tuple? ReplyOf(in Flow original) =>
        ConntrackMessage.TryRead(Find(original, out _), out ConntrackMessage entry) ? entry.Reply : null;

    /// <summary>
    /// Returns the mark of a connection; null if the kernel does not know the connection.
    /// </summary>
    /// <param name="original">The connection's original packets, before address translation.</param>
    public uint? MarkOf(in Flow original) =>
        ConntrackMessage.TryRead(Find(original, out _), out ConntrackMessage entry) ? entry.Mark : null;

    /// <summary>
    /// True if an answer has arrived: conntrack has seen it, even if it was dropped afterwards. Null if the
    /// kernel does not know the connection.
    /// </summary>
    /// <param name="original">The connection's original packets, before address translation.</param>
    public bool? IsAnswered(in Flow original) =>
        ConntrackMessage.TryRead(Find(original, out _), out ConntrackMessage entry) ? entry.IsAnswered : null;

    /// <summary>
    /// True if conntrack does not know the connection: no packet of it has passed all rules, after which
    /// conntrack keeps an entry (nf_confirm, net/netfilter/nf_conntrack_proto.c). False if it does, or cannot
    /// be asked.
    /// </summary>
    /// <param name="original">The connection's original packets, before address translation.</param>
    public bool IsUnknown(in Flow original)
    {
        _ = Find(original, out bool isUnknown);
        return isUnknown;
    }

    /// <summary>
    /// Returns the payload of the kernel's answer, valid until the next call; empty if none.
    /// </summary>
    /// <param name="original">The connection's original packets.</param>
    /// <param name="isUnknown">True if the kernel has answered that it does not know the connection.</param>
    private ReadOnlySpan<byte> Find(in Flow original, out bool isUnknown)
    {
        isUnknown = false;
        if (!TryOpen() || !_socket!.Send(ConntrackMessage.Lookup(original, ++_sequence)))
        {
            return default;
        }
        while (_socket!.Receive(out ReadOnlySpan<byte> datagram) == Received.Datagram)
        {
            NetlinkReader reader = new(datagram);
            while (reader.TryRead(out NetlinkMessage message))
            {
                if (message.Sequence == _sequence)
                {
                    if (message.ErrorNumber is Errno.EINVAL or Errno.EOPNOTSUPP or Errno.EPERM)
                    {
                        // The kernel has no ctnetlink. Do not ask again, because the kernel would search
                        // for the module at each request.
                        Dispose();
                        _isAbsent = true;
                        return default;
                    }
                    isUnknown = message.ErrorNumber == Errno.ENOENT;
                    return message.Type == ConntrackMessage.DumpRow ? message.Payload : default;
                }
            }
        }
        return default;
    }

    public void Dispose()
    {
        _socket?.Dispose();
        _socket = null;
    }
}
