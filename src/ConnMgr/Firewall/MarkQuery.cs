using ConnMgr.Logging;
using ConnMgr.Net;

namespace ConnMgr.Firewall;

/// <summary>
/// Finds out whether another program's rules overwrite the mark of the daemon's packets. The lockdown copies
/// the daemon's bit from the packets to the mark of their connection, which conntrack shows.
/// </summary>
/// <param name="log">Receives a warning when a mark was overwritten, and a line when marks are kept
/// again.</param>
/// <param name="mark">The bit of the daemon's own packets.</param>
internal sealed class MarkQuery(Log log, uint mark)
{
    /// <summary>Checks no more often than this: each check opens a netlink socket.</summary>
    private static readonly TimeSpan Gap = TimeSpan.FromSeconds(10);

    private TimeSpan _next;
    private TimeSpan? _keptSince; // since when the rules copy the bit

    /// <summary>True if the mark of the last checked probe was overwritten.</summary>
    public bool IsOverwritten { get; private set; }

    /// <summary>Reports whether the rules in force copy the bit.</summary>
    public void SetKept(bool isKept, TimeSpan now) => _keptSince = isKept ? _keptSince ?? now : null;

    /// <summary>
    /// Checks a probe that has just ended, if the rules have copied the bit since its start.
    /// </summary>
    /// <param name="probe">The addresses and ports of its packets.</param>
    /// <param name="startedAt">When it started.</param>
    /// <param name="now">The loop's time.</param>
    public void See(in Flow probe, TimeSpan startedAt, TimeSpan now)
    {
        if (now < _next || !(_keptSince < startedAt))
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
