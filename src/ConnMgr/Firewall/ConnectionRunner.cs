using ConnMgr.EventLoop;
using ConnMgr.Logging;
using ConnMgr.Native;
using ConnMgr.Net;
using ConnMgr.Netlink;

namespace ConnMgr.Firewall;

/// <summary>True if the conntrack entry is to be removed.</summary>
internal delegate bool EntryPredicate(in ConntrackMessage entry);

/// <summary>True if the socket is to be ended.</summary>
internal delegate bool SocketPredicate(in SockDiagMessage socket);

/// <summary>
/// Lists the conntrack entries and removes some of them: the firewall then treats their packets as those
/// of an unknown connection. Also ends sockets of the device itself, so that a program that only receives
/// gets an error. Its netlink sockets are open only while it works.
/// </summary>
internal sealed class ConnectionRunner(Loop loop, Log log) : IDisposable
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

    /// <summary>Reports the peer of each answered connection, as seen by the device (after DNAT).</summary>
    /// <param name="see">Receives each peer, some more than once.</param>
    /// <param name="ended">Called once at the end, even if the list could not be read.</param>
    /// <returns>False if another run is in progress.</returns>
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

    /// <summary>Removes entries and ends sockets.</summary>
    /// <param name="isOver">Selects the entries.</param>
    /// <param name="isSocketOver">Selects the sockets; null for none.</param>
    /// <param name="ended">Receives the number of removed entries.</param>
    /// <returns>False if another run is in progress.</returns>
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
        _dump = ExchangeSocket.Open(loop, NETLINK_NETFILTER, window: 1, out KernelError error);
        if (_dump is null)
        {
            Complain(error);
            EndSockets();
            return;
        }
        _dump.Begin([ConntrackMessage.Dump()], Take, OnDumpEnded);
    }

    private void Complain(KernelError error) =>
        log.Once(
            "connections not listed", EventKind.Firewall, $"cannot list connections: {error.ToString()}");

    private void Take(int request, in NetlinkMessage message)
    {
        if (message.Type == ConntrackMessage.DumpRow
            && ConntrackMessage.TryRead(message.Payload, out ConntrackMessage entry))
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
            Complain(new KernelError(error));
        }
    }

    private void OnDumpEnded(bool isComplete)
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
        _delete = ExchangeSocket.Open(loop, NETLINK_NETFILTER, Window, out KernelError error);
        if (_delete is null)
        {
            Complain(error);
            EndSockets();
            return;
        }
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

    /// <summary>
    /// Ends sockets of the device, at most <see cref="MaxDeletions"/>. Programs with the remaining sockets
    /// get an error when they send.
    /// </summary>
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
                && SockDiagMessage.TryRead(dumps[request].Protocol, message.Payload,
                    out SockDiagMessage socket)
                && socket.IsConnected && isOver(socket))
            {
                _deletions.Add(socket.DestroyRequest());
            }
        }
        _dump = ExchangeSocket.Open(loop, NETLINK_SOCK_DIAG, window: 1, out _);
        _delete = ExchangeSocket.Open(loop, NETLINK_SOCK_DIAG, Window, out _);
        if (_dump is null || _delete is not { } destroy)
        {
            Finish(); // without sock_diag, programs get an error when they send
            return;
        }
        _dump.Begin(
            Array.ConvertAll(dumps, dump => dump.Request), Take,
            _ => destroy.Begin(_deletions, (int _, in NetlinkMessage _) => { }, _ => Finish()));
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
