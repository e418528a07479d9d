using ConnMgr.EventLoop;
using ConnMgr.Logging;
using ConnMgr.Native;

namespace ConnMgr.Attributes;

/// <summary>
/// The connection to the attribute daemon (attrd), through native/attrd_shim.c. Answers gets and sets from
/// the table and sends changed values of the attributes that notify. Handles all errors of attrd and
/// reconnects.
/// </summary>
internal sealed unsafe class AttributeClient : IDisposable
{
    /// <summary>
    /// The largest number of gets that wait for a value. attrd itself sends no more than 20 at a time.
    /// </summary>
    private const int WaitingLimit = 20;

    /// <summary>
    /// How long a get waits for a value. After 5 s attrd would report a time-out to its client. That
    /// client may have given up at the same moment, and attrd dies of SIGPIPE when it writes to a client
    /// that is gone.
    /// </summary>
    private static readonly TimeSpan WaitingTime = TimeSpan.FromSeconds(4);

    private readonly Loop _loop;
    private readonly Log _log;
    private readonly AttributeTable _table;
    private readonly Deadline _deadline;
    private readonly byte[] _value = new byte[AttrdShim.ATTRD_MAX_SENT];
    private readonly nint _handle;
    private readonly List<(Attribute Attribute, ulong Token, TimeSpan Until)> _waiting = [];
    private readonly Deadline _waitingEnd;
    private uint _generation;
    private ulong _token;
    private uint _events;

    /// <param name="loop">Watches the connection and its deadlines.</param>
    /// <param name="log">Receives each change of the connection's state once, and each value that attrd
    /// refuses.</param>
    /// <param name="path">The path of attrd's socket, up to 107 bytes.</param>
    /// <param name="table">The attributes that connmgr owns.</param>
    public AttributeClient(Loop loop, Log log, string path, AttributeTable table)
    {
        _loop = loop;
        _log = log;
        _table = table;
        _deadline = loop.AddTimer(Process);
        _waitingEnd = loop.AddTimer(OnWaitEnded);
        using NativeStrings strings = new([path, "IPC.CONNMGR"]);
        _handle = AttrdShim.attrd_create(strings.Pointer[0], strings.Pointer[1], null, 0, Now);
        if (_handle == 0)
        {
            throw new InvalidOperationException("attrd_create rejected its arguments");
        }
        Watch();
    }

    /// <summary>True while attrd accepts this client.</summary>
    public bool IsOpen { get; private set; }

    /// <summary>The state of the connection as a phrase, e.g. `connected`.</summary>
    public string Words { get; private set; } = "not connected yet";

    private ulong Now => (ulong)_loop.Now.Ticks * TimeSpan.NanosecondsPerTick;

    /// <summary>
    /// Sends the values of notifying attributes that have changed since the last call, and answers the gets
    /// that had to wait for a value.
    /// </summary>
    public void Publish()
    {
        _ = _waiting.RemoveAll(get => TryAnswer(get.Attribute, get.Token));
        foreach (Attribute attribute in _table.Notifying)
        {
            int length = attribute.Read(_value);
            if (length == Attribute.Unknown)
            {
                continue;
            }
            fixed (byte* value = _value)
            {
                _ = AttrdShim.attrd_publish(_handle, attribute.Id, value, length, Now);
            }
        }
        Watch();
    }

    private void Process()
    {
        AttrdShim.attrd_process(_handle, Now);
        AttrdShim.attrd_event next;
        while (AttrdShim.attrd_next_event(_handle, Now, &next) == 1)
        {
            Handle(next);
        }
        Watch();
    }

    private void Handle(in AttrdShim.attrd_event what)
    {
        switch (what.type)
        {
            case AttrdShim.ATTRD_EVENT_OPEN:
                IsOpen = true;
                Say("connected");
                break;
            case AttrdShim.ATTRD_EVENT_CLOSED:
                IsOpen = false;
                _waiting.Clear();
                Say(WordsOfClosed(what.status, what.attribute));
                break;
            case AttrdShim.ATTRD_EVENT_GET:
                Get(what);
                break;
            case AttrdShim.ATTRD_EVENT_SET:
                _ = Answer(what.token, Set(what), 0);
                break;
            case AttrdShim.ATTRD_EVENT_REFUSED:
                _log.Event(
                    EventKind.Attrd,
                    $"attrd refuses the value of attribute {what.attribute} with status {what.status}",
                    LogLevel.Warn);
                break;
        }
    }

    private void Get(in AttrdShim.attrd_event what)
    {
        if (_table.Find(what.attribute) is not { } attribute)
        {
            _ = Answer(what.token, AttrdShim.ATTRD_STATUS_NOT_FOUND, 0);
        }
        else if (!TryAnswer(attribute, what.token))
        {
            Wait(attribute, what.token);
        }
    }

    private void Wait(Attribute attribute, ulong token)
    {
        if (_waiting.Count == WaitingLimit)
        {
            _ = Answer(token, AttrdShim.ATTRD_STATUS_UNSPECIFIED, 0);
            return;
        }
        _waiting.Add((attribute, token, _loop.Now + WaitingTime));
        if (_waiting.Count == 1)
        {
            _waitingEnd.Set(_waiting[0].Until);
        }
        attribute.Wanted?.Invoke();
    }

    private void OnWaitEnded()
    {
        TimeSpan now = _loop.Now;
        _ = _waiting.RemoveAll(get => get.Until <= now
            && Answer(get.Token, AttrdShim.ATTRD_STATUS_UNSPECIFIED, 0) != AttrdShim.ATTRD_E_AGAIN);
        if (_waiting.Count > 0)
        {
            // Wake up when the next get expires. If an expired one is still here, there was no room for its
            // answer: try again in 100 ms.
            TimeSpan soon = now + TimeSpan.FromMilliseconds(100);
            _waitingEnd.Set(_waiting[0].Until > soon ? _waiting[0].Until : soon);
        }
        Watch();
    }

    /// <summary>
    /// Answers a get. False if it must wait: the value is not known yet, or there is no room.
    /// </summary>
    private bool TryAnswer(Attribute attribute, ulong token)
    {
        int length = attribute.Read(_value);
        return length != Attribute.Unknown
            && Answer(token, AttrdShim.ATTRD_STATUS_OK, length) != AttrdShim.ATTRD_E_AGAIN;
    }

    private int Set(in AttrdShim.attrd_event what) =>
        _table.Find(what.attribute) is not { } attribute ? AttrdShim.ATTRD_STATUS_NOT_FOUND
        : attribute.Write is null ? AttrdShim.ATTRD_STATUS_FORBIDDEN
        : attribute.Write(new ReadOnlySpan<byte>(what.value, what.length)) ? AttrdShim.ATTRD_STATUS_OK
        : AttrdShim.ATTRD_STATUS_BAD_DATA;

    /// <summary>Sends an answer. The shim always has room for an immediate one (attrd_shim.h).</summary>
    private int Answer(ulong token, int status, int length)
    {
        fixed (byte* value = _value)
        {
            return AttrdShim.attrd_answer(_handle, token, status, value, length);
        }
    }

    /// <summary>
    /// Watches the shim's descriptor, which changes with each connection, and its deadline.
    /// </summary>
    private void Watch()
    {
        AttrdShim.attrd_watch watch;
        AttrdShim.attrd_get_watch(_handle, &watch);
        if (watch.generation != _generation)
        {
            _generation = watch.generation;
            _loop.Forget(_token); // closing the descriptor removed it from the epoll set
            _token = watch.fd >= 0 ? _loop.Add(watch.fd, Process, watch.events) : 0;
            _events = watch.events;
        }
        else if (watch.fd >= 0 && watch.events != _events)
        {
            _loop.Modify(watch.fd, _token, watch.events);
            _events = watch.events;
        }

        if (watch.deadline_ns == AttrdShim.ATTRD_NO_DEADLINE)
        {
            _deadline.Clear();
        }
        else
        {
            _deadline.Set(TimeSpan.FromTicks((long)(watch.deadline_ns / TimeSpan.NanosecondsPerTick) + 1));
        }
    }

    private void Say(string words)
    {
        if (words != Words)
        {
            Words = words;
            _log.Event(EventKind.Attrd, $"attrd: {words}");
        }
    }

    private static string WordsOfClosed(int why, uint detail) => why switch
    {
        AttrdShim.ATTRD_CLOSED_CONNECT => $"cannot connect ({Errno.Text((int)detail)}), retrying",
        AttrdShim.ATTRD_CLOSED_UNANSWERED => "does not answer, retrying",
        AttrdShim.ATTRD_CLOSED_REFUSED => $"refuses connmgr with status {detail}, retrying",
        AttrdShim.ATTRD_CLOSED_BY_PEER => "has closed the connection, retrying",
        AttrdShim.ATTRD_CLOSED_FAILED => $"connection failed ({Errno.Text((int)detail)}), retrying",
        AttrdShim.ATTRD_CLOSED_NONSENSE => "sends invalid messages, retrying",
        _ => $"did not confirm attribute {detail}, retrying",
    };

    public void Dispose()
    {
        _deadline.Dispose();
        _waitingEnd.Dispose();
        _loop.Forget(_token);
        // Answer the gets that wait: see WaitingTime.
        foreach ((_, ulong token, _) in _waiting)
        {
            _ = Answer(token, AttrdShim.ATTRD_STATUS_UNSPECIFIED, 0);
        }
        AttrdShim.attrd_process(_handle, Now);
        AttrdShim.attrd_destroy(_handle);
    }
}
