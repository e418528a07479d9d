using System.Net;
using System.Text;
using ConnMgr.Probe;

namespace ConnMgr.Tests.Probe;

/// <summary>Plans as text: each step with its time until the end, and what the answers prove.</summary>
public class ProbePlanTests
{
    private static readonly IPAddress A = IPAddress.Parse("198.18.100.10");
    private static readonly IPAddress B = IPAddress.Parse("198.18.100.11");

    private readonly HashSet<string> _proven = [];
    private readonly List<ProbeTarget> _remembered = [];
    private TimeSpan _now;

    [Fact]
    public void One_address_that_is_silent()
    {
        ProbePlan plan = Plan("echo://198.18.100.10");
        Assert.Equal(
            """
            0 try echo 198.18.100.10:7
            750 try echo 198.18.100.10:7
            1000 ping
            1200 ping
            1400 ping
            1500 try echo 198.18.100.10:7
            1600 ping
            1800 ping
            2000 ping
            2200 ping
            2250 try echo 198.18.100.10:7
            2400 ping
            2600 ping
            2800 ping
            3000 end
            NoAnswer: no echo within 3000.0 ms (timed out), no ping answered
            """, Rest(plan));
    }

    [Fact]
    public void An_early_probe_pings_from_the_start_and_ends_sooner()
    {
        ProbePlan plan = Plan(["tls://198.18.100.10"], isEarly: true);
        Assert.Equal(
            """
            0 try tls 198.18.100.10:443
            0 ping
            200 ping
            400 ping
            600 ping
            750 try tls 198.18.100.10:443
            800 ping
            1000 ping
            1200 ping
            1400 ping
            1500 try tls 198.18.100.10:443
            1600 ping
            1800 ping
            2000 end
            NoAnswer: no correct answer within 2000.0 ms (timed out), no ping answered
            """, Rest(plan));
    }

    [Fact]
    public void A_probe_with_a_limit_ends_sooner_and_asks_more_often()
    {
        ProbePlan plan = Plan(["tls://198.18.100.10"], isEarly: true, limit: Ms(1200));
        string steps = Rest(plan);
        Assert.StartsWith(
            "0 try tls 198.18.100.10:443\n0 ping\n100 ping\n200 ping\n"
                + "300 try tls 198.18.100.10:443\n300 ping\n",
            steps, StringComparison.Ordinal);
        Assert.EndsWith(
            "1100 ping\n1200 end\nNoAnswer: no correct answer within 1200.0 ms (timed out), no ping answered",
            steps, StringComparison.Ordinal);
        _now = Ms(0);
        Assert.Contains("\n600 ping\n", Rest(Plan(["tls://198.18.100.10"], limit: Ms(1800))),
            StringComparison.Ordinal);
    }

    [Fact]
    public void Any_sign_of_life_gives_a_probe_its_usual_time()
    {
        ProbePlan plan = Plan(["tls://198.18.100.10"], pings: false, isEarly: true, limit: Ms(1200));
        Assert.Equal(Ms(1200), plan.EndsAt);
        plan.SeeLife();
        Assert.Equal(Ms(2000), plan.EndsAt);

        plan = Plan(["tls://198.18.100.10"], isEarly: true, limit: Ms(1200));
        Next(plan);
        Next(plan);
        plan.TakePing(Ms(30));
        Assert.Equal(Ms(2000), plan.EndsAt);
    }

    [Fact]
    public void A_slow_ping_gives_the_service_time_for_its_name_and_two_round_trips()
    {
        ProbePlan plan = Plan(["tls://198.18.100.10"], isEarly: true);
        Next(plan);
        Next(plan);
        plan.TakePing(Ms(1200));
        Assert.Equal(Ms(4800), plan.EndsAt);
        plan.TakeVerdict(Target("tls://198.18.100.10", A), Verdict.Content, "", Ms(2400), Ms(2400));
        Assert.Equal(Ms(1200), plan.Result!.Value.Heard);

        plan = Plan(["tls://198.18.100.10"], isEarly: true);
        Next(plan);
        Next(plan);
        plan.TakePing(Ms(1900));
        Assert.Equal(Ms(6000), plan.EndsAt);
    }

    [Fact]
    public void The_addresses_of_a_name_start_one_after_the_other()
    {
        ProbePlan plan = Plan(["coap://a.example"], pings: false);
        Assert.Equal("0 resolve a.example", Next(plan));
        _now = Ms(40);
        plan.TakeAddresses(Url("coap://a.example"), [A, B], "", _now);
        Assert.Equal(
            """
            40 try coap 198.18.100.10:5683
            290 try coap 198.18.100.11:5683
            790 try coap 198.18.100.10:5683
            1040 try coap 198.18.100.11:5683
            1540 try coap 198.18.100.10:5683
            1790 try coap 198.18.100.11:5683
            2290 try coap 198.18.100.10:5683
            2540 try coap 198.18.100.11:5683
            3000 end
            NoAnswer: no correct answer within 3000.0 ms (timed out)
            """, Rest(plan));
    }

    [Fact]
    public void Where_no_name_server_answers_addresses_are_remembered_after_a_second()
    {
        _remembered.Add(new ProbeTarget(Url("tcp://a.example:22"), new IPEndPoint(A, 22)));
        _remembered.Add(new ProbeTarget(Url("tcp://b.example:22"), new IPEndPoint(B, 22)));
        _remembered.Add(
            new ProbeTarget(Url("tcp://a.example:22"), new IPEndPoint(IPAddress.IPv6Loopback, 22)));
        ProbePlan plan = Plan(["tcp://a.example:22"], pings: false);
        Assert.Equal(
            """
            0 resolve a.example
            1000 try tcp 198.18.100.10:22
            1750 try tcp 198.18.100.10:22
            2500 try tcp 198.18.100.10:22
            3000 end
            NoAnswer: no correct answer within 3000.0 ms (timed out)
            """, Rest(plan));
    }

    [Fact]
    public void A_name_that_cannot_be_resolved_is_remembered_at_once()
    {
        _remembered.Add(new ProbeTarget(Url("echo://a.example"), new IPEndPoint(A, 7)));
        ProbePlan plan = Plan(["echo://a.example"], pings: false);
        Assert.Equal("0 resolve a.example", Next(plan));
        plan.TakeAddresses(Url("echo://a.example"), [], "no such name", _now);
        Assert.Equal("0 try echo 198.18.100.10:7", Next(plan));
    }

    [Fact]
    public void Without_an_address_a_ping_decides_at_once()
    {
        ProbePlan plan = Plan("echo://a.example");
        Assert.Equal("0 resolve a.example", Next(plan));
        _now = Ms(10);
        plan.TakeAddresses(Url("echo://a.example"), [], "198.18.100.53: no such name", _now);
        Assert.Equal("10 ping", Next(plan));
        _now = Ms(15);
        plan.TakePing(_now);
        Assert.Equal(
            "15 end\nPingOnly: ping answered 15.0 ms after the start, but no echo "
            + "('a.example' cannot be resolved: 198.18.100.53: no such name)", Rest(plan));
    }

    [Fact]
    public void A_service_without_an_address_of_the_family_leaves_it_to_the_ping()
    {
        ProbePlan plan = Plan("echo://[2001:db8::1]");
        Assert.Equal("0 ping", Next(plan));
    }

    [Theory]
    [InlineData("0.0.0.0")]
    [InlineData("127.0.0.1")]
    [InlineData("224.0.0.1")]
    [InlineData("255.255.255.255")]
    public void The_device_itself_is_not_asked(string address)
    {
        ProbePlan plan = Plan(["echo://a.example"], pings: false);
        Assert.Equal("0 resolve a.example", Next(plan));
        plan.TakeAddresses(Url("echo://a.example"), [IPAddress.Parse(address)], "", _now);
        Assert.Equal("3000 end", Next(plan));
    }

    [Fact]
    public void No_more_than_8_addresses_are_asked()
    {
        ProbePlan plan = Plan(["echo://a.example"], pings: false);
        Next(plan);
        plan.TakeAddresses(
            Url("echo://a.example"),
            [.. Enumerable.Range(1, 20).Select(i => IPAddress.Parse($"198.18.100.{i}"))], "", _now);
        string[] asked = Rest(plan).Split('\n')
            .Where(line => line.Contains("try")).Select(line => line.Split(' ')[^1]).Distinct().ToArray();
        Assert.Equal(8, asked.Length);
    }

    [Fact]
    public void Any_right_answer_confirms()
    {
        ProbePlan plan = Plan("echo://198.18.100.10", "http://198.18.100.11#204");
        Next(plan);
        _now = Ms(8);
        plan.TakeVerdict(Target("http://198.18.100.11#204", B), Verdict.Content, "", Ms(6), _now);
        Assert.Equal("8 end\nServiceAnswered: http answered by 198.18.100.11:80 in 6.0 ms", Rest(plan));
        Assert.Equal(
            ("content", Ms(6), "http://198.18.100.11/#204", "http"),
            (plan.Result!.Value.Strength, plan.Result.Value.RoundTrip, plan.Result.Value.Service,
                plan.Result.Value.Proof));
    }

    [Fact]
    public void An_answer_of_protocol_strength_confirms_and_says_so()
    {
        ProbePlan plan = Plan("tls://198.18.100.10");
        Next(plan);
        plan.TakeVerdict(Target("tls://198.18.100.10", A), Verdict.Protocol, "TLS alert 40", Ms(6), Ms(6));
        Assert.Equal(
            "0 end\nServiceAnswered: tls answered by 198.18.100.10:443 in 6.0 ms (TLS alert 40)", Rest(plan));
        Assert.Equal("tls, protocol only", plan.Result!.Value.Proof);
    }

    [Fact]
    public void A_connection_counts_like_a_ping()
    {
        ProbePlan plan = Plan("tcp://198.18.100.10:22");
        Next(plan);
        _now = Ms(9);
        plan.TakeVerdict(Target("tcp://198.18.100.10:22", A), Verdict.Connection, "", Ms(9), _now);
        Assert.Equal(
            "9 end\nPingOnly: 198.18.100.10:22 accepted a connection 9.0 ms after the start, "
            + "but no correct answer (timed out)", Rest(plan));
    }

    [Fact]
    public void A_connection_does_not_end_the_wait_for_a_better_answer()
    {
        ProbePlan plan = Plan("tcp://198.18.100.10:22", "echo://198.18.100.11");
        Next(plan);
        plan.TakeVerdict(Target("tcp://198.18.100.10:22", A), Verdict.Connection, "", Ms(9), Ms(9));
        Assert.Equal("250 try echo 198.18.100.11:7", Next(plan));
        plan.TakeVerdict(Target("echo://198.18.100.11", B), Verdict.Content, "", Ms(5), Ms(255));
        Assert.Equal("content", plan.Result!.Value.Strength);
    }

    [Fact]
    public void A_wrong_answer_of_a_proven_service_ends_the_probe_at_once()
    {
        _proven.Add("echo://198.18.100.10");
        ProbePlan plan = Plan("echo://198.18.100.10");
        Next(plan);
        plan.TakeVerdict(
            Target("echo://198.18.100.10", A), Verdict.Wrong, "answered with a page", Ms(1), Ms(1));
        Assert.Equal("0 end\nWrongContent: 198.18.100.10:7 answered with a page", Rest(plan));
        Assert.Null(plan.Result!.Value.Suspect);
    }

    [Fact]
    public void A_wrong_answer_of_a_service_that_was_never_right_leaves_it_to_the_ping()
    {
        ProbePlan plan = Plan("echo://198.18.100.10");
        Next(plan);
        _now = Ms(2);
        plan.TakeVerdict(
            Target("echo://198.18.100.10", A), Verdict.Wrong, "answered with a page", Ms(2), _now);
        Assert.Equal("2 ping", Next(plan));
        _now = Ms(3);
        plan.TakePing(_now);
        Assert.Equal(
            """
            3 end
            PingOnly: ping answered 3.0 ms after the start, but no echo (198.18.100.10:7 answered with a page)
            """, Rest(plan));
        Assert.Equal("echo://198.18.100.10", plan.Result!.Value.Suspect);
    }

    [Fact]
    public void After_a_failure_the_address_is_tried_again_and_the_ping_starts()
    {
        ProbePlan plan = Plan("echo://198.18.100.10");
        Next(plan);
        _now = Ms(1);
        plan.TakeVerdict(
            Target("echo://198.18.100.10", A), Verdict.NotYet, "Connection refused", Ms(1), _now);
        Assert.StartsWith("1 ping\n201 ping\n401 ping\n601 ping\n750 try echo 198.18.100.10:7\n", Rest(plan),
            StringComparison.Ordinal);
        Assert.Contains("(198.18.100.10:7: Connection refused), no ping answered", plan.Result!.Value.Detail,
            StringComparison.Ordinal);
    }

    [Fact]
    public void What_comes_after_the_end_changes_nothing()
    {
        ProbePlan plan = Plan("echo://198.18.100.10");
        Next(plan);
        plan.TakeVerdict(Target("echo://198.18.100.10", A), Verdict.Content, "", Ms(1), Ms(1));
        ProbeResult result = plan.Result!.Value;
        plan.TakeVerdict(Target("echo://198.18.100.10", A), Verdict.Wrong, "x", Ms(1), Ms(1));
        plan.TakePing(Ms(2));
        Assert.Equal(result, plan.Result);
    }

    private ProbePlan Plan(params string[] urls) => Plan(urls, pings: true);

    private ProbePlan Plan(string[] urls, bool pings = true, bool isEarly = false, TimeSpan? limit = null) =>
        new([.. urls.Select(Url)], _remembered, _proven, isIpv6: false, pings, isEarly, _now, limit);

    private static ProbeUrl Url(string text)
    {
        Assert.True(ProbeUrl.TryParse(text, out ProbeUrl url, out string error), error);
        return url;
    }

    private static ProbeTarget Target(string url, IPAddress address) =>
        new(Url(url), new IPEndPoint(address, Url(url).Port));

    private static TimeSpan Ms(int milliseconds) => TimeSpan.FromMilliseconds(milliseconds);

    /// <summary>Returns the next step, with the time when it is due.</summary>
    private string Next(ProbePlan plan)
    {
        ProbeStep step;
        while (!plan.TryNext(_now, out step))
        {
            Assert.True(plan.NextAt > _now, "the plan has nothing to do now, and wants to be asked now");
            _now = plan.NextAt;
        }
        return $"{_now.TotalMilliseconds} {step}";
    }

    private string Rest(ProbePlan plan)
    {
        StringBuilder text = new();
        string step;
        do
        {
            step = Next(plan);
            text.Append(step).Append('\n');
        }
        while (!step.EndsWith("end", StringComparison.Ordinal));
        return text.Append($"{plan.Result!.Value.Outcome}: {plan.Result.Value.Detail}").ToString();
    }
}
