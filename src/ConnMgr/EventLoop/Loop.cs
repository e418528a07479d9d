using ConnMgr.Native;
using Tmds.Linux;

namespace ConnMgr.EventLoop;

/// <summary>
/// The epoll loop of the process, level-triggered, with its clock and its timers. It waits for events and
/// calls their handlers; an exception of a handler ends the loop.
/// </summary>
internal sealed class Loop : IDisposable
{
    /// <summary>EPOLLIN and EPOLLOUT, &lt;sys/epoll.h&gt;.</summary>
    public const uint Readable = 0x1;

    /// <inheritdoc cref="Readable"/>
    public const uint Writable = 0x4;

    private const int MaxEvents = 32;

    private readonly TimeProvider _time;
    private readonly Deadlines _deadlines;
    private readonly int _epoll;
    private readonly Dictionary<ulong, Action> _handlers = [];
    private readonly epoll_event[] _events = new epoll_event[MaxEvents];
    private readonly int[] _spares = new int[5]; // for a script: a pipe, a pidfd, what the child opens
    private ulong _lastToken;
    private bool _stopped;

    /// <param name="time">The monotonic clock; <see cref="TimeProvider.System"/> if null.</param>
    public Loop(TimeProvider? time = null)
    {
        _time = time ?? TimeProvider.System;
        _epoll = Errno.Check(LibC.epoll_create1(LibC.EPOLL_CLOEXEC));
        _deadlines = new Deadlines(this);
        _spares.AsSpan().Fill(-1);
        HoldSpares();
    }

    /// <summary>
    /// Monotonic time, from an arbitrary origin that is the same for the life of the process.
    /// </summary>
    public TimeSpan Now => _time.GetElapsedTime(0);

    /// <summary>The number of times epoll_wait has returned events.</summary>
    public long WakeUps { get; private set; }

    /// <summary>
    /// Calls <paramref name="handler"/> whenever <paramref name="fd"/> is ready. Returns a token that is
    /// never reused, so that an event that epoll_wait has already returned cannot reach the next owner of the
    /// descriptor's number.
    /// </summary>
    public unsafe ulong Add(int fd, Action handler, uint events = Readable)
    {
        ulong token = ++_lastToken;
        epoll_event watched = new() { events = (int)events };
        watched.data.u64 = token;
        Errno.Check(LibC.epoll_ctl(_epoll, LibC.EPOLL_CTL_ADD, fd, &watched));
        _handlers.Add(token, handler);
        return token;
    }

    /// <summary>Changes the events that a registered descriptor waits for.</summary>
    public unsafe void Modify(int fd, ulong token, uint events)
    {
        epoll_event watched = new() { events = (int)events };
        watched.data.u64 = token;
        Errno.Check(LibC.epoll_ctl(_epoll, LibC.EPOLL_CTL_MOD, fd, &watched));
    }

    /// <summary>Ends a registration whose descriptor is already closed.</summary>
    public void Forget(ulong token) => _handlers.Remove(token);

    /// <summary>Ends a registration. Call it before the descriptor is closed.</summary>
    public unsafe void Remove(int fd, ulong token)
    {
        if (_handlers.Remove(token))
        {
            Errno.Check(LibC.epoll_ctl(_epoll, LibC.EPOLL_CTL_DEL, fd, null));
        }
    }

    /// <summary>
    /// Reserves descriptors for a script that must run although all others are in use, e.g. to switch routes.
    /// </summary>
    public void HoldSpares()
    {
        foreach (ref int spare in _spares.AsSpan())
        {
            spare = spare < 0 ? LibcExtra.eventfd(0, LibcExtra.EFD_CLOEXEC) : spare;
        }
    }

    /// <summary>Releases the reserved descriptors to the caller. True if there were any.</summary>
    public bool ReleaseSpares()
    {
        bool hasReleased = false;
        foreach (ref int spare in _spares.AsSpan())
        {
            hasReleased |= spare >= 0 && LibC.close(spare) == 0;
            spare = -1;
        }
        return hasReleased;
    }

    /// <summary>Adds a timer, not set at first. The timer stays registered until it is disposed.</summary>
    /// <param name="expired">Called from the loop when the timer expires.</param>
    public Deadline AddTimer(Action expired) => _deadlines.Add(expired);

    /// <summary>Makes <see cref="Run"/> return after the current batch of events.</summary>
    public void Stop() => _stopped = true;

    /// <summary>
    /// Handles events until <see cref="Stop"/> is called. Calls <paramref name="settle"/> at the start and
    /// after each batch.
    /// </summary>
    public void Run(Action settle)
    {
        settle();
        while (!_stopped)
        {
            _deadlines.Arm();
            Wait();
            settle();
        }
    }

    private unsafe void Wait()
    {
        int count;
        fixed (epoll_event* events = _events)
        {
            count = LibC.epoll_wait(_epoll, events, MaxEvents, -1);
        }
        if (count < 0)
        {
            if (Errno.Last != Errno.EINTR)
            {
                Errno.Throw(Errno.Last, nameof(LibC.epoll_wait));
            }
            return;
        }

        WakeUps++;
        for (int i = 0; i < count; i++)
        {
            if (_handlers.TryGetValue(_events[i].data.u64, out Action? handler))
            {
                handler();
            }
        }
    }

    public void Dispose()
    {
        _deadlines.Dispose();
        _ = ReleaseSpares();
        _ = LibC.close(_epoll);
    }
}
