using System.Net;
using System.Net.Sockets;
using ConnMgr.Tests.Links;
using static ConnMgr.Tests.Capture.NetworkNamespace;

namespace ConnMgr.Tests.App;

/// <summary>
/// `connmgr probe` over the loopback device of a namespace, and over links that do not work.
/// </summary>
public sealed class ProbeCommandRunnerTests
{
    private const string Server = "198.18.100.10";

    [Theory]
    [InlineData("lo", true)]
    [InlineData("lo", false)]
    [InlineData(null, true)] // the device of the default route
    public void A_service_that_answers_confirms_the_link(string? name, bool isRight) => Run(() =>
    {
        UseLoopback();
        using TcpListener service = new(IPAddress.Parse(Server), 7);
        service.Start();
        service.BeginAcceptSocket(
            accepted =>
            {
                try
                {
                    using Socket socket = service.EndAcceptSocket(accepted);
                    byte[] bytes = new byte[100];
                    int length = socket.Receive(bytes);
                    socket.Send(isRight ? bytes.AsSpan(0, length) : "HTTP/1.1 302"u8);
                    socket.Receive(bytes); // until the probe ends
                }
                catch (Exception exception) when (exception is SocketException or ObjectDisposedException)
                {
                    // The probe ends with a reset, or the test without a connection.
                }
            },
            null);
        using VerbFiles files = new();
        string[] names = name is null ? [] : [name];
        VerbRun run = Probe(files, ["--probe", $"echo://{Server}:7", .. names]);
        Assert.Contains("probe of lo by echo://198.18.100.10", run.Output[0], StringComparison.Ordinal);
        Assert.Contains(
            run.Output, line => line.EndsWith($"echo {Server}:7: connect", StringComparison.Ordinal));
        Assert.Contains(
            isRight ? "confirmed by echo: " : "wrong content: ", run.Output[^1], StringComparison.Ordinal);
        Assert.Equal(isRight ? 0 : 1, run.Exit);
    });

    [Fact]
    public void A_link_over_which_nothing_answers_is_not_reachable() => Run(() =>
    {
        LinkRig.AddLinks();
        RunIp("link set eth0-peer address 02:00:00:00:00:01");
        RunIp("neighbour add 198.18.2.1 lladdr 02:00:00:00:00:01 dev eth0");
        using VerbFiles files = new();
        VerbRun run = Probe(files, "--probe", $"echo://{Server}:7", "eth0");
        Assert.Contains("not reachable: ", run.Output[^1], StringComparison.Ordinal);
        Assert.Equal(1, run.Exit);
    });

    [Theory]
    [InlineData("eth7", "there is no interface of that name", 64)]
    [InlineData("eth0", "eth0 is down, or has no carrier", 1)]
    [InlineData("wlan0", "wlan0 has no address or no way out", 1)]
    [InlineData(null, "there is no default route: name an interface", 1)]
    public void A_link_that_cannot_be_probed_is_named(string? name, string words, int exit) => Run(() =>
    {
        LinkRig.AddLinks();
        RunIp("link set eth0-peer down");
        RunIp("route del default dev eth0");
        RunIp("route del default dev wlan0");
        RunIp("address del 198.18.3.2/24 dev wlan0");
        using VerbFiles files = new();
        string[] names = name is null ? [] : [name];
        VerbRun run = Probe(files, ["--probe", $"echo://{Server}:7", .. names]);
        Assert.Equal([$"connmgr: {words}"], run.Error);
        Assert.Empty(run.Output);
        Assert.Equal(exit, run.Exit);
    });

    private static void UseLoopback()
    {
        RunIp("link set lo up");
        RunIp("address add 198.18.9.2/24 dev lo");
        RunIp($"address add {Server}/32 dev lo");
        RunIp("route add default dev lo");
    }

    private static VerbRun Probe(VerbFiles files, params string[] more) =>
        VerbRun.Of(["probe", "--no-ping", "--config-dir", files.Path, .. more]);
}
