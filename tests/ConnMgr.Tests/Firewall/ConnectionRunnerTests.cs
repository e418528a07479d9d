using System.Net;
using System.Net.Sockets;
using ConnMgr.EventLoop;
using ConnMgr.Firewall;
using ConnMgr.Logging;
using static ConnMgr.Tests.Capture.NetworkNamespace;

namespace ConnMgr.Tests.Firewall;

/// <summary>
/// Lists and ends the connections of the real kernel, in a namespace: what the rules 5 of section 10 of the
/// contract need.
/// </summary>
public sealed class ConnectionRunnerTests : IDisposable
{
    private readonly Loop _loop = new();
    private readonly Log _log = new(LogTarget.Stderr, LogLevel.Error);

    public void Dispose()
    {
        _log.Dispose();
        _loop.Dispose();
    }

    [Fact]
    public void A_look_reports_the_peers_of_answered_connections_and_ends_nothing() => Run(() =>
    {
        using ConnectionRunner runner = New();
        Connect("198.18.5.1");
        Connect("198.18.5.2", isAnswered: false);
        Assert.Equal(["198.18.5.1"], Look(runner));
        Assert.False(runner.IsBusy);
        Assert.Equal(["198.18.5.1"], Look(runner)); // a run after the other
    });

    [Fact]
    public void One_run_at_a_time() => Run(() =>
    {
        using ConnectionRunner runner = New();
        int ended = 0;
        Assert.True(runner.Look(_ => { }, () => ended++));
        Assert.True(runner.IsBusy);
        Assert.False(runner.Look(_ => { }, () => ended += 100));
        Assert.False(runner.End((in _) => true, null, _ => ended += 100));
        LoopRun.Until(_loop, () => ended > 0);
        Assert.Equal(1, ended);
    });

    [Fact]
    public void What_is_selected_ends_and_is_counted() => Run(() =>
    {
        using ConnectionRunner runner = New();
        Connect("198.18.5.1");
        Connect("198.18.5.2");
        Connect("198.18.6.1");
        Assert.Equal(2, End(runner, peer => peer.StartsWith("198.18.5.", StringComparison.Ordinal)));
        Assert.Equal(["198.18.6.1"], Look(runner));
        Connect("198.18.5.1"); // a later look must not end it
        Assert.Equal(2, Look(runner).Count);
        Assert.Equal(2, Look(runner).Count);
        Assert.Equal(0, End(runner, _ => false));
    });

    /// <summary>One round deletes at most 1,024 entries, so that a device with many is not held up.</summary>
    [Fact]
    public void Many_connections_end_in_rounds() => Run(() =>
    {
        const int Count = 1500;
        using ConnectionRunner runner = New();
        DnsPathTests.Run("iptables -A OUTPUT -m conntrack --ctstate NEW"); // loads the tracking
        using Socket client = new(AddressFamily.InterNetwork, SocketType.Dgram, ProtocolType.Udp);
        client.Bind(new IPEndPoint(IPAddress.Parse("198.18.1.2"), 4000));
        for (int i = 1; i <= Count; i++)
        {
            client.SendTo([1], new IPEndPoint(IPAddress.Parse("198.18.5.1"), i));
        }
        Assert.Equal(Count, End(runner, peer => peer == "198.18.5.1"));
    });

    /// <summary>A program that only receives would wait for ever.</summary>
    [Fact]
    public void Selected_sockets_of_the_device_get_an_error() => Run(() =>
    {
        using ConnectionRunner runner = New();
        using Socket over = Connected("198.18.5.1");
        using Socket other = Connected("198.18.6.1");
        int? count = null;
        Assert.True(runner.End(
            (in _) => false, (in socket) => $"{socket.Peer}" == "198.18.5.1", ended => count = ended));
        LoopRun.Until(_loop, () => count is not null);
        Assert.Equal(0, count); // of conntrack
        Assert.Equal(SocketError.ConnectionAborted, Assert.Throws<SocketException>(
            () => over.Receive(new byte[1])).SocketErrorCode);
        Assert.Equal(SocketError.WouldBlock, Assert.Throws<SocketException>(
            () => other.Receive(new byte[1])).SocketErrorCode);
    });

    [Fact]
    public void After_its_end_nothing_is_reported() => Run(() =>
    {
        ConnectionRunner runner = New();
        int ended = 0;
        Assert.True(runner.Look(_ => { }, () => ended++));
        runner.Dispose();
        using ConnectionRunner another = New();
        Look(another);
        Assert.Equal(0, ended);
    });

    private ConnectionRunner New()
    {
        RunIp("link set lo up");
        RunIp("address replace 198.18.1.2/32 dev lo");
        RunIp("route replace local 198.18.5.0/24 dev lo");
        RunIp("route replace local 198.18.6.0/24 dev lo");
        return new ConnectionRunner(_loop, _log);
    }

    private List<string> Look(ConnectionRunner runner)
    {
        List<string> peers = [];
        bool hasEnded = false;
        Assert.True(runner.Look(peer => peers.Add($"{peer}"), () => hasEnded = true));
        LoopRun.Until(_loop, () => hasEnded);
        return peers;
    }

    private int End(ConnectionRunner runner, Func<string, bool> isOver)
    {
        int? count = null;
        Assert.True(runner.End(
            (in entry) => isOver($"{entry.Reply.Source}"), null, ended => count = ended));
        LoopRun.Until(_loop, () => count is not null);
        return count!.Value;
    }

    private static Socket Connected(string peer)
    {
        Socket socket = new(AddressFamily.InterNetwork, SocketType.Dgram, ProtocolType.Udp)
        {
            Blocking = false,
        };
        socket.Bind(new IPEndPoint(IPAddress.Parse("198.18.1.2"), 0));
        socket.Connect(new IPEndPoint(IPAddress.Parse(peer), 443));
        return socket;
    }

    private static void Connect(string peer, bool isAnswered = true)
    {
        Conntrack.Run(
            $"-I -p tcp -s 198.18.1.2 -d {peer} --sport 4000 --dport 443 -t 600 --state ESTABLISHED"
                + (isAnswered ? " -u SEEN_REPLY" : ""));
    }
}
