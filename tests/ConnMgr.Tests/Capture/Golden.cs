namespace ConnMgr.Tests.Capture;

/// <summary>
/// Packets written by hand from the RFCs. They begin with the network header; checksums are 0.
/// </summary>
internal static class Golden
{
    // 198.18.100.10 -> 198.18.1.2, total length 44, TTL 61
    private const string IPv4Tcp = "4500002c 00004000 3d060000 c612640a c6120102";

    /// <summary>SYN and ACK from port 443 to 50122, with an MSS option.</summary>
    public static readonly byte[] TcpSynAck =
        Hex($"{IPv4Tcp} 01bbc3ca 00000001 00000002 6012ffff 00000000 020405b4");

    /// <summary>Like TcpSynAck, but with RST and ACK.</summary>
    public static readonly byte[] TcpReset =
        Hex($"{IPv4Tcp} 01bbc3ca 00000001 00000002 6014ffff 00000000 020405b4");

    /// <summary>8.8.8.8:53 -> 198.18.1.2:40000, a DNS header alone.</summary>
    public static readonly byte[] UdpDns = Hex(
        "45000028 00000000 3d110000 08080808 c6120102 00359c40 00140000 1234 8180 0001 0000 0000 0000");

    /// <summary>8.8.8.8 -> 198.18.1.2, echo reply, id 1, sequence 2, four bytes.</summary>
    public static readonly byte[] IcmpEchoReply = Hex(
        "45000020 00000000 3d010000 08080808 c6120102 00000000 00010002 61626364");

    /// <summary>203.0.113.1 -> 198.18.1.2, host unreachable, quoting an IPv4 header and 8 bytes.</summary>
    public static readonly byte[] IcmpUnreachable = Hex(
        "45000038 00000000 40010000 cb007101 c6120102 03010000 00000000"
        + "4500002c 00004000 3d060000 c6120102 c612640a c3ca01bb 00000001");

    /// <summary>2001:db8:100::10 -> 2001:db8:1::2, TCP 443 to 50122, ACK.</summary>
    public static readonly byte[] IPv6TcpAck = Hex(
        "60000000 0014063d 20010db8010000000000000000000010 20010db8000100000000000000000002"
        + "01bbc3ca 00000001 00000002 5010ffff 00000000");

    /// <summary>2001:db8:100::10 -> 2001:db8:1::2, echo reply, id 1, sequence 2.</summary>
    public static readonly byte[] IPv6EchoReply = Hex(
        "60000000 00083a3d 20010db8010000000000000000000010 20010db8000100000000000000000002 81000000 "
            + "00010002");

    /// <summary>Like IPv6EchoReply, behind a hop-by-hop header with padding.</summary>
    public static readonly byte[] IPv6HopByHop = Hex(
        "60000000 0010003d 20010db8010000000000000000000010 20010db8000100000000000000000002"
        + "3a000104 00000000 81000000 00010002");

    /// <summary>203.0.113.9 -> 198.18.1.2, ESP.</summary>
    public static readonly byte[] Esp = Hex("4500001c 00000000 3d320000 cb007109 c6120102 00000001 00000002");

    public static readonly byte[][] All =
    [
        TcpSynAck, TcpReset, UdpDns, IcmpEchoReply, IcmpUnreachable, IPv6TcpAck, IPv6EchoReply,
        IPv6HopByHop, Esp,
    ];

    private static byte[] Hex(string text) =>
        Convert.FromHexString(text.Replace(" ", "", StringComparison.Ordinal));
}
