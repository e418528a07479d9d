using System.Text;
using System.Text.Json;
using ConnMgr.Logging;

namespace ConnMgr.Tests.Logging;

public class EventFactsTests
{
    private static readonly string[] Members = ["link", "from", "to", "reason", "took_seconds", "text"];

    public static TheoryData<string, string> Cases { get; } = new()
    {
        {
            "state",
            "link state|eth0|ITFUP_SS|ITFDOWN_SU|lost carrier||eth0: ITFUP_SS -> ITFDOWN_SU: lost carrier"
        },
        { "chosen", "decision chosen|wlan0|eth0|wlan0|it is good||using wlan0: it is good" },
        { "nothing", "decision chosen||eth0||nothing is left||using none: nothing is left" },
        { "switched", "switch switched|wlan0|eth0|wlan0|it is good|0.001500|switched to wlan0 in 1.5 ms" },
        { "unasked", "switch switched|wlan0||wlan0||0.001500|switched to wlan0 in 1.5 ms" },
        { "failed", "switch switch_failed|wlan0||wlan0|no route||no route, retrying" },
        { "again", "switch switch_failed|wlan0||wlan0|no route||no route" },
        { "in use", "switch in_use|eth0||eth0|||in use: eth0" },
        { "not in use", "switch in_use||eth0||||in use: none" },
        {
            "restoring",
            "route restoring|eth0||eth0|found wlan0 first||restoring the route over eth0: found wlan0 first"
        },
        { "restored", "route restored|eth0||eth0||0.002000|restored the route over eth0 in 2.0 ms" },
        {
            "contested",
            "route restored|eth0||eth0|it has been changed again|0.002000|"
                + "restored the route over eth0 in 2.0 ms, and it has been changed again"
        },
        { "probe", "probe probe_started|eth0|||silence||probe of eth0: started: silence" },
        {
            "cancelled",
            "probe probe_cancelled|eth0|||lost carrier||probe of eth0: cancelled, since it lost carrier"
        },
        { "ended", "probe probe_ended|eth0|||no echo||probe of eth0: no echo" },
        {
            "opened",
            "hole opened|||198.18.7.1|api.example.com (*.example.com)||"
                + "opened 198.18.7.1: api.example.com (*.example.com)"
        },
        { "hook", "hook failed||||exit status 4||hook x: exit status 4|hook x" },
        {
            "lockdown",
            "firewall failed||||no nft||cannot lock the firewall: no nft|lockdown"
        },
        { "setting", "link trouble|eth0|||read-only||/proc/x: read-only|/proc/x" },
        { "filter", "link trouble|eth0|||it was strict||eth0: it was strict|rp_filter" },
    };

    [Theory]
    [MemberData(nameof(Cases))]
    public void The_sentence_and_the_members_say_the_same(string name, string expected)
    {
        EventFacts facts = Make(name);
        EventRing ring = new();
        ring.Add(facts.Kind, LogLevel.Info, facts.Text, default, default, facts);
        Utf8Text text = new(1 << 16);
        EventText.WriteJson(ring.Events[0], new JsonWriter(text));
        JsonElement json = JsonDocument.Parse(text.Bytes.ToArray()).RootElement;
        string members = string.Join('|', Members
            .Select(member => json.GetProperty(member))
            .Select(value => value.ValueKind == JsonValueKind.Null ? "" : value.ToString()));
        if (facts.What is { } what)
        {
            members += $"|{what}";
        }
        Assert.Equal(facts.What, json.GetProperty("what").GetString());
        Assert.Equal(expected, $"{json.GetProperty("kind")} {json.GetProperty("event")}|{members}");
    }

    [Fact]
    public void A_sentence_alone_has_members_without_values()
    {
        EventRing ring = new();
        ring.Add(EventKind.Daemon, LogLevel.Info, "stopping", default, default);
        Utf8Text text = new(1 << 16);
        EventText.WriteJson(ring.Events[0], new JsonWriter(text));
        Assert.EndsWith(
            "\"text\":\"stopping\",\"event\":null,\"link\":null,\"from\":null,\"to\":null,\"what\":null,"
                + "\"reason\":null,\"took_seconds\":null}",
            Encoding.UTF8.GetString(text.Bytes));
    }

    [Fact]
    public void Reasons_are_bounded_each_and_in_total()
    {
        EventRing ring = new();
        for (int i = 0; i < 600; i++)
        {
            EventFacts facts = EventFacts.Failed(EventKind.Link, $"{i}", new string('x', 100_000));
            ring.Add(facts.Kind, LogLevel.Info, facts.Text, default, default, facts);
        }
        Assert.All(ring.Events, kept => Assert.Equal(EventRing.MaxText, kept.Facts!.Reason!.Length));
        int total = ring.Events.Sum(kept => kept.Text.Length + kept.Facts!.Reason!.Length);
        Assert.InRange(total, EventRing.MaxTotalText - 2 * EventRing.MaxText, EventRing.MaxTotalText);
    }

    [Theory]
    [InlineData("8:12345", true)]
    [InlineData("8:12346", false)]
    [InlineData("9:12345", false)]
    [InlineData("12345", false)]
    [InlineData(":12345", false)]
    [InlineData("8:", false)]
    [InlineData("8:12345:", false)]
    [InlineData("8: 12345", false)]
    [InlineData("-8:12345", false)]
    [InlineData("8:123450000000000000000000", false)]
    [InlineData("", false)]
    [InlineData(null, false)]
    public void Stderr_is_the_journal_if_device_and_inode_are_those_of_the_variable(
        string? stream, bool expected) =>
        Assert.Equal(expected, Log.IsJournal(stream, 8, 12345));

    private static EventFacts Make(string name) => name switch
    {
        "state" => EventFacts.StateChanged("eth0", "ITFUP_SS", "ITFDOWN_SU", "lost carrier"),
        "chosen" => EventFacts.Chosen("eth0", "wlan0", "it is good"),
        "nothing" => EventFacts.Chosen("eth0", null, "nothing is left"),
        "switched" => EventFacts.Switched("eth0", "wlan0", "it is good", TimeSpan.FromMilliseconds(1.5)),
        "unasked" => EventFacts.Switched(null, "wlan0", "", TimeSpan.FromMilliseconds(1.5)),
        "failed" => EventFacts.SwitchFailed("wlan0", "no route", isNew: true),
        "again" => EventFacts.SwitchFailed("wlan0", "no route", isNew: false),
        "in use" => EventFacts.InUse(null, "eth0"),
        "not in use" => EventFacts.InUse("eth0", null),
        "restoring" => EventFacts.Restoring("eth0", "wlan0 first"),
        "restored" => EventFacts.Restored("eth0", TimeSpan.FromMilliseconds(2), isInPlace: true),
        "contested" => EventFacts.Restored("eth0", TimeSpan.FromMilliseconds(2), isInPlace: false),
        "probe" => EventFacts.ProbeStarted("eth0", "silence"),
        "cancelled" => EventFacts.ProbeCancelled("eth0", "lost carrier"),
        "ended" => EventFacts.ProbeEnded("eth0", "no echo"),
        "opened" => EventFacts.Opened("198.18.7.1", "api.example.com", "*.example.com"),
        "lockdown" => EventFacts.Failed(
            EventKind.Firewall, "lockdown", "no nft", "cannot lock the firewall"),
        "setting" => EventFacts.OfLink("eth0", "/proc/x", "read-only", "/proc/x"),
        "filter" => EventFacts.OfLink("eth0", "rp_filter", "it was strict"),
        _ => EventFacts.Failed(EventKind.Hook, "hook x", "exit status 4"),
    };
}
