using System.Net;
using System.Net.Sockets;
using ConnMgr.Config;
using ConnMgr.Dns;
using ConnMgr.EventLoop;
using ConnMgr.Firewall;
using ConnMgr.Links;
using ConnMgr.Logging;
using ConnMgr.Net;
using ConnMgr.Netlink;
using ConnMgr.Probe;
using ConnMgr.Tests.Capture;
using ConnMgr.Tests.Links;

namespace ConnMgr.Tests.Firewall;

/// <summary>
/// Which name servers and probed services are admitted, and whose answers count (contract, sections 9 and 10,
/// rule 2), with the kernel's real sets.
/// </summary>
public sealed class ServiceDriverTests
{
    [Fact]
    public void The_servers_of_the_device_are_admitted_before_the_script_runs() => Run(rig =>
    {
        rig.Servers.Learn([new LinkServers("eth0", [Address("198.18.1.53")])], []);
        rig.Services.Start(NetifNames.Defaults, rig.Servers);
        Assert.Contains("198.18.1.53", Rig.Set("servers"));
        Assert.Equal("CONNMGR_NAME_SERVERS=set", rig.Services.Variables()[0]);
        Assert.Contains("198.18.1.53", rig.Services.Words, StringComparison.Ordinal);
    });

    [Fact]
    public void A_server_is_admitted_when_a_link_has_it_and_closed_half_a_minute_after() => Run(rig =>
    {
        rig.Lock();
        rig.Learn("198.18.1.53");
        Assert.True(rig.Follow());
        Assert.False(rig.Follow()); // nothing has changed
        Assert.Contains("198.18.1.53", Rig.Set("servers"));
        Assert.True(rig.Counts("198.18.1.53"));
        Assert.False(rig.Counts("198.18.9.9"));
        rig.Learn("198.18.1.54");
        Assert.True(rig.Follow());
        Assert.Superset(new HashSet<string> { "198.18.1.53", "198.18.1.54" }, Rig.Set("servers"));
        Assert.InRange(
            rig.Services.NextDeadline - rig.Loop.Now, TimeSpan.FromSeconds(25), TimeSpan.FromSeconds(30));
        rig.Time.Skew += TimeSpan.FromSeconds(31);
        Assert.True(rig.Follow());
        Assert.DoesNotContain("198.18.1.53", Rig.Set("servers"));
        Assert.False(rig.Counts("198.18.1.53"));
        Assert.True(rig.Counts("198.18.1.54"));
        Assert.StartsWith("name servers: ", rig.Said()[^1], StringComparison.Ordinal);
    });

    [Fact]
    public void Of_a_list_only_its_servers_and_those_of_the_daemon_count() => Run(
        rig =>
        {
            rig.Services.Start(NetifNames.Defaults, rig.Servers);
            rig.Lock();
            rig.Learn("198.18.1.53");
            rig.Follow();
            Assert.Equal(["198.18.1.66", "198.18.1.77"], Rig.Set("servers").Order());
            Assert.True(rig.Counts("198.18.1.66"));
            Assert.True(rig.Counts("198.18.1.77"));
            Assert.False(rig.Counts("198.18.1.53"));
        },
        options => options with
        {
            DnsServerMode = DnsServerMode.Listed,
            DnsServers = [Address("198.18.1.66")],
            Resolvers = [Address("198.18.1.77")],
        });

    [Fact]
    public void With_any_every_server_counts() => Run(
        rig =>
        {
            rig.Lock();
            rig.Follow();
            Assert.True(rig.Counts("198.18.1.53"));
            Assert.Equal("any", rig.Services.Words);
            Assert.Equal(ServiceVariables.AnyServer, rig.Services.Variables()[0]);
            Assert.Equal(AuditCover.Service, rig.Services.CoverOf(Dns("198.18.1.53")));
        },
        options => options with { DnsServerMode = DnsServerMode.Any });

    [Fact]
    public void The_gateway_of_a_link_is_a_server_too() => Run(rig =>
    {
        rig.Lock();
        rig.Follow();
        Assert.Contains("198.18.2.1", Rig.Set("servers"));
    });

    /// <summary>A name server of the device may ask any server, so every answer counts then.</summary>
    [Fact]
    public void A_name_server_that_has_just_started_is_found() => Run(rig =>
    {
        rig.Lock();
        rig.Learn("198.18.1.53");
        rig.Follow();
        Assert.False(rig.Services.HasNewResolver());
        using Socket server = new(AddressFamily.InterNetwork, SocketType.Dgram, ProtocolType.Udp);
        server.Bind(new IPEndPoint(IPAddress.Loopback, 53));
        Assert.False(rig.Services.HasNewResolver()); // at most one search a second
        rig.Time.Skew += TimeSpan.FromSeconds(1);
        Assert.False(rig.Counts("198.18.9.9"));
        Assert.True(rig.Services.HasNewResolver());
        Assert.True(rig.Counts("198.18.9.9"));
        Assert.True(rig.Follow());
        Assert.True(rig.Counts("198.18.9.9"));
        server.Dispose();
        rig.Services.Reload(); // forgets it
        rig.Follow();
        Assert.False(rig.Counts("198.18.9.9"));
    });

    [Fact]
    public void The_look_of_every_few_seconds_finds_one_too() => Run(rig =>
    {
        rig.Lock();
        rig.Learn("198.18.1.53");
        rig.Follow();
        rig.Services.Check();
        Assert.False(rig.Follow());
        using Socket server = new(AddressFamily.InterNetwork, SocketType.Dgram, ProtocolType.Udp);
        server.Bind(new IPEndPoint(IPAddress.Loopback, 53));
        rig.Services.Check();
        Assert.True(rig.Follow());
        Assert.True(rig.Counts("198.18.9.9"));
    });

    [Fact]
    public void What_another_program_takes_out_of_the_set_comes_back() => Run(rig =>
    {
        rig.Lock();
        rig.Learn("198.18.1.53");
        rig.Follow();
        LockdownTests.Run("ipset", "flush afero4_servers");
        Assert.Empty(Rig.Set("servers"));
        rig.Services.Check();
        Assert.Contains("198.18.1.53", Rig.Set("servers"));
    });

    [Fact]
    public void A_probed_address_is_open_for_an_hour_after_its_last_probe() => Run(rig =>
    {
        rig.Lock();
        rig.Services.AdmitProbe(Address("198.18.100.10"));
        Assert.Equal(["198.18.100.10"], Rig.Set("probed"));
        rig.Time.Skew += TimeSpan.FromMinutes(50);
        rig.Services.AdmitProbe(Address("198.18.100.10"));
        rig.Time.Skew += TimeSpan.FromMinutes(50);
        rig.Services.Expire();
        Assert.Equal(["198.18.100.10"], Rig.Set("probed"));
        Assert.InRange(
            rig.Services.NextDeadline - rig.Loop.Now, TimeSpan.FromMinutes(9), TimeSpan.FromMinutes(10));
        rig.Time.Skew += TimeSpan.FromMinutes(11);
        rig.Services.Expire();
        Assert.Empty(Rig.Set("probed"));
        Assert.Equal(TimeSpan.MaxValue, rig.Services.NextDeadline);
        Assert.Contains("CONNMGR_PROBE_PORTS=tcp:7", rig.Services.Variables());
    });

    /// <summary>The kernel cannot match users, so the script had to open port 53 to all.</summary>
    [Fact]
    public void A_firewall_that_cannot_restrict_the_servers_is_said() => Run(rig =>
    {
        rig.Script("echo 'sets: yes'; echo 'name-servers: any'");
        rig.Lock();
        rig.Learn("198.18.1.53");
        rig.Follow();
        rig.UntilIdle();
        Assert.StartsWith(
            "any, since the firewall cannot match users (wanted: ", rig.Services.Words,
            StringComparison.Ordinal);
        rig.Follow();
        Assert.True(rig.Counts("198.18.9.9"));
        Assert.Equal(AuditCover.Service, rig.Services.CoverOf(Dns("198.18.9.9")));
        rig.Script("echo 'sets: yes'; echo 'name-servers: listed'");
        rig.Locker.Run();
        rig.UntilIdle();
        rig.Services.Reload();
        rig.Follow();
        Assert.False(rig.Counts("198.18.9.9"));
        Assert.Equal(AuditCover.None, rig.Services.CoverOf(Dns("198.18.9.9")));
        Assert.Equal(AuditCover.Service, rig.Services.CoverOf(Dns("198.18.1.53")));
    });

    [Fact]
    public void A_server_that_appears_while_the_script_runs_makes_it_run_again() => Run(
        rig =>
        {
            rig.Script("echo 'sets: yes'; while [ -e $0 ] && [ ! -e ${0%/*}/go ]; do sleep 0.02; done");
            rig.Locker.Run();
            LoopRun.Until(rig.Loop, () => rig.Calls().Length == 1);
            rig.Learn("198.18.1.53");
            rig.Follow();
            File.WriteAllText($"{rig.Directory}/go", "");
            LoopRun.Until(rig.Loop, () => rig.Calls().Length == 2);
            Assert.Equal(["any", "set"], rig.Calls());
        });

    private static IPAddress Address(string text) => IPAddress.Parse(text);

    /// <summary>A question of an ordinary program to a server.</summary>
    private static AuditEntry Dns(string server) => new()
    {
        Source = AuditSource.Device,
        User = 12345,
        Host = default,
        Name = null,
        Protocol = 17,
        Port = 53,
        Address = IpNumber.Of(Address(server)),
    };

    private static void Run(Action<Rig> test, Func<Options, Options>? change = null) =>
        NetworkNamespace.Run(() =>
    {
        using Rig rig = new(change);
        test(rig);
    });

    private sealed class Rig : IDisposable
    {
        private readonly Log _log = new(LogTarget.Stderr, LogLevel.Error);
        private readonly RouteMonitor _routes;
        private readonly KernelState _table = new();
        private readonly ReplyReader _reader;

        public Rig(Func<Options, Options>? change)
        {
            LinkRig.AddLinks();
            Loop = new Loop(Time);
            _routes = new RouteMonitor(Loop, _table);
            LoopRun.Until(Loop, () => _routes.IsSettled && _table.Find("eth0") is not null);
            Assert.True(ProbeUrl.TryParse("echo://echo.example:7", out ProbeUrl service, out _));
            Options options = LinkRig.OptionsIn(Directory) with
            {
                Firewall = FirewallBackend.Iptables,
                Services = [service],
            };
            options = change?.Invoke(options) ?? options;
            Script("echo 'sets: yes'; echo 'name-servers: listed'");
            Locker = new LockRunner(
                Loop, _log, options, StoreRig.Read("a.example"), ["PATH=/usr/sbin:/usr/bin:/sbin:/bin"],
                () => Locker!.Firewall.Services = Services!.Variables(), () => Services!.AdmitAll(), _ => { },
                (in report, _) => Services!.OnScriptEnded(report));
            _reader = new ReplyReader(new DnsWatch(new NameHash(1, 2)), Locker.Store);
            Services = new ServiceDriver(Loop, _log, options, Locker, _reader);
        }

        public string Directory { get; } =
            System.IO.Directory.CreateTempSubdirectory("connmgr-test-").FullName;

        public SkewedTime Time { get; } = new();

        public Loop Loop { get; }

        public LockRunner Locker { get; }

        public ServiceDriver Services { get; }

        public NameServers Servers { get; } = new([]);

        public void Script(string body) => TestScript.Write(
            Directory, "init_firewall.sh",
            $"echo \"$CONNMGR_NAME_SERVERS\" >>${{0%/*}}/calls\n{body}");

        public string[] Calls() => TestScript.Lines(Directory, "calls");

        public void Lock()
        {
            Locker.Run();
            UntilIdle();
            Assert.True(Locker.WasLocked);
        }

        public void UntilIdle() => LoopRun.Until(Loop, () => !Locker.Firewall.IsBusy);

        /// <summary>eth0 has this name server from now on.</summary>
        public void Learn(string server) =>
            Servers.Learn([new LinkServers("eth0", [Address(server)])], []);

        public bool Follow()
        {
            LinkView eth0 = new(
                LinkKind.Ethernet, "eth0", false, LinkState.Confirmed, "", default, null,
                new LinkFacts { Ifindex = NetworkNamespace.Index("eth0") }, false, false, null, default,
                default, default);
            return Services.Follow(new LockdownView(
                _table, new ConnectionView { Links = [eth0], InUse = eth0 }, Servers));
        }

        /// <summary>True if the answers of this server count.</summary>
        public bool Counts(string server) => _reader.Watch.Counts(new DnsAnswer(
            new DnsQuestion(StoreRig.Name("a.example"), DnsType.A), [], [], IpNumber.Of(Address(server)),
            isOfDevice: true));

        /// <summary>The IPv4 addresses in the kernel's set of a service.</summary>
        public static HashSet<string> Set(string service) =>
        [
            .. LockdownTests.Run("ipset", "save").Split('\n')
                .Where(line => line.StartsWith($"add afero4_{service} ", StringComparison.Ordinal))
                .Select(line => line.Split(' ')[2]),
        ];

        public string[] Said() => LogLines.Of(_log);

        public void Dispose()
        {
            Locker.Dispose();
            _routes.Dispose();
            _log.Dispose();
            Loop.Dispose();
            System.IO.Directory.Delete(Directory, recursive: true);
        }
    }
}
