using System.ComponentModel;
using ConnMgr.EventLoop;
using ConnMgr.Native;
using ConnMgr.Net;
using ConnMgr.Netlink;

namespace ConnMgr.Firewall;

/// <summary>Says of an entry of connection tracking whether it is meant.</summary>
internal delegate bool EntryPredicate(in ConntrackMessage entry);

/// <summary>Says of a socket whether it is meant.</summary>
internal delegate bool SocketPredicate(in SockDiagMessage socket);

/// <summary>
/// Looks at the connections that connection tracking knows, and removes some: their packets are then judged as those of a
/// connection that nobody knows. And at the sockets of the device, and ends some, so that who waits on one need not wait until he
/// sends. Its netlink sockets exist only while it works.
/// </summary>
internal sealed class ConnectionRunner(Loop loop, Action<string> complain) : IDisposable
{
    private const int NETLINK_SOCK_DIAG = 4;
    private const int NETLINK_NETFILTER = 12;
    private const int MaxDeletions = 1024; // in one round
    private const int MaxRounds = 64;
    private const int MaxTries = 3;
    private const int Window = 16;

    private readonly List<byte[]> _deletions = [];
    private ExchangeSocket? _dump;
    private ExchangeSocket? _delete;
    private EntryPredicate? _isOver;
    private SocketPredicate? _isSocketOver;
    private Action<IpNumber>? _see;
    private Action<int>? _ended;
    private int _count;
    private int _rounds;
    private int _tries;

    public bool IsBusy => _dump is not null;

    /// <summary>Tells the peer of each connection that was answered: whom its packets really go to.</summary>
    /// <param name="see">Gets each, some more than once.</param>
    /// <param name="ended">Called once, when there are no more, or it could not be found out.</param>
    /// <returns>False if it is still at something else.</returns>
    public bool Look(Action<IpNumber> see, Action ended)
    {
        if (IsBusy)
        {
            return false;
        }
        _see = see;
        Begin(_ => ended());
        return true;
    }

    /// <summary>Removes the entries that are meant, and ends the sockets.</summary>
    /// <param name="isOver">Says which.</param>
    /// <param name="isSocketOver">Says which; null: none.</param>
    /// <param name="ended">Gets how many there were.</param>
    /// <returns>False if it is still at something else.</returns>
    public bool End(EntryPredicate isOver, SocketPredicate? isSocketOver, Action<int> ended)
    {
        if (IsBusy)
        {
            return false;
        }
        _isOver = isOver;
        _isSocketOver = isSocketOver;
        Begin(ended);
        return true;
    }

    private void Begin(Action<int> ended)
    {
        _ended = ended;
        _count = 0;
        _rounds = 0;
        _tries = 0;
        Dump();
    }

    private void Dump()
    {
        Close();
        _deletions.Clear();
        try
        {
            _dump = new ExchangeSocket(loop, NETLINK_NETFILTER, window: 1);
            _dump.Begin([ConntrackMessage.Dump()], Take, EndDump);
        }
        catch (Win32Exception exception)
        {
            complain($"cannot list connections: {exception.Message}");
            EndSockets();
        }
    }

    private void Take(int request, in NetlinkMessage message)
    {
        if (message.Type == ConntrackMessage.DumpRow && ConntrackMessage.TryRead(message.Payload, out ConntrackMessage entry))
        {
            if (entry.IsAnswered)
            {
                _see?.Invoke(entry.Reply.Source);
            }
            if (_deletions.Count < MaxDeletions && _isOver is { } isOver && isOver(entry))
            {
                _deletions.Add(entry.DeleteRequest());
            }
        }
        else if (message.ErrorNumber is int error and not 0)
        {
            complain($"cannot list connections: {Errno.Text(error)}");
        }
    }

    private void EndDump(bool isComplete)
    {
        if (!isComplete && ++_tries < MaxTries)
        {
            Dump();
            return;
        }
        if (_deletions.Count == 0)
        {
            EndSockets();
            return;
        }
        _delete = new ExchangeSocket(loop, NETLINK_NETFILTER, Window);
        _delete.Begin(_deletions, Count, _ =>
        {
            if (_deletions.Count == MaxDeletions && ++_rounds < MaxRounds)
            {
                Dump();
                return;
            }
            EndSockets();
        });
    }

    private void Count(int request, in NetlinkMessage message)
    {
        _count += message.ErrorNumber == 0 ? 1 : 0;
    }

    /// <summary>What is open in the device itself: at most <see cref="MaxDeletions"/>, others learn of it when they send.</summary>
    private void EndSockets()
    {
        Close();
        _deletions.Clear();
        if (_isSocketOver is not { } isOver)
        {
            Finish();
            return;
        }
        (byte Protocol, byte[] Request)[] dumps = SockDiagMessage.Dumps();
        void Take(int request, in NetlinkMessage message)
        {
            if (message.Type == SockDiagMessage.DumpRow && _deletions.Count < MaxDeletions
                && SockDiagMessage.TryRead(dumps[request].Protocol, message.Payload, out SockDiagMessage socket)
                && socket.IsConnected && isOver(socket))
            {
                _deletions.Add(socket.DestroyRequest());
            }
        }
        try
        {
            _dump = new ExchangeSocket(loop, NETLINK_SOCK_DIAG, window: 1);
            _delete = new ExchangeSocket(loop, NETLINK_SOCK_DIAG, Window);
            _dump.Begin(
                Array.ConvertAll(dumps, dump => dump.Request), Take,
                _ => _delete.Begin(_deletions, (int _, in NetlinkMessage _) => { }, _ => Finish()));
        }
        catch (Win32Exception)
        {
            Finish(); // a kernel without sock_diag: who waits on a socket learns of it when he sends
        }
    }

    private void Finish()
    {
        Action<int>? ended = _ended;
        Close();
        _deletions.Clear();
        (_ended, _see, _isOver, _isSocketOver) = (null, null, null, null);
        ended?.Invoke(_count);
    }

    private void Close()
    {
        _dump?.Dispose();
        _delete?.Dispose();
        _dump = null;
        _delete = null;
    }

    public void Dispose()
    {
        _ended = null;
        Close();
    }
}
