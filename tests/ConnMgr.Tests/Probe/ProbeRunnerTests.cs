using System.Net;
using System.Net.Sockets;
using System.Runtime.CompilerServices;
using ConnMgr.EventLoop;
using ConnMgr.Probe;
using ConnMgr.Tests.Capture;
using ConnMgr.Tests.Firewall;

namespace ConnMgr.Tests.Probe;

/// <summary>
/// Probes over the loopback device of a namespace, with real sockets (contract, section 6). <see
/// cref="ProbePlanTests"/> has the order and the times of the steps.
/// </summary>
public sealed class ProbeRunnerTests : IDisposable
{
    private const string Server = "198.18.100.10";

    private readonly SkewedTime _time = new();
    private readonly Loop _loop;
    private readonly List<ProbeResult> _results = [];
    private readonly List<string> _steps = [];
    private readonly List<string> _connected = [];
    private readonly List<int> _endedPorts = [];
    private readonly HashSet<string> _proven = [];

    public ProbeRunnerTests() => _loop = new Loop(_time);

    public void Dispose() => _loop.Dispose();

    [Fact]
    public void A_correct_answer_confirms_and_is_accounted_for() => Run(() =>
    {
        using Service echo = new(_loop, socket => socket.Send(Read(socket)));
        ProbeRunner runner = New($"echo://{Server}:7");
        Start(runner);
        ProbeResult result = Result();
        Assert.Equal(
            (ProbeOutcome.ServiceAnswered, "echo", "content", $"echo://{Server}"),
            (result.Outcome, result.Scheme, result.Strength, result.Service));
        Assert.NotNull(result.RoundTrip);
        Assert.Equal([Server], _connected); // before the first packet, so that the firewall lets it pass
        Assert.Equal([7], _endedPorts);
        Assert.InRange(runner.Bytes, 200, 600); // SYN, SYN ACK, ACK, a byte each way, the end
        Assert.Equal($"echo {Server}:7: connect", _steps[0]);
        Assert.Matches($@"^echo {Server}:7: correct \(after [\d.]+ m?s, \d+ bytes\)$", _steps[1]);

        long before = runner.Bytes;
        Start(runner);
        LoopRun.Until(_loop, () => _results.Count == 2);
        Assert.InRange(runner.Bytes - before, before / 2, before * 2);
    });

    [Fact]
    public void A_portal_is_wrong_content_for_a_service_that_once_answered() => Run(() =>
    {
        using Service portal = new(_loop, socket => socket.Send("HTTP/1.1 302"u8));
        _proven.Add($"echo://{Server}");
        Start(New($"echo://{Server}:7"));
        Assert.Equal(ProbeOutcome.WrongContent, Result().Outcome);
        _proven.Clear();
        _results.Clear();
        Start(New($"echo://{Server}:7"));
        Assert.Equal(
            (ProbeOutcome.PingOnly, $"echo://{Server}"), (Result().Outcome, _results[0].Suspect));
    });

    [Fact]
    public void A_refusal_leaves_it_to_ping() => Run(() =>
    {
        Start(New($"echo://{Server}:7"));
        ProbeResult result = Result();
        Assert.Equal(ProbeOutcome.PingOnly, result.Outcome);
        Assert.Contains("ping answered", result.Detail, StringComparison.Ordinal);
        Assert.Contains("Connection refused", result.Detail, StringComparison.Ordinal);
        Assert.Contains("ping 198.18.100.1", _steps);
        Assert.Contains("ping 198.18.100.1: answered", _steps);
    });

    [Fact]
    public void A_ping_goes_to_the_address_of_the_family() => Run(() =>
    {
        ProbeRunner runner = New("echo://[2001:db8:100::10]:7");
        runner.Start(isIpv6: true, [], isEarly: false, null, _loop.Now);
        Assert.Equal(ProbeOutcome.PingOnly, Result().Outcome);
        Assert.Contains("ping 2001:db8:100::1: answered", _steps);
    });

    [Fact]
    public void Silence_is_no_answer_when_the_time_is_up() => Run(() =>
    {
        DnsPathTests.Run("iptables -A INPUT -j DROP");
        _time.Stop();
        ProbeRunner runner = New($"echo://{Server}:7");
        Start(runner);
        Skip(2.5);
        Assert.Empty(_results);
        Skip(0.6);
        Assert.Equal(ProbeOutcome.NoAnswer, Result().Outcome);
        Assert.False(_results[0].IsDroppedHere);

        runner.Start(isIpv6: false, [], isEarly: true, null, _loop.Now);
        Skip(1.8);
        Assert.Single(_results);
        Skip(0.4);
        Assert.Equal(2, _results.Count); // an early one ends after 2 s
    });

    [Fact]
    public void A_short_limit_is_extended_by_any_sign_of_life() => Run(() =>
    {
        DnsPathTests.Run("iptables -A INPUT -j DROP");
        _time.Stop();
        ProbeRunner runner = New($"echo://{Server}:7");
        runner.Start(isIpv6: false, [], isEarly: false, TimeSpan.FromSeconds(1.8), _loop.Now);
        runner.SeeLife();
        Skip(2.5);
        Assert.Empty(_results);
        Skip(0.6);
        Assert.Single(_results);
        runner.Start(isIpv6: false, [], isEarly: false, TimeSpan.FromSeconds(1.8), _loop.Now);
        Skip(2.5);
        Assert.Equal(2, _results.Count);
    });

    /// <summary>A server that accepts, and says nothing before the time is up, is alive.</summary>
    [Fact]
    public void An_accepted_connection_is_a_sign_of_life() => Run(() =>
    {
        using Service silent = new(_loop, _ => { });
        _time.Stop();
        ProbeRunner runner = New($"echo://{Server}:7");
        runner.Start(isIpv6: false, [], isEarly: false, TimeSpan.FromSeconds(1.8), _loop.Now);
        LoopRun.Until(_loop, () => silent.Count > 0);
        DnsPathTests.Run("iptables -A INPUT -p icmp -j DROP");
        Skip(2.4);
        Assert.Empty(_results);
        Skip(1);
        Assert.Single(_results);
    });

    [Fact]
    public void A_cancelled_probe_has_no_result() => Run(() =>
    {
        using Service silent = new(_loop, _ => { });
        ProbeRunner runner = New($"echo://{Server}:7");
        Start(runner);
        LoopRun.Until(_loop, () => silent.Count > 0);
        runner.Cancel();
        Assert.InRange(runner.Bytes, 100, 600); // its packets cost all the same
        Skip(10);
        Assert.Empty(_results);
        runner.Cancel();
        runner.SeeLife();
    });

    /// <summary>A reload that renames a link makes another runner.</summary>
    [Fact]
    public void The_loop_keeps_nothing_of_a_runner_that_is_disposed() => Run(() =>
    {
        WeakReference runner = StartAndDispose();
        LoopRun.Until(_loop, () =>
        {
            GC.Collect();
            return !runner.IsAlive;
        });
        Assert.Empty(_results);
    });

    [MethodImpl(MethodImplOptions.NoInlining)]
    private WeakReference StartAndDispose()
    {
        ProbeRunner runner = New($"echo://{Server}:7");
        Start(runner);
        runner.Dispose();
        return new WeakReference(runner);
    }

    [Fact]
    public void What_has_arrived_when_the_time_is_up_may_suffice() => Run(() =>
    {
        using Service http = new(_loop, socket => socket.Send("HTTP/1.1 302 Found\r\n"u8));
        Start(New($"http://{Server}:7/#=wellknown"));
        LoopRun.Until(_loop, () => http.Count > 0);
        Skip(0.1);
        Assert.Empty(_results);
        _proven.Add($"http://{Server}:7/#=wellknown");
        Skip(3);
        Assert.Equal(ProbeOutcome.WrongContent, Result().Outcome);
    });

    [Fact]
    public void Without_a_name_server_the_address_that_answered_before_is_used() => Run(() =>
    {
        using Service echo = new(_loop, socket => socket.Send(Read(socket)));
        using Socket names = new(AddressFamily.InterNetwork, SocketType.Dgram, ProtocolType.Udp)
        {
            ReceiveTimeout = 30_000,
        };
        names.Bind(new IPEndPoint(IPAddress.Parse("198.18.100.53"), 53));
        ProbeRunner runner = New("echo://echo.example:7");
        IPAddress[] servers = [IPAddress.Parse("198.18.100.53")];
        runner.Start(isIpv6: false, servers, isEarly: false, null, _loop.Now);
        byte[] query = new byte[512];
        EndPoint from = new IPEndPoint(IPAddress.Any, 0);
        int size = names.ReceiveFrom(query, ref from);
        names.SendTo(DnsRig.ReplyTo(query[..size], "echo.example", Server), from);
        Assert.Equal(ProbeOutcome.ServiceAnswered, Result().Outcome);
        Assert.Equal("resolve echo.example: ask 198.18.100.53", _steps[0]);
        Assert.Equal($"resolve echo.example: {Server}", _steps[1]);

        _results.Clear();
        names.Dispose();
        runner.Start(isIpv6: false, servers, isEarly: false, null, _loop.Now);
        Assert.Equal(ProbeOutcome.ServiceAnswered, Result().Outcome);
        _results.Clear();
        Start(New("echo://echo.example:7")); // another link's runner remembers nothing
        Skip(3.1);
        Assert.Equal(ProbeOutcome.PingOnly, Result().Outcome);
    });

    /// <summary>The daemon then does not blame the link (docs/lockdown.md).</summary>
    [Theory]
    [InlineData(true)]
    [InlineData(false)]
    public void Packets_that_this_device_drops_are_said(bool isDropped) => Run(() =>
    {
        DnsPathTests.Run("iptables -A INPUT -j DROP");
        ProbeRunner runner = New($"echo://{Server}:7", isDropped);
        Start(runner);
        Skip(3.1);
        Assert.Equal((ProbeOutcome.NoAnswer, isDropped), (Result().Outcome, _results[0].IsDroppedHere));
        Assert.Equal(
            isDropped,
            _results[0].Detail.EndsWith("; this device drops the packets", StringComparison.Ordinal));
    });

    [Fact]
    public void A_device_that_is_gone_is_no_answer() => Run(() =>
    {
        ProbeRunner runner = New($"echo://{Server}:7", device: "gone0");
        Start(runner);
        Skip(3.1);
        Assert.Equal(ProbeOutcome.NoAnswer, Result().Outcome);
        Assert.Contains("No such device", _results[0].Detail, StringComparison.Ordinal);
        Assert.Contains("ping 198.18.100.1: No such device", _steps);
        Assert.DoesNotContain("no ping answered", _results[0].Detail, StringComparison.Ordinal);
    });

    private ProbeRunner New(string url, bool? isDropped = null, string device = "lo")
    {
        Assert.True(ProbeUrl.TryParse(url, out ProbeUrl service, out string error), error);
        return new ProbeRunner(
            _loop, device,
            new ProbeSettings(
                [service], [IPAddress.Parse("198.18.100.1"), IPAddress.Parse("2001:db8:100::1")], _proven,
                address => _connected.Add($"{address}"),
                (in flow, _) => _endedPorts.Add(flow.DestinationPort),
                isDropped is null ? null : (in _, _) => isDropped.Value),
            _results.Add, _steps.Add);
    }

    private void Start(ProbeRunner runner) =>
        runner.Start(isIpv6: false, [], isEarly: false, null, _loop.Now);

    private ProbeResult Result()
    {
        LoopRun.Until(_loop, () => _results.Count > 0);
        return _results[0];
    }

    private void Skip(double seconds)
    {
        _time.Skew += TimeSpan.FromSeconds(seconds);
        LoopRun.Rounds(_loop);
    }

    private static byte[] Read(Socket socket)
    {
        byte[] bytes = new byte[2048];
        return bytes[..socket.Receive(bytes)];
    }

    private static void Run(Action test) => NetworkNamespace.Run(() =>
    {
        NetworkNamespace.RunIp("link set lo up");
        foreach (string address in (ReadOnlySpan<string>)[Server, "198.18.100.1", "198.18.100.53"])
        {
            NetworkNamespace.RunIp($"address add {address}/32 dev lo");
        }
        foreach (string address in (ReadOnlySpan<string>)["2001:db8:100::1", "2001:db8:100::10"])
        {
            NetworkNamespace.RunIp($"address add {address}/128 dev lo nodad");
        }
        test();
    });

    /// <summary>A TCP service at port 7 that answers what it is sent.</summary>
    private sealed class Service : IDisposable
    {
        private readonly Loop _loop;
        private readonly Socket _listener =
            new(AddressFamily.InterNetwork, SocketType.Stream, ProtocolType.Tcp);
        private readonly List<Socket> _accepted = [];
        private readonly List<ulong> _tokens = [];

        public Service(Loop loop, Action<Socket> answer)
        {
            _loop = loop;
            _listener.Bind(new IPEndPoint(IPAddress.Parse(Server), 7));
            _listener.Listen();
            _tokens.Add(loop.Add((int)_listener.Handle, () =>
            {
                Socket socket = _listener.Accept();
                _accepted.Add(socket);
                ulong token = 0;
                token = loop.Add((int)socket.Handle, () =>
                {
                    loop.Remove((int)socket.Handle, token); // one answer
                    answer(socket);
                });
            }));
        }

        public int Count => _accepted.Count;

        public void Dispose()
        {
            _loop.Remove((int)_listener.Handle, _tokens[0]);
            _listener.Dispose();
            _accepted.ForEach(socket => socket.Dispose());
        }
    }
}
