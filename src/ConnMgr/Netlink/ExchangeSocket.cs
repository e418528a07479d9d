using System.ComponentModel;
using ConnMgr.EventLoop;
using ConnMgr.Native;

namespace ConnMgr.Netlink;

/// <summary>Gets what the kernel says to a request, by its place in the list.</summary>
internal delegate void AnswerHandler(int request, in NetlinkMessage message);

/// <summary>
/// Puts a list of requests to the kernel and hands out the answers: rows, then NLMSG_DONE for a dump, NLMSG_ERROR (0 is
/// success) for any other, which has to ask for it by NLM_F_ACK. Only a few are under way at a time, so that the answers
/// have room in the socket's buffer.
/// </summary>
internal sealed class ExchangeSocket : IDisposable
{
    private const int ReadsPerWakeUp = 16;

    private readonly Loop _loop;
    private readonly ulong _token;
    private readonly NetlinkSocket _socket;
    private readonly int _window;
    private IReadOnlyList<byte[]> _requests = [];
    private AnswerHandler _handler = (int _, in NetlinkMessage _) => { };
    private Action<bool>? _ended;
    private uint _firstSequence = 1;
    private int _sent;
    private int _answered;
    private bool _wasInterrupted;
    private bool _isClosed;

    /// <param name="loop">Where the answers arrive.</param>
    /// <param name="protocol">NETLINK_*, &lt;linux/netlink.h&gt;. Throws if the kernel does not have it.</param>
    /// <param name="window">How many requests may be under way: 1 for dumps, since the kernel does one at a time.</param>
    public ExchangeSocket(Loop loop, int protocol, int window)
    {
        _loop = loop;
        _window = window;
        _socket = new NetlinkSocket(protocol, checkCredentials: false);
        try
        {
            _token = loop.Add(_socket.Fd, Read);
        }
        catch (Win32Exception)
        {
            _socket.Dispose();
            throw;
        }
    }

    /// <summary>As the constructor; null and the kernel's error if there is no such socket to be had (EMFILE, no such protocol).</summary>
    public static ExchangeSocket? Open(Loop loop, int protocol, int window, out KernelError error)
    {
        try
        {
            error = KernelError.None;
            return new ExchangeSocket(loop, protocol, window);
        }
        catch (Win32Exception exception)
        {
            error = new KernelError(exception.NativeErrorCode, "netlink socket");
            return null;
        }
    }

    /// <param name="requests">What is asked; their sequence numbers are set here.</param>
    /// <param name="handler">Gets each answer.</param>
    /// <param name="ended">Called once, perhaps at once: true if every request was answered and nothing was lost.</param>
    public void Begin(IReadOnlyList<byte[]> requests, AnswerHandler handler, Action<bool> ended)
    {
        _firstSequence += (uint)_requests.Count;
        _requests = requests;
        _handler = handler;
        _ended = ended;
        _sent = 0;
        _answered = 0;
        _wasInterrupted = false;
        Continue();
    }

    private void Continue()
    {
        if (_ended is null)
        {
            return;
        }
        while (_sent < _requests.Count && _sent - _answered < _window)
        {
            BitConverter.TryWriteBytes(_requests[_sent].AsSpan(8), _firstSequence + (uint)_sent);
            if (!_socket.Send(_requests[_sent]))
            {
                End(isComplete: false);
                return;
            }
            _sent++;
        }
        if (_answered == _requests.Count)
        {
            End(isComplete: !_wasInterrupted);
        }
    }

    private void End(bool isComplete)
    {
        Action<bool>? ended = _ended;
        _ended = null;
        ended?.Invoke(isComplete);
    }

    private void Read()
    {
        for (int i = 0; i < ReadsPerWakeUp && !_isClosed; i++)
        {
            Received received = Receive(out ReadOnlySpan<byte> datagram);
            if (received == Received.Nothing)
            {
                return;
            }
            if (received == Received.Lost)
            {
                End(isComplete: false);
                return;
            }
            Handle(datagram);
            Continue();
        }
    }

    /// <summary>A dump that the kernel could not go on with is an error of the next read, and no reason to end.</summary>
    private Received Receive(out ReadOnlySpan<byte> datagram)
    {
        try
        {
            return _socket.Receive(out datagram);
        }
        catch (Win32Exception)
        {
            datagram = default;
            return Received.Lost;
        }
    }

    private void Handle(ReadOnlySpan<byte> datagram)
    {
        NetlinkReader reader = new(datagram);
        while (reader.TryRead(out NetlinkMessage message))
        {
            // The kernel answers in the order of the requests.
            uint request = message.Sequence - _firstSequence;
            if (_ended is null || request < (uint)_answered || request >= (uint)_sent)
            {
                continue;
            }
            _wasInterrupted |= (message.Flags & NetlinkMessage.FlagDumpInterrupted) != 0;
            _handler((int)request, message);
            if (message.Type is NetlinkMessage.Done or NetlinkMessage.Error)
            {
                _answered = (int)request + 1;
            }
        }
    }

    /// <summary>The kernel answers at once: what it has done by now is told before the end.</summary>
    public void Dispose()
    {
        for (int i = 0; i < _window && _ended is not null && Receive(out ReadOnlySpan<byte> datagram) == Received.Datagram; i++)
        {
            Handle(datagram);
        }
        _isClosed = true;
        _ended = null;
        _loop.Remove(_socket.Fd, _token);
        _socket.Dispose();
    }
}
