using System.Globalization;

namespace ConnMgr.Net;

/// <summary>
/// Reads the kernel's 64-bit byte counters in the text of /proc/net/dev (proc_pid_net(5)). Pure.
/// </summary>
internal static class InterfaceCounters
{
    private const int SentColumn = 8;

    /// <summary>The counters of one interface, in bytes; zero if the text does not name it.</summary>
    public static (ulong Received, ulong Sent) Find(ReadOnlySpan<char> text, ReadOnlySpan<char> name) =>
        TryFind(text, name, out ulong received, out ulong sent) ? (received, sent) : default;

    /// <summary>The counters of one interface, in bytes; false if the text does not name it.</summary>
    public static bool TryFind(
        ReadOnlySpan<char> text, ReadOnlySpan<char> name, out ulong received, out ulong sent)
    {
        foreach (ReadOnlySpan<char> line in text.EnumerateLines())
        {
            int colon = line.LastIndexOf(':');
            if (colon > 0 && line[..colon].Trim().SequenceEqual(name))
            {
                ReadOnlySpan<char> numbers = line[(colon + 1)..];
                (received, sent) = (Column(numbers, 0), Column(numbers, SentColumn));
                return true;
            }
        }
        received = sent = 0;
        return false;
    }

    private static ulong Column(ReadOnlySpan<char> numbers, int column)
    {
        for (int i = 0; ; i++)
        {
            numbers = numbers.TrimStart(' ');
            int end = numbers.IndexOf(' ');
            ReadOnlySpan<char> number = end < 0 ? numbers : numbers[..end];
            if (i == column)
            {
                CultureInfo culture = CultureInfo.InvariantCulture;
                return ulong.TryParse(number, NumberStyles.None, culture, out ulong value) ? value : 0;
            }
            if (end < 0)
            {
                return 0;
            }
            numbers = numbers[end..];
        }
    }
}
