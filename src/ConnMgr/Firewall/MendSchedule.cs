namespace ConnMgr.Firewall;

/// <summary>
/// When the lockdown is restored after somebody else has changed the rules: at once, but not in an endless fight. Pure,
/// times passed in.
/// </summary>
internal sealed class MendSchedule
{
    private static readonly TimeSpan Peace = TimeSpan.FromSeconds(60);
    private static readonly TimeSpan LongestWait = TimeSpan.FromSeconds(8);

    private TimeSpan _last = TimeSpan.MinValue;

    /// <summary>How often in a row, with less than a minute between.</summary>
    public int Count { get; private set; }

    /// <summary>It goes on and on. True once in a row.</summary>
    public bool IsFight => Count == 4;

    /// <summary>The rules were found changed: when they are to be restored, 0, 1, 2, 4, then 8 s after the last time.</summary>
    public TimeSpan Next(TimeSpan now)
    {
        if (_last == TimeSpan.MinValue || now - _last >= Peace)
        {
            Count = 0;
        }
        TimeSpan wait = Count == 0 ? TimeSpan.Zero : TimeSpan.FromSeconds(1 << Math.Min(Count - 1, 3));
        wait = wait < LongestWait ? wait : LongestWait;
        Count++;
        TimeSpan last = _last < now ? _last : now; // in the future if it was restored for another reason meanwhile
        TimeSpan at = Count == 1 || last + wait < now ? now : last + wait;
        _last = at;
        return at;
    }
}
