using System.ComponentModel;
using ConnMgr.EventLoop;
using ConnMgr.Native;
using ConnMgr.Net;
using ConnMgr.Netlink;
using Tmds.Linux;

namespace ConnMgr.Firewall;

/// <summary>Receives a connection that has begun.</summary>
internal delegate void ConnectionHandler(in ConntrackMessage entry);

/// <summary>
/// Reports each connection that conntrack begins to follow (ctnetlink's event NEW), and first those that it
/// follows already. Finds the users of the device's sockets.
/// </summary>
internal sealed unsafe class AuditSocket : IDisposable
{
    private const int NETLINK_SOCK_DIAG = 4;
    private const int NETLINK_NETFILTER = 12;
    private const int NFNLGRP_CONNTRACK_NEW = 1; // <linux/netfilter/nfnetlink_compat.h>
    private const int ReadsPerWakeUp = 64;
    private const int ReceiveBuffer = 1 << 20; // bytes: about 1,000 events
    private const byte Tcp = 6;
    private const byte Udp = 17;

    private readonly Loop _loop;
    private readonly ConnectionHandler _handler;
    private readonly Action<KernelError> _refused;
    private readonly NetlinkSocket _events = new(
        NETLINK_NETFILTER, checkCredentials: false, NFNLGRP_CONNTRACK_NEW);

    private readonly ulong _token;
    private NetlinkSocket? _sockets;

    private AuditSocket(Loop loop, ConnectionHandler handler, Action<KernelError> refused)
    {
        _refused = refused;
        _loop = loop;
        _handler = handler;
        int size = ReceiveBuffer;
        _ = LibC.setsockopt(_events.Fd, LibC.SOL_SOCKET, LibC.SO_RCVBUFFORCE, &size, sizeof(int));
        if (!_events.Send(ConntrackMessage.Dump()))
        {
            int errno = Errno.Last;
            _events.Dispose();
            Errno.Throw(errno, "conntrack");
        }
        _token = loop.Add(_events.Fd, Read);
        try
        {
            _sockets = new NetlinkSocket(NETLINK_SOCK_DIAG, bufferSize: 4096, checkCredentials: false);
        }
        catch (Win32Exception)
        {
            // Without sock_diag no user is known.
        }
    }

    /// <summary>
    /// The number of times that events were lost because the daemon did not read them in time.
    /// </summary>
    public long Losses { get; private set; }

    /// <summary>Opens the sockets. Null and the reason if the kernel refuses them.</summary>
    /// <param name="loop">Watches them.</param>
    /// <param name="handler">Receives each connection.</param>
    /// <param name="refused">Receives the kernel's error if it has no ctnetlink.</param>
    /// <param name="error">The reason if the result is null.</param>
    public static AuditSocket? Open(
        Loop loop, ConnectionHandler handler, Action<KernelError> refused, out KernelError error)
    {
        try
        {
            error = KernelError.None;
            return new AuditSocket(loop, handler, refused);
        }
        catch (Win32Exception exception)
        {
            error = new KernelError(exception.NativeErrorCode, "conntrack");
            return null;
        }
    }

    /// <summary>
    /// Returns the user of the socket that sends the packets of a connection; null if there is none any more,
    /// or the protocol is neither TCP nor UDP. One look-up in a hash table of the kernel.
    /// </summary>
    public uint? UserOf(in ConntrackMessage.Tuple original)
    {
        if (_sockets is null || original.Protocol is not (Tcp or Udp))
        {
            return null;
        }
        Flow flow = new(
            original.Source, original.Destination, original.SourcePort, original.DestinationPort,
            original.Protocol == Tcp);
        uint? user = null;
        if (!_sockets.Send(SockDiagMessage.Lookup(flow)))
        {
            return null;
        }
        // The kernel handles a request while it is sent.
        while (_sockets.Receive(out ReadOnlySpan<byte> datagram) == Received.Datagram)
        {
            NetlinkReader messages = new(datagram);
            while (messages.TryRead(out NetlinkMessage message))
            {
                if (message.Type == SockDiagMessage.DumpRow
                    && SockDiagMessage.TryRead(original.Protocol, message.Payload, out SockDiagMessage found)
                    && found.HasOwner)
                {
                    user = found.User;
                }
            }
        }
        return user;
    }

    private void Read()
    {
        for (int i = 0; i < ReadsPerWakeUp; i++)
        {
            switch (_events.Receive(out ReadOnlySpan<byte> datagram))
            {
                case Received.Nothing:
                    return;
                case Received.Lost:
                    Losses++;
                    break;
                case Received.Datagram:
                    NetlinkReader messages = new(datagram);
                    while (messages.TryRead(out NetlinkMessage message))
                    {
                        if (message.Type == ConntrackMessage.DumpRow
                            && ConntrackMessage.TryRead(message.Payload, out ConntrackMessage entry))
                        {
                            _handler(entry);
                        }
                        else if (message.ErrorNumber is int error and not 0)
                        {
                            _refused(new KernelError(error, "conntrack"));
                        }
                    }
                    break;
            }
        }
    }

    public void Dispose()
    {
        _loop.Remove(_events.Fd, _token);
        _events.Dispose();
        _sockets?.Dispose();
        _sockets = null;
    }
}
