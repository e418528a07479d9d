using ConnMgr.Control;
using ConnMgr.Logging;

namespace ConnMgr.Status;

/// <summary>
/// What a reload has to say: its first lines, how many more there were, and at the end always its result. Whatever the files are
/// like, it fits into a reply. Pure.
/// </summary>
internal sealed class ReloadText
{
    public const int MaxLines = 100;

    /// <summary>More lines than these do not get into the log and the events, whose history is worth more.</summary>
    public const int MaxEvents = 20;

    /// <summary>In bytes of the reply: lines that come then are counted.</summary>
    private const int RoomForLines = ControlSocket.MaxReply - 4096;

    private readonly List<string> _lines = [];

    /// <summary>How many lines there were.</summary>
    public int Count { get; private set; }

    /// <summary>Takes a line. False if it is no event any more.</summary>
    public bool Add(string line)
    {
        if (_lines.Count < MaxLines)
        {
            _lines.Add(Shorten(line));
        }
        return ++Count <= MaxEvents;
    }

    /// <summary>Writes it all.</summary>
    /// <param name="isDone">The new configuration is in force.</param>
    /// <param name="result">The last line.</param>
    /// <param name="isText">Lines for people, not JSON.</param>
    /// <param name="text">Where to.</param>
    public void Write(bool isDone, string result, bool isText, Utf8Text text)
    {
        JsonWriter json = new(text);
        if (!isText)
        {
            json.Open('{').Name("schema").Value(StatusJson.Version).Name("done").Value(isDone).Name("said").Open('[');
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
