namespace ConnMgr.Links;

/// <summary>
/// Stores the failures of a link within the last hour, at most as many as the waits of the selection
/// depend on.
/// </summary>
internal sealed class FailureHistory
{
    /// <summary>With this many failures, every wait has reached its maximum.</summary>
    private const int Kept = 8;

    private static readonly TimeSpan Hour = TimeSpan.FromHours(1);
    private static readonly TimeSpan Recent = TimeSpan.FromMinutes(10);
    private static readonly TimeSpan FirstWait = TimeSpan.FromSeconds(10);
    private static readonly TimeSpan LongestWait = TimeSpan.FromSeconds(300);

    private readonly Queue<TimeSpan> _times = new(Kept);

    /// <summary>The time of the last failure; null if there was none.</summary>
    public TimeSpan? Last { get; private set; }

    /// <summary>Adds a failure at this time.</summary>
    public void Add(TimeSpan now)
    {
        if (_times.Count == Kept)
        {
            _times.Dequeue();
        }
        _times.Enqueue(now);
        Last = now;
    }

    /// <summary>The number of failures within the hour before <paramref name="now"/>, at most 8.</summary>
    public int Count(TimeSpan now)
    {
        int count = 0;
        foreach (TimeSpan time in _times)
        {
            count += now - time < Hour ? 1 : 0;
        }
        return count;
    }

    /// <summary>True if the last failure was within the 10 minutes before <paramref name="now"/>.</summary>
    public bool IsRecent(TimeSpan now) => Last is { } last && now - last < Recent;

    /// <summary>
    /// Rule 4: how long the link has to stay good before it may replace another link of its class. 10 s after
    /// one failure in the last 10 minutes, doubled for each further one within the hour, at most 300 s.
    /// </summary>
    public TimeSpan Hold(TimeSpan now) =>
        IsRecent(now) ? Doubled(Count(now) - 1) : TimeSpan.Zero;

    /// <summary>
    /// Rule 3: how long the link has to stay without a failure before it may replace a metered link. 10 s
    /// after two failures within the hour, doubled for each further one, at most 300 s.
    /// </summary>
    public TimeSpan MeteredWait(TimeSpan now) =>
        Count(now) is var count && count >= 2 ? Doubled(count - 2) : TimeSpan.Zero;

    /// <summary>
    /// When a wait may next become shorter by itself, because the last failure is 10 minutes old, or another
    /// one an hour; TimeSpan.MaxValue if there is none.
    /// </summary>
    public TimeSpan NextChange(TimeSpan now)
    {
        TimeSpan next = IsRecent(now) ? Last!.Value + Recent : TimeSpan.MaxValue;
        foreach (TimeSpan time in _times) // the oldest first
        {
            if (now - time < Hour)
            {
                return time + Hour < next ? time + Hour : next;
            }
        }
        return next;
    }

    private static TimeSpan Doubled(int times)
    {
        TimeSpan wait = FirstWait * (1 << Math.Clamp(times, 0, Kept));
        return wait < LongestWait ? wait : LongestWait;
    }
}
