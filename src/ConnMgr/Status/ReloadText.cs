using ConnMgr.Control;
using ConnMgr.Logging;

namespace ConnMgr.Status;

/// <summary>
/// The report of a reload: its first lines, the number of further lines, and its result. It fits one reply,
/// whatever the files contain. Pure.
/// </summary>
internal sealed class ReloadText
{
    public const int MaxLines = 100;

    /// <summary>
    /// The largest number of lines logged as events, so that a reload does not displace older events.
    /// </summary>
    public const int MaxEvents = 20;

    /// <summary>The size of the reply in bytes after which further lines are only counted.</summary>
    private const int RoomForLines = ControlSocket.MaxReply - 4096;

    private readonly List<string> _lines = [];

    /// <summary>The number of lines.</summary>
    public int Count { get; private set; }

    /// <summary>
    /// Adds a line. Returns false after <see cref="MaxEvents"/> lines: do not log this line as an event.
    /// </summary>
    public bool Add(string line)
    {
        if (_lines.Count < MaxLines)
        {
            _lines.Add(Shorten(line));
        }
        return ++Count <= MaxEvents;
    }

    /// <summary>Writes the report.</summary>
    /// <param name="isDone">True if the new configuration is in force.</param>
    /// <param name="result">The result, as the last line.</param>
    /// <param name="isText">True for lines of text, false for JSON.</param>
    /// <param name="text">Receives the report.</param>
    public void Write(bool isDone, string result, bool isText, Utf8Text text)
    {
        JsonWriter json = new(text);
        if (!isText)
        {
            json.Open('{').Name("schema").Value(StatusJson.Version).Name("done").Value(isDone)
                .Name("said").Open('[');
        }
        int said = 0;
        while (said < _lines.Count && text.Length < RoomForLines)
        {
            Write(_lines[said++], isText, json);
        }
        if (said < Count)
        {
            Write($"and {Count - said} more", isText, json);
        }
        Write(Shorten(result), isText, json);
        if (!isText)
        {
            json.Close(']').Close('}');
            text.Add('\n');
        }
    }

    private static void Write(string line, bool isText, JsonWriter json)
    {
        if (isText)
        {
            json.Text.Add(line).Add('\n');
        }
        else
        {
            json.Value(line);
        }
    }

    private static string Shorten(string line) =>
        line.Length <= EventRing.MaxText ? line : string.Concat(line.AsSpan(0, EventRing.MaxText - 1), "…");
}
