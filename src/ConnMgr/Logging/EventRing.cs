namespace ConnMgr.Logging;

/// <summary>The subject of an event. `connmgr events` shows the names in lower case.</summary>
internal enum EventKind
{
    /// <summary>The daemon itself: start, stop, failed system calls.</summary>
    Daemon,

    /// <summary>A change of a link's state, or another fact about the link.</summary>
    Link,

    /// <summary>A probe's start, result or cancellation.</summary>
    Probe,

    /// <summary>The choice of another link, with the reason.</summary>
    Decision,

    /// <summary>A switch: its result, its duration, and the flows that were ended.</summary>
    Switch,

    /// <summary>A route that another program changed, and the repair.</summary>
    Route,

    /// <summary>The lockdown: applied, restored, failed.</summary>
    Firewall,

    /// <summary>A hole that was opened, renewed or closed.</summary>
    Hole,

    /// <summary>Refused DNS replies, counted by reason.</summary>
    Reply,

    /// <summary>The connection to the attribute daemon.</summary>
    Attrd,

    /// <summary>A reload of the configuration: its changes, or why it was refused.</summary>
    Reload,

    /// <summary>A hook script.</summary>
    Hook,
}

/// <summary>One event.</summary>
/// <param name="Number">Counts from 1 in the order of arrival; never reused.</param>
/// <param name="At">Monotonic time of the last occurrence.</param>
/// <param name="WallAt">Wall time with the offset of local time, for display.</param>
/// <param name="Kind">The subject.</param>
/// <param name="Level">The severity, as in the log.</param>
/// <param name="Text">One line.</param>
/// <param name="Times">The number of consecutive occurrences.</param>
/// <param name="Facts">The members for programs; null if there is only the text.</param>
internal readonly record struct Event(
    long Number, TimeSpan At, DateTimeOffset WallAt, EventKind Kind, LogLevel Level, string Text, int Times,
    EventFacts? Facts);

/// <summary>
/// Keeps the last 500 events with at most 64 Ki characters of texts and reasons. Frequent events (probes,
/// holes, refused replies) cannot displace the others: if more than a quarter of the events are of these
/// kinds, the oldest of these is dropped first. Events that are not about links (attrd, reloads, hooks,
/// the firewall) are limited to 50 of each kind. Pure.
/// </summary>
internal sealed class EventRing
{
    public const int MaxEvents = 500;
    public const int MaxText = 300;
    public const int MaxTotalText = 65536;
    public const int MaxOfLessKind = 50;

    private readonly List<Event> _events = []; // by number
    private readonly int[] _totals = new int[(int)EventKind.Hook + 1];
    private readonly int[] _counts = new int[(int)EventKind.Hook + 1]; // of kept events
    private readonly int[] _warnings = new int[(int)EventKind.Hook + 1];
    private int _routine;
    private int _characters;

    /// <summary>The number of the newest event; 0 if there is none yet.</summary>
    public long LastNumber { get; private set; }

    /// <summary>The kept events, oldest first. Numbers of dropped events are missing.</summary>
    public IReadOnlyList<Event> Events => _events;

    /// <summary>The number of all events of a kind since the start.</summary>
    public int Total(EventKind kind) => _totals[(int)kind];

    /// <summary>The number of warnings and errors of a kind since the start.</summary>
    public int Warnings(EventKind kind) => _warnings[(int)kind];

    /// <summary>
    /// Adds an event. The same text twice in a row is one event, with a new number and the more severe level.
    /// </summary>
    public void Add(
        EventKind kind, LogLevel level, string text, TimeSpan now, DateTimeOffset wallNow,
        EventFacts? facts = null)
    {
        text = Shorten(text);
        int times = 1;
        if (_events.Count > 0 && _events[^1] is var last && last.Kind == kind && last.Text == text)
        {
            times = last.Times + 1;
            level = last.Level < level ? last.Level : level;
            RemoveAt(_events.Count - 1);
        }
        if (IsLess(kind) && _counts[(int)kind] == MaxOfLessKind)
        {
            RemoveAt(_events.FindIndex(kept => kept.Kind == kind));
        }
        Event added = new(++LastNumber, now, wallNow, kind, level, text, times, facts);
        while (_events.Count == MaxEvents || _characters + Size(added) > MaxTotalText)
        {
            RemoveAt(FirstToGo());
        }

        _events.Add(added);
        _totals[(int)kind]++;
        _warnings[(int)kind] += level <= LogLevel.Warn ? 1 : 0;
        _counts[(int)kind]++;
        _routine += IsRoutine(kind) ? 1 : 0;
        _characters += Size(added);
    }

    /// <summary>Shortens a text to <see cref="MaxText"/> characters.</summary>
    public static string Shorten(string text) =>
        text.Length <= MaxText ? text : string.Concat(text.AsSpan(0, MaxText - 1), "…");

    private int FirstToGo()
    {
        if (_routine * 4 > _events.Count)
        {
            for (int i = 0; i < _events.Count; i++)
            {
                if (IsRoutine(_events[i].Kind))
                {
                    return i;
                }
            }
        }
        return 0;
    }

    private void RemoveAt(int index)
    {
        _routine -= IsRoutine(_events[index].Kind) ? 1 : 0;
        _characters -= Size(_events[index]);
        _counts[(int)_events[index].Kind]--;
        _events.RemoveAt(index);
    }

    private static int Size(in Event what) => what.Text.Length + (what.Facts?.Reason?.Length ?? 0);

    private static bool IsLess(EventKind kind) =>
        kind is EventKind.Firewall or EventKind.Attrd or EventKind.Reload or EventKind.Hook;

    private static bool IsRoutine(EventKind kind) =>
        kind is EventKind.Probe or EventKind.Hole or EventKind.Reply;
}
