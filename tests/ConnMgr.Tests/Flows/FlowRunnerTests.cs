using System.Net;
using System.Net.Sockets;
using System.Text;
using ConnMgr.EventLoop;
using ConnMgr.Flows;
using ConnMgr.Logging;
using ConnMgr.Netlink;
using ConnMgr.Tests.Links;
using static ConnMgr.Tests.Capture.NetworkNamespace;

namespace ConnMgr.Tests.Flows;

/// <summary>
/// Ends the flows over the link that was left (contract, section 8), in a namespace with real sockets. All
/// routes lead to gateways that answer nothing.
/// </summary>
public sealed class FlowRunnerTests
{
    private const string Peer = "198.19.0.1";

    [Fact]
    public void After_a_switch_the_flows_over_the_old_link_end_and_no_others() => Run(() =>
    {
        using Rig rig = new();
        rig.Observe("wlan0");
        using Socket old = Rig.Connect(Peer);
        using Socket near = Rig.Connect("198.18.3.9"); // the old link's own subnet
        using Socket bound = Rig.Connect(Peer, device: "wlan0");
        using Socket own = Rig.Connect(Peer, mark: 0x80);
        using Socket unconnected = new(AddressFamily.InterNetwork, SocketType.Dgram, ProtocolType.Udp)
        {
            Blocking = false,
        };
        unconnected.Bind(new IPEndPoint(IPAddress.Parse("198.18.3.2"), 0));
        Rig.Track("198.18.3.2", Peer, 4001);
        Rig.Track("198.18.3.2", "198.18.3.9", 4002);
        Rig.Switch("eth0");
        using Socket fresh = Rig.Connect(Peer);
        rig.Observe("eth0");
        rig.Until(() => rig.Said().Length > 0);
        Assert.Equal(
            ["ended 0 TCP and 1 UDP flows and 1 conntrack entries over wlan0"], rig.Said());
        Assert.True(Rig.HasEnded(old));
        Assert.All([near, bound, own, unconnected, fresh], socket => Assert.False(Rig.HasEnded(socket)));
        Assert.Equal(["sport=4002"], Rig.Tracked());
    });

    [Fact]
    public void A_connection_that_is_being_made_ends_too() => Run(() =>
    {
        using Rig rig = new();
        rig.Observe("wlan0");
        using Socket tcp = new(AddressFamily.InterNetwork, SocketType.Stream, ProtocolType.Tcp)
        {
            Blocking = false,
        };
        RunIp("neigh add 198.18.3.1 lladdr 02:00:00:00:00:09 dev wlan0");
        Assert.Equal(SocketError.WouldBlock, Assert.Throws<SocketException>(
            () => tcp.Connect(new IPEndPoint(IPAddress.Parse(Peer), 443))).SocketErrorCode);
        Rig.Switch("eth0");
        rig.Observe("eth0");
        rig.Until(() => rig.Said().Length > 0);
        Assert.StartsWith("ended 1 TCP and 0 UDP flows", rig.Said()[0], StringComparison.Ordinal);
    });

    /// <summary>A DHCP renewal removes a route for a moment and adds it again.</summary>
    [Fact]
    public void While_the_choice_is_not_in_place_nothing_ends() => Run(() =>
    {
        using Rig rig = new();
        rig.Observe("wlan0");
        using Socket old = Rig.Connect(Peer);
        Rig.Switch("eth0");
        rig.Observe(null);
        rig.Observe("wlan0"); // it is still the choice: the route comes back
        using Socket other = Rig.Connect(Peer);
        Rig.Switch("wlan0");
        rig.Observe("wlan0"); // now the flows over eth0 end
        rig.Until(() => rig.Said().Length > 0);
        Assert.Equal(
            ["ended 0 TCP and 1 UDP flows and 0 conntrack entries over eth0"], rig.Said());
        Assert.False(Rig.HasEnded(old));
        Assert.True(Rig.HasEnded(other));
    });

    [Fact]
    public void What_has_ended_is_not_looked_for_again() => Run(() =>
    {
        using Rig rig = new();
        rig.Observe("wlan0");
        using (Rig.Connect(Peer))
        {
            Rig.Switch("eth0");
            rig.Observe("eth0");
            rig.Until(() => rig.Said().Length > 0);
        }
        using Socket late = Rig.Connect(Peer, from: "198.18.3.2"); // the program asks for that address
        RunIp("address add 198.18.2.3/24 dev eth0");
        rig.UntilTable(() => rig.Table.Addresses.Exists(each => $"{each.Address}" == "198.18.2.3"));
        rig.Observe("eth0");
        rig.Rounds();
        Assert.False(Rig.HasEnded(late));
        Assert.Single(rig.Said());

        using Socket second = Rig.Connect(Peer);
        Rig.Switch("wlan0");
        rig.Observe("wlan0");
        rig.Until(() => rig.Said().Length == 2);
        Assert.Equal("ended 0 TCP and 1 UDP flows and 0 conntrack entries over eth0", rig.Said()[1]);
    });

    [Fact]
    public void Many_flows_end_in_rounds_and_are_reported_in_one_line() => Run(() =>
    {
        const int Count = 1100; // more than one table holds
        using Rig rig = new();
        rig.Observe("wlan0");
        List<Socket> sockets = [.. Enumerable.Range(1, Count).Select(port => Rig.Connect(Peer, port: port))];
        Rig.Switch("eth0");
        rig.Observe("eth0");
        rig.Until(() => rig.Said().Length > 0);
        Assert.Equal(
            [$"ended 0 TCP and {Count} UDP flows and 0 conntrack entries over wlan0"], rig.Said());
        Assert.All(sockets, socket => Assert.True(Rig.HasEnded(socket)));
        sockets.ForEach(socket => socket.Dispose());
    });

    /// <summary>
    /// OpenWrt builds the kernel without the operation that ends sockets. The kernel has none for Unix
    /// sockets, and answers a request to end one in the same way.
    /// </summary>
    [Fact]
    public void If_the_kernel_cannot_end_sockets_conntrack_entries_are_deleted() => Run(() =>
    {
        const byte AF_UNIX = 1;
        byte[] question = SockDiagMessage.DestroyNothing();
        question[NetlinkReader.HeaderSize] = AF_UNIX; // sdiag_family of struct inet_diag_req_v2
        using Rig rig = new(question);
        rig.Observe("wlan0");
        string limit = "sockets over the old link cannot be ended, since the kernel lacks "
            + "CONFIG_INET_DIAG_DESTROY: conntrack entries are deleted instead; a locked device then resets "
            + "their connections";
        Assert.Equal(limit, rig.Limit);
        using Socket old = Rig.Connect(Peer);
        Rig.Track("198.18.3.2", Peer, 4001);
        Rig.Track("198.18.3.2", "198.18.3.9", 4002);
        Rig.Switch("eth0");
        rig.Observe("eth0");
        rig.Until(() => rig.Said().Length > 0);
        Assert.Equal(["ended 0 TCP and 0 UDP flows and 1 conntrack entries over wlan0"], rig.Said());
        Assert.False(Rig.HasEnded(old));
        Assert.Equal(["sport=4002"], Rig.Tracked());
        Assert.Equal([limit], rig.Said("sockets "));
    });

    [Fact]
    public void A_kernel_that_can_end_sockets_has_no_limit() => Run(() =>
    {
        using Rig rig = new();
        rig.Observe("wlan0");
        Assert.Null(rig.Limit);
    });

    private sealed class Rig : IDisposable
    {
        private readonly Loop _loop = new();
        private readonly Log _log = new(LogTarget.Stderr, LogLevel.Error);
        private readonly RouteMonitor _routes;
        private readonly FlowRunner _flows;

        public Rig(byte[]? question = null)
        {
            LinkRig.AddLinks(); // wlan0 is in front
            _routes = new RouteMonitor(_loop, Table);
            _flows = new FlowRunner(_loop, _log, ["eth0", "wlan0"], ownMark: 0x80,
                question ?? SockDiagMessage.DestroyNothing());
            UntilTable(() => Table.InFront(isIpv6: false)?.Ifindex == Index("wlan0"));
        }

        public KernelState Table { get; } = new();

        /// <summary>Makes the routes lead over a link.</summary>
        public static void Switch(string link)
        {
            int subnet = link == "eth0" ? 2 : 3;
            RunIp($"route replace default via 198.18.{subnet}.1 dev {link} metric 5");
        }

        public void Observe(string? inPlace)
        {
            string front = LinkRig.Front();
            UntilTable(() => Table.InFront(isIpv6: false)?.Ifindex == Index(front));
            _flows.Observe(Table, inPlace);
            Rounds();
        }

        public void UntilTable(Func<bool> isDone) =>
            LoopRun.Until(_loop, () => _routes.IsSettled && isDone());

        public void Until(Func<bool> isDone) => LoopRun.Until(_loop, isDone);

        public void Rounds() => LoopRun.Rounds(_loop);

        public static Socket Connect(
            string peer, string? device = null, int mark = 0, string? from = null, int port = 443)
        {
            Socket socket = new(AddressFamily.InterNetwork, SocketType.Dgram, ProtocolType.Udp)
            {
                Blocking = false,
            };
            if (device is not null)
            {
                const int SO_BINDTODEVICE = 25;
                socket.SetRawSocketOption(1, SO_BINDTODEVICE, Encoding.ASCII.GetBytes(device));
            }
            socket.SetRawSocketOption(1, 36, BitConverter.GetBytes(mark)); // SO_MARK
            if (from is not null)
            {
                socket.Bind(new IPEndPoint(IPAddress.Parse(from), 0));
            }
            socket.Connect(new IPEndPoint(IPAddress.Parse(peer), port));
            return socket;
        }

        public static bool HasEnded(Socket socket)
        {
            SocketError error = SocketError.Success;
            try
            {
                socket.Receive(new byte[1]);
            }
            catch (SocketException thrown)
            {
                error = thrown.SocketErrorCode;
            }
            return error == SocketError.ConnectionAborted;
        }

        public static void Track(string from, string to, int port) => Conntrack.Run(
            $"-I -p udp -s {from} -d {to} --sport {port} --dport 443 -t 600");

        public static string[] Tracked() =>
        [
            .. Conntrack.Run("-L").Split('\n')
                .Where(line => line.Contains("sport=", StringComparison.Ordinal))
                .Select(line => line.Split(' ').First(word =>
                    word.StartsWith("sport=", StringComparison.Ordinal))),
        ];

        public string? Limit => _flows.Limit;

        public string[] Said(string start = "ended ") => LogLines.Beginning(_log, start);

        public void Dispose()
        {
            _flows.Dispose();
            _routes.Dispose();
            _log.Dispose();
            _loop.Dispose();
        }
    }
}
