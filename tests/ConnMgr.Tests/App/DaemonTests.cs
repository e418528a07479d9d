using System.Net.Sockets;
using System.Text;
using ConnMgr.App;
using ConnMgr.Cli;
using ConnMgr.Config;
using ConnMgr.EventLoop;
using ConnMgr.Logging;
using ConnMgr.Native;
using ConnMgr.Tests.Firewall;
using ConnMgr.Tests.Links;
using static ConnMgr.Tests.Capture.NetworkNamespace;

namespace ConnMgr.Tests.App;

/// <summary>
/// The whole daemon over the real kernel, in a namespace with eth0 and wlan0. Without its watchdog, which
/// would kill the tests, and without the signal handlers, which belong to the process.
/// </summary>
public sealed class DaemonTests
{
    [Fact]
    public void It_monitors_answers_and_ends() => Run(() =>
    {
        using Rig rig = new();
        rig.Until(() => LinkRig.Front() == "eth0");
        Assert.StartsWith(
            "monitoring eth0, wlan0, wwan0 (started in ", rig.Said("monitoring")[0],
            StringComparison.Ordinal);
        Assert.Contains("eth0", rig.Ask("status"), StringComparison.Ordinal);
        Assert.Contains("wlan0 is preferred by hand", rig.Ask("use link=wlan0"), StringComparison.Ordinal);
        RunIp("link set eth0-peer down"); // the cable
        rig.Until(() => LinkRig.Front() == "wlan0");
        rig.Daemon.OnSignal(LibcExtra.SIGTERM);
        rig.UntilItEnds();
        Assert.Equal(ExitCode.Ok, rig.Exit);
        Assert.Equal("stopping: SIGTERM", rig.Said("stopping")[0]);
        Assert.Equal("wlan0", LinkRig.Front());
    });

    [Fact]
    public void SIGHUP_reloads_and_the_new_names_are_followed() => Run(() =>
    {
        using Rig rig = new();
        rig.Until(() => LinkRig.Front() == "eth0");
        File.WriteAllText($"{rig.Directory}/netif_names", "ETH_INTERFACE_0='lan0'\n");
        rig.Daemon.OnSignal(LibcExtra.SIGHUP);
        rig.Until(() => LinkRig.Front() == "wlan0");
        RunIp("link set eth0 down");
        RunIp("link set eth0 name lan0");
        RunIp("link set lan0 up");
        RunIp("route add default via 198.18.2.1 dev lan0 metric 20");
        rig.Until(() => LinkRig.Front() == "lan0");
        Assert.Null(rig.Exit);
    });

    [Fact]
    public void It_waits_for_a_running_script_but_not_after_a_second_signal() => Run(() =>
    {
        using Rig rig = new(options => options with { ResolvConf = "auto" });
        rig.Script("resolv_conf.sh", "case $1 in use) echo did it ;; *) exec sleep 60 ;; esac");
        rig.Until(() => rig.Said("resolv_conf.sh: ").Length > 0);
        rig.Daemon.OnSignal(LibcExtra.SIGINT);
        rig.Until(() => rig.Said("stopping: SIGINT").Length == 1 && rig.Settled > 3);
        Assert.Null(rig.Exit);
        rig.Daemon.OnSignal(LibcExtra.SIGINT);
        rig.UntilItEnds();
        Assert.Equal(ExitCode.Ok, rig.Exit);
    });

    [Theory]
    [InlineData("exit 1", ExitCode.OsError)]
    [InlineData("exit 78", ExitCode.Config)]
    public void A_firewall_that_cannot_be_locked_ends_the_daemon(string body, int status) => Run(() =>
    {
        using Rig rig = new(
            options => options with { IsFirewallDisabled = false, Firewall = FirewallBackend.Iptables },
            script: body);
        rig.UntilItEnds();
        Assert.Equal((ExitCode)status, rig.Exit);
        Assert.Single(rig.Said("closed: "));
    });

    [Fact]
    public void Missing_interfaces_are_named_in_the_log() => Run(() =>
    {
        RunIp("link add lan7 type veth peer name lan7-peer");
        using Rig rig = new(names: "ETH_INTERFACE_0='eth9'\nWIFISTA_INTERFACE_0='wlan9'\n");
        rig.Until(() => rig.Said("").Any(text =>
            text.EndsWith($"{rig.Directory}/netif_names", StringComparison.Ordinal)));
    });

    private sealed class Rig : IDisposable
    {
        private readonly Log _log = new(LogTarget.Stderr, LogLevel.Error);
        private readonly Loop _loop = new();
        private readonly Deadline _look;
        private Func<bool> _isDone = () => true;

        public Rig(
            Func<Options, Options>? change = null, string names = "", string script = "exit 1")
        {
            LinkRig.AddLinks();
            Script("init_firewall.sh", script);
            Options options = LinkRig.OptionsIn(Directory) with
            {
                HookDirectory = $"{Directory}/hooks",
                Dns = DnsMode.Sniff,
            };
            Daemon = new Daemon(
                change?.Invoke(options) ?? options, LinkRig.Names(names), StoreRig.Read("a.example"), _log,
                _loop, _loop.Now, watchdog: null);
            _look = _loop.AddTimer(Look);
        }

        public string Directory { get; } =
            System.IO.Directory.CreateTempSubdirectory("connmgr-test-").FullName;

        public Daemon Daemon { get; }

        /// <summary>The exit status; null while the daemon runs.</summary>
        public ExitCode? Exit { get; private set; }

        /// <summary>The number of looks since <see cref="Until"/> was called.</summary>
        public int Settled { get; private set; }

        public void Script(string name, string body) => TestScript.Write(Directory, name, body);

        /// <summary>Runs the daemon until the condition holds, which is tested every 20 ms.</summary>
        public void Until(Func<bool> isDone)
        {
            using Deadline limit = _loop.AddTimer(() => throw new TimeoutException());
            limit.Set(_loop.Now + TimeSpan.FromSeconds(60));
            (_isDone, Settled) = (isDone, 0);
            _look.Set(_loop.Now);
            try
            {
                Exit = Daemon.Run();
            }
            catch (OperationCanceledException)
            {
            }
        }

        public void UntilItEnds()
        {
            Until(() => false);
            Assert.NotNull(Exit);
        }

        /// <summary>Returns what the control socket answers.</summary>
        public string Ask(string request)
        {
            Task<string> answer = Task.Run(() =>
            {
                using Socket socket = new(AddressFamily.Unix, SocketType.Stream, ProtocolType.Unspecified);
                socket.Connect(new UnixDomainSocketEndPoint($"{Directory}/connmgr.sock"));
                socket.Send(Encoding.ASCII.GetBytes($"{request}\n"));
                using NetworkStream stream = new(socket);
                using StreamReader reader = new(stream);
                return reader.ReadToEnd();
            });
            Until(() => answer.IsCompleted);
            return answer.Result;
        }

        /// <summary>The logged lines that begin so.</summary>
        public string[] Said(string start) => LogLines.Beginning(_log, start);

        private void Look()
        {
            Settled++;
            if (_isDone())
            {
                throw new OperationCanceledException();
            }
            _look.Set(_loop.Now + TimeSpan.FromMilliseconds(20));
        }

        public void Dispose()
        {
            Daemon.Dispose();
            _log.Dispose();
            _loop.Dispose();
            System.IO.Directory.Delete(Directory, recursive: true);
        }
    }
}
