namespace ConnMgr.EventLoop;

/// <summary>
/// A token bucket: limits how often an action runs. Rare actions run at once, continuous ones at an even
/// rate. Pure.
/// </summary>
/// <param name="burst">The number of actions that may run without a pause; 1 or more.</param>
/// <param name="period">The time between two actions after a burst.</param>
internal sealed class Pace(int burst, TimeSpan period)
{
    private TimeSpan _fullAt = TimeSpan.MinValue;

    /// <summary>
    /// When <see cref="TryTake"/> will return true: at most one period from now, or later after
    /// <see cref="Take"/>, which has a limit of its own.
    /// </summary>
    public TimeSpan NextAt => _fullAt == TimeSpan.MinValue ? _fullAt : _fullAt - ((burst - 1) * period);

    /// <summary>Returns true and counts the action if it may run now.</summary>
    public bool TryTake(TimeSpan now)
    {
        if (now < NextAt)
        {
            return false;
        }
        _fullAt = (_fullAt < now ? now : _fullAt) + period;
        return true;
    }

    /// <summary>
    /// Counts actions that have already run, even more than the pace allows.
    /// </summary>
    /// <param name="now">The loop's time.</param>
    /// <param name="count">The number of actions.</param>
    /// <param name="longest"><see cref="NextAt"/> is at most this time from now.</param>
    public void Take(TimeSpan now, int count, TimeSpan longest)
    {
        TimeSpan fullAt = (_fullAt < now ? now : _fullAt) + (count * period);
        TimeSpan latest = now + longest + ((burst - 1) * period);
        _fullAt = fullAt < latest ? fullAt : latest;
    }
}
