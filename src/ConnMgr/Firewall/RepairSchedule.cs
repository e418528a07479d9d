namespace ConnMgr.Firewall;

/// <summary>
/// Decides when to restore the lockdown after another program has changed the rules: at once, but ever more slowly if
/// that program goes on. Pure.
/// </summary>
internal sealed class RepairSchedule
{
    private static readonly TimeSpan Peace = TimeSpan.FromSeconds(60);
    private static readonly TimeSpan LongestWait = TimeSpan.FromSeconds(8);

    private TimeSpan _last = TimeSpan.MinValue;

    /// <summary>How many changes in a row, less than a minute apart.</summary>
    public int Count { get; private set; }

    /// <summary>The other program goes on and on. True once in a row.</summary>
    public bool IsFight => Count == 4;

    /// <summary>The rules were found changed. Returns when to restore them: 0, 1, 2, 4, then 8 s after the last time.</summary>
    public TimeSpan Next(TimeSpan now)
    {
        if (_last == TimeSpan.MinValue || now - _last >= Peace)
        {
            Count = 0;
        }
        TimeSpan wait = Count == 0 ? TimeSpan.Zero : TimeSpan.FromSeconds(1 << Math.Min(Count - 1, 3));
        wait = wait < LongestWait ? wait : LongestWait;
        Count++;
        TimeSpan last = _last < now ? _last : now; // in the future if another reason has led to a run meanwhile
        TimeSpan at = Count == 1 || last + wait < now ? now : last + wait;
        _last = at;
        return at;
    }
}
