using System.Text;
using System.Text.Json;
using ConnMgr.Control;
using ConnMgr.Links;
using ConnMgr.Logging;
using ConnMgr.Status;

namespace ConnMgr.Tests.Status;

public class StatusTextTests
{
    private const string Why = "eth0 failed, wlan0 confirmed by echo";

    [Fact]
    public void Three_links_in_three_states() => Assert.Equal(
        """
        connmgr 1.2.3+12345678, up 2 h 13 min, memory 6.7 MB
        in use     wlan0 for 12 min
        why        12 min ago: eth0 failed, wlan0 confirmed by echo
        attrd      connected

        eth0       ITFUP_SF for 12 min: no echo within 3000.1 ms (timed out), no ping
                                        answered
         address   198.18.1.2 via 198.18.1.1
                   2001:db8:1::2 via fe80::1, a default that connmgr restored after
                   another program's replace
         evidence  13 min ago: TCP 198.18.100.10:443 -> 198.18.1.2:50122, 60 bytes
         probe     running
                   5 s ago: no echo within 3000.1 ms (timed out), no ping answered
         failures  2 within an hour, the last 12 min ago; held back for 18 s
         traffic   1.2 MB received, 340 kB sent

        wlan0      ITFUP_SS for 2 h 13 min: in use, confirmed by echo
         address   198.18.2.2 via 198.18.2.1, a default that connmgr restored: netifd
                   names it
         probe     9 s ago: echo answered by 198.18.100.11:80 in 6.7 ms
         traffic   999 B received, 0 B sent

        wwan0      ITFDOWN_SU for 2 h 13 min: is not there yet

        """.ReplaceLineEndings("\n"), Text(Example(), isColored: false));

    [Fact]
    public void Why_tells_of_then() => Assert.Contains(
        "why        12 min ago: eth0 is over its budget, wlan0 is up, not yet confirmed",
        Text(Example("eth0 is over its budget, wlan0 is up, not yet confirmed"), isColored: false),
        StringComparison.Ordinal);

    [Theory]
    [InlineData(true, false, "firewall   locked, ")]
    [InlineData(false, true, "firewall   being locked, ")]
    [InlineData(false, false, "firewall   not locked, ")]
    public void A_lockdown_says_whether_it_is_under_way_what_is_probed_and_what_an_error_is(
        bool isLocked, bool isBeingLocked, string line)
    {
        string text = Text(Example(firewall: new FirewallStatus
        {
            IsLocked = isLocked,
            IsBeingLocked = isBeingLocked,
            Backend = "nft",
            Dns = "sniff",
            Probed = ["198.18.100.10", "2001:db8:100::10"],
            ProbePorts = "tcp:80",
            Listed = [],
            Replies = [("answer", 9), ("unasked", 2), (LockdownStatus.ErrorCode, 4)],
        }), isColored: false);
        Assert.Contains($"\n{line}", text, StringComparison.Ordinal);
        string words = string.Join(' ', text.Split([' ', '\n'], StringSplitOptions.RemoveEmptyEntries));
        Assert.Contains(
            "2 replies refused refused, unasked: 2 4 answers more with an error of the server (no such name "
            + "or record, for example) probed 198.18.100.10, 2001:db8:100::10: open to every program of the "
            + "device, at tcp:80", words, StringComparison.Ordinal);
    }

    [Theory]
    [InlineData(80, "warning", false, " budget    400 MB of 500 MB, 80 %, resets 2026-12-01 00:00 UTC")]
    [InlineData(100, "over", true, "wwan0      ITFUP_SS for 0 ms: not used, over its budget, is up")]
    [InlineData(100, "over", false, "wwan0      ITFUP_SS for 0 ms: over its budget, is up")]
    public void A_budget_is_shown_and_what_follows_from_it(
        int percent, string level, bool isBlocked, string line)
    {
        LinkStatus link = new()
        {
            Name = "wwan0",
            Kind = "wan",
            StateValue = 5,
            State = "ITFUP_SS",
            Words = "is up",
            Budget = new BudgetStatus
            {
                Bytes = 500_000_000,
                Used = 5_000_000L * percent,
                Percent = percent,
                Level = level,
                IsBlocked = isBlocked,
                ResetsAt = new DateTime(2026, 12, 1, 0, 0, 0, DateTimeKind.Utc),
            },
        };
        Utf8Text text = new(10_000);
        StatusText.Write(link, isColored: false, text);
        Assert.Contains(line, Encoding.UTF8.GetString(text.Bytes).Split('\n'));
    }

    [Fact]
    public void No_line_is_wider_than_a_terminal_whatever_is_in_it()
    {
        DaemonStatus status = Example(
            "wlan0: " + new string('x', 300) + " and more words, " + string.Join(' ', new string('y', 90)));
        Assert.All(Text(status, isColored: false).Split('\n'), line => Assert.InRange(line.Length, 0, 80));
    }

    [Fact]
    public void What_the_kernel_cannot_end_is_shown() => Assert.Contains(
        "\nflows      sockets over the old link cannot be ended, since ",
        Text(
            Example(flowLimit: "sockets over the old link cannot be ended, since it lacks that"),
            isColored: false),
        StringComparison.Ordinal);

    [Fact]
    public void Foreign_control_characters_do_not_reach_the_terminal()
    {
        string text = Text(Example("\e[2J\r\nboo"), isColored: false);
        Assert.DoesNotContain('\e', text);
        Assert.DoesNotContain('\r', text);
        Assert.Contains("?[2J??boo", text);
    }

    [Fact]
    public void Colours_change_nothing_but_colours()
    {
        string colored = Text(Example(), isColored: true);
        Assert.Contains("\e[31mITFUP_SF\e[0m", colored);
        Assert.Contains("\e[32mITFUP_SS\e[0m", colored);
        foreach (string sequence in (string[])["\e[0m", "\e[1m", "\e[2m", "\e[31m", "\e[32m", "\e[33m"])
        {
            colored = colored.Replace(sequence, "", StringComparison.Ordinal);
        }
        Assert.Equal(Text(Example(), isColored: false), colored);
    }

    [Theory]
    [InlineData((int)SwitchState.UnderWay, "switch     to wlan0, under way")]
    [InlineData(
        (int)SwitchState.Failed, "switch     switching to wlan0 failed: switch_route.sh: exit status 3")]
    [InlineData((int)SwitchState.None, "switch     to wlan0 when it is up")]
    public void A_switch_that_is_not_done_is_said(int state, string line)
    {
        DaemonStatus status = new()
        {
            Version = "1",
            Uptime = TimeSpan.FromSeconds(10),
            Choice = "wlan0",
            Switch = (SwitchState)state,
            SwitchFailure = "switching to wlan0 failed: switch_route.sh: exit status 3",
            Links = [],
        };
        string[] lines = Text(status, isColored: false).Split('\n');
        Assert.Contains("in use     none", lines);
        Assert.Contains(line, lines);
    }

    [Fact]
    public void Just_after_the_start_it_says_that_more_is_to_come()
    {
        DaemonStatus status = new() { Version = "1", Uptime = TimeSpan.FromSeconds(9), Links = [] };
        string text = Text(status, isColored: false);
        Assert.Contains("in use     none, starting: ask again in some seconds\n", text);
    }

    [Theory]
    [InlineData(0, "0 addresses")]
    [InlineData(1, "1 address")]
    [InlineData(2, "2 addresses")]
    public void One_is_not_counted_as_many(int number, string words) =>
        Assert.Equal(words, TextLayout.Count(number, "address", "addresses"));

    [Theory]
    [InlineData(0, "0 ms")]
    [InlineData(0.999, "999 ms")]
    [InlineData(119, "119 s")]
    [InlineData(120, "2 min")]
    [InlineData(3600, "1 h 0 min")]
    [InlineData(86400 * 3, "3 d 0 h")]
    public void Times(double seconds, string text) =>
        Assert.Equal(text, TextLayout.Span(TimeSpan.FromSeconds(seconds)));

    [Theory]
    [InlineData(999, "999 B")]
    [InlineData(1000, "1.0 kB")]
    [InlineData(9_999, "9.9 kB")]
    [InlineData(10_000, "10 kB")]
    [InlineData(999_999, "999 kB")]
    [InlineData(1_000_000, "1.0 MB")]
    [InlineData(ulong.MaxValue, "18 EB")]
    public void Sizes(ulong bytes, string text) => Assert.Equal(text, TextLayout.Size(bytes));

    /// <summary>The maximum that is ever listed: 256 of each, all with the longest name.</summary>
    [Theory]
    [InlineData(true)]
    [InlineData(false)]
    public void Very_many_entries_and_addresses_are_counted_and_the_end_is_there(bool isText)
    {
        string name = string.Join('.', Enumerable.Repeat(new string('n', 62), 4));
        List<EntryStatus> listed =
            [.. Enumerable.Range(0, 256).Select(_ => new EntryStatus("*." + name, IsLiteral: false))];
        listed.ForEach(entry => entry.Holes.Add(new HoleStatus(
            "2001:db8:1111:2222:3333:4444:5555:6666", name, TimeSpan.FromHours(30),
            TimeSpan.FromHours(30), true)));
        DaemonStatus status = Example(firewall: new FirewallStatus
        {
            Backend = "sets",
            Dns = "hold",
            Entries = 60_000,
            Holes = 30_000,
            Listed = listed,
            UnlistedEntries = 60_000 - 256,
            UnlistedHoles = 30_000 - 256,
            Replies = [("answer", 1), ("unasked", 2)],
        });
        Utf8Text text = new(ControlSocket.MaxReply);
        if (isText)
        {
            StatusText.Write(status, isColored: true, text);
        }
        else
        {
            StatusJson.Write(status, new JsonWriter(text));
        }
        Assert.False(text.IsCut);
        string said = Encoding.UTF8.GetString(text.Bytes);
        if (isText)
        {
            int entries = said.Split('\n').Count(line => line.StartsWith(" *.", StringComparison.Ordinal));
            int holes = said.Split("2001:db8:1111").Length - 1;
            Assert.InRange(entries, 100, 255);
            Assert.EndsWith($"\n and {60_000 - entries} entries and {30_000 - holes} addresses more\n", said,
                StringComparison.Ordinal);
        }
        else
        {
            JsonElement json = JsonDocument.Parse(said).RootElement.GetProperty("firewall");
            int entries = json.GetProperty("whitelist").GetArrayLength();
            Assert.InRange(entries, 100, 255);
            Assert.Equal(60_000 - entries, json.GetProperty("unlisted_entries").GetInt32());
            Assert.Equal(
                30_000 - json.GetProperty("whitelist").EnumerateArray().Sum(
                    entry => entry.GetProperty("holes").GetArrayLength()),
                json.GetProperty("unlisted_holes").GetInt32());
        }
    }

    internal static DaemonStatus Example(
        string reason = Why, FirewallStatus? firewall = null, string? flowLimit = null) => new()
        {
            FlowLimit = flowLimit,
            Firewall = firewall,
            Version = "1.2.3+1234567890abcdef",
            Time = new DateTime(2026, 1, 2, 3, 4, 5, DateTimeKind.Utc),
            Uptime = new TimeSpan(2, 13, 0),
            MemoryBytes = 6_700_000,
            InUse = "wlan0",
            InUseFor = TimeSpan.FromMinutes(12),
            Choice = "wlan0",
            Reason = reason,
            ReasonAge = TimeSpan.FromMinutes(12),
            Attrd = "connected",
            IsAttrdConnected = true,
            Links =
        [
            new LinkStatus
            {
                Name = "eth0",
                Kind = "ethernet",
                State = "ITFUP_SF",
                StateValue = 4,
                Words = "no echo within 3000.1 ms (timed out), no ping answered",
                StateFor = TimeSpan.FromMinutes(12),
                Ipv4 = new AddressStatus("198.18.1.2", "198.18.1.1"),
                Ipv6 = new AddressStatus("2001:db8:1::2", "fe80::1", "replaced"),
                Evidence = "TCP 198.18.100.10:443 -> 198.18.1.2:50122, 60 bytes",
                EvidenceAge = TimeSpan.FromMinutes(13),
                IsProbing = true,
                Probe = "no answer",
                ProbeWords = "no echo within 3000.1 ms (timed out), no ping answered",
                ProbeAge = TimeSpan.FromSeconds(5),
                Failures = 2,
                FailureAge = TimeSpan.FromMinutes(12),
                HoldLeft = TimeSpan.FromSeconds(18),
                BytesReceived = 1_234_567,
                BytesSent = 340_123,
            },
            new LinkStatus
            {
                Name = "wlan0",
                Kind = "wifi",
                State = "ITFUP_SS",
                StateValue = 5,
                Words = "confirmed by echo",
                StateFor = new TimeSpan(2, 13, 0),
                UpFor = new TimeSpan(2, 13, 0),
                IsInUse = true,
                IsConfirmed = true,
                Ipv4 = new AddressStatus("198.18.2.2", "198.18.2.1", "netifd"),
                Probe = "echo",
                ProbeWords = "echo answered by 198.18.100.11:80 in 6.7 ms",
                ProbeAge = TimeSpan.FromSeconds(9),
                RoundTrip = TimeSpan.FromMilliseconds(6.7),
                BytesReceived = 999,
            },
            new LinkStatus
            {
                Name = "wwan0",
                Kind = "wan",
                State = "ITFDOWN_SU",
                Words = "is not there yet",
                StateFor = new TimeSpan(2, 13, 0),
                IsMetered = true,
            },
        ],
        };

    private static string Text(DaemonStatus status, bool isColored)
    {
        Utf8Text text = new(100_000);
        StatusText.Write(status, isColored, text);
        return Encoding.UTF8.GetString(text.Bytes);
    }
}
