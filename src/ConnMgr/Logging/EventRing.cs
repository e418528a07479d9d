namespace ConnMgr.Logging;

/// <summary>What an event is about. The names, in lower case, are what `connmgr events` shows.</summary>
internal enum EventKind
{
    /// <summary>The daemon itself: start, stop, what it could not do.</summary>
    Daemon,

    /// <summary>A link's state, or something about the link.</summary>
    Link,

    /// <summary>A probe's start, result or cancellation.</summary>
    Probe,

    /// <summary>Another link is to be used, and why.</summary>
    Decision,

    /// <summary>A switch: how it ended, how long it took, what came of the flows over the old link.</summary>
    Switch,

    /// <summary>Somebody else changed the routes, and what was done about it.</summary>
    Route,

    /// <summary>The lockdown: run, restored, failed.</summary>
    Firewall,

    /// <summary>A hole opened, renewed or ended.</summary>
    Hole,

    /// <summary>DNS replies that were refused, by kind.</summary>
    Reply,

    /// <summary>The attribute daemon.</summary>
    Attrd,

    /// <summary>The configuration was read again, or was refused.</summary>
    Reload,

    /// <summary>A hook script.</summary>
    Hook,
}

/// <summary>One event.</summary>
/// <param name="Number">From 1, in the order of arrival, never used twice.</param>
/// <param name="At">Monotonic time; of the last of <paramref name="Times"/>.</param>
/// <param name="WallAt">Wall time, with the offset of local time, for people.</param>
/// <param name="Kind">What it is about.</param>
/// <param name="Level">How severe, as in the log.</param>
/// <param name="Text">One line of words.</param>
/// <param name="Times">How often it came in a row.</param>
internal readonly record struct Event(
    long Number, TimeSpan At, DateTimeOffset WallAt, EventKind Kind, LogLevel Level, string Text, int Times);

/// <summary>
/// The last events, at most 500 with 64 Ki characters of text. What comes often (probes, holes, refused replies) cannot
/// push out the rest: when there is no room, the oldest of the former goes first, as long as they are more than a
/// quarter of all. What is not about the links (attrd, reloads, hooks, the firewall) has 50 of a kind at most. Pure.
/// </summary>
internal sealed class EventRing
{
    public const int MaxEvents = 500;
    public const int MaxText = 300;
    public const int MaxTotalText = 65536;
    public const int MaxOfLessKind = 50;

    private readonly List<Event> _events = []; // by number
    private readonly int[] _totals = new int[(int)EventKind.Hook + 1];
    private readonly int[] _counts = new int[(int)EventKind.Hook + 1]; // of what is kept
    private int _routine;
    private int _characters;

    /// <summary>The number of the newest; 0 if there is none yet.</summary>
    public long LastNumber { get; private set; }

    /// <summary>Those that are kept, the oldest first. Numbers of others are missing.</summary>
    public IReadOnlyList<Event> Events => _events;

    /// <summary>How many there ever were of a kind.</summary>
    public int Total(EventKind kind) => _totals[(int)kind];

    /// <summary>Takes an event. The same text twice in a row is one event, with a new number and the more severe level.</summary>
    public void Add(EventKind kind, LogLevel level, string text, TimeSpan now, DateTimeOffset wallNow)
    {
        text = text.Length <= MaxText ? text : string.Concat(text.AsSpan(0, MaxText - 1), "…");
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
        while (_events.Count == MaxEvents || _characters + text.Length > MaxTotalText)
        {
            RemoveAt(FirstToGo());
        }

        _events.Add(new Event(++LastNumber, now, wallNow, kind, level, text, times));
        _totals[(int)kind]++;
        _counts[(int)kind]++;
        _routine += IsRoutine(kind) ? 1 : 0;
        _characters += text.Length;
    }

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
        _characters -= _events[index].Text.Length;
        _counts[(int)_events[index].Kind]--;
        _events.RemoveAt(index);
    }

    private static bool IsLess(EventKind kind) =>
        kind is EventKind.Firewall or EventKind.Attrd or EventKind.Reload or EventKind.Hook;

    private static bool IsRoutine(EventKind kind) => kind is EventKind.Probe or EventKind.Hole or EventKind.Reply;
}
