using ConnMgr.EventLoop;
using ConnMgr.Native;

namespace ConnMgr.Attributes;

/// <summary>
/// The connection to the attribute daemon, by native/attrd_shim.c: answers gets and sets from the table, and sends the
/// changes of what notifies. Nothing that attrd does or fails to do goes past it.
/// </summary>
internal sealed unsafe class AttributeClient : IDisposable
{
    private readonly Loop _loop;
    private readonly AttributeTable _table;
    private readonly Action<string> _changed;
    private readonly Action<string> _refused;
    private readonly Deadline _deadline;
    private readonly byte[] _value = new byte[AttrdShim.ATTRD_MAX_SENT];
    private readonly nint _handle;
    private uint _generation;
    private ulong _token;
    private uint _events;
    private string _saidClosed = "";

    /// <param name="loop">Where attrd is heard.</param>
    /// <param name="path">Of attrd's socket, up to 107 bytes.</param>
    /// <param name="table">What is owned.</param>
    /// <param name="changed">Gets words when the connection comes or goes; the same words only once in a row.</param>
    /// <param name="refused">Gets words when attrd refuses a value.</param>
    public AttributeClient(
        Loop loop, string path, AttributeTable table, Action<string> changed,
        Action<string> refused)
    {
        _loop = loop;
        _table = table;
        _changed = changed;
        _refused = refused;
        _deadline = loop.AddTimer(Process);
        using NativeStrings strings = new([path, "IPC.CONNMGR"]);
        _handle = AttrdShim.attrd_create(strings.Pointer[0], strings.Pointer[1], null, 0, Now);
        if (_handle == 0)
        {
            throw new InvalidOperationException("attrd_create refuses its arguments");
        }
        Watch();
    }

    /// <summary>True while attrd has accepted us.</summary>
    public bool IsOpen { get; private set; }

    private ulong Now => (ulong)_loop.Now.Ticks * TimeSpan.NanosecondsPerTick;

    /// <summary>Looks at what notifies, and sends what has changed.</summary>
    public void Publish()
    {
        foreach (Attribute attribute in _table.Notifying)
        {
            int length = attribute.Read(_value);
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
                Say(WordsOfClosed(what.status, what.attribute));
                break;
            case AttrdShim.ATTRD_EVENT_GET:
                Get(what);
                break;
            case AttrdShim.ATTRD_EVENT_SET:
                Answer(what.token, Set(what), 0);
                break;
            case AttrdShim.ATTRD_EVENT_REFUSED:
                _refused($"refuses the value of attribute {what.attribute} with status {what.status}");
                break;
        }
    }

    private void Get(in AttrdShim.attrd_event what)
    {
        if (_table.Find(what.attribute) is { } attribute)
        {
            Answer(what.token, AttrdShim.ATTRD_STATUS_OK, attribute.Read(_value));
        }
        else
        {
            Answer(what.token, AttrdShim.ATTRD_STATUS_NOT_FOUND, 0);
        }
    }

    private int Set(in AttrdShim.attrd_event what) =>
        _table.Find(what.attribute) is not { } attribute ? AttrdShim.ATTRD_STATUS_NOT_FOUND
        : attribute.Write is null ? AttrdShim.ATTRD_STATUS_FORBIDDEN
        : attribute.Write(new ReadOnlySpan<byte>(what.value, what.length)) ? AttrdShim.ATTRD_STATUS_OK
        : AttrdShim.ATTRD_STATUS_BAD_DATA;

    /// <summary>There always is room for an answer that is given at once (attrd_shim.h).</summary>
    private void Answer(ulong token, int status, int length)
    {
        fixed (byte* value = _value)
        {
            _ = AttrdShim.attrd_answer(_handle, token, status, value, length);
        }
    }

    /// <summary>Watches the shim's descriptor, which is another after each connection, and its deadline.</summary>
    private void Watch()
    {
        AttrdShim.attrd_watch watch;
        AttrdShim.attrd_get_watch(_handle, &watch);
        if (watch.generation != _generation)
        {
            _generation = watch.generation;
            _loop.Forget(_token); // closing it took it out of the epoll set
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
        if (words != _saidClosed)
        {
            _saidClosed = words;
            _changed(words);
        }
    }

    private static string WordsOfClosed(int why, uint detail) => why switch
    {
        AttrdShim.ATTRD_CLOSED_CONNECT => $"not there ({Errno.Text((int)detail)}), trying again",
        AttrdShim.ATTRD_CLOSED_UNANSWERED => "does not answer, trying again",
        AttrdShim.ATTRD_CLOSED_REFUSED => $"refuses us with status {detail}, trying again",
        AttrdShim.ATTRD_CLOSED_BY_PEER => "has closed the connection, trying again",
        AttrdShim.ATTRD_CLOSED_FAILED => $"connection failed ({Errno.Text((int)detail)}), trying again",
        AttrdShim.ATTRD_CLOSED_NONSENSE => "speaks nonsense, trying again",
        _ => $"did not confirm attribute {detail}, trying again",
    };

    public void Dispose()
    {
        _deadline.Dispose();
        _loop.Forget(_token);
        AttrdShim.attrd_destroy(_handle);
    }
}
