namespace ConnMgr.Logging;

/// <summary>Formats events as JSON and as text. Pure.</summary>
internal static class EventText
{
    /// <summary>The name of the kind in JSON and text.</summary>
    public static string Name(this EventKind kind) => kind switch
    {
        EventKind.Daemon => "daemon",
        EventKind.Link => "link",
        EventKind.Probe => "probe",
        EventKind.Decision => "decision",
        EventKind.Switch => "switch",
        EventKind.Route => "route",
        EventKind.Firewall => "firewall",
        EventKind.Hole => "hole",
        EventKind.Reply => "reply",
        EventKind.Attrd => "attrd",
        EventKind.Reload => "reload",
        _ => "hook",
    };

    /// <summary>Writes one JSON object, as scripts/events.schema.json describes it.</summary>
    public static void WriteJson(in Event what, JsonWriter json)
    {
        json.Open('{').Name("number").Value(what.Number).Name("monotonic_seconds").Value(what.At)
            .Name("time").Value(what.WallAt.UtcDateTime).Name("kind").Value(what.Kind.Name())
            .Name("level").Value(LevelName(what.Level)).Name("times").Value(what.Times)
            .Name("text").Value(what.Text)
            .Name("event").Value(what.Facts?.Name).Name("link").Value(what.Facts?.Link)
            .Name("from").Value(what.Facts?.From).Name("to").Value(what.Facts?.To)
            .Name("what").Value(what.Facts?.What).Name("reason").Value(what.Facts?.Reason)
            .Name("took_seconds").Value(what.Facts?.Took)
            .Close('}');
    }

    /// <summary>Writes one line: local date and time, monotonic seconds, kind, text.</summary>
    public static void WriteLine(in Event what, bool isColored, Utf8Text text)
    {
        DateTime local = what.WallAt.DateTime;
        text.AddPadded(local.Month, 2).Add('-').AddPadded(local.Day, 2).Add(' ')
            .AddClock(local).Add('.').AddPadded(local.Millisecond, 3)
            .Add(" +"u8).AddSeconds(what.At).Add(' ');
        string color = what.Level <= LogLevel.Warn ? TextLayout.Red
            : what.Kind is EventKind.Decision or EventKind.Switch ? TextLayout.Bold
            : what.Level == LogLevel.Debug ? TextLayout.Dim
            : "";
        TextLayout.Colored(text, what.Kind.Name().PadRight(8), isColored ? color : "");
        text.Add(' ').Add(what.Text);
        if (what.Times > 1)
        {
            text.Add(" ("u8).Add(what.Times).Add(" times)"u8);
        }
        text.Add('\n');
    }

    private static string LevelName(LogLevel level) => level switch
    {
        LogLevel.Error => "error",
        LogLevel.Warn => "warning",
        LogLevel.Info => "info",
        _ => "debug",
    };
}
