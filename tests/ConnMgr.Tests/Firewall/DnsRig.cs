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

    public DnsRig(FakeBackend? backend = null, string whitelist = "echo.afero.io\n*.wild.example")
    {
        NetworkNamespace.RunIp("link set lo up");
        NetworkNamespace.RunIp("address replace 198.18.100.53/32 dev lo");
        NetworkNamespace.RunIp("address replace 198.18.1.2/32 dev lo");
        Store = new StoreRig(whitelist, backend);
        Watch.SetServers([IpNumber.Of(Server)], null);
        Reader = new ReplyReader(Watch, Store.Store);
        Observer = new DnsObserver(Loop, Store.Log, Reader, LinkRig.Names("ETH_INTERFACE_0=lo"));
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
