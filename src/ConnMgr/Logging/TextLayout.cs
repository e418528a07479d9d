namespace ConnMgr.Logging;

/// <summary>Formats text for people: times, sizes, colours, lines of at most 80 columns. Pure.</summary>
internal static class TextLayout
{
    public const int Columns = 80;

    // ECMA-48, SGR
    public const string Bold = "\e[1m";
    public const string Dim = "\e[2m";
    public const string Red = "\e[31m";
    public const string Green = "\e[32m";
    public const string Yellow = "\e[33m";

    /// <summary>Adds words in a colour, or plain if the colour is empty.</summary>
    public static void Colored(Utf8Text text, string words, string color)
    {
        text.Add(color).Add(words).Add(color.Length > 0 ? "\e[0m" : "");
    }

    /// <summary>
    /// Adds words to a line that already has <paramref name="column"/> columns, continues at that column on
    /// further lines as needed, and ends the line. Control characters become `?`.
    /// </summary>
    public static void Wrap(Utf8Text text, ReadOnlySpan<char> words, int column)
    {
        int width = Columns - column;
        while (words.Length > width)
        {
            int cut = words[..(width + 1)].LastIndexOf(' ');
            bool isBetweenWords = cut > width / 2;
            cut = isBetweenWords ? cut : width;
            AddPrintable(text, words[..cut]);
            text.Add('\n');
            Indent(text, column);
            words = words[(isBetweenWords ? cut + 1 : cut)..];
        }
        AddPrintable(text, words);
        text.Add('\n');
    }

    public static void Indent(Utf8Text text, int columns)
    {
        for (int i = 0; i < columns; i++)
        {
            text.Add(' ');
        }
    }

    /// <summary>Formats a number of things: `1 entry`, `2 entries`.</summary>
    public static string Count(long number, string one, string many) =>
        $"{number} {(number == 1 ? one : many)}";

    /// <summary>Formats a duration or an age: `340 ms`, `12 s`, `3 min`, `2 h 13 min`, `5 d 4 h`.</summary>
    public static string Span(TimeSpan time) =>
        time < TimeSpan.FromSeconds(1) ? $"{(int)time.TotalMilliseconds} ms"
        : time < TimeSpan.FromMinutes(2) ? $"{(int)time.TotalSeconds} s"
        : time < TimeSpan.FromHours(1) ? $"{(int)time.TotalMinutes} min"
        : time < TimeSpan.FromDays(1) ? $"{(int)time.TotalHours} h {time.Minutes} min"
        : $"{(int)time.TotalDays} d {time.Hours} h";

    /// <summary>Returns `once` or `3 times`.</summary>
    public static string Times(long number) => number == 1 ? "once" : $"{number} times";

    /// <summary>
    /// Formats a number of bytes in two or three digits: `512 B`, `1.2 kB`, `340 kB`, `6.7 MB`.
    /// </summary>
    public static string Size(ulong bytes)
    {
        if (bytes < 1000)
        {
            return $"{bytes} B";
        }
        int unit = 0;
        for (; bytes >= 1_000_000; bytes /= 1000)
        {
            unit++;
        }
        string number = bytes < 10_000 ? $"{bytes / 1000}.{bytes % 1000 / 100}" : $"{bytes / 1000}";
        return $"{number} {"kMGTPE"[unit]}B";
    }

    private static void AddPrintable(Utf8Text text, ReadOnlySpan<char> words)
    {
        int control;
        while ((control = words.IndexOfAnyInRange('\0', '\u001f')) >= 0)
        {
            text.Add(words[..control]).Add('?');
            words = words[(control + 1)..];
        }
        text.Add(words);
    }
}
