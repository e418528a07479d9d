namespace ConnMgr.Links;

/// <summary>Recognises by the monotonic time whether the wall clock has been set. Pure.</summary>
internal sealed class SteadyClock
{
    private static readonly TimeSpan Rest = TimeSpan.FromMinutes(10);
    private static readonly TimeSpan Jump = TimeSpan.FromMinutes(1);

    private DateTime? _bootAt; // by the wall clock; constant as long as no program sets the clock
    private TimeSpan _since;

    /// <summary>True if the clock has run for 10 minutes without being set by more than a minute.</summary>
    public bool IsSteady { get; private set; }

    /// <summary>Takes both times.</summary>
    public void Observe(DateTime wall, TimeSpan now)
    {
        // A DateTime cannot be before year 1. No clock of a kernel shows such a time.
        DateTime bootAt = wall.Ticks > now.Ticks ? wall - now : wall;
        if (_bootAt is not { } before || (bootAt - before).Duration() > Jump)
        {
            _since = now;
        }
        _bootAt = bootAt;
        IsSteady = now - _since >= Rest;
    }
}
