namespace ConnMgr.Firewall;

/// <summary>
/// Counts the changes of the lockdown by other programs. Decides when to run init_firewall.sh after one
/// that is already undone in the kernel: at once, and ever more slowly while the other program continues.
/// Every other change is repaired at once, however often they come. Pure.
/// </summary>
internal sealed class RepairSchedule
{
    // A change after this time without one counts as the first again.
    private static readonly TimeSpan QuietTime = TimeSpan.FromSeconds(60);

    private TimeSpan _last = TimeSpan.MinValue; // the last run, perhaps in the future

    /// <summary>The number of changes in a row, less than a minute apart.</summary>
    public int Count { get; private set; }

    /// <summary>True for the fourth change in a row: another program keeps changing the rules.</summary>
    public bool IsPersistent => Count == 4;

    /// <summary>Counts a change that is repaired now.</summary>
    public void RepairNow(TimeSpan now)
    {
        CountChange(now);
        _last = now;
    }

    /// <summary>
    /// Counts a change that is undone. Returns when to run the script: 0, 1, 2, 4, then 8 s after the last
    /// run.
    /// </summary>
    public TimeSpan Next(TimeSpan now)
    {
        CountChange(now);
        TimeSpan wait = Count == 1 ? TimeSpan.Zero : TimeSpan.FromSeconds(1 << Math.Min(Count - 2, 3));
        // _last is in the future if the script has run for another reason meanwhile.
        TimeSpan last = _last < now ? _last : now;
        TimeSpan at = Count == 1 || last + wait < now ? now : last + wait;
        _last = at;
        return at;
    }

    private void CountChange(TimeSpan now) =>
        Count = _last == TimeSpan.MinValue || now - _last >= QuietTime ? 1 : Count + 1;
}
