using ConnMgr.Logging;

namespace ConnMgr.Control;

/// <summary>
/// Sends events to one client in parts: those present at the time of the request, or all future ones too. It
/// buffers nothing, so a slow client misses events and receives their number instead. Pure.
/// </summary>
internal sealed class EventStream
{
    private const int AtOnce = 64;

    private readonly ControlRequest _request;
    private readonly long _last; // the number of the newest event at the time of the request
    private readonly long _before; // the number of the last event that is not wanted
    private long _told;
    private bool _hasBegun;

    /// <param name="request">The request of the client.</param>
    /// <param name="ring">The events at the time of the request.</param>
    /// <param name="now">The time of the request, monotonic like that of the events.</param>
    public EventStream(in ControlRequest request, EventRing ring, TimeSpan now)
    {
        _request = request;
        _last = ring.LastNumber;
        IReadOnlyList<Event> events = ring.Events;
        int first = Math.Max(0, events.Count - (request.Last ?? int.MaxValue));
        if (request.Seconds is { } seconds)
        {
            while (first < events.Count && now - events[first].At > TimeSpan.FromSeconds(seconds))
            {
                first++;
            }
        }
        _before = first == 0 ? 0 : events[first - 1].Number;
    }

    public bool Follows => _request.Follows;

    /// <summary>True once everything is sent.</summary>
    public bool IsDone { get; private set; }

    /// <summary>Adds the next part; nothing if there are no new events.</summary>
    public void AddSome(EventRing ring, Utf8Text text)
    {
        bool isDocument = _request is { IsText: false, Follows: false };
        if (!_hasBegun && _request.WithExitStatus)
        {
            text.Add("0\n"u8);
        }
        if (!_hasBegun && isDocument)
        {
            text.Add("{\"schema\":1,\"events\":["u8);
        }
        _hasBegun = true;

        IReadOnlyList<Event> events = ring.Events;
        int next = events.Count;
        while (next > 0 && events[next - 1].Number > Math.Max(_told, _before))
        {
            next--;
        }
        for (int end = Math.Min(events.Count, next + AtOnce); next < end; next++)
        {
            if (!_request.Follows && events[next].Number > _last)
            {
                break;
            }
            Add(events[next], isDocument, text);
        }
        if (!_request.Follows && !IsDone && (next == events.Count || events[next].Number > _last))
        {
            IsDone = true;
            text.Add(isDocument ? "]}\n"u8 : default);
        }
    }

    private void Add(in Event what, bool isDocument, Utf8Text text)
    {
        long missed = _told == 0 ? 0 : what.Number - _told - what.Times;
        if (missed > 0 && !isDocument)
        {
            text.Add(_request.IsText ? "("u8 : "{\"missed\":"u8).Add(missed)
                .Add(_request.IsText ? " missed)\n"u8 : "}\n"u8);
        }
        if (_request.IsText)
        {
            EventText.WriteLine(what, _request.IsColored, text);
        }
        else
        {
            text.Add(isDocument && _told > 0 ? "," : "");
            EventText.WriteJson(what, new JsonWriter(text));
            text.Add(isDocument ? "" : "\n");
        }
        _told = what.Number;
    }
}
