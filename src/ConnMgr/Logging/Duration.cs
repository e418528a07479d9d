using System.Globalization;

namespace ConnMgr.Logging;

/// <summary>Formats durations for the log. Pure.</summary>
internal static class Duration
{
    /// <summary>Milliseconds with one decimal: `4.1 ms`.</summary>
    public static string Milliseconds(TimeSpan time) =>
        string.Create(CultureInfo.InvariantCulture, $"{time.TotalMilliseconds:0.0} ms");
}
