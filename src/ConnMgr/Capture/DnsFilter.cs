using static ConnMgr.Capture.Bpf;
using Label = ConnMgr.Capture.BpfAssembler.Label;

namespace ConnMgr.Capture;

/// <summary>
/// Builds the BPF program that passes DNS only: UDP and TCP of port 53 over IPv4 and IPv6. Attach it to an
/// AF_PACKET socket of type SOCK_DGRAM, where offset 0 is the network header on every link layer.
/// </summary>
/// <remarks>
/// It passes the first fragment of a packet, so that fragments can be counted, and TCP segments that carry
/// data or open a connection. The reader of the packet must still check every length.
/// </remarks>
internal static class DnsFilter
{
    /// <summary>
    /// The number of bytes kept of a packet: the whole packet, since an IP packet has at most 65,575.
    /// </summary>
    public const int SnapLength = 0x40000;

    /// <summary>
    /// The largest number of IPv6 extension headers that the program follows: the same limit as in the packet
    /// reader.
    /// </summary>
    public const int MaxExtensionHeaders = 4;

    // Scratch cells.
    private const int PortOffset = 0; // offset in the transport header of the port that must be 53
    private const int End = 1; // offset of the end of the packet
    private const int Transport = 2; // offset of the transport header
    private const int NextHeader = 3;

    private const uint DnsPort = 53;
    private const uint Tcp = 6;
    private const uint Udp = 17;
    private const uint HopByHop = 0;
    private const uint Routing = 43;
    private const uint Fragment = 44;
    private const uint DestinationOptions = 60;
    private const uint TcpSyn = 0x02;

    /// <summary>Builds the program for one device.</summary>
    /// <param name="isBridge">True if questions arrive and replies leave; false for the reverse.</param>
    /// <param name="withReplies">True to pass replies as well as questions.</param>
    /// <param name="given">
    /// For tests on AF_UNIX sockets, which have no packet type, VLAN tag and protocol: the PACKET_* and
    /// ETH_P_* to assume.
    /// </param>
    public static BpfInstruction[] Build(
        bool isBridge, bool withReplies, (uint PacketType, ushort Protocol)? given = null)
    {
        BpfAssembler bpf = new();
        Label isQuestion = new();
        Label isReply = new();
        Label isDirected = new();
        Label isIPv4 = new();
        Label isIPv6 = new();
        Label transport = new();
        if (given is { } type)
        {
            bpf.LoadImmediate(type.PacketType);
        }
        else
        {
            bpf.RejectVlans();
            bpf.LoadAncillary(SKF_AD_PKTTYPE);
        }
        bpf.JumpIf(BPF_JEQ, isBridge ? PACKET_HOST : PACKET_OUTGOING, then: isQuestion);
        bpf.JumpIf(BPF_JEQ, isBridge ? PACKET_OUTGOING : PACKET_HOST, then: isReply);
        bpf.Return(0);

        bpf.Mark(isReply);
        if (withReplies)
        {
            bpf.LoadImmediate(0);
            bpf.Jump(isDirected);
        }
        else
        {
            bpf.Return(0);
        }
        bpf.Mark(isQuestion);
        bpf.LoadImmediate(2);
        bpf.Mark(isDirected);
        bpf.StoreScratch(PortOffset);

        if (given is { } packet)
        {
            bpf.LoadImmediate(packet.Protocol);
        }
        else
        {
            bpf.LoadAncillary(SKF_AD_PROTOCOL);
        }
        bpf.JumpIf(BPF_JEQ, ETH_P_IP, then: isIPv4);
        bpf.JumpIf(BPF_JEQ, ETH_P_IPV6, then: isIPv6);
        bpf.Return(0);

        bpf.Mark(isIPv4);
        JudgeIPv4(bpf);
        bpf.Jump(transport);

        bpf.Mark(isIPv6);
        JudgeIPv6(bpf, transport);

        bpf.Mark(transport);
        JudgeTransport(bpf);
        return bpf.Assemble();
    }

    /// <summary>RFC 791 section 3.1. Leaves the protocol in A, the offset of its header in X.</summary>
    private static void JudgeIPv4(BpfAssembler bpf)
    {
        // Version 4; 20 <= header length <= total length <= captured length.
        bpf.Load(BPF_B, 0);
        bpf.RejectUnless(BPF_JGE, 0x45);
        bpf.RejectIf(BPF_JGT, 0x4f);
        bpf.LoadIndexHeaderLength(0);
        bpf.Load(BPF_H, 2);
        bpf.StoreScratch(End);
        bpf.RejectUnlessIndex(BPF_JGE);
        bpf.CopyToIndex();
        bpf.LoadLength();
        bpf.RejectUnlessIndex(BPF_JGE);
        bpf.Load(BPF_H, 6);
        bpf.RejectIf(BPF_JSET, 0x1fff);
        bpf.LoadIndexHeaderLength(0);
        bpf.Load(BPF_B, 9);
    }

    /// <summary>
    /// RFC 8200 section 3. Leaves the upper-layer protocol in A, the offset of its header in X.
    /// </summary>
    private static void JudgeIPv6(BpfAssembler bpf, Label transport)
    {
        bpf.Load(BPF_B, 0);
        bpf.Compute(BPF_AND, 0xf0);
        bpf.RejectUnless(BPF_JEQ, 0x60);
        bpf.Load(BPF_H, 4);
        bpf.Compute(BPF_ADD, 40);
        bpf.StoreScratch(End);
        bpf.CopyToIndex();
        bpf.LoadLength();
        bpf.RejectUnlessIndex(BPF_JGE);

        bpf.LoadIndexImmediate(40);
        bpf.Load(BPF_B, 6);
        for (int i = 0; i < MaxExtensionHeaders; i++)
        {
            Label isOptions = new();
            Label isFragment = new();
            Label goOn = new();
            bpf.JumpIf(BPF_JEQ, HopByHop, then: isOptions);
            bpf.JumpIf(BPF_JEQ, Routing, then: isOptions);
            bpf.JumpIf(BPF_JEQ, DestinationOptions, then: isOptions);
            bpf.JumpIf(BPF_JEQ, Fragment, then: isFragment);
            bpf.Jump(transport);

            // Section 4.5: only the first fragment has the ports. The header has 8 bytes.
            bpf.Mark(isFragment);
            bpf.LoadIndirect(BPF_H, 2);
            bpf.RejectIf(BPF_JSET, 0xfff8);
            bpf.LoadIndirect(BPF_B, 0);
            bpf.StoreScratch(NextHeader);
            bpf.LoadImmediate(8);
            bpf.Jump(goOn);

            bpf.Mark(isOptions);
            bpf.LoadIndirect(BPF_B, 0);
            bpf.StoreScratch(NextHeader);
            bpf.LoadIndirect(BPF_B, 1);
            bpf.Compute(BPF_ADD, 1);
            bpf.Compute(BPF_LSH, 3);
            bpf.Mark(goOn);
            bpf.ComputeWithIndex(BPF_ADD);
            bpf.CopyToIndex();
            bpf.LoadScratch(NextHeader);
        }
    }

    /// <summary>RFC 768, RFC 9293 section 3.1: both have the ports at the same place.</summary>
    private static void JudgeTransport(BpfAssembler bpf)
    {
        Label isTcp = new();
        Label isTransport = new();
        Label keep = new();
        bpf.JumpIf(BPF_JEQ, Udp, then: isTransport);
        bpf.RejectUnless(BPF_JEQ, Tcp);
        bpf.Mark(isTransport);
        bpf.StoreScratch(NextHeader);
        bpf.CopyFromIndex();
        bpf.StoreScratch(Transport);
        bpf.LoadScratch(PortOffset);
        bpf.ComputeWithIndex(BPF_ADD);
        bpf.CopyToIndex();
        bpf.LoadIndirect(BPF_H, 0);
        bpf.RejectUnless(BPF_JEQ, DnsPort);
        bpf.LoadScratch(NextHeader);
        bpf.JumpIf(BPF_JEQ, Tcp, then: isTcp);
        bpf.Jump(keep);

        bpf.Mark(isTcp);
        bpf.LoadScratch(Transport);
        bpf.CopyToIndex();
        bpf.LoadIndirect(BPF_B, 13);
        bpf.JumpIf(BPF_JSET, TcpSyn, then: keep);
        bpf.LoadIndirect(BPF_B, 12);
        bpf.Compute(BPF_RSH, 4);
        bpf.Compute(BPF_LSH, 2);
        bpf.ComputeWithIndex(BPF_ADD);
        bpf.CopyToIndex();
        bpf.LoadScratch(End);
        Label hasBytes = new();
        bpf.JumpIfIndex(BPF_JGT, then: hasBytes);
        bpf.Return(0);
        bpf.Mark(hasBytes);
        bpf.Mark(keep);
        bpf.Return(SnapLength);
    }
}
