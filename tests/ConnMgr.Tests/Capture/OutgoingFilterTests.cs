using System.Buffers.Binary;
using System.Net;
using ConnMgr.Capture;
using ConnMgr.Net;
using CsCheck;
using static ConnMgr.Capture.Bpf;

namespace ConnMgr.Tests.Capture;

public sealed class OutgoingFilterTests
{
    private static readonly string[][] Links =
    [
        [],
        ["198.18.1.2/24", "2001:db8:1::2/64"],
        ["198.18.1.2/24", "10.1.2.3/8", "192.0.2.5/32", "2001:db8:3::1/48", "2001:db8:2:3::2/128"],
    ];

    [Fact]
    public void The_kernel_judges_shaped_packets_as_the_predicate_does()
    {
        (Subnet[] Own, ushort Protocol, KernelFilter Filter)[] filters =
        [
            .. from link in Links
               from protocol in (ushort[])[ETH_P_IP, ETH_P_IPV6, 0x0806]
               let own = link.Select(Subnet.Parse).ToArray()
               select (own, protocol, new KernelFilter(OutgoingFilter.Build(own, protocol))),
        ];
        int[] verdicts = [0, 0];
        Gen.Select(PacketGen.Packet, Gen.Bool, Gen.Bool)
            .Select((packet, isDns, isTurned) => Turn(packet, isDns, isTurned)).Sample(
            packet =>
            {
                foreach ((Subnet[] own, ushort protocol, KernelFilter filter) in filters)
                {
                    bool waits = WaitsForAnswer(packet, own, protocol);
                    verdicts[waits ? 1 : 0]++;
                    if (filter.Judge(packet) >= 0 != waits)
                    {
                        return false;
                    }
                }
                return true;
            },
            iter: 20_000,
            threads: 1,
            print: Convert.ToHexString);
        Assert.True(verdicts[1] > 3_000, $"{verdicts[1]} of {verdicts.Sum()} waited: too few");
        Array.ForEach(filters, entry => entry.Filter.Dispose());
    }

    [Theory]
    [InlineData("a SYN", 0x02, 0, true)]
    [InlineData("a FIN", 0x11, 0, true)]
    [InlineData("data", 0x18, 1, true)]
    [InlineData("a bare acknowledgement", 0x10, 0, false)]
    [InlineData("a reset", 0x14, 0, false)]
    [InlineData("a reset with data", 0x14, 5, false)]
    public void Of_TCP_counts_what_is_retransmitted(string what, byte flags, int data, bool waits)
    {
        byte[] packet = new byte[40 + data];
        Golden.TcpSynAck.AsSpan(0, 40).CopyTo(packet);
        BinaryPrimitives.WriteUInt16BigEndian(packet.AsSpan(2), (ushort)packet.Length);
        packet[32] = 0x50;
        packet[33] = flags;
        IPAddress.Parse("198.18.100.10").GetAddressBytes().CopyTo(packet, 16);
        using KernelFilter filter = new(OutgoingFilter.Build([Subnet.Parse("198.18.1.2/24")], ETH_P_IP));
        Assert.True(waits == filter.Judge(packet) >= 0, what);
    }

    /// <summary>Swaps source and destination: the generator's packets arrive, these leave.</summary>
    private static byte[] Turn(byte[] packet, bool isDns, bool isTurned)
    {
        byte[] turned = [.. packet];
        (int address, int size, int transport) = packet[0] >> 4 == 4 ? (12, 4, (packet[0] & 15) * 4)
            : (8, 16, 40);
        if (isTurned && packet.Length >= address + (2 * size))
        {
            packet.AsSpan(address, size).CopyTo(turned.AsSpan(address + size));
            packet.AsSpan(address + size, size).CopyTo(turned.AsSpan(address));
        }
        if (isDns && packet.Length >= transport + 4)
        {
            turned[transport + 2] = 0;
            turned[transport + 3] = 53;
        }
        return turned;
    }

    private static bool WaitsForAnswer(byte[] packet, Subnet[] own, ushort protocol)
    {
        bool isIPv6 = protocol == ETH_P_IPV6;
        int header = isIPv6 ? 40 : 20;
        if (protocol is not (ETH_P_IP or ETH_P_IPV6) || packet.Length < header
            || packet[0] >> 4 != (isIPv6 ? 6 : 4))
        {
            return false;
        }
        IPAddress destination = new(isIPv6 ? packet[24..40] : packet[16..20]);
        int payload;
        byte next;
        if (isIPv6)
        {
            payload = BinaryPrimitives.ReadUInt16BigEndian(packet.AsSpan(4));
            next = packet[6];
            bool isGlobal = !destination.IsIPv6LinkLocal && !destination.IsIPv6Multicast
                && destination.GetAddressBytes().Take(4).Any(b => b != 0);
            if (!isGlobal || own.Any(subnet => subnet.IsIPv6
                && new IPNetwork(Base(subnet.Address, Math.Min(64, subnet.PrefixLength)),
                    Math.Min(64, subnet.PrefixLength)).Contains(destination)))
            {
                return false;
            }
        }
        else
        {
            header = (packet[0] & 15) * 4;
            int total = BinaryPrimitives.ReadUInt16BigEndian(packet.AsSpan(2));
            payload = total - header;
            next = packet[9];
            byte[] to = destination.GetAddressBytes();
            bool isGlobal = to[0] is not 0 and not 127 and < 224 && !(to[0] == 169 && to[1] == 254);
            bool isLater = (BinaryPrimitives.ReadUInt16BigEndian(packet.AsSpan(6)) & 0x1fff) != 0;
            if (header < 20 || payload < 0 || isLater || !isGlobal || own.Any(subnet => !subnet.IsIPv6
                && new IPNetwork(Base(subnet.Address, subnet.PrefixLength), subnet.PrefixLength).Contains(
                    destination)))
            {
                return false;
            }
        }
        if (next == 17)
        {
            return packet.Length >= header + 4 && packet[header + 2] == 0 && packet[header + 3] == 53;
        }
        if (next != 6 || packet.Length < header + 14)
        {
            return false;
        }
        byte flags = packet[header + 13];
        return (flags & 4) == 0 && ((flags & 3) != 0 || payload > packet[header + 12] / 16 * 4);
    }

    private static IPAddress Base(IPAddress address, int length)
    {
        byte[] bytes = address.GetAddressBytes();
        for (int i = length; i < bytes.Length * 8; i++)
        {
            bytes[i / 8] &= (byte)~(0x80 >> (i % 8));
        }
        return new IPAddress(bytes);
    }
}
