using System.Globalization;
using ConnMgr.Net;

namespace ConnMgr.Config;

/// <summary>How long the links of each kind may be silent before they are probed.</summary>
internal sealed class IdleLimits
{
    private const int Least = 2; // seconds
    private const int Most = 3600; // seconds
    private static readonly string[] Kinds = ["ethernet=", "wifi=", "wan="]; // in the order of LinkKind

    private readonly int[] _seconds = new int[Kinds.Length]; // 0: the general limit

    /// <summary>The limit of the kinds without a limit, in seconds.</summary>
    public int General { get; private set; } = 16;

    /// <summary>Returns the limit of a kind.</summary>
    public TimeSpan Of(LinkKind kind) =>
        TimeSpan.FromSeconds(_seconds[(int)kind] > 0 ? _seconds[(int)kind] : General);

    /// <summary>
    /// Parses a list of seconds and KIND=seconds, separated by commas, e.g. `30` or `ethernet=16,wan=300`.
    /// The last value of a kind counts. Null if the text is invalid.
    /// </summary>
    public static IdleLimits? Parse(string text)
    {
        IdleLimits limits = new();
        foreach (string word in text.Split(','))
        {
            int kind = Array.FindIndex(Kinds, name => word.StartsWith(name, StringComparison.Ordinal));
            string digits = kind < 0 ? word : word[Kinds[kind].Length..];
            if (!int.TryParse(digits, NumberStyles.None, CultureInfo.InvariantCulture, out int seconds)
                || seconds is < Least or > Most)
            {
                return null;
            }
            if (kind < 0)
            {
                limits.General = seconds;
            }
            else
            {
                limits._seconds[kind] = seconds;
            }
        }
        return limits;
    }
}
