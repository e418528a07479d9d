using ConnMgr.Capture;
using ConnMgr.Config;
using ConnMgr.Dns;
using ConnMgr.EventLoop;
using ConnMgr.Logging;
using ConnMgr.Native;
using ConnMgr.Netlink;

namespace ConnMgr.Firewall;

/// <summary>
/// Listens to DNS with one packet socket per link and one on the bridge: to questions always, to replies only
/// while no queue delivers them. Before it judges a question on a link, it reads the bridge: a question that
/// entered there is in the bridge's socket before it is in the link's.
/// </summary>
internal sealed class DnsObserver : IDisposable
{
    private readonly Loop _loop;
    private readonly Log _log;
    private readonly ReplyReader _reader;
    private List<Listener> _listeners = []; // the bridge's first
    private int _seenVersion = -1;
    private bool _isDeaf; // a socket could not be opened

    /// <param name="loop">Where packets arrive.</param>
    /// <param name="log">The log.</param>
    /// <param name="reader">Receives questions and replies.</param>
    /// <param name="names">The device names.</param>
    public DnsObserver(Loop loop, Log log, ReplyReader reader, NetifNames names)
    {
        _loop = loop;
        _log = log;
        _reader = reader;
        Change(names);
    }

    /// <summary>The index of the bridge; 0 if there is none.</summary>
    public int BridgeIndex => _listeners[0].Ifindex;

    /// <summary>
    /// Listens on other devices. The sockets of unchanged devices are kept, so that no question is lost.
    /// </summary>
    public void Change(NetifNames names)
    {
        List<Listener> listeners = [];
        Take(names.Bridge, DnsSide.Bridge); // also if there is no bridge: it stays the first
        foreach (NamedLink link in names.Links)
        {
            Take(link.Name, DnsSide.Device);
        }
        foreach (Listener old in _listeners)
        {
            old.Close();
        }
        _listeners = listeners;
        _seenVersion = -1;

        void Take(string device, DnsSide side)
        {
            int at = _listeners.FindIndex(old => old.Device == device && old.Side == side);
            listeners.Add(at < 0 ? new Listener(device, side) : _listeners[at]);
            if (at >= 0)
            {
                _listeners.RemoveAt(at);
            }
        }
    }

    /// <summary>
    /// Opens a socket on each device that exists, and closes those of devices that are gone.
    /// </summary>
    /// <param name="table">The kernel's devices.</param>
    /// <param name="withReplies">Listen to replies too.</param>
    public void Listen(KernelState table, bool withReplies)
    {
        if (table.Version == _seenVersion && _listeners[0].WithReplies == withReplies)
        {
            return;
        }
        _seenVersion = table.Version;
        _isDeaf = false;
        foreach (Listener listener in _listeners)
        {
            Listen(listener, table.Find(listener.Device)?.Ifindex ?? 0, withReplies);
        }
    }

    /// <summary>Opens the sockets again that could not be opened. Call it every 2 s.</summary>
    public void Tick() => _seenVersion = _isDeaf ? -1 : _seenVersion;

    /// <summary>Reads all sockets, so that every question is known before its reply is judged.</summary>
    public void Drain()
    {
        foreach (Listener listener in _listeners)
        {
            Drain(listener);
        }
    }

    private void Listen(Listener listener, int ifindex, bool withReplies)
    {
        if (listener.Socket is { } old)
        {
            if (listener.Ifindex == ifindex && !old.IsGone
                && (listener.WithReplies == withReplies || old.TrySetReplies(withReplies)))
            {
                listener.WithReplies = withReplies;
                return;
            }
            listener.Close();
        }
        listener.Ifindex = ifindex;
        listener.WithReplies = withReplies;
        if (ifindex == 0)
        {
            return;
        }
        bool isBridge = listener.Side == DnsSide.Bridge;
        DnsHeard heard = isBridge ? HearBridge : HearLink;
        listener.Socket = DnsSocket.Open(_loop, ifindex, isBridge, withReplies, heard, out KernelError error);
        if (listener.Socket is null)
        {
            _isDeaf = true;
            _log.Event(
                EventKind.Reply, $"{listener.Device}: cannot listen to DNS: {error.ToString()}, retrying",
                listener.HasWarned ? LogLevel.Debug : LogLevel.Warn);
        }
        listener.HasWarned = listener.Socket is null;
    }

    private void HearBridge(ReadOnlySpan<byte> packet, bool isQuestion) =>
        Hear(packet, isQuestion, DnsSide.Bridge);

    private void HearLink(ReadOnlySpan<byte> packet, bool isQuestion)
    {
        // Drain the bridge after this question was received: if it entered through the bridge, it is in
        // the bridge's socket by now, or was counted there as dropped.
        if (isQuestion)
        {
            Drain(_listeners[0]);
        }
        Hear(packet, isQuestion, DnsSide.Device);
    }

    private void Hear(ReadOnlySpan<byte> packet, bool isQuestion, DnsSide side)
    {
        if (isQuestion)
        {
            _reader.Watch.SeeQuestion(packet, side, _loop.Now);
        }
        else
        {
            _reader.Read(packet, side, null, isHeld: false, _loop.Now);
        }
    }

    private void Drain(Listener listener)
    {
        if (listener.Socket is not { } socket)
        {
            return;
        }
        socket.Drain();
        if (listener.Side == DnsSide.Bridge && socket.TakeDropped() > 0)
        {
            _reader.Watch.MissQuestions(_loop.Now);
        }
    }

    public void Dispose()
    {
        foreach (Listener listener in _listeners)
        {
            listener.Close();
        }
    }

    /// <summary>A device, and the socket on it while the device exists.</summary>
    private sealed class Listener(string device, DnsSide side)
    {
        public string Device { get; } = device;

        public DnsSide Side { get; } = side;

        public DnsSocket? Socket { get; set; }

        public int Ifindex { get; set; }

        public bool? WithReplies { get; set; }

        /// <summary>True if the last attempt to open the socket failed, and the log has said so.</summary>
        public bool HasWarned { get; set; }

        public void Close()
        {
            Socket?.Dispose();
            Socket = null;
        }
    }
}
