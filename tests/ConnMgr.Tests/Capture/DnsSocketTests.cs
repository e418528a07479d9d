using System.Net;
using System.Net.Sockets;
using ConnMgr.Capture;
using ConnMgr.EventLoop;
using ConnMgr.Native;
using ConnMgr.Tests.Dns;
using Tmds.Linux;
using static ConnMgr.Tests.Capture.NetworkNamespace;

namespace ConnMgr.Tests.Capture;

/// <summary>The socket on real devices: the direction of packets, and lost packets.</summary>
public sealed unsafe class DnsSocketTests
{
    private static readonly byte[] Host = [0x02, 0, 0, 0, 0, 0x01];
    private static readonly byte[] Peer = [0x02, 0, 0, 0, 0, 0x02];
    private static readonly byte[] SomebodyElse = [0x02, 0, 0, 0, 0, 0x99];
    private static readonly byte[] Question =
        PacketBuilder.Udp("198.18.1.2 40000", "198.18.100.53 53", [1, 2, 3]);
    private static readonly byte[] Reply = PacketBuilder.Udp("198.18.100.53 53", "198.18.1.2 40000", [4, 5]);
    private static readonly byte[] Reply6 =
        PacketBuilder.Tcp("2001:db8:100::53 53", "2001:db8:1::2 40000", 1, [6]);

    [Theory]
    [InlineData(false, true, "out:question in:reply in:reply")]
    [InlineData(false, false, "out:question")]
    [InlineData(true, true, "in:question out:reply out:reply")]
    [InlineData(true, false, "in:question")]
    public void Questions_and_replies_are_told_by_their_direction(
        bool isBridge, bool withReplies, string expected) => Run(() =>
    {
        AddVeth();
        using Loop loop = new();
        List<string> heard = [];
        string way = "";
        using DnsSocket socket = Open(loop, "dut", isBridge, withReplies, (packet, isQuestion) =>
        {
            Assert.Equal(isQuestion, packet.Length == Question.Length);
            heard.Add($"{way}:{(isQuestion ? "question" : "reply")}");
        });
        int peer = PacketSocket("peer");
        int own = PacketSocket("dut");
        foreach ((string side, int sender) in ((string, int)[])[("out", own), ("in", peer)])
        {
            way = side;
            Send(sender, [.. Host, .. SomebodyElse, 8, 0, .. Question]);
            Send(sender, [.. Host, .. SomebodyElse, 8, 0, .. Reply]);
            Send(sender, [.. Host, .. SomebodyElse, 0x86, 0xdd, .. Reply6]);
            Send(sender, [.. SomebodyElse, .. Host, 0x81, 0, 0, 5, 8, 0, .. Question]); // VLAN 5
            Send(sender, [.. Host, .. SomebodyElse, 8, 0,
                .. PacketBuilder.Udp("198.18.1.2 40000", "198.18.1.1 54", [1])]);
            RunBriefly(loop);
        }
        // A frame of "in" to another host's address does not count as incoming. Only frames to our own
        // address do.
        Assert.Equal(expected.Split(' ').Order(), heard.Order());
        _ = LibC.close(peer);
        _ = LibC.close(own);
    });

    /// <summary>
    /// The socket must see exactly the packets that the kernel delivers to the device's own sockets. The test
    /// sends the same frames to both.
    /// </summary>
    [Theory]
    [InlineData("", true)]
    [InlineData("81 00 00 00", true)] // VID 0: a priority, no VLAN
    [InlineData("81 00 e0 00", true)]
    [InlineData("81 00 f0 00", true)]
    [InlineData("88 a8 e0 00", true)]
    [InlineData("81 00 00 01", false)]
    [InlineData("81 00 e0 05", false)]
    [InlineData("81 00 08 00", false)]
    [InlineData("81 00 0f ff", false)]
    [InlineData("88 a8 00 05", false)]
    public void Tags_are_taken_as_the_kernel_takes_them(string tag, bool isOurs) => Run(() =>
    {
        AddVeth();
        RunIp("address add 198.18.100.53/24 dev dut");
        RunIp("route add 198.18.1.0/24 dev dut");
        byte[] packet = [.. Question];
        int sum = 0;
        for (int i = 0; i < 20; i += 2)
        {
            sum += packet[i] << 8 | packet[i + 1];
        }
        sum = 0xffff - (sum % 0xffff); // RFC 1071: without it the kernel drops the packet
        (packet[10], packet[11]) = ((byte)(sum >> 8), (byte)sum);
        byte[] frame =
            [.. Host, .. SomebodyElse,
                .. Convert.FromHexString(tag.Replace(" ", "", StringComparison.Ordinal)), 8, 0, .. packet];
        using Loop loop = new();
        int heard = 0;
        using DnsSocket socket = Open(loop, "dut", isBridge: true, withReplies: false, (bytes, _) =>
            heard += bytes.SequenceEqual(packet) ? 1 : 100);
        using Socket server = new(AddressFamily.InterNetwork, SocketType.Dgram, ProtocolType.Udp);
        server.Bind(IPEndPoint.Parse("198.18.100.53:53"));
        int peer = PacketSocket("peer");
        Send(peer, frame);
        RunBriefly(loop);
        Assert.Equal(isOurs, server.Available > 0);
        Assert.Equal(isOurs ? 1 : 0, heard);
        _ = LibC.close(peer);
    });

    [Fact]
    public void A_drain_reads_what_the_loop_has_not_come_to_yet() => Run(() =>
    {
        AddVeth();
        using Loop loop = new();
        int count = 0;
        using DnsSocket socket = Open(loop, "dut", isBridge: true, withReplies: false, (_, _) => count++);
        int peer = PacketSocket("peer");
        for (int i = 0; i < 500; i++)
        {
            Send(peer, [.. Host, .. SomebodyElse, 8, 0, .. Question]);
        }
        socket.Drain();
        Assert.Equal(500, count);
        Assert.Equal(0, socket.TakeDropped());
        _ = LibC.close(peer);
    });

    [Fact]
    public void What_does_not_fit_is_counted_once() => Run(() =>
    {
        AddVeth();
        using Loop loop = new();
        int count = 0;
        using DnsSocket socket = Open(loop, "dut", isBridge: true, withReplies: false, (_, _) => count++);
        int peer = PacketSocket("peer");
        for (int i = 0; i < 10_000; i++)
        {
            Send(peer, [.. Host, .. SomebodyElse, 8, 0, .. Question]);
        }
        socket.Drain();
        Assert.InRange(count, 1_000, 9_999);
        Assert.Equal(10_000 - count, socket.TakeDropped());
        Assert.Equal(0, socket.TakeDropped());
        _ = LibC.close(peer);
    });

    /// <summary>Receive offload merges TCP segments into packets larger than any frame.</summary>
    [Fact]
    public void The_largest_packet_is_heard_whole() => Run(() =>
    {
        AddVeth();
        RunIp("link set dut mtu 65535");
        RunIp("link set peer mtu 65535");
        using Loop loop = new();
        byte[] packet = PacketBuilder.Tcp("198.18.1.2 40000", "198.18.100.53 53", 1, new byte[65_495]);
        packet[^1] = 77;
        bool isWhole = false;
        using DnsSocket socket = Open(
            loop, "dut", isBridge: true, withReplies: false, (heard, _) =>
                isWhole = heard.SequenceEqual(packet));
        int peer = PacketSocket("peer");
        Send(peer, [.. Host, .. SomebodyElse, 8, 0, .. packet]);
        RunBriefly(loop);
        Assert.True(isWhole);
        _ = LibC.close(peer);
    });

    [Fact]
    public void A_device_that_was_down_is_heard_again_and_one_that_is_gone_is_known_to_be() => Run(() =>
    {
        AddVeth();
        using Loop loop = new();
        int count = 0;
        using DnsSocket socket = Open(loop, "dut", isBridge: true, withReplies: false, (_, _) => count++);
        RunIp("link set dut down");
        RunBriefly(loop);
        Assert.False(socket.IsGone);
        RunIp("link set dut up");
        int peer = PacketSocket("peer");
        for (int i = 0; i < 200 && count == 0; i++)
        {
            // Retried: the carrier may take a second.
            Send(peer, [.. Host, .. SomebodyElse, 8, 0, .. Question]);
            RunBriefly(loop);
        }
        Assert.NotEqual(0, count);
        RunIp("link delete dut");
        RunBriefly(loop);
        Assert.True(socket.IsGone);
        _ = LibC.close(peer);
    });

    private static void AddVeth()
    {
        RunIp("link add dut index 101 address 02:00:00:00:00:01 type veth peer name peer index 202 address "
            + "02:00:00:00:00:02");
        RunIp("link set dut up");
        RunIp("link set peer up");
        // The kernel may take a second before a new veth can send.
        WaitFor("dut", "peer");
        WaitFor("peer", "dut");
    }

    private static void WaitFor(string from, string to)
    {
        using Loop loop = new();
        bool isHeard = false;
        using DnsSocket socket = Open(loop, to, isBridge: true, withReplies: false, (_, _) => isHeard = true);
        int sender = PacketSocket(from);
        for (int i = 0; i < 250 && !isHeard; i++)
        {
            Send(sender, [.. to == "dut" ? Host : Peer, .. SomebodyElse, 8, 0, .. Question]);
            RunBriefly(loop);
        }
        _ = LibC.close(sender);
    }

    private static DnsSocket Open(Loop loop, string device, bool isBridge, bool withReplies, DnsHeard heard)
    {
        DnsSocket? socket = DnsSocket.Open(
            loop, Index(device), isBridge, withReplies, heard, out KernelError error);
        Assert.True(error.IsNone);
        return socket!;
    }

    private static void RunBriefly(Loop loop)
    {
        loop.AddTimer(() => throw new TimeoutException()).Set(loop.Now + TimeSpan.FromMilliseconds(20));
        Assert.Throws<TimeoutException>(() => loop.Run(() => { }));
    }

    internal static int PacketSocket(string device)
    {
        int fd = Errno.Check(LibC.socket(LibC.AF_PACKET, LibC.SOCK_RAW | LibC.SOCK_CLOEXEC, 0));
        sockaddr_ll address = new() { sll_family = (ushort)LibC.AF_PACKET, sll_ifindex = Index(device) };
        Errno.Check(LibC.bind(fd, (sockaddr*)&address, sizeof(sockaddr_ll)));
        return fd;
    }

    internal static void Send(int fd, byte[] frame)
    {
        fixed (byte* bytes = frame)
        {
            Errno.Check((int)LibC.send(fd, bytes, frame.Length, 0));
        }
    }
}
