using System.Diagnostics;
using System.Net;
using System.Net.Sockets;
using ConnMgr.Config;
using ConnMgr.Dns;
using ConnMgr.EventLoop;
using ConnMgr.Firewall;
using ConnMgr.Net;
using ConnMgr.Netlink;
using ConnMgr.Tests.Capture;
using ConnMgr.Tests.Dns;

namespace ConnMgr.Tests.Firewall;

/// <summary>
/// <see cref="DnsObserver"/>, <see cref="ReplyGate"/> and <see cref="NameRefresher"/> with the kernel's
/// packet sockets and NFQUEUE, on the loopback device of a namespace, which acts as a link.
/// </summary>
public sealed class DnsPathTests
{
    private static readonly IPAddress Server = IPAddress.Parse("198.18.100.53");
    private static readonly NetifNames Names = NamesWith(ethernet: "lo");

    [Fact]
    public void A_reload_keeps_the_sockets_of_devices_that_stay() => NetworkNamespace.Run(() =>
    {
        using Rig rig = new();
        using Socket client = Rig.Ask();
        rig.Observer.Change(Names); // the question has not been read yet
        rig.Observer.Listen(rig.Table, withReplies: true);
        rig.Observer.Drain();
        Assert.Equal(1, rig.Watch.QuestionCount);
        rig.Observer.Change(NamesWith(ethernet: "eth7"));
        rig.Observer.Listen(rig.Table, withReplies: true);
        using Socket another = Rig.Ask();
        rig.Observer.Drain();
        Assert.Equal(1, rig.Watch.QuestionCount);
    });

    [Fact]
    public void Overheard_replies_open_addresses() => NetworkNamespace.Run(() =>
    {
        using Rig rig = new();
        using Socket client = Rig.Ask();
        rig.Answer();
        rig.Until(() => rig.Store.Backend.Elements.Count == 2);
        Assert.Equal(["Open 198.51.100.1", "Open 198.51.100.2"], rig.Store.Backend.Applied);
    });

    [Fact]
    public void A_reply_is_held_until_a_slow_backend_has_its_addresses() => NetworkNamespace.Run(() =>
    {
        using Rig rig = new(new FakeBackend { IsImmediate = false, HasTimeouts = false });
        rig.Gate.Open(DnsMode.Hold, 7);
        Assert.Equal(("hold", "", (ushort?)7), (rig.Gate.ModeName, rig.Gate.Reason, rig.Gate.Number));
        Run("iptables -I INPUT -p udp --sport 53 -j NFQUEUE --queue-num 7 --queue-bypass");
        rig.Observer.Listen(rig.Table, withReplies: false);
        using Socket client = Rig.Ask();
        rig.Answer();
        rig.Until(() => rig.Store.Backend.Opening.Count == 2);
        Assert.Equal((1, 0, 0), (rig.Gate.HeldCount, rig.Gate.LateCount, client.Available));
        foreach (IpPrefix prefix in rig.Store.Backend.Opening.ToArray())
        {
            rig.Store.Backend.Opening.Remove(prefix);
            rig.Gate.SeeOpened(prefix);
        }
        rig.Until(() => client.Available > 0);
        Assert.Equal(0, rig.Gate.LateCount);

        using Socket second = Rig.Ask("x.wild.example");
        rig.Answer("x.wild.example");
        // Nothing opens the address: the reply is released after 100 ms.
        rig.Until(() => rig.Gate.LateCount == 1);
        rig.Until(() => second.Available > 0);
    });

    [Fact]
    public void A_queue_that_another_program_has_is_a_reason_in_words() => NetworkNamespace.Run(() =>
    {
        using Rig first = new();
        using Rig second = new();
        first.Gate.Open(DnsMode.Auto, 7);
        second.Gate.Open(DnsMode.Auto, 7);
        Assert.Equal(("sniff", (ushort?)null), (second.Gate.ModeName, second.Gate.Number));
        Assert.StartsWith("cannot bind NFQUEUE 7: nfqueue: ", second.Gate.Reason, StringComparison.Ordinal);
        first.Gate.Close("it is over");
        Assert.Equal(("sniff", "it is over"), (first.Gate.ModeName, first.Gate.Reason));
    });

    [Fact]
    public void Exact_names_are_resolved_over_the_link_in_use_and_only_then() => NetworkNamespace.Run(() =>
    {
        using Rig rig = new(whitelist: "echo.afero.io\n*.wild.example");
        using NameRefresher names = new(rig.Loop, rig.Store.Store);
        Assert.Equal(TimeSpan.MaxValue, names.NextDeadline);
        names.SetLink("lo", [Server]);
        Assert.True(names.NextDeadline <= rig.Loop.Now);
        names.Advance(rig.Loop.Now);
        rig.Answer(repeats: 2); // both families; the unanswered query ends after a second
        rig.Until(() => rig.Store.Backend.Elements.Count == 1);
        Assert.Equal(["Open 198.51.100.7"], rig.Store.Backend.Applied);
        rig.Until(() => names.NextDeadline < TimeSpan.MaxValue);
        Assert.True(names.NextDeadline > rig.Loop.Now + TimeSpan.FromMinutes(30));
    });

    private static NetifNames NamesWith(string ethernet) =>
        NetifNames.TryParse($"ETH_INTERFACE_0={ethernet}\n", out NetifNames names, [], [])
            ? names
            : throw new InvalidOperationException();

    private static void Run(string command)
    {
        string[] words = command.Split(' ');
        using Process process = Process.Start(words[0], words[1..]);
        process.WaitForExit();
        Assert.True(process.ExitCode == 0, command);
    }

    private sealed class Rig : IDisposable
    {
        private readonly RouteMonitor _routes;
        private readonly Socket _server;

        public Rig(FakeBackend? backend = null, string whitelist = "echo.afero.io\n*.wild.example")
        {
            NetworkNamespace.RunIp("link set lo up");
            NetworkNamespace.RunIp("address replace 198.18.100.53/32 dev lo");
            NetworkNamespace.RunIp("address replace 198.18.1.2/32 dev lo");
            Store = new StoreRig(whitelist, backend);
            Watch.SetServers([IpNumber.Of(Server)], null);
            Reader = new ReplyReader(Watch, Store.Store);
            Observer = new DnsObserver(Loop, Store.Log, Reader, Names);
            Gate = new ReplyGate(Loop, Observer, Reader);
            _server = new Socket(AddressFamily.InterNetwork, SocketType.Dgram, ProtocolType.Udp);
            _server.SetSocketOption(SocketOptionLevel.Socket, SocketOptionName.ReuseAddress, true);
            _server.Bind(new IPEndPoint(Server, 53));
            _routes = new RouteMonitor(Loop, Table);
            Until(() => _routes.IsSettled);
            Observer.Listen(Table, withReplies: true);
        }

        public StoreRig Store { get; }

        public Loop Loop => Store.Loop;

        public KernelState Table { get; } = new();

        public DnsWatch Watch { get; } = new(new NameHash(1, 2));

        public ReplyReader Reader { get; }

        public DnsObserver Observer { get; }

        public ReplyGate Gate { get; }

        public static Socket Ask(string name = "echo.afero.io")
        {
            Socket client = new(AddressFamily.InterNetwork, SocketType.Dgram, ProtocolType.Udp);
            client.Bind(new IPEndPoint(IPAddress.Parse("198.18.1.2"), 0));
            client.SendTo(WatchRig.Query(name: name), new IPEndPoint(Server, 53));
            return client;
        }

        /// <summary>Answers the questions that the server has received.</summary>
        public void Answer(string name = "echo.afero.io", int repeats = 1)
        {
            for (int i = 0; i < repeats; i++)
            {
                byte[] query = new byte[512];
                EndPoint from = new IPEndPoint(IPAddress.Any, 0);
                int size = _server.ReceiveFrom(query, ref from);
                bool isA = query[size - 3] == 1;
                bool isOwn = repeats > 1; // the daemon's own question
                if (isA || !isOwn)
                {
                    byte[] reply = isOwn
                        ? new MessageBuilder().Short((query[0] << 8) | query[1], 0x8180, 1, 1, 0, 0)
                        .Name(name).Short(1, 1)
                            .Address(name, "198.51.100.7").ToArray()
                        : name == "echo.afero.io" ? GoldenMessages.Chain
                        : new MessageBuilder().Short((query[0] << 8) | query[1], 0x8180, 1, 1, 0, 0)
                        .Name(name).Short(1, 1)
                            .Address(name, "198.51.100.8").ToArray();
                    _server.SendTo(reply, from);
                }
            }
        }

        public void Until(Func<bool> isDone)
        {
            using Deadline limit = Loop.AddTimer(() => throw new TimeoutException());
            limit.Set(Loop.Now + TimeSpan.FromSeconds(60));
            using Deadline poll = Loop.AddTimer(() => { });
            try
            {
                Loop.Run(() =>
                {
                    if (isDone())
                    {
                        throw new OperationCanceledException();
                    }
                    poll.Set(Loop.Now + TimeSpan.FromMilliseconds(20));
                });
            }
            catch (OperationCanceledException)
            {
            }
        }

        public void Dispose()
        {
            _routes.Dispose();
            Gate.Dispose();
            Observer.Dispose();
            _server.Dispose();
            Store.Dispose();
        }
    }
}
