using System.Net;
using System.Net.Sockets;
using ConnMgr.Firewall;
using ConnMgr.Tests.Capture;

namespace ConnMgr.Tests.Firewall;

/// <summary>The query with the real kernel.</summary>
public sealed class ResolverQueryTests
{
    private readonly ResolverQuery _query = new();
    private readonly ServerPolicy _policy = new();

    [Theory, InlineData("127.0.0.1"), InlineData("::1")]
    public void A_socket_that_is_bound_to_port_53_is_found(string address) => NetworkNamespace.Run(() =>
    {
        NetworkNamespace.RunIp("link set lo up");
        using Socket other = Bound(address, 54);
        Assert.False(Tell());
        Assert.False(_policy.IsLocalFound);
        using Socket server = Bound(address, 53);
        Assert.True(Tell());
        Assert.Equal((true, 0u), (_policy.IsLocalFound, Assert.Single(_policy.Users)));
        Assert.False(Tell()); // known by now
    });

    [Fact]
    public void A_client_that_asks_from_port_53_is_no_server() => NetworkNamespace.Run(() =>
    {
        NetworkNamespace.RunIp("link set lo up");
        using Socket client = Bound("127.0.0.1", 53);
        client.Connect(IPAddress.Loopback, 5353);
        Assert.False(Tell());
    });

    private bool Tell() => _query.Tell(_policy, () => "root:x:0:0::/root:/bin/sh\n");

    private static Socket Bound(string address, int port)
    {
        IPAddress own = IPAddress.Parse(address);
        Socket socket = new(own.AddressFamily, SocketType.Dgram, ProtocolType.Udp);
        socket.Bind(new IPEndPoint(own, port));
        return socket;
    }
}
