using System.ComponentModel;
using ConnMgr.EventLoop;
using ConnMgr.Native;

namespace ConnMgr.Netlink;

/// <summary>
/// Handles a message of the kernel; <paramref name="request"/> is the index of the request that it answers.
/// </summary>
internal delegate void AnswerHandler(int request, in NetlinkMessage message);

/// <summary>
/// Sends a list of requests to the kernel and passes on the answers: for a dump, rows and NLMSG_DONE; for any
/// other request, NLMSG_ERROR (0 is success), for which the request must set NLM_F_ACK. Limits the number of
/// requests in flight, so that the answers fit the socket's buffer.
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

    /// <param name="loop">Watches the socket.</param>
    /// <param name="protocol">
    /// NETLINK_* (&lt;linux/netlink.h&gt;). The constructor throws if the kernel lacks it.
    /// </param>
    /// <param name="window">The largest number of requests in flight; 1 for dumps, because the kernel runs
    /// one at a time.</param>
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

    /// <summary>
    /// Like the constructor, but returns null and the kernel's error if the socket cannot be opened (EMFILE,
    /// no such protocol).
    /// </summary>
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

    /// <summary>Starts an exchange.</summary>
    /// <param name="requests">The requests; this method sets their sequence numbers.</param>
    /// <param name="handler">Receives each answer.</param>
    /// <param name="ended">
    /// Called once, perhaps at once, with true if every request was answered and nothing was lost.
    /// </param>
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

    /// <summary>
    /// Receives a datagram. Reports an error in the middle of a dump, which recv(2) returns, as a loss.
    /// </summary>
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

    /// <summary>
    /// Passes on the answers that have already arrived, because the kernel has carried out their requests;
    /// then closes the socket.
    /// </summary>
    public void Dispose()
    {
        for (int i = 0; i < _window && _ended is not null; i++)
        {
            if (Receive(out ReadOnlySpan<byte> datagram) != Received.Datagram)
            {
                break;
            }
            Handle(datagram);
        }
        _isClosed = true;
        _ended = null;
        _loop.Remove(_socket.Fd, _token);
        _socket.Dispose();
    }
}
