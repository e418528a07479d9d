namespace ConnMgr.Links;

/// <summary>
/// The periods of a budget: from 00:00 UTC of a day of the month to that of the next month. If a month is
/// shorter, its last day counts. Pure.
/// </summary>
internal static class BudgetPeriod
{
    /// <summary>Returns the first end of a period after a time.</summary>
    /// <param name="wall">The time, UTC.</param>
    /// <param name="day">The day of the month, 1 to 31.</param>
    public static DateTime EndAfter(DateTime wall, int day)
    {
        DateTime end = In(wall.Year, wall.Month, day);
        if (end > wall)
        {
            return end;
        }
        return wall.Month < 12 ? In(wall.Year, wall.Month + 1, day)
            : wall.Year < DateTime.MaxValue.Year ? In(wall.Year + 1, 1, day)
            : DateTime.MaxValue;
    }

    /// <summary>True if a period ends at that time.</summary>
    public static bool IsEnd(DateTime time, int day) => time == In(time.Year, time.Month, day);

    /// <summary>Returns the date of a time, e.g. `2026-12-01`.</summary>
    public static string Words(DateTime time) => $"{time.Year}-{time.Month:D2}-{time.Day:D2}";

    private static DateTime In(int year, int month, int day) => new(
        year, month, Math.Min(day, DateTime.DaysInMonth(year, month)), 0, 0, 0, DateTimeKind.Utc);
}
