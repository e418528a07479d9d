using System.Net;
using ConnMgr.Flows;
using ConnMgr.Net;
using ConnMgr.Netlink;

namespace ConnMgr.Tests.Flows;

public class StaleFlowsTests
{
    private const int Eth = 2;
    private const int Wifi = 3;
    private const int Vpn = 9;
    private const uint Own = 0x80;

    private readonly StaleFlows _flows = new(
        [Old("198.18.1.2", "198.18.1.0/24"), Old("2001:db8:1::2", "2001:db8:1::/64")],
        new HashSet<int> { Eth, Wifi }, Own);

    private readonly Dictionary<string, int> _routes = [];

    [Fact]
    public void A_conversation_over_the_old_link_is_ended_when_its_peer_is_routed_over_another()
    {
        Tcp("198.18.1.2", 1000, "198.18.100.11", 443);
        Udp("2001:db8:1::2", 1001, "2001:db8:100::11", 5683);
        Tcp("::ffff:198.18.1.2", 1002, "::ffff:198.18.100.11", 443);
        Assert.Equal(["Tcp 1000", "Udp 1001", "Tcp 1002"], Stale());
    }

    [Theory]
    [InlineData(Eth)] // a static route
    [InlineData(Vpn)] // none of the links
    [InlineData(0)] // unreachable, local, multicast
    public void One_whose_peer_is_not_routed_over_another_link_stays(int ifindex)
    {
        _routes["198.18.100.11"] = ifindex;
        Tcp("198.18.1.2", 1000, "198.18.100.11", 443);
        Tcp("198.18.1.2", 1001, "198.18.100.12", 443);
        Assert.Equal(["Tcp 1001"], Stale());
    }

    [Fact]
    public void Neighbours_other_addresses_bound_and_own_sockets_and_those_without_a_peer_stay()
    {
        Tcp("198.18.1.2", 1, "198.18.1.77", 22);
        Tcp("198.18.2.2", 2, "198.18.100.11", 443); // opened after the switch
        Take(6, FlowGolden.Socket("198.18.1.2", 3, "198.18.100.11", 443, ifindex: Eth));
        Take(6, FlowGolden.Socket("198.18.1.2", 4, "198.18.100.11", 443, mark: Own));
        Take(6, FlowGolden.Socket("198.18.1.2", 8, "198.18.100.11", 443, mark: Own | 0xff00));
        Take(6, FlowGolden.Socket("198.18.1.2", 5, "0.0.0.0", 0, state: 10));
        Take(17, FlowGolden.Socket("198.18.1.2", 6, "0.0.0.0", 0, state: 7));
        Assert.Empty(_flows.Questions());
        Assert.Empty(Stale());
    }

    [Fact]
    public void The_kernel_is_asked_once_for_each_peer_source_and_mark()
    {
        Tcp("198.18.1.2", 1, "198.18.100.11", 443);
        Tcp("198.18.1.2", 2, "198.18.100.11", 80);
        Take(6, FlowGolden.Socket("198.18.1.2", 3, "198.18.100.11", 443, mark: 7));
        IpNumber peer = FlowGolden.Ip("198.18.100.11");
        IpNumber source = FlowGolden.Ip("198.18.1.2");
        Assert.Equal(
            [new RouteQuestion(peer, source, 0), new RouteQuestion(peer, source, 7)], _flows.Questions());
    }

    [Fact]
    public void An_address_that_is_gone_is_no_source_to_ask_with()
    {
        StaleFlows flows = new(
            [new OldAddress("eth0", 0, FlowGolden.Ip("198.18.1.2"), SelectsRoute: false, [])],
            new HashSet<int> { Wifi }, Own);
        SockDiagMessage.TryRead(
            6, FlowGolden.Socket("198.18.1.2", 1, "198.18.100.11", 443), out SockDiagMessage socket);
        flows.Take(socket);
        Assert.Equal(default, flows.Questions().Single().Source);
    }

    [Fact]
    public void Conntrack_entries_from_and_to_the_old_address_are_ended()
    {
        Entry(6, "198.18.1.2:1000 198.18.100.11:443", "198.18.100.11:443 198.18.1.2:1000");
        Entry(17, "198.18.50.2:1001 198.18.100.11:53", "198.18.100.11:53 198.18.1.2:1001"); // masqueraded
        Entry(1, "198.18.50.2:0 198.18.100.11:0", "198.18.100.11:0 198.18.1.2:0"); // a ping, masqueraded
        Entry(6, "[fd00::2]:1002 [2001:db8:100::11]:443", "[2001:db8:100::11]:443 [2001:db8:1::2]:1002");
        Assert.Equal(4, Stale().Length);
    }

    [Fact]
    public void Conntrack_entries_of_neighbours_static_routes_other_addresses_and_our_pings_stay()
    {
        _routes["198.18.100.8"] = Eth;
        Entry(6, "198.18.1.2:1 198.18.1.77:22", "198.18.1.77:22 198.18.1.2:1");
        Entry(6, "198.18.50.2:1 198.18.1.77:22", "198.18.1.77:22 198.18.1.2:1");
        Entry(6, "198.18.50.2:2 198.18.100.8:80", "198.18.100.8:80 198.18.1.2:2");
        Entry(6, "198.18.50.2:3 198.18.100.11:80", "198.18.100.11:80 198.18.2.2:3");
        Entry(1, "198.18.1.2:0 198.18.100.11:0", "198.18.100.11:0 198.18.1.2:0");
        // The peer began the connection, so a listening socket of ours may own it.
        Entry(6, "198.18.100.11:4 198.18.1.2:22", "198.18.1.2:22 198.18.100.11:4");
        Assert.Empty(Stale());
    }

    [Fact]
    public void A_socket_that_stays_keeps_its_conntrack_entry()
    {
        Take(6, FlowGolden.Socket("198.18.1.2", 3, "198.18.100.11", 443, ifindex: Eth));
        Take(17, FlowGolden.Socket("0.0.0.0", 4, "0.0.0.0", 0, state: 7, mark: Own));
        Take(6, FlowGolden.Socket("198.18.1.2", 5, "198.18.100.12", 443, mark: 7));
        _flows.Questions().ForEach(question => _flows.Answer(question, Eth)); // recognised by its mark
        Assert.Empty(_flows.Stale());
        _flows.BeginDump();
        Entry(6, "198.18.1.2:3 198.18.100.11:443", "198.18.100.11:443 198.18.1.2:3");
        Entry(17, "198.18.1.2:4 198.18.100.53:53", "198.18.100.53:53 198.18.1.2:4");
        Entry(6, "198.18.1.2:5 198.18.100.12:443", "198.18.100.12:443 198.18.1.2:5");
        Assert.Empty(Stale());
    }

    [Fact]
    public void The_entry_of_a_connection_that_the_peer_began_goes_with_its_socket()
    {
        Tcp("198.18.1.2", 22, "198.18.100.11", 4);
        Assert.Single(Stale());
        _flows.BeginDump();
        Entry(6, "198.18.100.11:4 198.18.1.2:22", "198.18.1.2:22 198.18.100.11:4");
        Assert.Single(Stale());
    }

    [Fact]
    public void What_has_no_room_is_found_by_the_next_dump()
    {
        // The first 2,000 stay: each has a static route. The other 3,000 do not.
        int ended = 0;
        int dumps = 0;
        HashSet<int> gone = [];
        do
        {
            _flows.BeginDump();
            for (int i = 0; i < 5000; i++)
            {
                if (!gone.Contains(i))
                {
                    string peer = $"198.19.{i / 250}.{1 + (i % 250)}";
                    _routes[peer] = i < 2000 ? Eth : Wifi;
                    Tcp("198.18.1.2", 10000 + i, peer, 443);
                }
            }
            foreach (string stale in Stale())
            {
                gone.Add(int.Parse(stale.Split(' ')[1],
                    System.Globalization.CultureInfo.InvariantCulture) - 10000);
                ended++;
            }
        }
        while (_flows.IsFull && ++dumps < 64);
        Assert.Equal(3000, ended);
        Assert.InRange(dumps, 4, 5);
    }

    private void Tcp(string local, int localPort, string peer, int peerPort) =>
        Take(6, FlowGolden.Socket(local, localPort, peer, peerPort));

    private void Udp(string local, int localPort, string peer, int peerPort) =>
        Take(17, FlowGolden.Socket(local, localPort, peer, peerPort));

    private void Take(byte protocol, byte[] payload)
    {
        Assert.True(SockDiagMessage.TryRead(protocol, payload, out SockDiagMessage socket));
        _flows.Take(socket);
    }

    private void Entry(byte protocol, string original, string reply)
    {
        Assert.True(ConntrackMessage.TryRead(
            FlowGolden.Conntrack(protocol, original, reply), out ConntrackMessage entry));
        _flows.Take(entry);
    }

    /// <summary>
    /// Answers route questions by the routes above, otherwise with Wi-Fi. Returns a line for each stale flow:
    /// its kind, and a socket's local port.
    /// </summary>
    private string[] Stale()
    {
        foreach (RouteQuestion question in _flows.Questions())
        {
            _flows.Answer(question, _routes.GetValueOrDefault(FlowGolden.Text(question.Peer), Wifi));
        }
        return [.. _flows.Stale().Select(
            flow => $"{flow.Kind} {(flow.Request[24] << 8) | flow.Request[25]}")];
    }

    private static OldAddress Old(string address, string subnet) =>
        new("eth0", Eth, FlowGolden.Ip(address), SelectsRoute: true, [IPNetwork.Parse(subnet)]);
}
