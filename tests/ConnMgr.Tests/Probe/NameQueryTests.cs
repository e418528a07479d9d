using System.Net;
using System.Net.Sockets;
using ConnMgr.EventLoop;
using ConnMgr.Probe;
using ConnMgr.Tests.Capture;
using ConnMgr.Tests.Dns;

namespace ConnMgr.Tests.Probe;

/// <summary>Queries over a device of a namespace, with servers that give various answers, or none.</summary>
public sealed class NameQueryTests
{
    private static readonly TimeSpan Limit = TimeSpan.FromSeconds(20);

    /// <summary>
    /// First what each server answers: x no such name, 0 no address, s server failure, a the address, -
    /// nothing. Then how often each server is asked until the query ends, and the result.
    /// </summary>
    [Theory]
    [InlineData("x", "1", "198.18.1.1: no such name")]
    [InlineData("x-", "11", "198.18.1.1: no such name")]
    [InlineData("-x", "11", "198.18.1.2: no such name")]
    [InlineData("-x-", "111", "198.18.1.2: no such name")]
    [InlineData("0-", "11", "198.18.1.1: no address")]
    [InlineData("xa", "11", "198.18.100.8")]
    [InlineData("xs", "11", "198.18.1.2: rcode 2")]
    [InlineData("ss", "11", "198.18.1.2: rcode 2")]
    [InlineData("x---a", "11111", "198.18.100.8")]
    public void It_ends_when_one_has_answered_and_all_were_asked(string says, string asked, string found) =>
        NetworkNamespace.Run(() => Assert.Equal((asked, found), Ask(says, null)));

    /// <summary>No server has answered, so only the caller's deadline ends the query.</summary>
    [Theory]
    [InlineData("-")]
    [InlineData("s-")]
    [InlineData("--")]
    public void Silence_is_no_answer(string says) => NetworkNamespace.Run(() =>
    {
        (string asked, string found) = Ask(says, untilAsked: 3);
        Assert.Equal("", found);
        Assert.Equal('3', asked[says.IndexOf('-')]);
    });

    /// <summary>Each gets its own answer, in whatever order they come; ids and names differ.</summary>
    [Fact]
    public void Many_queries_share_few_sockets() => NetworkNamespace.Run(() =>
    {
        const int Count = QuestionRunner.MaxQuestions + 10;
        NetworkNamespace.RunIp("link set lo up");
        NetworkNamespace.RunIp("address add 198.18.1.1/32 dev lo");
        using Socket server = new(AddressFamily.InterNetwork, SocketType.Dgram, ProtocolType.Udp);
        server.ReceiveTimeout = 5000;
        server.Bind(new IPEndPoint(IPAddress.Parse("198.18.1.1"), 53));
        using Loop loop = new();
        QuestionRunner runner = new(loop);
        List<NameQuery> ended = [];
        NameQuery[] queries = [.. Enumerable.Range(0, Count).Select(i => new NameQuery(
            loop, "lo", $"name{i}.example", isIpv6: false, [IPAddress.Parse("198.18.1.1")], ended.Add,
            runner))];
        foreach (NameQuery query in queries)
        {
            query.Begin();
        }
        Assert.InRange(runner.SocketCount, 2, 4);
        List<(byte[] Query, EndPoint From)> asked = [];
        HashSet<int> ids = [];
        while (asked.Count < Count)
        {
            byte[] query = new byte[512];
            EndPoint from = new IPEndPoint(IPAddress.Any, 0);
            server.ReceiveFrom(query, ref from);
            asked.Add((query, from));
            ids.Add((((IPEndPoint)from).Port << 16) | (query[0] << 8) | query[1]);
        }
        Assert.Equal(Count, ids.Count);
        Assert.Equal(runner.SocketCount, asked.Select(each => each.From).Distinct().Count());
        asked.Reverse();
        foreach ((byte[] query, EndPoint from) in asked)
        {
            string name = System.Text.Encoding.ASCII.GetString(query, 13, query[12]);
            server.SendTo(
                new MessageBuilder().Short((query[0] << 8) | query[1], 0x8180, 1, 1, 0, 0)
                    .Name($"{name}.example").Short(1, 1)
                    .Address($"{name}.example", $"198.18.100.{name[4..]}").ToArray(),
                from);
        }
        using Deadline limit = loop.AddTimer(() => throw new TimeoutException());
        limit.Set(loop.Now + Limit);
        Assert.Throws<OperationCanceledException>(() => loop.Run(() =>
        {
            if (ended.Count == Count)
            {
                throw new OperationCanceledException();
            }
        }));
        Assert.All(queries.Index(), each =>
            Assert.Equal($"198.18.100.{each.Index}", Assert.Single(each.Item.Addresses).ToString()));
        Assert.Equal(0, runner.SocketCount);
    });

    /// <summary>Silent servers: the questions are repeated, but never by many sockets.</summary>
    [Fact]
    public void Silent_servers_do_not_use_up_descriptors() => NetworkNamespace.Run(() =>
    {
        NetworkNamespace.RunIp("link set lo up");
        NetworkNamespace.RunIp("link add silent type veth peer name other");
        NetworkNamespace.RunIp("link set other up");
        NetworkNamespace.RunIp("link set silent up");
        NetworkNamespace.RunIp("address add 198.18.2.2/24 dev silent");
        using Loop loop = new();
        QuestionRunner runner = new(loop);
        IPAddress[] servers = [.. Enumerable.Range(1, 6).Select(i => IPAddress.Parse($"198.18.2.{10 + i}"))];
        NameQuery[] queries = [.. Enumerable.Range(0, 64).Select(i => new NameQuery(
            loop, "silent", $"name{i}.example", isIpv6: false, servers, _ => { }, runner))];
        int most = 0;
        TimeSpan begun = loop.Now;
        int started = 0;
        using Deadline next = loop.AddTimer(() => { });
        Assert.Throws<OperationCanceledException>(() => loop.Run(() =>
        {
            if (started < queries.Length && loop.Now - begun > started * TimeSpan.FromMilliseconds(20))
            {
                queries[started++].Begin();
            }
            most = Math.Max(most, runner.SocketCount);
            if (loop.Now - begun > TimeSpan.FromSeconds(3))
            {
                throw new OperationCanceledException();
            }
            next.Set(loop.Now + TimeSpan.FromMilliseconds(10));
        }));
        Assert.InRange(most, 6, QuestionRunner.MaxSockets);
        foreach (NameQuery query in queries)
        {
            query.Dispose();
        }
        Assert.Equal(0, runner.SocketCount);
    });

    private static (string Asked, string Found) Ask(string says, int? untilAsked)
    {
        NetworkNamespace.RunIp("link set lo up");
        IPAddress[] addresses = [.. says.Select((_, i) => IPAddress.Parse($"198.18.1.{i + 1}"))];
        Socket[] servers = [.. addresses.Select(address =>
        {
            NetworkNamespace.RunIp($"address add {address}/32 dev lo");
            Socket server =
                new(AddressFamily.InterNetwork, SocketType.Dgram, ProtocolType.Udp) { Blocking = false };
            server.Bind(new IPEndPoint(address, 53));
            return server;
        })];
        int[] counts = new int[says.Length];
        using Loop loop = new();
        NameQuery? ended = null;
        using NameQuery query = new(
            loop, "lo", "a.example", isIpv6: false, addresses, query => ended = query);
        ulong[] tokens = [.. servers.Select(
            (server, i) => loop.Add((int)server.Handle, () => Answer(server, says[i], ref counts[i])))];
        TimeSpan end = loop.Now + Limit;
        using Deadline deadline = loop.AddTimer(() => throw new TimeoutException());
        deadline.Set(end);
        query.Begin();
        Assert.ThrowsAny<Exception>(() => loop.Run(() =>
        {
            if (ended is not null || (untilAsked is { } most && counts.Max() >= most))
            {
                throw new OperationCanceledException();
            }
        }));
        Assert.True(loop.Now < end, "it does not end");
        for (int i = 0; i < servers.Length; i++)
        {
            loop.Remove((int)servers[i].Handle, tokens[i]);
            servers[i].Dispose();
        }
        string found = ended is null ? "" : ended.Addresses.Count > 0 ? string.Join(' ', ended.Addresses)
            : ended.Failure;
        return (string.Concat(counts), found);
    }

    private static void Answer(Socket server, char says, ref int count)
    {
        byte[] query = new byte[512];
        EndPoint from = new IPEndPoint(IPAddress.Any, 0);
        int size = server.ReceiveFrom(query, ref from);
        count++;
        MessageBuilder reply = new MessageBuilder()
            .Short((query[0] << 8) | query[1], says switch { 'x' => 0x8183, 's' => 0x8182, _ => 0x8180 }, 1,
                says == 'a' ? 1 : 0, 0, 0)
            .Name("a.example").Short(1, 1);
        if (says == 'a')
        {
            reply = reply.Address("a.example", "198.18.100.8");
        }
        if (says != '-')
        {
            server.SendTo(reply.ToArray(), from);
        }
        Assert.InRange(size, 12, 512);
    }

}
