using ConnMgr.Dns;
using ConnMgr.Firewall;
using ConnMgr.Net;
using ConnMgr.Tests.Dns;

namespace ConnMgr.Tests.Firewall;

/// <summary>
/// Answers that open nothing when they arrive. A cache may serve them later, when their name is whitelisted.
/// </summary>
public sealed class UnwantedAnswersTests : IDisposable
{
    private readonly WatchRig _asked = new(isAnyServer: false);
    private readonly StoreRig _rig = new("first.example\n*.fresh.example");
    private readonly ReplyReader _reader;
    private TimeSpan _now = TimeSpan.FromHours(1);

    public UnwantedAnswersTests() => _reader = new ReplyReader(_asked.Watch, _rig.Store);

    public void Dispose() => _rig.Dispose();

    [Theory]
    [InlineData(60, 299, true)]
    [InlineData(60, 301, false)]
    [InlineData(3000, 2999, true)]
    [InlineData(3000, 3001, false)]
    public void A_name_that_comes_to_be_whitelisted_opens_as_long_as_a_cache_may_serve_it(
        long ttl, int after, bool isOpen)
    {
        Answer("late.example", message => message.Address("late.example", "198.18.5.1", ttl));
        Assert.Empty(_rig.Backend.Applied);
        _now += TimeSpan.FromSeconds(after);
        _rig.Store.Change(StoreRig.Read("first.example"));
        Assert.False(_reader.JudgeAgain(_now));
        _rig.Store.Change(StoreRig.Read("late.example"));
        Assert.Equal(isOpen, _reader.JudgeAgain(_now));
        Assert.Equal(isOpen ? ["Open 198.18.5.1"] : [], _rig.Backend.Applied);
        Assert.False(_reader.JudgeAgain(_now));
    }

    [Fact]
    public void A_target_that_was_asked_for_before_its_alias_is_open_with_the_alias()
    {
        Answer("edge.cdn.test", message => message.Address("edge.cdn.test", "198.18.5.1"));
        Answer("other.cdn.test", message => message.Address("other.cdn.test", "198.18.5.2"));
        Answer("mid.cdn.test", message => message.Alias("mid.cdn.test", "edge.cdn.test"));
        Assert.Empty(_rig.Backend.Applied);
        Answer("www.fresh.example", message => message.Alias("www.fresh.example", "mid.cdn.test"));
        Assert.Equal(["Open 198.18.5.1"],
            _rig.Backend.Applied.Select(text => text.Replace(" urgent", "", StringComparison.Ordinal)));
    }

    [Fact]
    public void A_server_that_comes_to_count_makes_its_answers_count()
    {
        const string Other = "198.18.100.54 53";
        _asked.Ask(to: Other, query: WatchRig.Query(name: "first.example"));
        Read(Reply("first.example", message => message.Address("first.example", "198.18.5.1")), Other);
        Assert.Empty(_rig.Backend.Applied);
        Assert.Equal(1, _asked.Watch.CountOf(DnsVerdict.UntrustedServer));
        IpNumber[] both = [WatchRig.Number("198.18.100.53"), WatchRig.Number("198.18.100.54")];
        Assert.True(_asked.Watch.SetServers(both, both));
        Assert.False(_asked.Watch.SetServers(both, both));
        Assert.True(_reader.JudgeAgain(_now));
        Assert.Equal(["Open 198.18.5.1"], _rig.Backend.Applied);
    }

    /// <summary>A name server of the device has just started, and may ask any server.</summary>
    [Theory]
    [InlineData(true)]
    [InlineData(false)]
    public void An_unlisted_server_that_answers_the_device_starts_a_search(bool isFound)
    {
        const string Other = "198.18.100.54 53";
        int searches = 0;
        _reader.HasNewResolver = () =>
        {
            searches++;
            if (isFound)
            {
                _asked.Watch.TrustAllServers();
            }
            return isFound;
        };
        Answer("early.example", message => message.Address("early.example", "198.18.5.9"));
        Assert.Equal(0, searches);
        foreach (int i in (int[])[1, 2])
        {
            _asked.Ask(to: Other, query: WatchRig.Query(name: $"n{i}.fresh.example"));
            Read(Reply($"n{i}.fresh.example", message =>
                message.Address($"n{i}.fresh.example", $"198.18.5.{i}")), Other);
        }
        Assert.Equal(isFound ? 1 : 2, searches);
        Assert.Equal(isFound ? ["Open 198.18.5.1", "Open 198.18.5.2"] : [], _rig.Backend.Applied);
    }

    [Fact]
    public void A_name_server_that_nobody_trusts_never_opens_anything_for_an_extender()
    {
        const string Other = "198.18.100.54 53";
        _asked.Ask(from: WatchRig.Extender, to: Other, side: DnsSide.Bridge,
            query: WatchRig.Query(name: "first.example"));
        byte[] packet = PacketBuilder.Udp(
            Other, WatchRig.Extender,
            Reply("first.example", message => message.Address("first.example", "198.18.5.1")));
        _reader.HasNewResolver = () => throw new InvalidOperationException("not for an extender");
        _reader.Read(packet, DnsSide.Bridge, null, isHeld: true, _now);
        // Now replies of any server count for the device, but not for extenders.
        _asked.Watch.SetServers([WatchRig.Number("198.18.100.53")], null);
        Assert.False(_reader.JudgeAgain(_now));
        Assert.Empty(_rig.Backend.Applied);
    }

    [Fact]
    public void The_last_512_are_kept()
    {
        for (int i = 0; i < UnwantedAnswers.MaxAnswers + 1; i++)
        {
            Answer($"n{i}.late.example", message =>
                message.Address($"n{i}.late.example", $"198.18.{i / 250}.{i % 250}"));
        }
        // Replaces the older answer for the same name.
        Answer("n5.late.example", message => message.Address("n5.late.example", "198.18.9.9"));
        _rig.Store.Change(StoreRig.Read("*.late.example"));
        Assert.True(_reader.JudgeAgain(_now));
        Assert.Equal(UnwantedAnswers.MaxAnswers, _rig.Backend.Applied.Count);
        Assert.DoesNotContain("Open 198.18.0.0", _rig.Backend.Applied);
        Assert.DoesNotContain("Open 198.18.0.5", _rig.Backend.Applied);
        Assert.Contains("Open 198.18.9.9", _rig.Backend.Applied);
    }

    private static byte[] Reply(string name, Func<MessageBuilder, MessageBuilder> with) =>
        with(MessageBuilder.Reply(1, name)).ToArray();

    private void Answer(string name, Func<MessageBuilder, MessageBuilder> with)
    {
        _asked.Ask(query: WatchRig.Query(name: name));
        Read(Reply(name, with), WatchRig.Server);
    }

    private void Read(byte[] reply, string server) =>
        _reader.Read(
            PacketBuilder.Udp(server, WatchRig.Device, reply), DnsSide.Device, null, isHeld: false, _now);
}
