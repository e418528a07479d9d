using System.ComponentModel;
using System.Globalization;
using ConnMgr.Capture;
using ConnMgr.Net;
using CsCheck;
using static ConnMgr.Capture.Bpf;

namespace ConnMgr.Tests.Capture;

public sealed class EvidenceFilterTests
{
    /// <summary>The links' addresses that the packet generator uses.</summary>
    private static readonly string[][] Links =
    [
        [],
        ["198.18.1.2/24"],
        ["198.18.1.2/24", "10.1.2.3/8", "192.0.2.5/32", "172.16.0.1/20", "2001:db8:1::2/64", "fe80::2/64"],
        ["192.0.2.4/31", "10.1.2.3/30", "2001:db8:2:3::2/128", "2001:db8:3::1/48", "fd00:1::1/127"],
        ["198.18.1.2/23", "2001:db8:1::2/64", "2001:db8:1::3/64", "2001:db8:1::4/128", "fd00::1/20"],
        ["0.0.0.0/0"],
        ["::/0"],
    ];

    private static readonly ushort[] Protocols = [ETH_P_IP, ETH_P_IPV6, 0x0806]; // and ARP

    private static Subnet[] Subnets(string[] link) => [.. link.Select(Subnet.Parse)];

    [Fact]
    public void The_kernel_judges_shaped_packets_as_the_predicate_does()
    {
        (Subnet[] Own, ushort Protocol, KernelFilter Filter)[] filters =
        [
            .. from link in Links
               from protocol in Protocols
               let own = Subnets(link)
               select (own, protocol, new KernelFilter(EvidenceFilter.Build(own, protocol))),
        ];
        int[] verdicts = [0, 0];

        PacketGen.Packet.Sample(
            packet =>
            {
                foreach ((Subnet[] own, ushort protocol, KernelFilter filter) in filters)
                {
                    bool isEvidence = EvidencePredicate.IsEvidence(packet, own, protocol);
                    verdicts[isEvidence ? 1 : 0]++;
                    int kept = filter.Judge(packet);
                    if (kept != (isEvidence ? Math.Min(packet.Length, EvidenceFilter.SnapLength) : -1))
                    {
                        return false;
                    }
                }
                return true;
            },
            iter: 20_000,
            threads: 1,
            print: Convert.ToHexString);

        Assert.True(verdicts[1] > 20_000, $"{verdicts[1]} of {verdicts.Sum()} were evidence: too few");
        Array.ForEach(filters, entry => entry.Filter.Dispose());
    }

    [Theory]
    [InlineData("198.18.{0}.1/24")]
    [InlineData("2001:db8:{0}::1/64")]
    public void The_kernel_takes_as_many_subnets_as_the_filter_compares(string format)
    {
        Subnet[] own = [.. Enumerable.Range(100, 2 * EvidenceFilter.MaxSubnets)
            .Select(i => Subnet.Parse(string.Format(CultureInfo.InvariantCulture, format, i)))];

        using KernelFilter filter = new(
            EvidenceFilter.Build(own.AsSpan(0, EvidenceFilter.MaxSubnets), ETH_P_IP));
        Assert.True(filter.Judge(Golden.UdpDns) > 0);
        Assert.Equal(EvidenceFilter.MaxSubnets, EvidenceFilter.Networks(own).Length);
    }

    /// <summary>Issue 12: the 65th subnet made the program reject everything.</summary>
    [Fact]
    public void Beyond_the_most_subnets_the_closest_are_merged_and_evidence_still_counts()
    {
        Subnet[] own =
        [
            .. Enumerable.Range(1, EvidenceFilter.MaxSubnets - 1).Select(i => Subnet.Parse($"10.{i}.0.1/24")),
            Subnet.Parse("10.7.1.1/24"), Subnet.Parse("2001:db8:7::1/64"),
        ];

        Subnet[] networks = EvidenceFilter.Networks(own);
        Assert.Equal(EvidenceFilter.MaxSubnets, networks.Length);
        Assert.Contains(Subnet.Parse("10.7.0.0/23"), networks);
        Assert.Contains(Subnet.Parse("2001:db8:7::/64"), networks);
        foreach (Subnet subnet in own)
        {
            Assert.Contains(networks, network => network.Network(network.PrefixLength)
                == subnet.Network(Math.Min(network.PrefixLength, subnet.PrefixLength)));
        }
        using KernelFilter filter = new(EvidenceFilter.Build(own, ETH_P_IP));
        Assert.True(filter.Judge(Golden.UdpDns) > 0);
    }

    /// <summary>Gateways and on-link routes, most of which are inside the link's own subnets.</summary>
    [Fact]
    public void Neighbours_inside_a_subnet_cost_nothing_and_the_order_does_not_matter()
    {
        Subnet[] own =
        [
            .. Subnets(["198.18.1.2/24", "198.18.1.1/32", "198.18.1.0/31", "198.18.9.1/32"]),
            .. Subnets(["2001:db8:1::2/64", "2001:db8:1::1/128", "2001:db8:7::1/128", "2001:db8::/48"]),
        ];
        Subnet[] networks = EvidenceFilter.Networks(own);
        Assert.Equal(
            Subnets(
                ["198.18.1.0/24", "198.18.9.1/32", "2001:db8::/48", "2001:db8:1::/64", "2001:db8:7::/64"]),
            networks);
        Array.Reverse(own);
        Assert.Equal(networks, EvidenceFilter.Networks(own));
        using KernelFilter own8 = new(EvidenceFilter.Build(Subnets(["8.8.8.8/32"]), ETH_P_IP));
        using KernelFilter own9 = new(EvidenceFilter.Build(Subnets(["8.8.8.9/32"]), ETH_P_IP));
        Assert.Equal((false, true), (own8.Judge(Golden.UdpDns) >= 0, own9.Judge(Golden.UdpDns) >= 0));
    }

    [Fact]
    public void A_subnet_inside_another_is_merged_first()
    {
        Subnet[] own =
        [
            Subnet.Parse("172.16.0.0/12"), Subnet.Parse("172.20.1.0/24"),
            .. Enumerable.Range(2, EvidenceFilter.MaxSubnets - 1).Select(i => Subnet.Parse($"10.0.{i}.1/24")),
        ];

        Assert.Equal(
            own.Where(subnet => subnet.PrefixLength != 24 || subnet.Word(0) >> 24 == 10)
                .Select(subnet => subnet.Network(subnet.PrefixLength))
                .OrderBy(subnet => subnet.Word(0)),
            EvidenceFilter.Networks(own));
    }

    /// <summary>
    /// True if the kernel refuses the mutant, or the mutant judges at least one packet wrongly.
    /// </summary>
    [Fact]
    public void No_instruction_of_the_program_can_be_changed_unnoticed()
    {
        Subnet[] own = Subnets(["198.18.1.2/24", "10.1.2.3/8", "2001:db8:1::2/64", "2001:db8:3::1/48"]);
        byte[][] packets = PacketGen.Packet.Array[20_000].Single(_ => true, "0000KPcDZ4Hb0");
        List<string> survivors = [];
        int length = EvidenceFilter.Build(own, 0).Length;
        for (int i = 0; i < length; i++)
        {
            foreach (BpfInstruction mutant in Mutants(EvidenceFilter.Build(own, 0)[i]))
            {
                bool isNoticed = Protocols.Any(protocol => IsNoticed(own, protocol, i, mutant, packets));
                if (i > 0 && !isNoticed)
                {
                    survivors.Add($"{i}: {EvidenceFilter.Build(own, 0)[i]} -> {mutant}");
                }
            }
        }
        Assert.True(survivors.Count == 0, string.Join("\n", survivors));
    }

    private static bool IsNoticed(
        Subnet[] own, ushort protocol, int at, BpfInstruction mutant, byte[][] packets)
    {
        BpfInstruction[] program = EvidenceFilter.Build(own, protocol);
        program[at] = mutant;
        try
        {
            using KernelFilter filter = new(program);
            return packets.Any(packet =>
                filter.Judge(packet) >= 0 != EvidencePredicate.IsEvidence(packet, own, protocol));
        }
        catch (Win32Exception)
        {
            return true;
        }
    }

    /// <summary>
    /// Changes of the program that make a difference for some packet; equivalent programs are left out.
    /// </summary>
    internal static IEnumerable<BpfInstruction> Mutants(BpfInstruction instruction)
    {
        if (instruction.Jt != instruction.Jf)
        {
            yield return instruction with { Jt = instruction.Jf, Jf = instruction.Jt };
        }

        uint k = instruction.K;
        uint[] operands = instruction.Code switch
        {
            BPF_RET | BPF_K => [k == 0 ? EvidenceFilter.SnapLength : 0u],
            BPF_JMP | BPF_K | BPF_JSET => [k << 1, k >> 1],
            BPF_LD | BPF_IMM => [0],
            BPF_LD | BPF_LEN => [],
            _ when (instruction.Code & 0x07) == BPF_MISC => [],
            _ when (instruction.Code & 0x07) is BPF_ALU or BPF_JMP && (instruction.Code & BPF_X) != 0 => [],
            _ => [k + 1, k - 1],
        };
        foreach (uint operand in operands)
        {
            yield return instruction with { K = operand };
        }
    }
}
