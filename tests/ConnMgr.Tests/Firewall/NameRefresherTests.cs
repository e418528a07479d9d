using System.Net;
using ConnMgr.Dns;
using ConnMgr.Firewall;
using ConnMgr.Tests.Dns;
using ConnMgr.Tests.Links;
using static ConnMgr.Tests.Capture.NetworkNamespace;

namespace ConnMgr.Tests.Firewall;

/// <summary>The daemon's own resolution of exact names (contract, section 10, rule 6).</summary>
public sealed class NameRefresherTests
{
    [Fact]
    public void Exact_names_are_resolved_over_the_link_in_use_and_only_then() => Run(() =>
    {
        SkewedTime time = new();
        using DnsRig rig = new(time: time);
        using NameRefresher names = New(rig);
        Assert.Equal(TimeSpan.MaxValue, names.NextDeadline);
        names.Advance(rig.Loop.Now);
        Assert.Equal(0, rig.Waiting);
        names.SetLink("lo", [DnsRig.Server]);
        Assert.True(names.NextDeadline <= rig.Loop.Now);
        names.Advance(rig.Loop.Now);
        rig.AnswerOwn();
        rig.AnswerWithout();
        rig.Until(() => names.NextDeadline < TimeSpan.MaxValue); // at once, as both have been answered
        Assert.Equal(["Open 198.51.100.7"], rig.Store.Backend.Applied); // not urgent: nobody waits
        Assert.Equal(0, rig.Waiting); // nothing was asked for a wildcard
        // Three quarters of the 65 minutes that the address stays open.
        Assert.InRange(names.NextDeadline - rig.Loop.Now, TimeSpan.FromMinutes(47), TimeSpan.FromMinutes(49));
        names.SetLink(null, []);
        Assert.Equal(TimeSpan.MaxValue, names.NextDeadline);
    });

    /// <summary>Its addresses of that family would stay closed for most of an hour.</summary>
    [Fact]
    public void A_name_is_retried_if_the_answer_for_one_family_is_lost() => Run(() =>
    {
        SkewedTime time = new();
        using DnsRig rig = new(time: time);
        using NameRefresher names = Started(rig);
        rig.AnswerOwn();
        rig.Until(() => rig.Store.Backend.Elements.Count == 1);
        time.Stop();
        time.Skew += TimeSpan.FromSeconds(1); // the time for the other family
        rig.Until(() => names.NextDeadline < TimeSpan.MaxValue);
        Assert.Equal(TimeSpan.FromSeconds(2), names.NextDeadline - rig.Loop.Now);
        Drop(rig);
        time.Skew += TimeSpan.FromSeconds(2);
        rig.Until(() => names.NextDeadline <= rig.Loop.Now);
        names.Advance(rig.Loop.Now);
        rig.AnswerOwn();
        rig.AnswerWithout();
        rig.Until(() => names.NextDeadline < TimeSpan.MaxValue);
        Assert.True(names.NextDeadline - rig.Loop.Now > TimeSpan.FromMinutes(40));
    });

    /// <summary>
    /// One server has answered for both families. The others, such as those of another link, stay silent.
    /// </summary>
    [Fact]
    public void Servers_that_stay_silent_after_an_answer_are_no_reason_to_ask_again() => Run(() =>
    {
        using DnsRig rig = new();
        RunIp("route add 198.18.9.0/24 dev lo"); // lo drops packets to it
        using NameRefresher names = New(rig);
        names.SetLink(
            "lo", [DnsRig.Server, .. ((string[])["1", "2", "3", "4"]).Select(last =>
                IPAddress.Parse($"198.18.9.{last}"))]);
        names.Advance(rig.Loop.Now);
        rig.AnswerOwn();
        rig.AnswerWithout();
        rig.Until(() => names.NextDeadline < TimeSpan.MaxValue);
        Assert.True(names.NextDeadline - rig.Loop.Now > TimeSpan.FromMinutes(40));
    });

    [Fact]
    public void Both_families_and_the_aliases_of_an_answer_count() => Run(() =>
    {
        using DnsRig rig = new();
        using NameRefresher names = Started(rig);
        foreach (int _ in (int[])[1, 2])
        {
            (byte[] query, EndPoint from) = rig.TakeQuestion();
            bool isA = DnsRig.TypeOf(query) == MessageBuilder.A;
            rig.Send(
                new MessageBuilder().Short((query[0] << 8) | query[1], 0x8180, 1, 2, 0, 0)
                    .Name("echo.afero.io").Short(DnsRig.TypeOf(query), 1)
                    .Alias("echo.afero.io", "cdn.example", 600)
                    .Address("cdn.example", isA ? "198.51.100.7" : "2001:db8:7::7", 600).ToArray(),
                from);
        }
        rig.Until(() => names.NextDeadline < TimeSpan.MaxValue); // at once, as both have answered
        Assert.Equal(
            ["Open 198.51.100.7", "Open 2001:db8:7::7"], rig.Store.Backend.Applied.Order());
        // A program that asks for the alias itself opens what it gets.
        Assert.True(rig.Store.Store.LearnAnswer(
            StoreRig.Name("cdn.example"),
            [new DnsAddress(IPAddress.Parse("198.51.100.8").GetAddressBytes(), 60)], [], false, out _));
        Assert.Equal(3, rig.Store.Backend.Elements.Count);
    });

    [Fact]
    public void A_name_without_an_answer_is_retried_and_at_once_on_another_link() => Run(() =>
    {
        using DnsRig rig = new();
        TimeSpan askedAt = rig.Loop.Now;
        using NameRefresher names = Started(rig);
        rig.Until(() => names.NextDeadline < TimeSpan.MaxValue);
        Assert.True(rig.Loop.Now - askedAt >= TimeSpan.FromSeconds(4)); // its patience
        Drop(rig);
        Assert.True(names.NextDeadline - askedAt >= TimeSpan.FromSeconds(6)); // 2 s later
        TimeSpan due = names.NextDeadline;
        names.SetLink("lo", [DnsRig.Server]); // the same link
        Assert.Equal(due, names.NextDeadline);
        names.SetLink(null, []);
        names.SetLink("lo", [DnsRig.Server]);
        Assert.True(names.NextDeadline < due && names.NextDeadline <= rig.Loop.Now);
        names.Advance(rig.Loop.Now);
        rig.AnswerOwn();
        rig.Until(() => rig.Store.Backend.Elements.Count == 1);
    });

    [Fact]
    public void A_few_names_are_resolved_at_a_time() => Run(() =>
    {
        const int Most = 32;
        using DnsRig rig = new(
            whitelist: string.Join('\n', Enumerable.Range(0, Most + 8).Select(i => $"name{i}.example")));
        using NameRefresher names = Started(rig);
        Assert.Equal(TimeSpan.MaxValue, names.NextDeadline);
        List<(byte[] Query, EndPoint From)> asked = [];
        while (rig.Waiting > 0)
        {
            asked.Add(rig.TakeQuestion());
        }
        Assert.Equal(2 * Most, asked.Count);
        foreach ((byte[] query, EndPoint from) in asked.Where(
            each => DnsRig.NameOf(each.Query) == "name0.example"))
        {
            rig.Send(DnsRig.ReplyTo(
                query, "name0.example",
                DnsRig.TypeOf(query) == MessageBuilder.A ? "198.51.100.7" : "2001:db8::7"), from);
        }
        rig.Until(() => names.NextDeadline <= rig.Loop.Now);
        names.Advance(rig.Loop.Now);
        Assert.Equal(
            [$"name{Most}.example", $"name{Most}.example"],
            ((int[])[1, 2]).Select(_ => DnsRig.NameOf(rig.TakeQuestion().Query)));
        Assert.Equal(0, rig.Waiting);
    });

    [Fact]
    public void New_names_of_a_reload_are_resolved_and_removed_ones_no_more() => Run(() =>
    {
        using DnsRig rig = new();
        using NameRefresher names = Started(rig);
        rig.AnswerOwn();
        rig.AnswerWithout();
        rig.Until(() => names.NextDeadline < TimeSpan.MaxValue);
        Whitelist changed = StoreRig.Read("new.example");
        rig.Store.Store.Change(changed);
        names.Change(changed);
        Assert.True(names.NextDeadline <= rig.Loop.Now);
        names.Advance(rig.Loop.Now);
        rig.AnswerOwn("new.example", "198.51.100.9");
        rig.AnswerWithout("new.example");
        rig.Until(() => rig.Store.Backend.Applied.Contains("Open 198.51.100.9"));
        rig.Until(() => names.NextDeadline < TimeSpan.MaxValue);
        Assert.True(names.NextDeadline > rig.Loop.Now + TimeSpan.FromMinutes(40)); // the old name is not due
    });

    /// <summary>The rules of another program may drop the daemon's questions.</summary>
    [Fact]
    public void A_question_without_an_answer_is_reported() => Run(() =>
    {
        using DnsRig rig = new();
        List<ushort> asked = [];
        using NameRefresher names = new(rig.Loop, rig.Store.Store, (in flow, isRefused) =>
        {
            Assert.False(isRefused);
            asked.Add(flow.DestinationPort);
            return false;
        });
        names.SetLink("lo", [DnsRig.Server]);
        names.Advance(rig.Loop.Now);
        Drop(rig);
        rig.Until(() => asked.Count > 0);
        Assert.All(asked, port => Assert.Equal(53, port));
    });

    private static NameRefresher New(DnsRig rig)
    {
        rig.Observer.Change(LinkRig.Names("ETH_INTERFACE_0=eth7")); // it would overhear the same answers
        rig.Observer.Listen(rig.Table, withReplies: true);
        return new NameRefresher(rig.Loop, rig.Store.Store, (in _, _) => false);
    }

    private static NameRefresher Started(DnsRig rig)
    {
        NameRefresher names = New(rig);
        names.SetLink("lo", [DnsRig.Server]);
        names.Advance(rig.Loop.Now);
        return names;
    }

    private static void Drop(DnsRig rig)
    {
        while (rig.Waiting > 0)
        {
            rig.TakeQuestion();
        }
    }
}
