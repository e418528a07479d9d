using ConnMgr.Native;

namespace ConnMgr.EventLoop;

/// <summary>
/// A kernel timer that sends SIGKILL to this process unless <see cref="Feed"/> is called in time. If the
/// process hangs for any reason, even SIGSTOP, init then starts a new one.
/// </summary>
internal sealed unsafe class Watchdog
{
    private static readonly TimeSpan Limit = TimeSpan.FromSeconds(10);

    private readonly nint _timer;

    /// <summary>Creates the timer and starts it. Throws if the kernel refuses it.</summary>
    public Watchdog()
    {
        LibcExtra.sigevent kill = new()
        {
            sigev_notify = LibcExtra.SIGEV_SIGNAL,
            sigev_signo = LibcExtra.SIGKILL,
        };
        nint timer = 0; // glibc writes 4 bytes for kernel timers on some architectures
        Errno.Check(LibcExtra.timer_create(LibcExtra.CLOCK_MONOTONIC, &kill, &timer));
        _timer = timer;
        Feed();
    }

    /// <summary>Sets the timer to 10 s from now.</summary>
    public void Feed()
    {
        LibcExtra.itimerspec spec = new() { it_value_sec = (nint)Limit.TotalSeconds };
        Errno.Check(LibcExtra.timer_settime(_timer, 0, &spec, null));
    }
}
