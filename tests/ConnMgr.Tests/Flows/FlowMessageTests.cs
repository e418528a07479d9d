using System.Net;
using ConnMgr.Flows;
using ConnMgr.Net;
using ConnMgr.Netlink;
using CsCheck;

namespace ConnMgr.Tests.Flows;

public class FlowMessageTests
{
    [Fact]
    public void A_socket_is_read()
    {
        Assert.True(SockDiagMessage.TryRead(
            SockDiagMessage.Udp, Payload(FlowGolden.UdpSocket), out SockDiagMessage socket));
        Assert.Equal(
            (FlowGolden.Ip("198.18.1.2"), FlowGolden.Ip("198.18.100.11")), (socket.Local, socket.Peer));
        Assert.Equal(
            (40001, 5683, 0xafe0u, 0), (socket.LocalPort, socket.PeerPort, socket.Mark, socket.Ifindex));
        Assert.True(socket.IsConnected);
    }

    [Fact]
    public void An_ipv6_socket_that_talks_ipv4_has_ipv4_addresses()
    {
        Assert.True(SockDiagMessage.TryRead(
            SockDiagMessage.Tcp, Payload(FlowGolden.MappedSocket), out SockDiagMessage socket));
        Assert.Equal(
            (FlowGolden.Ip("198.18.1.2"), FlowGolden.Ip("198.18.100.11")), (socket.Local, socket.Peer));
        Assert.Equal(10, socket.Family);
    }

    /// <summary>
    /// struct tcp_info of Linux 6.18: after 3 repeated SYNs that nf_tables dropped, 3 that left, 1 that waits
    /// for a neighbour's address (which is not repeated), and cut before the counter.
    /// </summary>
    [Theory]
    [InlineData(0u, 3u, 144, true, true)]
    [InlineData(1u, 3u, 144, true, false)]
    [InlineData(0u, 0u, 144, false, false)]
    [InlineData(0u, 3u, 100, false, false)]
    public void A_refused_repetition_is_told_from_an_unanswered_one(
        uint retransmitting, uint total, int size, bool isUnanswered, bool isRefused)
    {
        byte[] info = new byte[size];
        BitConverter.TryWriteBytes(info.AsSpan(36), retransmitting);
        BitConverter.TryWriteBytes(size > 100 ? info.AsSpan(100) : [], total);
        Assert.Equal((isUnanswered, isRefused), (new TcpInfo(info).HasRepeated, new TcpInfo(info).IsRefused));
    }

    [Fact]
    public void A_socket_is_destroyed_by_all_that_names_it()
    {
        SockDiagMessage.TryRead(
            SockDiagMessage.Tcp, Payload(FlowGolden.MappedSocket), out SockDiagMessage socket);
        // struct nlmsghdr: 72 bytes, SOCK_DESTROY, NLM_F_REQUEST | NLM_F_ACK; then struct inet_diag_req_v2.
        Assert.Equal(
            "48000000" + "1500" + "0500" + "00000000" + "00000000" + "0a060000" + "00000000"
            + "9c4201bb" + "00000000000000000000ffffc6120102"
            + "00000000000000000000ffffc612640b" + "00000000"
            + "8b00000000000000",
            Convert.ToHexStringLower(socket.DestroyRequest()));
    }

    [Theory]
    [InlineData(1, 1u, true)] // ESTABLISHED
    [InlineData(2, 1u, true)] // SYN_SENT
    [InlineData(8, 1u, true)] // CLOSE_WAIT
    [InlineData(5, 1u, true)] // FIN_WAIT2: half closed
    [InlineData(5, 0u, false)] // FIN_WAIT2 that nobody has open
    [InlineData(6, 0u, false)] // TIME_WAIT
    [InlineData(10, 1u, false)] // LISTEN
    [InlineData(12, 0u, false)] // NEW_SYN_RECV
    [InlineData(7, 1u, false)] // CLOSE
    public void Only_conversations_are_connected(byte state, uint inode, bool isConnected)
    {
        byte[] payload = FlowGolden.Socket("198.18.1.2", 1, "198.18.100.11", 2, state, inode: inode);
        Assert.True(SockDiagMessage.TryRead(SockDiagMessage.Tcp, payload, out SockDiagMessage socket));
        Assert.Equal(isConnected, socket.IsConnected);
    }

    [Fact]
    public void The_dumps_are_of_both_protocols_and_families() =>
        Assert.Equal(
            ["0206 00000b36", "0a06 00000b36", "0211 00000082", "0a11 00000082"],
            SockDiagMessage.Dumps().Select(dump =>
                $"{Convert.ToHexStringLower(dump.Request[16..18])} "
                    + $"{BitConverter.ToUInt32(dump.Request, 20):x8}"));

    [Fact]
    public void A_conntrack_entry_is_read_and_deleted_by_its_tuple_and_number()
    {
        Assert.True(ConntrackMessage.TryRead(Payload(FlowGolden.Entry), out ConntrackMessage entry));
        IpNumber device = FlowGolden.Ip("198.18.1.2");
        IpNumber cloud = FlowGolden.Ip("198.18.100.11");
        Assert.Equal(new ConntrackMessage.Tuple(device, cloud, 6, 40002, 443), entry.Original);
        Assert.Equal(new ConntrackMessage.Tuple(cloud, device, 6, 443, 40002), entry.Reply);
        Assert.Equal(
            "50000000" + "0201" + "0500" + "00000000" + "00000000" + "02000000"
            + "34000180" + "1400018008000100c612010208000200c612640b"
            + "1c0002800500010006000000060002009c4200000600030001bb0000" + "08000c001315d9de",
            Convert.ToHexStringLower(entry.DeleteRequest()));
    }

    [Theory]
    [InlineData(0x88, false)]
    [InlineData(0x8a, true)] // IPS_SEEN_REPLY
    public void An_entry_whose_packets_went_both_ways_is_answered(byte status, bool isAnswered)
    {
        byte[] payload = Payload(FlowGolden.Entry);
        int at = payload.AsSpan().IndexOf(Convert.FromHexString("0800030000000188")) + 7;
        payload[at] = status;
        Assert.True(ConntrackMessage.TryRead(payload, out ConntrackMessage entry));
        Assert.Equal(isAnswered, entry.IsAnswered);
    }

    [Fact]
    public void A_zone_is_part_of_the_entrys_name()
    {
        byte[] payload = FlowGolden.Conntrack(
            17, "[2001:db8:1::2]:5 [2001:db8:100::11]:6", "[2001:db8:100::11]:6 [2001:db8:1::2]:5");
        Assert.True(ConntrackMessage.TryRead(payload, out ConntrackMessage entry));
        Assert.Equal(
            "08000c00010203040600120000050000", Convert.ToHexStringLower(entry.DeleteRequest()[^16..]));
    }

    [Fact]
    public void A_route_is_asked_for_and_its_answer_read()
    {
        RouteQuestion question = new(FlowGolden.Ip("198.18.100.11"), FlowGolden.Ip("198.18.1.2"), 7);
        Assert.Equal(
            "34000000" + "1a00" + "0500" + "00000000" + "00000000" + "022020000000000000000000"
            + "08000100c612640b" + "08000200c6120102" + "0800100007000000",
            Convert.ToHexStringLower(question.ToRequest()));
        Assert.Equal(7, Answer(FlowGolden.Route));
    }

    [Theory]
    [InlineData(2)] // RTN_LOCAL
    [InlineData(5)] // RTN_MULTICAST
    [InlineData(7)] // RTN_UNREACHABLE
    public void No_other_route_than_unicast_is_a_way(byte type)
    {
        byte[] changed = [.. FlowGolden.Route];
        changed[16 + 7] = type;
        Assert.Null(Answer(changed));
    }

    [Theory]
    [InlineData("198.18.1.255", "198.18.1.0/24", true)]
    [InlineData("198.18.2.0", "198.18.1.0/24", false)]
    [InlineData("198.18.3.1", "198.18.3.1/32", true)]
    [InlineData("2001:db8:1::9", "2001:db8:1::/64", true)]
    [InlineData("2001:db8:2::9", "2001:db8:1::/64", false)]
    [InlineData("198.18.1.1", "::/0", false)]
    [InlineData("198.18.1.1", "0.0.0.0/0", false)] // nobody's own subnet
    [InlineData("2001:db8::1", "0.0.0.0/0", false)]
    public void An_address_is_in_a_subnet(string address, string subnet, bool isIn) =>
        Assert.Equal(isIn, FlowGolden.Ip(address).IsIn(IPNetwork.Parse(subnet)));

    [Fact]
    public void Any_bytes_are_read_without_an_exception() =>
        Gen.Byte.Array[0, 300].Sample(bytes => { Read(bytes, isPayload: true); }, iter: 50_000);

    [Fact]
    public void Every_recorded_message_cut_anywhere_and_with_any_byte_changed_is_survived()
    {
        foreach (byte[] golden in FlowGolden.All)
        {
            for (int length = 0; length < golden.Length; length++)
            {
                Read(golden[..length], isPayload: false);
                Read(golden[Math.Min(16, length)..length], isPayload: true);
            }
            for (int at = 0; at < golden.Length; at++)
            {
                byte[] changed = [.. golden];
                for (int value = 0; value < 256; value++)
                {
                    changed[at] = (byte)value;
                    Read(changed, isPayload: false);
                }
            }
        }
    }

    [Fact]
    public void A_tuple_of_any_size_is_survived()
    {
        for (int size = 0; size < 1000; size++)
        {
            byte[] payload =
            [
                .. Payload(FlowGolden.Entry)[..8], .. Payload(FlowGolden.Entry)[8..56], .. new byte[size],
            ];
            BitConverter.TryWriteBytes(payload.AsSpan(4), (ushort)(52 + size));
            Read([.. payload, .. Payload(FlowGolden.Entry)[56..]], isPayload: true);
        }
    }

    /// <summary>Reads the bytes as each kind of message, and builds the request that would follow.</summary>
    private static void Read(byte[] bytes, bool isPayload)
    {
        NetlinkMessage message = new(RouteMessage.NewRoute, 0, 1, 0, bytes);
        NetlinkReader reader = new(bytes);
        if (!isPayload && !reader.TryRead(out message))
        {
            return;
        }
        StaleFlows flows = new([], new HashSet<int>(), 1);
        if (SockDiagMessage.TryRead(SockDiagMessage.Tcp, message.Payload, out SockDiagMessage socket))
        {
            flows.Take(socket);
            Assert.Equal(72, socket.DestroyRequest().Length);
        }
        if (ConntrackMessage.TryRead(message.Payload, out ConntrackMessage entry))
        {
            flows.Take(entry);
            Assert.True(entry.DeleteRequest().Length < 320);
        }
        RouteQuestion.TryReadAnswer(message, out _);
        _ = message.ErrorNumber;
    }

    private static byte[] Payload(byte[] message) => message[NetlinkReader.HeaderSize..];

    private static int? Answer(byte[] bytes)
    {
        NetlinkReader reader = new(bytes);
        Assert.True(reader.TryRead(out NetlinkMessage message));
        return RouteQuestion.TryReadAnswer(message, out int ifindex) ? ifindex : null;
    }
}
