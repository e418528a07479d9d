namespace ConnMgr.Firewall;

/// <summary>
/// Decides when to restore the lockdown after another program has changed the rules: at once, and ever
/// more slowly while that program continues. Pure.
/// </summary>
internal sealed class RepairSchedule
{
    // A change after this time without one counts as the first again.
    private static readonly TimeSpan QuietTime = TimeSpan.FromSeconds(60);
    private static readonly TimeSpan LongestWait = TimeSpan.FromSeconds(8);

    private TimeSpan _last = TimeSpan.MinValue;

    /// <summary>The number of changes in a row, less than a minute apart.</summary>
    public int Count { get; private set; }

    /// <summary>True for the fourth change in a row: another program keeps changing the rules.</summary>
    public bool IsPersistent => Count == 4;

    /// <summary>Returns when to restore changed rules: 0, 1, 2, 4, then 8 s after the last time.</summary>
    public TimeSpan Next(TimeSpan now)
    {
        if (_last == TimeSpan.MinValue || now - _last >= QuietTime)
        {
            Count = 0;
        }
        TimeSpan wait = Count == 0 ? TimeSpan.Zero : TimeSpan.FromSeconds(1 << Math.Min(Count - 1, 3));
        wait = wait < LongestWait ? wait : LongestWait;
        Count++;
        // _last is in the future if the script has run for another reason meanwhile.
        TimeSpan last = _last < now ? _last : now;
        TimeSpan at = Count == 1 || last + wait < now ? now : last + wait;
        _last = at;
        return at;
    }
}
