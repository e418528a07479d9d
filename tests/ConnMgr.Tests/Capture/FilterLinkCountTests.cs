using System.Text;
using ConnMgr.Capture;
using ConnMgr.Net;
using ConnMgr.Tests.Dns;
using ConnMgr.Tests.Links;
using static ConnMgr.Capture.Bpf;

namespace ConnMgr.Tests.Capture;

/// <summary>
/// The filters of 1, 2, 3, 8 and 16 links, in the kernel: each link has its own, which judges by that link's
/// subnets alone, so its length does not depend on the others.
/// </summary>
public class FilterLinkCountTests
{
    [Theory]
    [MemberData(nameof(ManyLinks.Counts), MemberType = typeof(ManyLinks))]
    public void Each_links_filter_judges_by_its_own_subnets(int count)
    {
        int passed = 0;
        int length = EvidenceFilter.Build(OwnOf(0), ETH_P_IP).Length;
        for (int i = 0; i < count; i++)
        {
            Subnet[] own = OwnOf(i);
            BpfInstruction[] program = EvidenceFilter.Build(own, ETH_P_IP);
            Assert.Equal(length, program.Length);
            using KernelFilter filter = new(program);
            for (int from = 0; from <= count; from++) // a neighbour of each link, and one beyond all
            {
                byte[] packet = PacketBuilder.Udp(
                    $"198.18.{from}.77 443", $"198.18.{i}.2 40000", "x"u8.ToArray());
                bool isEvidence = EvidencePredicate.IsEvidence(packet, own, ETH_P_IP);
                Assert.Equal(from != i, isEvidence);
                Assert.Equal(isEvidence, filter.Judge(packet) >= 0);
                passed += isEvidence ? 1 : 0;
            }
        }
        Assert.Equal(count * count, passed);
    }

    [Theory]
    [MemberData(nameof(ManyLinks.Counts), MemberType = typeof(ManyLinks))]
    public void Each_links_dns_filter_passes_its_own_questions_and_replies(int count)
    {
        byte[] message = Encoding.ASCII.GetBytes("any message");
        int length = 0;
        for (int i = 0; i < count; i++)
        {
            BpfInstruction[] program = DnsFilter.Build(false, true, (PACKET_HOST, ETH_P_IP));
            length += program.Length;
            using KernelFilter filter = new(program);
            for (int from = 0; from < count; from++)
            {
                byte[] reply = PacketBuilder.Udp($"198.18.{from}.1 53", $"198.18.{i}.2 40000", message);
                byte[] other = PacketBuilder.Udp($"198.18.{from}.1 54", $"198.18.{i}.2 40000", message);
                Assert.Equal(
                    (true, false, true, false),
                    (DnsPredicate.IsDns(reply, false, true, PACKET_HOST, ETH_P_IP),
                        DnsPredicate.IsDns(other, false, true, PACKET_HOST, ETH_P_IP),
                        filter.Judge(reply) >= 0, filter.Judge(other) >= 0));
            }
        }
        Assert.Equal(count * DnsFilter.Build(false, true, (PACKET_HOST, ETH_P_IP)).Length, length);
    }

    /// <summary>One link's filter grows at most linearly with the subnets of that link.</summary>
    [Fact]
    public void A_filter_grows_at_most_linearly_with_the_subnets_of_its_link()
    {
        int[] counts = [1, 2, 3, 8, 16, EvidenceFilter.MaxSubnets, 4 * EvidenceFilter.MaxSubnets];
        int[] lengths = [.. counts.Select(count =>
        {
            Subnet[] own = [.. Enumerable.Range(0, count).Select(i => Subnet.Parse($"10.{i}.0.2/24"))];
            return EvidenceFilter.Build(own, ETH_P_IP).Length;
        })];
        int none = EvidenceFilter.Build([], ETH_P_IP).Length;
        for (int i = 1; i < counts.Length; i++)
        {
            Assert.InRange(lengths[i] - none, 0, (lengths[0] - none) * counts[i]);
        }
        Assert.Equal(lengths[^2], lengths[^1]); // further ones are merged
    }

    private static Subnet[] OwnOf(int link) => [Subnet.Parse($"198.18.{link}.2/24")];
}
