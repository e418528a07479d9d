using ConnMgr.Config;
using ConnMgr.Links;
using ConnMgr.Net;
using ConnMgr.Probe;

namespace ConnMgr.Tests.Links;

/// <summary>
/// A wrong answer accuses a link only if the service has answered correctly over some link before.
/// </summary>
public class ServiceTrustTests
{
    private const string Service = "echo://echo.example";

    private static readonly FamilyFacts Connected = new(HasAddress: true, HasWayOut: true, 1);
    private static readonly ProbeResult Right = new(ProbeOutcome.ServiceAnswered, "right", Service: Service);
    private static readonly ProbeResult Suspect = new(ProbeOutcome.PingOnly, "ping", Suspect: Service);

    private readonly ServiceTrust _trust = new();
    private readonly Link _eth = Up(LinkKind.Ethernet, "eth0");
    private readonly Link _wlan = Up(LinkKind.WiFi, "wlan0");

    [Fact]
    public void A_service_that_was_never_right_is_warned_of_once()
    {
        string? warning = Take(_eth, Suspect, 1);
        Assert.Equal(
            "'echo://echo.example' has not answered correctly over any link since the start, and wrongly "
                + "over eth0: "
            + "is that the service? ping decides until it answers correctly", warning);
        Assert.Equal(_eth, _trust.SuspectedBy(Service));
        Assert.Null(Take(_eth, Suspect, 2));
        Assert.Null(Take(_wlan, Suspect, 3));
        Assert.Empty(_trust.Proven);
        Assert.Equal(LinkState.Unconfirmed, _eth.State);
        Assert.Equal(LinkState.Unconfirmed, _wlan.State);
    }

    [Fact]
    public void A_service_that_answers_over_no_link_is_warned_of_after_the_second_probe_of_a_link()
    {
        ProbeResult silent = new(ProbeOutcome.PingOnly, "ping answered (refused)", Unanswered: [Service]);
        Assert.Null(Take(_eth, silent, 1));
        Assert.Null(Take(_wlan, silent, 2)); // wlan0 has not been asked twice
        Assert.False(_trust.IsSuspected(Service));
        Assert.Equal(
            "'echo://echo.example' has not answered correctly over any link since the start "
                + "(eth0: ping answered (refused)): is that the service? "
                + "ping decides until it answers correctly",
            Take(_eth, silent, 17));
        Assert.True(_trust.IsSuspected(Service));
        Assert.Null(_trust.SuspectedBy(Service));
        Assert.Null(Take(_wlan, silent, 18));
        Assert.Null(Take(_eth, Right, 30));
        Assert.False(_trust.IsSuspected(Service));
        Assert.Null(Take(_wlan, silent, 31));
    }

    [Fact]
    public void Two_services_that_answer_over_no_link_are_warned_of_together()
    {
        ProbeResult silent = new(ProbeOutcome.PingOnly, "ping", Unanswered: [Service, "tls://a"]);
        Take(_eth, silent, 1);
        Assert.StartsWith(
            "none of 'echo://echo.example', 'tls://a' has answered correctly over any link",
            Take(_eth, silent, 2), StringComparison.Ordinal);
    }

    [Theory]
    [InlineData(0)] // a service has answered over another link
    [InlineData(1)] // no service that could confirm a link was asked
    [InlineData(2)] // this device drops the packets
    [InlineData(3)] // nothing answers: the link is dead
    public void Silence_is_not_warned_of_otherwise(int what)
    {
        ProbeResult silent = new(
            what == 3 ? ProbeOutcome.NoAnswer : ProbeOutcome.PingOnly, "ping",
            Unanswered: what == 1 ? [] : [Service], IsDroppedHere: what == 2);
        Take(_wlan, what == 0 ? Right : silent, 1);
        Assert.Null(Take(_eth, silent, 2));
        Assert.Null(Take(_eth, silent, 3));
        Assert.False(_trust.IsSuspected(Service));
    }

    [Fact]
    public void When_it_proves_right_the_links_over_which_it_was_wrong_are_probed_again()
    {
        Take(_wlan, Suspect, 1);
        Assert.False(_wlan.IsProbing);
        Assert.Null(Take(_eth, Right, 2));
        Assert.True(_wlan.IsProbing);
        Assert.False(_eth.IsProbing);
        Assert.Contains(Service, _trust.Proven);
        Assert.Null(_trust.SuspectedBy(Service));
    }

    [Fact]
    public void A_link_whose_probe_was_under_way_meanwhile_is_probed_again()
    {
        Take(_eth, Right, 1);
        Assert.Null(Take(_wlan, Suspect, 2));
        Assert.True(_wlan.IsProbing);
        Assert.Null(_trust.SuspectedBy(Service));
    }

    [Fact]
    public void A_link_that_has_answered_since_is_left_alone()
    {
        Take(_wlan, Suspect, 1);
        Take(_wlan, new ProbeResult(ProbeOutcome.PingOnly, "ping"), 2);
        Take(_eth, Right, 3);
        Assert.False(_wlan.IsProbing);
    }

    [Fact]
    public void A_link_that_is_gone_is_forgotten()
    {
        Take(_wlan, Suspect, 1);
        _trust.Forget(_wlan);
        Assert.Null(_trust.SuspectedBy(Service));
    }

    [Fact]
    public void A_metered_link_arbitrates_once_an_hour_if_no_other_link_can()
    {
        Link wan = Up(LinkKind.Wan, "wwan0");
        Take(_eth, Suspect, 1);
        _wlan.Probe("test", isEarly: false, TimeSpan.FromSeconds(1));
        _trust.Arbitrate([_eth, _wlan, wan], TimeSpan.FromSeconds(1));
        Assert.False(wan.IsProbing); // wlan0 may answer

        Take(_wlan, Suspect, 2);
        _trust.Arbitrate([_eth, _wlan, wan], TimeSpan.FromSeconds(2));
        Assert.True(wan.IsProbing);

        Take(wan, Suspect, 3);
        _trust.Arbitrate([_eth, _wlan, wan], TimeSpan.FromSeconds(3601));
        Assert.False(wan.IsProbing);
        _trust.Arbitrate([_eth, _wlan, wan], TimeSpan.FromSeconds(3602));
        Assert.True(wan.IsProbing);

        Take(wan, Right, 3603);
        Assert.True(_eth.IsProbing);
        Assert.True(_wlan.IsProbing);
        Assert.False(wan.IsAssumed);
    }

    [Theory]
    [InlineData(0)] // WanProbe.Never
    [InlineData(1)] // there is no suspicion
    public void A_metered_link_is_spared_otherwise(int what)
    {
        Link wan = Up(LinkKind.Wan, "wwan0", what == 0 ? WanProbe.Never : WanProbe.Suspect);
        Take(_eth, what == 0 ? Suspect : new ProbeResult(ProbeOutcome.PingOnly, "ping"), 1);
        Take(_wlan, new ProbeResult(ProbeOutcome.NoAnswer, "none"), 1);
        _trust.Arbitrate([_eth, _wlan, wan], TimeSpan.FromSeconds(2));
        Assert.False(wan.IsProbing);
        Assert.True(wan.IsAssumed);
    }

    [Fact]
    public void Another_service_that_proves_right_changes_nothing()
    {
        Take(_wlan, Suspect, 1);
        Take(_eth, Right with { Service = "tls://cloud.example" }, 2);
        Assert.False(_wlan.IsProbing);
        Assert.Equal(_wlan, _trust.SuspectedBy(Service));
    }

    private string? Take(Link link, in ProbeResult result, int seconds)
    {
        TimeSpan now = TimeSpan.FromSeconds(seconds);
        if (!link.IsProbing)
        {
            link.Probe("test", isEarly: false, now);
        }
        link.OnProbeEnded(result, now);
        return _trust.Take(link, result, now);
    }

    private static Link Up(LinkKind kind, string name, WanProbe wanProbe = WanProbe.Suspect)
    {
        Link link = new(kind, name, TimeSpan.FromSeconds(16), wanProbe);
        link.SetFacts(new LinkFacts(2, IsAdminUp: true, IsRunning: true, Connected, default), TimeSpan.Zero);
        return link;
    }
}
