using ConnMgr.Net;
using static ConnMgr.Capture.Bpf;
using Label = ConnMgr.Capture.BpfAssembler.Label;

namespace ConnMgr.Capture;

/// <summary>
/// The part of the BPF program that judges outgoing packets: it passes those that expect an answer from
/// beyond the link's own subnets. These are TCP segments with SYN, FIN or data (a bare acknowledgement and a
/// reset expect none) and UDP questions to port 53. Senders retransmit them until they are answered, so a
/// missed packet comes again.
/// </summary>
/// <remarks>
/// When in doubt, the program rejects: then silence alone starts the probe. IPv6 packets with extension
/// headers never count, nor do later fragments.
/// </remarks>
internal static class OutgoingFilter
{
    // Scratch cells.
    private const int PayloadLength = 0; // bytes after the network header, by its length field
    private const int Destination = 2; // cells 2 and 3: the first 64 bits of an IPv6 address

    private const uint Tcp = 6;
    private const uint Udp = 17;
    private const uint TcpFinOrSyn = 0x03;
    private const uint TcpReset = 0x04;
    private const uint DnsPort = 53;

    /// <summary>For tests on AF_UNIX sockets: this part alone, for a given protocol.</summary>
    internal static BpfInstruction[] Build(ReadOnlySpan<Subnet> own, ushort protocol)
    {
        BpfAssembler bpf = new();
        bpf.LoadImmediate(protocol);
        Judge(bpf, EvidenceFilter.Networks(own));
        return bpf.Assemble();
    }

    /// <summary>Expects ETH_P_* in A.</summary>
    internal static void Judge(BpfAssembler bpf, Subnet[] own)
    {
        Label isIPv4 = new();
        Label isIPv6 = new();
        Label transport = new();
        bpf.JumpIf(BPF_JEQ, ETH_P_IP, then: isIPv4);
        bpf.RejectUnless(BPF_JEQ, ETH_P_IPV6);
        bpf.Jump(isIPv6);

        // RFC 791 section 3.1
        bpf.Mark(isIPv4);
        bpf.Load(BPF_B, 0);
        bpf.RejectUnless(BPF_JGE, 0x45);
        bpf.RejectIf(BPF_JGT, 0x4f);
        bpf.Load(BPF_H, 6);
        bpf.RejectIf(BPF_JSET, 0x1fff);
        EvidenceFilter.KeepWords(bpf, Destination, offset: 16, words: 1);
        EvidenceFilter.RejectWithin(
            bpf, Destination, [.. EvidenceFilter.UnroutableIPv4, .. own.Where(network => !network.IsIPv6)]);
        bpf.LoadIndexHeaderLength(0);
        bpf.Load(BPF_H, 2);
        bpf.RejectUnlessIndex(BPF_JGE);
        bpf.ComputeWithIndex(BPF_SUB);
        bpf.StoreScratch(PayloadLength);
        bpf.Load(BPF_B, 9);
        bpf.Jump(transport);

        // RFC 8200 section 3
        bpf.Mark(isIPv6);
        bpf.Load(BPF_B, 0);
        bpf.Compute(BPF_AND, 0xf0);
        bpf.RejectUnless(BPF_JEQ, 0x60);
        EvidenceFilter.KeepWords(bpf, Destination, offset: 24, words: 2);
        EvidenceFilter.RejectWithin(
            bpf, Destination, [.. EvidenceFilter.UnroutableIPv6, .. own.Where(network => network.IsIPv6)]);
        bpf.Load(BPF_H, 4);
        bpf.StoreScratch(PayloadLength);
        bpf.LoadIndexImmediate(40);
        bpf.Load(BPF_B, 6);

        // The protocol in A, the offset of its header in X. RFC 9293 section 3.1; RFC 768.
        Label isTcp = new();
        Label mayHaveData = new();
        bpf.Mark(transport);
        bpf.JumpIf(BPF_JEQ, Tcp, then: isTcp);
        bpf.RejectUnless(BPF_JEQ, Udp);
        bpf.LoadIndirect(BPF_H, 2);
        bpf.RejectUnless(BPF_JEQ, DnsPort);
        bpf.Return(EvidenceFilter.SnapLength);

        bpf.Mark(isTcp);
        bpf.LoadIndirect(BPF_B, 13);
        bpf.RejectIf(BPF_JSET, TcpReset);
        bpf.JumpIf(BPF_JSET, TcpFinOrSyn, otherwise: mayHaveData);
        bpf.Return(EvidenceFilter.SnapLength);
        bpf.Mark(mayHaveData);
        bpf.LoadIndirect(BPF_B, 12);
        bpf.Compute(BPF_RSH, 4);
        bpf.Compute(BPF_LSH, 2);
        bpf.CopyToIndex();
        bpf.LoadScratch(PayloadLength);
        bpf.RejectUnlessIndex(BPF_JGT);
        bpf.Return(EvidenceFilter.SnapLength);
    }
}
