using ConnMgr.Native;
using Tmds.Linux;

namespace ConnMgr.EventLoop;

/// <summary>
/// All deadlines of the process on one timerfd. <see cref="Arm"/> sets it to the earliest of them, with a system call
/// only if that has changed.
/// </summary>
internal sealed class Timer : IDisposable
{
    private readonly int _fd;
    private readonly Loop _loop;
    private readonly ulong _token;
    private readonly Func<TimeSpan> _clock;
    private readonly List<Deadline> _deadlines = [];
    private TimeSpan _armed = TimeSpan.MaxValue;

    /// <param name="loop">Where expiry is noticed.</param>
    /// <param name="clock">Monotonic time.</param>
    public Timer(Loop loop, Func<TimeSpan> clock)
    {
        _loop = loop;
        _clock = clock;
        _fd = Errno.Check(Libc.timerfd_create(Libc.CLOCK_MONOTONIC, Libc.TFD_NONBLOCK | Libc.TFD_CLOEXEC));
        _token = loop.Add(_fd, Expire);
    }

    /// <summary>A new deadline, not set. It belongs to the timer until it is disposed of.</summary>
    public Deadline Add(Action expired)
    {
        Deadline deadline = new(this, expired);
        _deadlines.Add(deadline);
        return deadline;
    }

    internal void Remove(Deadline deadline) => _deadlines.Remove(deadline);

    /// <summary>Sets the timerfd for the earliest deadline. To be called once after each batch of events.</summary>
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
        Libc.itimerspec spec = default; // all zero disarms
        if (earliest != TimeSpan.MaxValue)
        {
            long ticks = Math.Max(1, (earliest - _clock()).Ticks);
            spec.it_value_sec = (nint)(ticks / TimeSpan.TicksPerSecond);
            spec.it_value_nsec = (nint)(ticks % TimeSpan.TicksPerSecond * TimeSpan.NanosecondsPerTick);
        }
        Errno.Check(Libc.timerfd_settime(_fd, 0, &spec, null));
    }

    private unsafe void Expire()
    {
        ulong expirations;
        _ = LibC.read(_fd, &expirations, sizeof(ulong));
        _armed = TimeSpan.MaxValue;

        TimeSpan now = _clock();
        // By index: a handler may add or remove deadlines. One that moves is looked at again at the next expiry.
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

/// <summary>One moment at which something is to be done, once. Disposing of it forgets it.</summary>
internal sealed class Deadline(Timer timer, Action expired) : IDisposable
{
    /// <summary>When it is due, in monotonic time; <see cref="TimeSpan.MaxValue"/> is never.</summary>
    public TimeSpan At { get; private set; } = TimeSpan.MaxValue;

    public bool IsSet => At != TimeSpan.MaxValue;

    public void Set(TimeSpan at) => At = at;

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
        timer.Remove(this);
    }
}
