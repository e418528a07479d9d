using ConnMgr.Native;
using Tmds.Linux;

namespace ConnMgr.EventLoop;

/// <summary>
/// Keeps all deadlines of a <see cref="Loop"/> on one timerfd (CLOCK_MONOTONIC). <see cref="Arm"/> sets it to
/// the earliest deadline and makes a system call only if that has changed.
/// </summary>
internal sealed class Deadlines : IDisposable
{
    private static readonly TimeSpan Unknown = TimeSpan.MinValue;

    private readonly int _fd;
    private readonly Loop _loop;
    private readonly ulong _token;
    private readonly List<Deadline> _deadlines = [];
    private TimeSpan _armed = TimeSpan.MaxValue;

    /// <param name="loop">Watches the timerfd.</param>
    public Deadlines(Loop loop)
    {
        _loop = loop;
        int flags = LibcExtra.TFD_NONBLOCK | LibcExtra.TFD_CLOEXEC;
        _fd = Errno.Check(LibcExtra.timerfd_create(LibcExtra.CLOCK_MONOTONIC, flags));
        _token = loop.Add(_fd, Expire);
    }

    /// <summary>Adds a deadline that is not set yet.</summary>
    /// <param name="expired">Called from the loop when the deadline expires.</param>
    public Deadline Add(Action expired)
    {
        Deadline deadline = new(this, expired);
        _deadlines.Add(deadline);
        return deadline;
    }

    internal void Remove(Deadline deadline) => _deadlines.Remove(deadline);

    /// <summary>
    /// Sets the timerfd for the earliest deadline. The loop calls it once after each batch of events.
    /// </summary>
    public unsafe void Arm()
    {
        TimeSpan earliest = TimeSpan.MaxValue;
        foreach (Deadline deadline in _deadlines)
        {
            earliest = deadline.At < earliest ? deadline.At : earliest;
        }
        if (earliest == _armed)
        {
            return;
        }

        _armed = earliest;
        LibcExtra.itimerspec spec = default; // all zero disarms
        if (earliest != TimeSpan.MaxValue)
        {
            long ticks = Math.Max(1, (earliest - _loop.Now).Ticks);
            spec.it_value_sec = (nint)(ticks / TimeSpan.TicksPerSecond);
            spec.it_value_nsec = (nint)(ticks % TimeSpan.TicksPerSecond * TimeSpan.NanosecondsPerTick);
        }
        Errno.Check(LibcExtra.timerfd_settime(_fd, 0, &spec, null));
    }

    private void Expire()
    {
        // Setting the timerfd anew also makes it unreadable (timerfd_settime(2)), so it need not be read.
        _armed = Unknown;

        TimeSpan now = _loop.Now;
        // Iterate by index: a handler may add or remove deadlines. A deadline that is skipped fires at the
        // next expiry.
        for (int i = 0; i < _deadlines.Count; i++)
        {
            _deadlines[i].ExpireIfDue(now);
        }
    }

    public void Dispose()
    {
        _loop.Remove(_fd, _token);
        _ = LibC.close(_fd);
    }
}

/// <summary>
/// A point in time at which the loop calls back once. Dispose it to remove it from the loop.
/// </summary>
internal sealed class Deadline(Deadlines deadlines, Action expired) : IDisposable
{
    /// <summary>
    /// When it expires, in <see cref="Loop.Now"/> time; <see cref="TimeSpan.MaxValue"/> if it is not set.
    /// </summary>
    public TimeSpan At { get; private set; } = TimeSpan.MaxValue;

    /// <summary>True if the deadline is set and has not expired.</summary>
    public bool IsSet => At != TimeSpan.MaxValue;

    /// <summary>
    /// Sets the deadline, in <see cref="Loop.Now"/> time. The past is allowed: it expires at once.
    /// </summary>
    public void Set(TimeSpan at) => At = at;

    /// <summary>
    /// Sets the deadline to the first of several points in time; clears it if all of them are
    /// <see cref="TimeSpan.MaxValue"/>.
    /// </summary>
    public void SetToFirst(params ReadOnlySpan<TimeSpan> times)
    {
        Clear();
        foreach (TimeSpan time in times)
        {
            At = time < At ? time : At;
        }
    }

    /// <summary>Clears the deadline, so that it does not expire.</summary>
    public void Clear() => At = TimeSpan.MaxValue;

    internal void ExpireIfDue(TimeSpan now)
    {
        if (At <= now)
        {
            Clear();
            expired();
        }
    }

    public void Dispose()
    {
        Clear();
        deadlines.Remove(this);
    }
}
