using System.Net;
using System.Net.Sockets;
using ConnMgr.Dns;
using ConnMgr.EventLoop;
using ConnMgr.Native;
using ConnMgr.Net;
using ConnMgr.Probe;
using ConnMgr.Tests.Capture;
using ConnMgr.Tests.Firewall;

namespace ConnMgr.Tests.Probe;

/// <summary>
/// The sockets of the daemon's own DNS questions (contract, sections 6 and 12), with a server on the loopback
/// device of a namespace. <see cref="NameQueryTests"/> has many questions at once.
/// </summary>
public sealed class QuestionRunnerTests : IDisposable
{
    private static readonly IPAddress Address = IPAddress.Parse("198.18.1.1");

    private readonly SkewedTime _time = new();
    private readonly Loop _loop;
    private readonly List<string> _answers = [];

    public QuestionRunnerTests() => _loop = new Loop(_time);

    public void Dispose() => _loop.Dispose();

    [Fact]
    public void Questions_of_the_same_moment_share_a_socket_and_a_later_one_does_not() => Run(server =>
    {
        QuestionRunner runner = new(_loop);
        Ask(runner, "one");
        Ask(runner, "two");
        Assert.Equal(1, runner.SocketCount);
        _time.Skew += TimeSpan.FromSeconds(0.3);
        QuestionRunner.Asked third = Ask(runner, "three");
        Assert.Equal(2, runner.SocketCount);
        (EndPoint from, byte[] query)[] asked = [Take(server), Take(server), Take(server)];
        Assert.Equal(2, asked.Select(each => each.from).Distinct().Count());
        Assert.NotEqual(Id(asked[0].query), Id(asked[1].query));
        Assert.Equal(third.Id, Id(asked[2].query));
        Assert.Equal(asked[2].query.Length, third.Size);
    });

    [Fact]
    public void An_answer_reaches_its_question_until_that_ends() => Run(server =>
    {
        QuestionRunner runner = new(_loop);
        QuestionRunner.Asked one = Ask(runner, "one");
        Ask(runner, "two");
        (EndPoint from, byte[] first) = Take(server);
        (_, byte[] second) = Take(server);
        int other = Enumerable.Range(0, 3).First(id => id != Id(first) && id != Id(second));
        server.SendTo([0, (byte)other, 9], from);
        server.SendTo([1], from);
        server.SendTo(second, from);
        server.SendTo(first, from);
        server.SendTo(first, from); // several answers are the caller's matter
        LoopRun.Until(_loop, () => _answers.Count == 3);
        Assert.Equal(["two", "one", "one"], _answers);
        runner.End(one);
        runner.End(one);
        Assert.Equal(1, runner.SocketCount); // the other question is open
        server.SendTo(first, from);
        server.SendTo(second, from);
        LoopRun.Until(_loop, () => _answers.Count == 4);
        Assert.Equal("two", _answers[^1]);
    });

    [Fact]
    public void The_last_question_of_a_socket_closes_it() => Run(_ =>
    {
        QuestionRunner runner = new(_loop);
        QuestionRunner.Asked one = Ask(runner, "one");
        QuestionRunner.Asked two = Ask(runner, "two");
        runner.End(one);
        Assert.Equal(1, runner.SocketCount);
        runner.End(two);
        Assert.Equal(0, runner.SocketCount);
    });

    [Fact]
    public void A_refusal_of_the_server_reaches_all_questions_of_the_socket() => Run(server =>
    {
        QuestionRunner runner = new(_loop);
        Ask(runner, "one");
        Ask(runner, "two");
        server.Dispose(); // its host answers the next question with ICMP port unreachable
        Ask(runner, "three");
        LoopRun.Until(_loop, () => _answers.Count == 3);
        Assert.All(_answers, answer => Assert.EndsWith(": Connection refused", answer,
            StringComparison.Ordinal));
        Assert.Equal(0, runner.SocketCount);
    });

    /// <summary>Each question but the first finds the refusal of the one before it in its send(2).</summary>
    [Theory]
    [InlineData(2)]
    [InlineData(3)]
    [InlineData(64)]
    public void Questions_in_a_row_to_a_server_that_refuses_all_learn_it(int count) => Run(server =>
    {
        QuestionRunner runner = new(_loop);
        server.Dispose();
        for (int i = 0; i < count; i++)
        {
            Assert.True(Ask(runner, $"name{i}").IsSent);
        }
        LoopRun.Until(_loop, () => _answers.Count == count);
        Assert.All(_answers, answer => Assert.EndsWith(": Connection refused", answer,
            StringComparison.Ordinal));
        Assert.Equal(0, runner.SocketCount);
    });

    [Fact]
    public void A_device_that_does_not_exist_is_an_error() => Run(_ =>
    {
        QuestionRunner runner = new(_loop);
        Assert.Null(runner.Ask("none0", Address, Question("one"), (_, in _) => { }, out KernelError error));
        Assert.Equal(Errno.ENODEV, error.Number);
        Assert.Equal(0, runner.SocketCount);
    });

    /// <summary>Beyond its limit, older sockets take more questions, or the oldest one is closed.</summary>
    [Fact]
    public void The_number_of_sockets_is_bounded() => Run(server =>
    {
        QuestionRunner runner = new(_loop);
        for (int i = 0; i < QuestionRunner.MaxSockets; i++)
        {
            Ask(runner, $"name{i}");
            _time.Skew += TimeSpan.FromSeconds(0.3);
        }
        Assert.Equal(QuestionRunner.MaxSockets, runner.SocketCount);
        Ask(runner, "another"); // shares the newest
        Assert.Equal(QuestionRunner.MaxSockets, runner.SocketCount);
        (EndPoint from, byte[] query)[] asked =
            [.. Enumerable.Range(0, QuestionRunner.MaxSockets + 1).Select(_ => Take(server))];
        Assert.Equal(asked[^2].from, asked[^1].from);
        Assert.True(asked.Select(each => Id(each.query)).Distinct().Count() > 2); // forgers must guess them

        NetworkNamespace.RunIp("address add 198.18.1.9/32 dev lo");
        Assert.NotNull(runner.Ask(
            "lo", IPAddress.Parse("198.18.1.9"), Question("other"), (_, in _) => { }, out _));
        Assert.Equal(QuestionRunner.MaxSockets, runner.SocketCount);
        server.SendTo(asked[0].query, asked[0].from); // the oldest is closed
        server.SendTo(asked[1].query, asked[1].from);
        LoopRun.Until(_loop, () => _answers.Count > 0);
        Assert.Equal(["name1"], _answers);
    });

    // -- questions that this device itself drops ------------------------------------------------------------

    [Fact]
    public void A_socket_without_an_answer_is_judged_after_a_second_and_again_half_a_second_later() =>
        Run(server =>
    {
        List<(Flow Flow, bool IsRefused)> judged = [];
        _time.Stop();
        QuestionRunner runner = new(_loop, (in flow, isRefused) =>
        {
            judged.Add((flow, isRefused));
            return true;
        });
        QuestionRunner.Asked one = Ask(runner, "one");
        (EndPoint from, _) = Take(server);
        runner.End(one);
        Assert.Equal((1, 0), (runner.SocketCount, judged.Count));
        Skip(0.3);
        Assert.Empty(judged);
        Skip(0.7);
        Assert.Single(judged);
        Skip(0);
        Assert.Equal((1, 1), (runner.SocketCount, judged.Count));
        Skip(0.5);
        Assert.Equal((0, 2), (runner.SocketCount, judged.Count));
        Assert.All(judged, each =>
        {
            Assert.False(each.IsRefused);
            Assert.Equal((53, ((IPEndPoint)from).Port), (each.Flow.DestinationPort, each.Flow.SourcePort));
            Assert.Equal("198.18.1.1", each.Flow.Destination.ToString());
        });
    });

    [Fact]
    public void A_late_answer_ends_the_suspicion() => Run(server =>
    {
        int judged = 0;
        QuestionRunner runner = new(_loop, (in _, _) => ++judged > 0);
        QuestionRunner.Asked one = Ask(runner, "one");
        (EndPoint from, byte[] query) = Take(server);
        runner.End(one);
        Skip(1.1);
        server.SendTo(query, from);
        LoopRun.Until(_loop, () => runner.SocketCount == 0);
        Skip(2);
        Assert.Equal((1, 0), (judged, _answers.Count));
    });

    [Fact]
    public void A_socket_that_had_an_answer_is_not_judged() => Run(server =>
    {
        int judged = 0;
        QuestionRunner runner = new(_loop, (in _, _) => ++judged > 0);
        QuestionRunner.Asked one = Ask(runner, "one");
        (EndPoint from, byte[] query) = Take(server);
        server.SendTo(query, from);
        LoopRun.Until(_loop, () => _answers.Count > 0);
        runner.End(one);
        Assert.Equal(0, runner.SocketCount);
        Skip(2);
        Assert.Equal(0, judged);
    });

    [Fact]
    public void A_socket_whose_packets_were_not_dropped_is_judged_once() => Run(_ =>
    {
        int judged = 0;
        QuestionRunner runner = new(_loop, (in _, _) => ++judged < 0);
        runner.End(Ask(runner, "one"));
        Skip(1.1);
        Assert.Equal((1, 0), (judged, runner.SocketCount));
    });

    [Fact]
    public void A_question_that_the_kernel_refuses_to_send_is_judged_at_once() => Run(_ =>
    {
        DnsPathTests.Run("iptables -A OUTPUT -p udp --dport 53 -j DROP");
        List<bool> refused = [];
        QuestionRunner runner = new(_loop, (in _, isRefused) =>
        {
            refused.Add(isRefused);
            return true;
        });
        QuestionRunner.Asked one = Ask(runner, "one");
        Assert.False(one.IsSent);
        Assert.Equal([true], refused);
        runner.End(one);
        Assert.Equal(0, runner.SocketCount);
    });

    private QuestionRunner.Asked Ask(QuestionRunner runner, string name)
    {
        QuestionRunner.Asked? asked = runner.Ask(
            "lo", Address, Question(name),
            (message, in error) => _answers.Add(error.IsNone ? name : $"{name}: {error.ToString()}"),
            out KernelError problem);
        Assert.True(asked is not null, problem.ToString());
        return asked;
    }

    private static DnsQuestion Question(string name) => new(StoreRig.Name($"{name}.example"), DnsType.A);

    private void Skip(double seconds)
    {
        _time.Skew += TimeSpan.FromSeconds(seconds);
        int rounds = 0;
        LoopRun.Until(_loop, () => ++rounds > 3);
    }

    private static (EndPoint From, byte[] Query) Take(Socket server)
    {
        byte[] query = new byte[512];
        EndPoint from = new IPEndPoint(IPAddress.Any, 0);
        int size = server.ReceiveFrom(query, ref from);
        return (from, query[..size]);
    }

    private static int Id(byte[] query) => (query[0] << 8) | query[1];

    private static void Run(Action<Socket> test) => NetworkNamespace.Run(() =>
    {
        NetworkNamespace.RunIp("link set lo up");
        NetworkNamespace.RunIp($"address add {Address}/32 dev lo");
        using Socket server = new(AddressFamily.InterNetwork, SocketType.Dgram, ProtocolType.Udp)
        {
            ReceiveTimeout = 30_000,
        };
        server.Bind(new IPEndPoint(Address, 53));
        test(server);
    });
}
