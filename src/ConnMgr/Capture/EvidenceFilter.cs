using ConnMgr.Net;
using static ConnMgr.Capture.Bpf;
using Label = ConnMgr.Capture.BpfAssembler.Label;

namespace ConnMgr.Capture;

/// <summary>
/// Builds the BPF program that passes evidence: an incoming unicast IPv4 or IPv6 packet that only a working
/// upstream can have caused. On request it also passes outgoing packets that expect an answer. It rejects
/// everything else. Attach it to an AF_PACKET socket of type SOCK_DGRAM, where offset 0 is the network header
/// on every link layer.
/// </summary>
/// <remarks>
/// When in doubt, the program rejects: silence only starts a probe, but false evidence hides a dead upstream.
/// Packets with extension headers, including IPv6 fragments, therefore never count. Each condition rejects at
/// once, so that no jump gets longer with the number of subnets.
/// </remarks>
internal static class EvidenceFilter
{
    /// <summary>
    /// The number of bytes kept of a packet: room for the longest IPv4 (60) and TCP (60) headers.
    /// </summary>
    public const int SnapLength = 128;

    /// <summary>
    /// The largest number of subnets of a link that the program compares; further ones are merged with their
    /// neighbours. The kernel limits the program's bytes (optmem_max, 20 KiB before Linux 6.7), not its
    /// instructions.
    /// </summary>
    public const int MaxSubnets = 64;

    private const int LongestWithBroadcast = 30; // RFC 3021

    // Scratch cells.
    private const int PayloadLength = 0; // bytes after the network header, without padding
    private const int UdpLimit = 1; // the largest length that a UDP header may have
    private const int Source = 2; // cells 2 and 3: 64 bits; no range of sources is longer
    private const int Destination = 4; // 32 bits: no range of IPv6 destinations is longer

    private const uint Tcp = 6;
    private const uint TcpReset = 0x04;
    private const uint MinTransportHeader = 8; // UDP, ICMP, ESP; others have more

    /// <summary>
    /// IPv4: this network (RFC 1122 section 3.2.1.3), loopback, link-local, multicast up to broadcast.
    /// </summary>
    internal static readonly Subnet[] UnroutableIPv4 =
    [
        Subnet.Parse("0.0.0.0/8"),
        Subnet.Parse("127.0.0.0/8"),
        Subnet.Parse("169.254.0.0/16"),
        Subnet.Parse("224.0.0.0/3"),
    ];

    /// <summary>
    /// IPv6: unspecified, loopback and embedded IPv4 (RFC 4291 section 2.5), link-local, multicast.
    /// </summary>
    internal static readonly Subnet[] UnroutableIPv6 =
        [Subnet.Parse("::/32"), Subnet.Parse("fe80::/10"), Subnet.Parse("ff00::/8")];

    /// <summary>
    /// IANA "IPv6 Extension Header Types" except ESP, and "no next header" (59). The program does not look
    /// behind these headers. AH (51) also occurs in IPv4.
    /// </summary>
    private static readonly uint[] ExtensionHeaders = [0, 43, 44, 51, 59, 60, 135, 139, 140, 253, 254];

    /// <summary>
    /// Rejects every packet. Attached on a busy link for the rest of a tick that already has its evidence.
    /// </summary>
    public static BpfInstruction[] RejectAll { get; } = [new BpfInstruction(BPF_RET | BPF_K, 0, 0, 0)];

    /// <summary>Builds the program of a link.</summary>
    /// <param name="own">
    /// The link's addresses with their prefix lengths, and the peer's address on a point-to-point link.
    /// </param>
    /// <param name="protocol">
    /// For tests on AF_UNIX sockets, which have no packet type, VLAN tag and protocol: the ETH_P_* to assume.
    /// </param>
    /// <param name="outgoingExceptMark">
    /// Also passes outgoing packets that expect an answer (<see cref="OutgoingFilter"/>), unless their
    /// firewall mark has this bit. Null: no outgoing packet passes.
    /// </param>
    public static BpfInstruction[] Build(
        ReadOnlySpan<Subnet> own, ushort? protocol = null, uint? outgoingExceptMark = null)
    {
        Subnet[] networks = Networks(own);
        BpfAssembler bpf = new();
        Label isIPv4 = new();
        Label isIPv6 = new();
        Label transport = new();
        Label leaves = new();
        if (protocol is { } given)
        {
            bpf.LoadImmediate(given);
        }
        else
        {
            bpf.RejectVlans();
            bpf.LoadAncillary(SKF_AD_PKTTYPE);
            if (outgoingExceptMark is not null)
            {
                Label arrives = new();
                bpf.JumpIf(BPF_JEQ, PACKET_OUTGOING, otherwise: arrives);
                bpf.Jump(leaves);
                bpf.Mark(arrives);
            }
            bpf.RejectUnless(BPF_JEQ, PACKET_HOST);
            bpf.LoadAncillary(SKF_AD_PROTOCOL);
        }
        bpf.JumpIf(BPF_JEQ, ETH_P_IP, then: isIPv4);
        bpf.RejectUnless(BPF_JEQ, ETH_P_IPV6);
        bpf.Jump(isIPv6);

        bpf.Mark(isIPv4);
        JudgeIPv4(bpf, [.. networks.Where(network => !network.IsIPv6)]);
        bpf.Jump(transport);

        bpf.Mark(isIPv6);
        JudgeIPv6(bpf, [.. networks.Where(network => network.IsIPv6)]);

        bpf.Mark(transport);
        JudgeTransport(bpf);

        if (outgoingExceptMark is { } mark)
        {
            bpf.Mark(leaves);
            bpf.LoadAncillary(SKF_AD_MARK);
            bpf.RejectIf(BPF_JSET, mark);
            bpf.LoadAncillary(SKF_AD_PROTOCOL);
            OutgoingFilter.Judge(bpf, networks);
        }
        return bpf.Assemble();
    }

    /// <summary>
    /// Returns the subnets of these addresses, at most <see cref="MaxSubnets"/>. They are sorted, so that the
    /// order in which the kernel lists addresses does not change the program. IPv6 prefixes longer than /64
    /// are shortened to /64, because neighbours may have any address in that /64. If there are more subnets,
    /// merges the two whose common prefix adds the fewest addresses. A subnet that is too large only hides
    /// evidence, and silence leads to a probe; a missing subnet would make a neighbour's packet count as
    /// evidence.
    /// </summary>
    internal static Subnet[] Networks(ReadOnlySpan<Subnet> own)
    {
        List<Subnet> all =
        [
            .. own.ToArray()
                .Select(subnet => subnet.Network(Math.Min(subnet.PrefixLength, subnet.IsIPv6 ? 64 : 32)))
                .Distinct(),
        ];
        all.Sort((a, b) =>
        {
            int order = IpNumber.Of(a.Address).Value.CompareTo(IpNumber.Of(b.Address).Value);
            return order != 0 ? order : a.PrefixLength - b.PrefixLength;
        });
        List<Subnet> networks = [];
        foreach (Subnet subnet in all)
        {
            // An IPv4 subnet inside another still has a broadcast address of its own.
            bool mustStay = !subnet.IsIPv6 && subnet.PrefixLength <= LongestWithBroadcast;
            if (mustStay || !networks.Exists(larger => Contains(larger, subnet)))
            {
                networks.Add(subnet);
            }
        }
        while (networks.Count > MaxSubnets)
        {
            // The list is sorted by address, so the two closest ones are adjacent.
            int closest = 0;
            for (int i = 1; i < networks.Count - 1; i++)
            {
                closest = CostOfMerging(networks[i], networks[i + 1])
                    < CostOfMerging(networks[closest], networks[closest + 1]) ? i : closest;
            }
            int length = CommonPrefix(networks[closest], networks[closest + 1]);
            networks[closest] = networks[closest].Network(length);
            networks.RemoveAt(closest + 1);
        }
        return [.. networks];
    }

    /// <summary>
    /// Returns how many bits shorter the common prefix is than the shorter of both prefixes: 0 if one
    /// contains the other.
    /// </summary>
    private static int CostOfMerging(Subnet a, Subnet b) => a.IsIPv6 != b.IsIPv6
        ? int.MaxValue
        : Math.Min(a.PrefixLength, b.PrefixLength) - CommonPrefix(a, b);

    private static bool Contains(Subnet a, Subnet b) =>
        a.IsIPv6 == b.IsIPv6 && a.PrefixLength <= b.PrefixLength && CommonPrefix(a, b) == a.PrefixLength;

    private static int CommonPrefix(Subnet a, Subnet b)
    {
        UInt128 difference = IpNumber.Of(a.Address).Value ^ IpNumber.Of(b.Address).Value;
        int bits = (int)UInt128.LeadingZeroCount(difference) - (a.IsIPv6 ? 0 : 96); // IPv4 is ::ffff:a.b.c.d
        return Math.Min(bits, Math.Min(a.PrefixLength, b.PrefixLength));
    }

    /// <summary>RFC 791 section 3.1. Leaves the protocol in A, the offset of its header in X.</summary>
    private static void JudgeIPv4(BpfAssembler bpf, Subnet[] own)
    {
        // Version 4; 20 <= header length <= total length <= captured length.
        bpf.Load(BPF_B, 0);
        bpf.RejectUnless(BPF_JGE, 0x45);
        bpf.RejectIf(BPF_JGT, 0x4f);
        bpf.LoadIndexHeaderLength(0);
        bpf.Load(BPF_H, 2);
        bpf.RejectUnlessIndex(BPF_JGE);
        bpf.ComputeWithIndex(BPF_SUB);
        bpf.StoreScratch(PayloadLength);
        bpf.ComputeWithIndex(BPF_ADD);
        bpf.CopyToIndex();
        bpf.LoadLength();
        bpf.RejectUnlessIndex(BPF_JGE);

        // The first fragment of a datagram counts. Its UDP length is that of the whole datagram.
        Label isWhole = new();
        Label store = new();
        bpf.Load(BPF_H, 6);
        bpf.RejectIf(BPF_JSET, 0x1fff);
        bpf.JumpIf(BPF_JSET, 0x2000, otherwise: isWhole);
        bpf.LoadImmediate(ushort.MaxValue);
        bpf.Jump(store);
        bpf.Mark(isWhole);
        bpf.LoadScratch(PayloadLength);
        bpf.Mark(store);
        bpf.StoreScratch(UdpLimit);

        KeepWords(bpf, Source, offset: 12, words: 1);
        KeepWords(bpf, Destination, offset: 16, words: 1);
        RejectWithin(bpf, Source, [.. UnroutableIPv4, .. own]);
        RejectWithin(bpf, Destination, UnroutableIPv4);
        foreach (Subnet subnet in own.Where(subnet => subnet.PrefixLength <= LongestWithBroadcast))
        {
            bpf.LoadScratch(Destination);
            bpf.RejectIf(BPF_JEQ, subnet.Word(0) | ~subnet.Mask(0));
        }

        bpf.LoadIndexHeaderLength(0);
        bpf.Load(BPF_B, 9);
    }

    /// <summary>RFC 8200 section 3. Leaves the next header in A, its offset in X.</summary>
    private static void JudgeIPv6(BpfAssembler bpf, Subnet[] own)
    {
        bpf.Load(BPF_B, 0);
        bpf.Compute(BPF_AND, 0xf0);
        bpf.RejectUnless(BPF_JEQ, 0x60);

        bpf.Load(BPF_H, 4);
        bpf.StoreScratch(PayloadLength);
        bpf.StoreScratch(UdpLimit);
        bpf.Compute(BPF_ADD, 40);
        bpf.CopyToIndex();
        bpf.LoadLength();
        bpf.RejectUnlessIndex(BPF_JGE);

        KeepWords(bpf, Source, offset: 8, words: 2);
        KeepWords(bpf, Destination, offset: 24, words: 1);
        RejectWithin(bpf, Source, [.. UnroutableIPv6, .. own]);
        RejectWithin(bpf, Destination, UnroutableIPv6);

        bpf.LoadIndexImmediate(40);
        bpf.Load(BPF_B, 6);
    }

    /// <summary>
    /// Checks the protocol numbers of both families together: an ICMPv6 header in IPv4 has no meaning and
    /// does no harm.
    /// </summary>
    private static void JudgeTransport(BpfAssembler bpf)
    {
        Label isTcp = new();
        Label isUdp = new();
        Label isIcmp = new();
        Label isIcmpV6 = new();
        foreach (uint header in ExtensionHeaders)
        {
            bpf.RejectIf(BPF_JEQ, header);
        }
        bpf.JumpIf(BPF_JEQ, Tcp, then: isTcp);
        bpf.JumpIf(BPF_JEQ, 17, then: isUdp);
        bpf.JumpIf(BPF_JEQ, 1, then: isIcmp);
        bpf.JumpIf(BPF_JEQ, 58, then: isIcmpV6);
        RejectUnlessPayload(bpf, MinTransportHeader);
        bpf.Return(SnapLength);

        // RFC 9293 section 3.1. The data offset, in words, is at least 5: the header is complete if it fits.
        bpf.Mark(isTcp);
        bpf.LoadIndirect(BPF_B, 13);
        bpf.RejectIf(BPF_JSET, TcpReset);
        bpf.LoadIndirect(BPF_B, 12);
        bpf.Compute(BPF_RSH, 4);
        bpf.RejectUnless(BPF_JGE, 5);
        bpf.Compute(BPF_LSH, 2);
        bpf.CopyToIndex();
        bpf.LoadScratch(PayloadLength);
        bpf.RejectUnlessIndex(BPF_JGE);
        bpf.Return(SnapLength);

        // RFC 768: the length counts the header.
        bpf.Mark(isUdp);
        RejectUnlessPayload(bpf, MinTransportHeader);
        bpf.LoadIndirect(BPF_H, 4);
        bpf.RejectUnless(BPF_JGE, MinTransportHeader);
        bpf.CopyToIndex();
        bpf.LoadScratch(UdpLimit);
        bpf.RejectUnlessIndex(BPF_JGE);
        bpf.Return(SnapLength);

        // RFC 792: destination unreachable, redirect, time exceeded, parameter problem.
        bpf.Mark(isIcmp);
        RejectUnlessPayload(bpf, MinTransportHeader);
        bpf.LoadIndirect(BPF_B, 0);
        foreach (uint type in (ReadOnlySpan<uint>)[3, 5, 11, 12])
        {
            bpf.RejectIf(BPF_JEQ, type);
        }
        bpf.Return(SnapLength);

        // RFC 4443: destination unreachable 1, packet too big 2, time exceeded 3, parameter problem 4.
        // RFC 4861: neighbour discovery, 133 to 137, comes from the link itself, whatever its source address.
        bpf.Mark(isIcmpV6);
        RejectUnlessPayload(bpf, MinTransportHeader);
        bpf.LoadIndirect(BPF_B, 0);
        RejectBetween(bpf, 1, 4);
        RejectBetween(bpf, 133, 137);
        bpf.Return(SnapLength);
    }

    /// <summary>
    /// Copies 32-bit words of the packet, from a byte offset on, to consecutive scratch cells. Changes A.
    /// </summary>
    internal static void KeepWords(BpfAssembler bpf, int cell, int offset, int words)
    {
        for (int i = 0; i < words; i++)
        {
            bpf.Load(BPF_W, offset + (4 * i));
            bpf.StoreScratch(cell + i);
        }
    }

    /// <summary>Rejects if the address that begins in a scratch cell is in one of the ranges.</summary>
    internal static void RejectWithin(BpfAssembler bpf, int cell, Subnet[] ranges)
    {
        foreach (Subnet range in ranges)
        {
            Label isOutside = new();
            for (int i = 0; range.Mask(i) != 0; i++)
            {
                bpf.LoadScratch(cell + i);
                bpf.Compute(BPF_AND, range.Mask(i));
                bpf.JumpIf(BPF_JEQ, range.Word(i), otherwise: isOutside);
            }
            bpf.Return(0);
            bpf.Mark(isOutside);
        }
    }

    private static void RejectUnlessPayload(BpfAssembler bpf, uint bytes)
    {
        bpf.LoadScratch(PayloadLength);
        bpf.RejectUnless(BPF_JGE, bytes);
    }

    private static void RejectBetween(BpfAssembler bpf, uint first, uint last)
    {
        Label goOn = new();
        bpf.JumpIf(BPF_JGT, last, then: goOn);
        bpf.JumpIf(BPF_JGE, first, otherwise: goOn);
        bpf.Return(0);
        bpf.Mark(goOn);
    }
}
