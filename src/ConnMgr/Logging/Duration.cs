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

    /// <summary>Seconds with one decimal: `0.4 s`.</summary>
    public static string Seconds(TimeSpan time)
    {
        long tenths = (time.Ticks + (TimeSpan.TicksPerSecond / 20)) / (TimeSpan.TicksPerSecond / 10);
        return $"{tenths / 10}.{tenths % 10} s";
    }
}
