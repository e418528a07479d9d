using System.Buffers.Binary;
using ConnMgr.Capture;
using ConnMgr.EventLoop;
using ConnMgr.Native;
using ConnMgr.Net;
using Tmds.Linux;
using static ConnMgr.Tests.Capture.NetworkNamespace;

namespace ConnMgr.Tests.Capture;

/// <summary>
/// The socket on real devices: packet types, VLANs and directions, and how often packets wake the loop.
/// </summary>
public sealed unsafe class EvidenceSocketTests
{
    private const ushort Ip = 0x0800;
    private const ushort IpV6 = 0x86dd;
    private const ushort Vlan = 0x8100;

    private static readonly byte[] Broadcast = [0xff, 0xff, 0xff, 0xff, 0xff, 0xff];
    private static readonly byte[] Multicast = [0x01, 0x00, 0x5e, 0x00, 0x00, 0x01];
    private static readonly byte[] SomebodyElse = [0x02, 0, 0, 0, 0, 0x99];
    private static readonly byte[] Ours = [0x02, 0, 0, 0, 0, 0x01];
    private const uint OwnMark = 0x80;
    private static readonly Subnet[] Own = [Subnet.Parse("198.18.1.2/24"), Subnet.Parse("2001:db8:1::2/64")];

    [Fact]
    public void On_Ethernet_only_what_is_addressed_to_us_and_of_no_vlan_is_evidence() => Run(() =>
    {
        AddVeth();
        using Loop loop = new();
        int count = 0;
        using EvidenceSocket socket = Open(loop, "dut", () => count++);
        int peer = PacketSocket("peer");

        bool IsEvidence(byte[] destination, byte[] typeAndPacket, int? sender = null)
        {
            count = 0;
            socket.Rearm();
            Send(sender ?? peer, [.. destination, .. SomebodyElse, .. typeAndPacket]);
            RunBriefly(loop);
            return count == 1;
        }

        Assert.True(IsEvidence(Ours, [.. Type(Ip), .. Golden.TcpSynAck]));
        Assert.Equal(Golden.TcpSynAck, socket.LastEvidence);
        Assert.True(IsEvidence(Ours, [.. Type(IpV6), .. Golden.IPv6TcpAck]));
        Assert.True(IsEvidence(Ours, [.. Type(Ip), .. Golden.UdpDns, .. new byte[6]]), "padding");
        Assert.Equal(Golden.UdpDns.Length + 6, socket.LastEvidence.Length);

        Assert.False(IsEvidence(Ours, [.. Type(Ip), .. Golden.TcpReset]), "reset");
        Assert.False(IsEvidence(Ours, [.. Type(Ip), .. Golden.IcmpUnreachable]), "unreachable");
        Assert.False(IsEvidence(Ours, [.. Type(IpV6), .. Golden.IPv6HopByHop]), "extension header");
        Assert.False(IsEvidence(SomebodyElse, [.. Type(Ip), .. Golden.TcpSynAck]), "other host");
        Assert.False(IsEvidence(Broadcast, [.. Type(Ip), .. Golden.TcpSynAck]), "broadcast");
        Assert.False(IsEvidence(Multicast, [.. Type(Ip), .. Golden.TcpSynAck]), "multicast");
        Assert.False(IsEvidence(Ours, [.. Type(Vlan), 0, 5, .. Type(Ip), .. Golden.TcpSynAck]), "VLAN 5");
        Assert.False(IsEvidence(Ours, [.. Type(Vlan), 0xe0, 5, .. Type(Ip), .. Golden.TcpSynAck]),
            "VLAN 5, priority 7");
        Assert.False(
            IsEvidence(Ours, [.. Type(Vlan), 0x08, 0, .. Type(Ip), .. Golden.TcpSynAck]), "VLAN 2048");
        Assert.True(IsEvidence(Ours, [.. Type(Vlan), 0xe0, 0, .. Type(Ip), .. Golden.TcpSynAck]),
            "priority 7 without a VLAN");
        Assert.False(
            IsEvidence(Ours, [.. Type(0x88a8), 0, 5, .. Type(Ip), .. Golden.TcpSynAck]), "service VLAN 5");
        Assert.False(IsEvidence(Ours, [.. Type(0x0806), .. Golden.TcpSynAck]), "ARP");
        Assert.False(IsEvidence(Ours, [.. Type(IpV6), .. Golden.TcpSynAck]), "IPv4 called IPv6");
        Assert.False(IsEvidence(Ours, [.. Type(Ip), .. Golden.IPv6TcpAck]), "IPv6 called IPv4");
        Assert.False(
            IsEvidence(SomebodyElse, [.. Type(Ip), .. Golden.TcpSynAck], PacketSocket("dut")), "outgoing");
        Assert.True(IsEvidence(Ours, [.. Type(Ip), .. Golden.TcpSynAck]), "still listening");
    });

    [Fact]
    public void Without_a_link_layer_it_hears_bare_IP() => Run(() =>
    {
        int tun = AddTun(withHeader: true);
        using Loop loop = new();
        int count = 0;
        using EvidenceSocket socket = Open(loop, "tun0", () => count++);

        bool IsEvidence(ushort protocol, byte[] packet)
        {
            count = 0;
            socket.Rearm();
            Write(tun, [0, 0, .. Type(protocol), .. packet]);
            RunBriefly(loop);
            return count == 1;
        }

        Assert.True(IsEvidence(Ip, Golden.IcmpEchoReply));
        Assert.Equal(Golden.IcmpEchoReply, socket.LastEvidence);
        Assert.True(IsEvidence(IpV6, Golden.IPv6EchoReply));
        Assert.False(IsEvidence(IpV6, Golden.IcmpEchoReply), "IPv4 called IPv6");
        Assert.False(IsEvidence(Ip, Golden.IPv6EchoReply), "IPv6 called IPv4");
        Assert.False(IsEvidence(Ip, Golden.IcmpUnreachable), "unreachable");
    });

    [Fact]
    public void A_tick_has_one_evidence_and_a_muted_socket_none() => Run(() =>
    {
        int tun = AddTun(withHeader: false);
        using Loop loop = new();
        int count = 0;
        using EvidenceSocket socket = Open(loop, "tun0", () => count++);

        int Next(byte[] packet)
        {
            count = 0;
            Write(tun, packet);
            Write(tun, packet);
            RunBriefly(loop);
            return count;
        }

        Assert.Equal(0, Next(Golden.UdpDns)); // it starts mute
        socket.Rearm();
        Assert.Equal(1, Next(Golden.UdpDns));
        Assert.False(socket.IsArmed);
        Assert.Equal(0, Next(Golden.UdpDns));
        socket.Rearm();
        Write(tun, Golden.UdpDns);
        socket.Mute(); // while a packet is queued
        Assert.Equal(0, Next(Golden.UdpDns));
        socket.Rearm();
        socket.Mute();
        count = 0;
        Write(tun, Golden.UdpDns); // through the filter, which is still attached
        socket.Rearm();
        RunBriefly(loop);
        Assert.Equal(0, count);
        Assert.True(socket.IsArmed);
        Write(tun, Golden.UdpDns);
        socket.SetSubnets([Subnet.Parse("8.8.8.1/24")]);
        Assert.True(socket.IsArmed);
        Assert.Equal(0, Next(Golden.UdpDns));
        Assert.Equal(1, Next(Golden.TcpSynAck));
        Assert.Equal(Golden.TcpSynAck, socket.LastEvidence);
    });

    [Fact]
    public void What_leaves_is_heard_once_a_tick_if_wanted_and_evidence_after_it() => Run(() =>
    {
        AddVeth();
        RunIp("address add 198.18.1.2/24 dev dut");
        RunIp("route add default via 198.18.1.1 dev dut");
        RunIp("neighbour add 198.18.1.1 lladdr 02:00:00:00:00:99 dev dut");
        using Loop loop = new();
        int evidence = 0;
        int outgoing = 0;
        using EvidenceSocket socket = Open(loop, "dut", () => evidence++, () => outgoing++);
        int peer = PacketSocket("peer");

        (int Outgoing, int Evidence) Tick(bool isWanted, Action traffic)
        {
            outgoing = 0;
            evidence = 0;
            socket.Rearm(isWanted);
            traffic();
            RunBriefly(loop);
            return (outgoing, evidence);
        }
        void Answer() => Send(peer, [.. Ours, .. SomebodyElse, .. Type(Ip), .. Golden.TcpSynAck]);

        for (int i = 0; i < 250 && outgoing == 0; i++) // the kernel takes up to a second to let a veth send
        {
            Tick(true, () => Ask(mark: 0, port: 53));
        }
        Assert.Equal((1, 0), Tick(true, () => Repeat(5, () => Ask(mark: 0, port: 53))));
        Assert.Equal((0, 0), Tick(false, () => Ask(mark: 0, port: 53)));
        Assert.Equal((0, 0), Tick(true, () => Ask(OwnMark, port: 53)));
        Assert.Equal((0, 0), Tick(true, () => Ask(mark: 0, port: 54)));
        Assert.Equal((0, 0), Tick(true, () => Ask(OwnMark | 0x8001, port: 53))); // with marks of others
        Assert.Equal((1, 0), Tick(true, () => Ask(mark: 0xff7f, port: 53)));
        Assert.True(socket.IsArmed);
        Answer();
        RunBriefly(loop);
        Assert.Equal((1, 1), (outgoing, evidence));
        Assert.False(socket.IsArmed);
        Ask(mark: 0, port: 53);
        RunBriefly(loop);
        Assert.Equal((1, 1), (outgoing, evidence));
        // A question and its answer at once: both count, in this order, so nothing is suspicious.
        Assert.Equal(
            (1, 1),
            Tick(true, () =>
            {
                Ask(mark: 0, port: 53);
                Answer();
            }));
        socket.Rearm(true);
        Ask(mark: 0, port: 53);
        socket.Mute();
        RunBriefly(loop);
        Assert.Equal((1, 1), (outgoing, evidence));
    });

    private static void Repeat(int times, Action action)
    {
        for (int i = 0; i < times; i++)
        {
            action();
        }
    }

    /// <summary>A UDP datagram to 198.18.100.10.</summary>
    private static void Ask(uint mark, ushort port)
    {
        int fd = Errno.Check(LibC.socket(LibC.AF_INET, LibC.SOCK_DGRAM | LibC.SOCK_CLOEXEC, 0));
        Errno.Check(LibC.setsockopt(fd, LibC.SOL_SOCKET, LibC.SO_MARK, &mark, sizeof(uint)));
        sockaddr_in to = new() { sin_family = (ushort)LibC.AF_INET, sin_port = LibC.htons(port) };
        ((ReadOnlySpan<byte>)[198, 18, 100, 10]).CopyTo(new Span<byte>(&to.sin_addr, 4));
        byte question = 0;
        Errno.Check((int)LibC.sendto(fd, &question, 1, 0, (sockaddr*)&to, sizeof(sockaddr_in)));
        _ = LibC.close(fd);
    }

    [Fact]
    public void A_device_that_goes_down_vanishes_or_never_was_does_no_harm() => Run(() =>
    {
        AddVeth();
        using Loop loop = new();
        int count = 0;
        using EvidenceSocket socket = Open(loop, "dut", () => count++);
        int peer = PacketSocket("peer");
        socket.Rearm();

        RunIp("link set dut down");
        RunBriefly(loop);
        Assert.False(socket.IsGone);
        RunIp("link set dut up");
        RunIp("link set dut name renamed");
        // The kernel may take a second before a veth can send again.
        for (int i = 0; i < 250 && count == 0; i++)
        {
            Send(peer, [.. Ours, .. SomebodyElse, .. Type(Ip), .. Golden.TcpSynAck]);
            RunBriefly(loop);
        }
        Assert.Equal(1, count);

        socket.Rearm();
        int index = Index("renamed");
        RunIp("link del renamed");
        RunBriefly(loop);
        Assert.True(socket.IsGone);
        Assert.Equal(Golden.TcpSynAck, socket.LastEvidence);
        socket.Rearm();
        socket.Mute();
        socket.SetSubnets([]);
        Assert.Null(EvidenceSocket.Open(
            loop, index, Own, OwnMark, () => { }, () => { }, out KernelError error));
        Assert.Equal(Errno.ENODEV, error.Number);
    });

    [Fact]
    public void A_flood_wakes_the_loop_at_most_twice_a_tick_and_allocates_nothing() => Run(() =>
    {
        const int Ticks = 20;
        int tun = AddTun(withHeader: false);
        using Loop loop = new();
        int count = 0;
        using EvidenceSocket socket = Open(loop, "tun0", () => count++);
        long sent = 0;
        bool isOver = false;
        Thread flood = new(() =>
        {
            while (!Volatile.Read(ref isOver))
            {
                Write(tun, Golden.TcpSynAck);
                sent++;
            }
        });
        flood.Start();

        int ticks = 0;
        long allocated = 0;
        Deadline tick = null!;
        tick = loop.AddTimer(() =>
        {
            ticks++;
            allocated = ticks == 3 ? GC.GetAllocatedBytesForCurrentThread() : allocated;
            socket.Rearm();
            tick.Set(loop.Now + TimeSpan.FromMilliseconds(50));
            if (ticks == Ticks)
            {
                allocated = GC.GetAllocatedBytesForCurrentThread() - allocated;
                loop.Stop();
            }
        });
        tick.Set(TimeSpan.Zero);
        loop.Run(() => { });
        isOver = true;
        flood.Join();

        TestContext.Current.TestOutputHelper?.WriteLine(
            $"{sent} packets, {Ticks} ticks, {count} evidence, {loop.WakeUps} wake-ups, {allocated} bytes");
        Assert.InRange(count, 3, Ticks); // on a busy machine the flood may pause for whole ticks
        Assert.InRange(loop.WakeUps, 1, 3 * Ticks); // twice by the socket, once by the timer
        Assert.Equal(0, allocated);
    });

    private static EvidenceSocket Open(Loop loop, string device, Action received, Action? left = null)
    {
        EvidenceSocket? socket = EvidenceSocket.Open(
            loop, Index(device), Own, OwnMark, received, left
            ?? (() => Assert.Fail("something left")), out KernelError error);
        Assert.True(error.IsNone);
        return socket!;
    }

    private static void AddVeth()
    {
        RunIp("link add name dut address 02:00:00:00:00:01 type veth peer name peer");
        foreach (string device in (string[])["dut", "peer"])
        {
            RunIp($"link set {device} up");
        }
    }

    /// <summary>
    /// Makes a tun device. With a header, 4 bytes before each packet name the protocol
    /// (&lt;linux/if_tun.h&gt;).
    /// </summary>
    private static int AddTun(bool withHeader)
    {
        RunIp("tuntap add name tun0 mode tun" + (withHeader ? " pi" : ""));
        RunIp("link set tun0 up");
        int fd;
        fixed (byte* path = "/dev/net/tun\0"u8)
        {
            fd = Errno.Check(LibC.open(path, LibC.O_RDWR | LibC.O_CLOEXEC));
        }
        byte* ifreq = stackalloc byte[40];
        "tun0"u8.CopyTo(new Span<byte>(ifreq, 16));
        *(short*)(ifreq + 16) = (short)(withHeader ? 0x0001 : 0x1001); // IFF_TUN, IFF_NO_PI
        Errno.Check(LibC.ioctl(fd, 0x400454ca, ifreq)); // TUNSETIFF
        return fd;
    }

    private static int PacketSocket(string device)
    {
        int fd = Errno.Check(LibC.socket(LibC.AF_PACKET, LibC.SOCK_RAW | LibC.SOCK_CLOEXEC, 0));
        sockaddr_ll address = new() { sll_family = (ushort)LibC.AF_PACKET, sll_ifindex = Index(device) };
        Errno.Check(LibC.bind(fd, (sockaddr*)&address, sizeof(sockaddr_ll)));
        return fd;
    }

    private static void Send(int fd, byte[] frame)
    {
        fixed (byte* bytes = frame)
        {
            Errno.Check((int)LibC.send(fd, bytes, frame.Length, 0));
        }
    }

    private static void Write(int fd, byte[] packet)
    {
        fixed (byte* bytes = packet)
        {
            Errno.Check((int)LibC.write(fd, bytes, packet.Length));
        }
    }

    private static byte[] Type(ushort etherType)
    {
        byte[] bytes = new byte[2];
        BinaryPrimitives.WriteUInt16BigEndian(bytes, etherType);
        return bytes;
    }

    /// <summary>
    /// Runs the loop for 20 ms. A stopped loop cannot run again, so an exception leaves it instead.
    /// </summary>
    private static void RunBriefly(Loop loop)
    {
        loop.AddTimer(() => throw new TimeoutException()).Set(loop.Now + TimeSpan.FromMilliseconds(20));
        Assert.Throws<TimeoutException>(() => loop.Run(() => { }));
    }
}
