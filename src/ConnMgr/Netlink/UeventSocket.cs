using ConnMgr.EventLoop;

namespace ConnMgr.Netlink;

/// <summary>Receives the kernel's uevents about network devices that are added, removed or renamed.</summary>
internal sealed class UeventSocket : IDisposable
{
    private const int KernelGroup = 1; // group 2 is udev's
    private const int ReadsPerWakeUp = 64;

    private readonly Loop _loop;
    private readonly ulong _token;
    private readonly NetlinkSocket _socket =
        new(NetlinkHeader.NETLINK_KOBJECT_UEVENT, checkCredentials: true, KernelGroup);
    private readonly Action<Uevent?> _handler;

    /// <param name="loop">Watches the socket.</param>
    /// <param name="handler">Receives each uevent of a network device, or null if uevents were lost.</param>
    public UeventSocket(Loop loop, Action<Uevent?> handler)
    {
        _loop = loop;
        _handler = handler;
        _token = loop.Add(_socket.Fd, Read);
    }

    private void Read()
    {
        for (int i = 0; i < ReadsPerWakeUp; i++)
        {
            switch (_socket.Receive(out ReadOnlySpan<byte> datagram))
            {
                case Received.Nothing:
                    return;
                case Received.Lost:
                    _handler(null);
                    break;
                case Received.Datagram when Uevent.TryParse(datagram, out Uevent uevent):
                    _handler(uevent);
                    break;
            }
        }
    }

    public void Dispose()
    {
        _loop.Remove(_socket.Fd, _token);
        _socket.Dispose();
    }
}
