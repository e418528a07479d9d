namespace ConnMgr.EventLoop;

/// <summary>
/// Bounds how often something is done: at once while that is rare, and evenly when it would be done without a pause. A
/// token bucket; pure.
/// </summary>
/// <param name="burst">How often in a row without a wait.</param>
/// <param name="period">After that, once in this time.</param>
internal sealed class Pace(int burst, TimeSpan period)
{
    private TimeSpan _fullAt = TimeSpan.MinValue;

    /// <summary>When <see cref="TryTake"/> will be true; never later than one period from now.</summary>
    public TimeSpan NextAt => _fullAt == TimeSpan.MinValue ? _fullAt : _fullAt - ((burst - 1) * period);

    /// <summary>True if it may be done now. Then it counts as done.</summary>
    public bool TryTake(TimeSpan now)
    {
        if (now < NextAt)
        {
            return false;
        }
        _fullAt = (_fullAt < now ? now : _fullAt) + period;
        return true;
    }
}
