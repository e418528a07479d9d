using ConnMgr.Logging;
using ConnMgr.Net;

namespace ConnMgr.Firewall;

/// <summary>
/// Finds out whether another program's rules overwrite the mark of the daemon's packets. The lockdown copies
/// the daemon's bit from the packets to the mark of their connection, which conntrack shows.
/// </summary>
/// <param name="log">Receives a warning when it begins, and a line when it has ended.</param>
/// <param name="mark">The bit of the daemon's own packets.</param>
internal sealed class MarkQuery(Log log, uint mark)
{
    /// <summary>Checks no more often than this: each check opens a netlink socket.</summary>
    private static readonly TimeSpan Gap = TimeSpan.FromSeconds(10);

    private TimeSpan _next;

    /// <summary>True if the mark of the last checked probe was overwritten.</summary>
    public bool IsOverwritten { get; private set; }

    /// <summary>Checks a probe that has just ended.</summary>
    /// <param name="probe">The addresses and ports of its packets.</param>
    /// <param name="now">The loop's time.</param>
    public void See(in Flow probe, TimeSpan now)
    {
        if (now < _next)
        {
            return;
        }
        _next = now + Gap;
        using ConntrackQuery query = new();
        if (query.MarkOf(probe) is not { } found)
        {
            return; // the kernel has no ctnetlink, or does not track the connection
        }
        if ((found & mark) == 0 != IsOverwritten)
        {
            IsOverwritten = !IsOverwritten;
            log.Event(
                EventKind.Firewall,
                IsOverwritten
                    ? $"another program's rules overwrite the mark 0x{mark:x} of connmgr's packets: "
                        + "probes pass by their addresses and ports alone"
                    : $"the mark 0x{mark:x} of connmgr's packets is no longer overwritten",
                IsOverwritten ? LogLevel.Warn : LogLevel.Info);
        }
    }
}
