using System.Net.Sockets;
using ConnMgr.Config;
using ConnMgr.Firewall;
using static ConnMgr.Tests.Capture.NetworkNamespace;

namespace ConnMgr.Tests.Firewall;

/// <summary>The verdicts on queued replies; <see cref="DnsPathTests"/> has held and late ones.</summary>
public sealed class ReplyGateTests
{
    [Fact]
    public void A_reply_that_does_not_answer_its_question_is_dropped() => Run(() =>
    {
        using DnsRig rig = New();
        using Socket client = DnsRig.Ask();
        rig.Answer("other.example"); // under the id and the ports of the open question
        rig.Until(() => rig.Gate.DroppedCount == 1);
        Assert.Equal(0, client.Available);
        Assert.Empty(rig.Store.Backend.Elements);
        using Socket second = DnsRig.Ask();
        rig.Answer();
        rig.Until(() => second.Available > 0);
        Assert.Equal((1, 1, 0), (rig.Gate.HeldCount, rig.Gate.DroppedCount, client.Available));
    });

    [Fact]
    public void An_audit_drops_nothing() => Run(() =>
    {
        using DnsRig rig = New();
        rig.Reader.Names = new AuditNames();
        using Socket client = DnsRig.Ask();
        rig.Answer("other.example");
        rig.Until(() => client.Available > 0);
        Assert.Equal(0, rig.Gate.DroppedCount);
    });

    [Fact]
    public void A_reply_that_opens_nothing_passes() => Run(() =>
    {
        using DnsRig rig = New(new FakeBackend { IsImmediate = false });
        using Socket client = DnsRig.Ask("other.example");
        rig.Answer("other.example");
        rig.Until(() => client.Available > 0);
        Assert.Equal((0, 0, 0), (rig.Gate.HeldCount, rig.Gate.LateCount, rig.Gate.DroppedCount));
    });

    [Fact]
    public void Closing_releases_what_is_held() => Run(() =>
    {
        using DnsRig rig = New(new FakeBackend { IsImmediate = false });
        using Socket client = DnsRig.Ask();
        rig.Answer();
        rig.Until(() => rig.Gate.HeldCount == 1);
        rig.Gate.Close("the test ends it");
        rig.Until(() => client.Available > 0);
        Assert.Equal(
            ("sniff", "the test ends it", (ushort?)null, 0),
            (rig.Gate.ModeName, rig.Gate.Reason, rig.Gate.Number, rig.Gate.LateCount));
    });

    [Fact]
    public void By_sniff_no_queue_is_bound() => Run(() =>
    {
        using DnsRig rig = new();
        rig.Gate.Open(DnsMode.Sniff, 7);
        Assert.Equal(
            ("sniff", "--dns sniff was given", (ushort?)null),
            (rig.Gate.ModeName, rig.Gate.Reason, rig.Gate.Number));
    });

    private static DnsRig New(FakeBackend? backend = null)
    {
        DnsRig rig = new(backend);
        rig.Gate.Open(DnsMode.Hold, 7);
        DnsPathTests.Run("iptables -I INPUT -p udp --sport 53 -j NFQUEUE --queue-num 7 --queue-bypass");
        rig.Observer.Listen(rig.Table, withReplies: false);
        return rig;
    }
}
