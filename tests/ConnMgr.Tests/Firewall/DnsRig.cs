using System.Net;
using System.Net.Sockets;
using ConnMgr.Dns;
using ConnMgr.EventLoop;
using ConnMgr.Firewall;
using ConnMgr.Net;
using ConnMgr.Netlink;
using ConnMgr.Tests.Capture;
using ConnMgr.Tests.Dns;
using ConnMgr.Tests.Links;

namespace ConnMgr.Tests.Firewall;

/// <summary>
/// The parts that see DNS, on the loopback device of the calling thread's namespace, which acts as a link:
/// the device asks 198.18.100.53 from 198.18.1.2.
/// </summary>
internal sealed class DnsRig : IDisposable
{
    /// <summary>The name server.</summary>
    public static readonly IPAddress Server = IPAddress.Parse("198.18.100.53");

    private readonly RouteMonitor _routes;
    private readonly Socket _server;

    public DnsRig(
        FakeBackend? backend = null, string whitelist = "echo.afero.io\n*.wild.example",
        TimeProvider? time = null)
    {
        NetworkNamespace.RunIp("link set lo up");
        NetworkNamespace.RunIp("address replace 198.18.100.53/32 dev lo");
        NetworkNamespace.RunIp("address replace 198.18.1.2/32 dev lo");
        Store = new StoreRig(whitelist, backend, time);
        Watch.SetServers([IpNumber.Of(Server)], null);
        Reader = new ReplyReader(Watch, Store.Store);
        Observer = new DnsObserver(Loop, Store.Log, Reader, LinkRig.Names("ETH_INTERFACE_0=lo"));
        Gate = new ReplyGate(Loop, Observer, Reader);
        _server = new Socket(AddressFamily.InterNetwork, SocketType.Dgram, ProtocolType.Udp);
        _server.SetSocketOption(SocketOptionLevel.Socket, SocketOptionName.ReuseAddress, true);
        _server.ReceiveTimeout = 30_000; // ms
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

    /// <summary>Answers the question of <see cref="Ask"/> with an address.</summary>
    public void Answer(string name = "echo.afero.io")
    {
        (byte[] query, EndPoint from) = TakeQuestion();
        _server.SendTo(
            name == "echo.afero.io" ? GoldenMessages.Chain : ReplyTo(query, name, "198.51.100.8"), from);
    }

    /// <summary>Answers the daemon's own question for the IPv4 address of a name, and no other one.</summary>
    public void AnswerOwn(string name = "echo.afero.io", string address = "198.51.100.7")
    {
        (byte[] query, EndPoint from) = TakeOwn(name, MessageBuilder.A);
        _server.SendTo(ReplyTo(query, name, address), from);
    }

    /// <summary>Answers the daemon's own question for the IPv6 address of a name: there is none.</summary>
    public void AnswerWithout(string name = "echo.afero.io")
    {
        (byte[] query, EndPoint from) = TakeOwn(name, MessageBuilder.Aaaa);
        _server.SendTo(
            new MessageBuilder().Short((query[0] << 8) | query[1], 0x8180, 1, 0, 0, 0)
                .Name(name).Short(MessageBuilder.Aaaa, 1).ToArray(),
            from);
    }

    private (byte[] Query, EndPoint From) TakeOwn(string name, int type)
    {
        (byte[] Query, EndPoint From) question;
        do
        {
            question = TakeQuestion();
        }
        while (TypeOf(question.Query) != type || NameOf(question.Query) != name);
        return question;
    }

    /// <summary>Takes the next question that the server has received.</summary>
    public (byte[] Query, EndPoint From) TakeQuestion()
    {
        byte[] query = new byte[512];
        EndPoint from = new IPEndPoint(IPAddress.Any, 0);
        int size = _server.ReceiveFrom(query, ref from);
        return (query[..size], from);
    }

    /// <summary>The number of bytes that wait at the server.</summary>
    public int Waiting => _server.Available;

    /// <summary>Sends a reply from the server.</summary>
    public void Send(byte[] reply, EndPoint to) => _server.SendTo(reply, to);

    public static int TypeOf(byte[] query) => query[^3];

    public static string NameOf(byte[] query) =>
        DnsQuestion.TryReadQuery(query, out _, out DnsQuestion question) ? question.Name.ToString() : "";

    public static byte[] ReplyTo(byte[] query, string name, string address) =>
        new MessageBuilder().Short((query[0] << 8) | query[1], 0x8180, 1, 1, 0, 0)
            .Name(name).Short(TypeOf(query), 1).Address(name, address).ToArray();

    public void Until(Func<bool> isDone) => LoopRun.Until(Loop, isDone);

    public void Dispose()
    {
        _routes.Dispose();
        Gate.Dispose();
        Observer.Dispose();
        _server.Dispose();
        Store.Dispose();
    }
}
