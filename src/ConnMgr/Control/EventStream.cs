using ConnMgr.Logging;

namespace ConnMgr.Control;

/// <summary>
/// Sends events to one client in parts: those present at the time of the request, or all future ones too. It
/// buffers nothing, so a slow client misses events and receives their number instead. Pure.
/// </summary>
/// <param name="request">The request of the client.</param>
/// <param name="last">The number of the newest event at the time of the request.</param>
internal sealed class EventStream(ControlRequest request, long last)
{
    private const int AtOnce = 64;

    private long _told;
    private bool _hasBegun;

    public bool Follows => request.Follows;

    /// <summary>True once everything is sent.</summary>
    public bool IsDone { get; private set; }

    /// <summary>Adds the next part; nothing if there are no new events.</summary>
    public void AddSome(EventRing ring, Utf8Text text)
    {
        bool isDocument = request is { IsText: false, Follows: false };
        if (!_hasBegun && request.WithExitStatus)
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
        while (next > 0 && events[next - 1].Number > _told)
        {
            next--;
        }
        for (int end = Math.Min(events.Count, next + AtOnce); next < end; next++)
        {
            if (!request.Follows && events[next].Number > last)
            {
                break;
            }
            Add(events[next], isDocument, text);
        }
        if (!request.Follows && !IsDone && (next == events.Count || events[next].Number > last))
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
            text.Add(request.IsText ? "("u8 : "{\"missed\":"u8).Add(missed)
                .Add(request.IsText ? " missed)\n"u8 : "}\n"u8);
        }
        if (request.IsText)
        {
            EventText.WriteLine(what, request.IsColored, text);
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
