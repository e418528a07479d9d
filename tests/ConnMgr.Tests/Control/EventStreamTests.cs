using System.Text;
using System.Text.Json;
using ConnMgr.Control;
using ConnMgr.Logging;

namespace ConnMgr.Tests.Control;

public class EventStreamTests
{
    private readonly EventRing _ring = new();
    private readonly Utf8Text _text = new(1 << 20);
    private int _added;

    [Fact]
    public void One_document_tells_all_that_there_are_when_asked()
    {
        Add(150);
        EventStream stream = Begin(new ControlRequest(ControlVerb.Events, false, false, false, false));
        Pump(stream);
        Add(10); // added after the request: not in the reply
        while (!stream.IsDone)
        {
            Pump(stream);
        }
        JsonElement events = JsonDocument.Parse(_text.Bytes.ToArray()).RootElement.GetProperty("events");
        Assert.Equal(150, events.GetArrayLength());
        Assert.Equal("event 1", events[0].GetProperty("text").GetString());
        Assert.Equal("event 150", events[149].GetProperty("text").GetString());
        Pump(stream);
        Assert.Equal(150, JsonDocument.Parse(_text.Bytes.ToArray()).RootElement.GetProperty("events")
            .GetArrayLength());
    }

    [Fact]
    public void No_events_are_an_empty_document()
    {
        EventStream stream = Begin(new ControlRequest(ControlVerb.Events, false, false, false, true));
        Pump(stream);
        Assert.True(stream.IsDone);
        Assert.Equal("0\n{\"schema\":1,\"events\":[]}\n", Encoding.UTF8.GetString(_text.Bytes));
    }

    [Fact]
    public void Who_follows_gets_a_line_for_each_for_ever()
    {
        Add(1);
        EventStream stream = Begin(new ControlRequest(ControlVerb.Events, false, false, true, false));
        Pump(stream);
        Pump(stream);
        Add(1);
        Pump(stream);
        string[] lines = Encoding.UTF8.GetString(_text.Bytes).TrimEnd('\n').Split('\n');
        Assert.Equal(["event 1", "event 2"], lines.Select(
            line => JsonDocument.Parse(line).RootElement.GetProperty("text").GetString()));
        Assert.False(stream.IsDone);
    }

    [Fact]
    public void Who_is_slow_is_told_how_many_he_missed()
    {
        Add(1);
        EventStream stream = Begin(new ControlRequest(ControlVerb.Events, true, false, true, false));
        Pump(stream);
        Add(EventRing.MaxEvents + 7);
        _text.Clear();
        Pump(stream);
        Assert.StartsWith("(7 missed)\n", Encoding.UTF8.GetString(_text.Bytes));
    }

    [Fact]
    public void A_repeated_event_is_not_missed_by_who_saw_it_or_not()
    {
        Add(1);
        EventStream stream = Begin(new ControlRequest(ControlVerb.Events, true, false, true, false));
        Pump(stream);
        for (int i = 0; i < 3; i++)
        {
            _ring.Add(EventKind.Switch, LogLevel.Warn, "again", default, default);
            Pump(i == 0 ? stream : new EventStream(default, new EventRing(), default));
        }
        _text.Clear();
        Pump(stream);
        string said = Encoding.UTF8.GetString(_text.Bytes);
        Assert.DoesNotContain("missed", said);
        Assert.EndsWith("again (3 times)\n", said);
    }

    [Theory]
    [InlineData(3, null, "8 9 10")]
    [InlineData(500, null, "1 2 3 4 5 6 7 8 9 10")]
    [InlineData(null, 2, "8 9 10")] // the last one is of now
    [InlineData(2, 100, "9 10")]
    [InlineData(5, 1, "9 10")]
    public void The_newest_or_those_of_a_time_are_told(int? last, int? seconds, string wanted)
    {
        Add(10);
        ControlRequest request = new(ControlVerb.Events, false, false, false, false)
        {
            Last = last,
            Seconds = seconds,
        };
        EventStream stream = Begin(request);
        while (!stream.IsDone)
        {
            Pump(stream);
        }
        JsonElement events = JsonDocument.Parse(_text.Bytes.ToArray()).RootElement.GetProperty("events");
        IEnumerable<string> numbers = events.EnumerateArray().Select(
            what => what.GetProperty("text").GetString()!["event ".Length..]);
        Assert.Equal(wanted, string.Join(' ', numbers));
    }

    [Fact]
    public void Who_follows_from_now_on_gets_only_new_ones()
    {
        Add(10);
        EventStream stream = new(
            new ControlRequest(ControlVerb.Events, true, false, true, false) { Seconds = 1 }, _ring,
            TimeSpan.FromSeconds(100));
        Pump(stream);
        Assert.Equal(0, _text.Length);
        Add(1);
        Pump(stream);
        Assert.EndsWith("event 11\n", Encoding.UTF8.GetString(_text.Bytes));
    }

    private EventStream Begin(ControlRequest request) => new(request, _ring, TimeSpan.FromSeconds(_added));

    private void Pump(EventStream stream) => stream.AddSome(_ring, _text);

    private void Add(int count)
    {
        for (int i = 0; i < count; i++)
        {
            _ring.Add(EventKind.Link, LogLevel.Info, $"event {++_added}", TimeSpan.FromSeconds(_added),
                DateTime.UnixEpoch);
        }
    }
}
