namespace ConnMgr.Logging;

/// <summary>Formats durations for the log. Pure.</summary>
internal static class Duration
{
    private const long TicksOfTenth = TimeSpan.TicksPerMillisecond / 10;

    /// <summary>Milliseconds with one decimal: `4.1 ms`.</summary>
    public static string Milliseconds(TimeSpan time)
    {
        long tenths = (time.Ticks + (TicksOfTenth / 2)) / TicksOfTenth;
        return $"{tenths / 10}.{tenths % 10} ms";
    }
}
