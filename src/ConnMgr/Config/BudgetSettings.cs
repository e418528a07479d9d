using System.Globalization;
using ConnMgr.Logging;

namespace ConnMgr.Config;

/// <summary>
/// Parses the budgets of `netif_names`, and the day of the month on which they start again. Pure.
/// </summary>
internal static class BudgetSettings
{
    private const string Units = "KMGT"; // decimal, as providers count: 1M is 1,000,000 bytes
    private const int MostDigits = 6;

    /// <summary>Parses a size such as `500M`; null if it is empty or wrong.</summary>
    public static long? ParseSize(string text)
    {
        int unit = text.Length is > 1 and <= MostDigits + 1
            ? Units.IndexOf(text[^1], StringComparison.Ordinal)
            : -1;
        if (unit < 0 || !int.TryParse(
            text.AsSpan(0, text.Length - 1), NumberStyles.None, CultureInfo.InvariantCulture, out int number)
            || number == 0)
        {
            return null;
        }
        long bytes = 1000L * number;
        for (; unit > 0; unit--)
        {
            bytes *= 1000;
        }
        return bytes;
    }

    /// <summary>Parses a day, 1 to 31; null if it is empty or wrong.</summary>
    public static int? ParseDay(string text) =>
        text.Length <= 2
            && int.TryParse(text, NumberStyles.None, CultureInfo.InvariantCulture, out int day)
            && day is >= 1 and <= 31
            ? day
            : null;

    /// <summary>Returns what to write instead, as a phrase; null if the size is right or empty.</summary>
    public static string? FaultOfSize(string text) => text.Length == 0 || ParseSize(text) is not null
        ? null
        : $"{ForeignText.Quote(text)}: write up to six digits and K, M, G or T, e.g. '500M' or '2G' "
            + "(1M is 1000000 bytes)";

    /// <summary>Returns what to write instead, as a phrase; null if the day is right or empty.</summary>
    public static string? FaultOfDay(string text) => text.Length == 0 || ParseDay(text) is not null
        ? null
        : $"{ForeignText.Quote(text)}: write a day of the month, 1 to 31 (in a shorter month, the last day)";
}
