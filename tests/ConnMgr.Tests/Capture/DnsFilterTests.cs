using System.ComponentModel;
using ConnMgr.Capture;
using ConnMgr.Tests.Dns;
using CsCheck;
using static ConnMgr.Capture.Bpf;

namespace ConnMgr.Tests.Capture;

public sealed class DnsFilterTests
{
    // 1 is PACKET_BROADCAST, 3 is PACKET_OTHERHOST.
    private static readonly uint[] PacketTypes = [PACKET_HOST, 1, 3, PACKET_OUTGOING];
    private static readonly ushort[] Protocols = [ETH_P_IP, ETH_P_IPV6, 0x0806];
    private static readonly (bool IsBridge, bool WithReplies)[] Kinds =
        [(false, false), (false, true), (true, false), (true, true)];

    private static readonly Gen<string> Port = Gen.OneOf(" 53", " 53", " 54", " 13568", " 40000");

    /// <summary>
    /// UDP and TCP over both families, with options and extension headers; each interesting byte is changed.
    /// </summary>
    private static readonly Gen<byte[]> Packet =
        from isIpv6 in Gen.Bool
        from fromPort in Port
        from toPort in Port
        from isTcp in Gen.Bool
        from size in Gen.OneOf(0, 0, 1, 25)
        from flags in Gen.OneOf(
            PacketBuilder.Ack, PacketBuilder.Syn, PacketBuilder.Syn | PacketBuilder.Ack, 0x11, 0x04)
        from tcpOptions in Gen.OneOf(0, 4, 40)
        from words in Gen.OneOf(0, 0, 1, 7, 10)
        from headers in Gen.Frequency(
            (6, Gen.OneOf<byte>(0, 43, 44, 44, 44, 60)), (1, Gen.OneOf<byte>(51, 59))).Array[0, 5]
        from fragment in Gen.Frequency((2, Gen.Const(0)), (1, Gen.OneOf(1, 8, 8, 7, 0x100, 0x8000, 0x8007)))
        from padding in Gen.OneOf(0, 0, 18)
        from cut in Gen.Frequency((8, Gen.Const(0)), (1, Gen.Int[1, 60]))
        from at in Gen.Int[0, 79]
        from flip in Gen.Frequency((4, Gen.Const(0)), (2, Gen.Int[1, 255]))
        from version in Gen.Frequency((6, Gen.Const(0)), (1, Gen.OneOf(1, 2, 0x10, 0x15, 0x15, 0x20)))
        select Bend(
            Make(isIpv6, fromPort, toPort, isTcp, new byte[size], flags, tcpOptions, words, headers,
                fragment), padding, cut, at, flip, version);

    /// <summary>
    /// The maximum number of extension headers that the filter follows, so that each one matters.
    /// </summary>
    private static readonly Gen<byte[]> Deep =
        from headers in Gen.OneOf<byte>(0, 43, 44, 60).Array[1, 4]
        from fragment in Gen.OneOf(0, 0, 1, 7, 8, 16, 0x100, 0x8000)
        select Make(true, " 53", " 53", isTcp: false, new byte[5], 0, 0, 0, headers, fragment);

    private static byte[] Make(
        bool isIpv6, string fromPort, string toPort, bool isTcp, byte[] payload, int flags,
        int tcpOptions, int words, byte[] headers, int fragment)
    {
        string from = (isIpv6 ? "2001:db8:1::2" : "198.18.1.2") + fromPort;
        string to = (isIpv6 ? "2001:db8:100::53" : "198.18.0.53") + toPort;
        byte[] transport = isTcp
            ? PacketBuilder.Tcp(from, to, 1, payload, flags, options: new byte[tcpOptions])[
                (isIpv6 ? 40 : 20)..]
            : PacketBuilder.Udp(from, to, payload)[(isIpv6 ? 40 : 20)..];
        byte protocol = (byte)(isTcp ? 6 : 17);
        byte[] packet = PacketBuilder.Ip(from, to, protocol, transport, isIpv6
            ? Extensions(headers, protocol, fragment) : new byte[words * 4]);
        if (!isIpv6)
        {
            packet[6] |= (byte)(fragment == 8 ? 0x20 : fragment == 7 ? 0x10 : 0);
            packet[7] |= (byte)(fragment == 1 ? 1 : 0);
        }
        return packet;
    }

    private static byte[] Extensions(byte[] headers, byte protocol, int fragment)
    {
        List<byte> bytes = headers.Length > 0 ? [headers[0]] : [];
        for (int i = 0; i < headers.Length; i++)
        {
            byte next = i + 1 < headers.Length ? headers[i + 1] : protocol;
            int extra = headers[i] == 44 ? 0 : i % 2;
            bytes.AddRange(headers[i] == 44
                ? [next, 0, (byte)(fragment >> 8), (byte)fragment, 1, 2, 3, 4]
                : [next, (byte)extra, .. Enumerable.Repeat((byte)3, 6 + (8 * extra))]);
        }
        return [.. bytes];
    }

    private static byte[] Bend(byte[] packet, int padding, int cut, int at, int flip, int version)
    {
        packet[0] ^= (byte)version;
        packet[at % packet.Length] ^= (byte)flip;
        byte[] padded = [.. packet, .. new byte[padding]];
        return padded[..Math.Max(1, padded.Length - cut)];
    }

    [Fact]
    public void The_kernel_judges_shaped_packets_as_the_predicate_does()
    {
        (bool IsBridge, bool WithReplies, uint Type, ushort Protocol, KernelFilter Filter)[] filters =
        [
            .. from kind in Kinds
               from type in PacketTypes
               from protocol in Protocols
               select (kind.IsBridge, kind.WithReplies, type, protocol,
                   new KernelFilter(DnsFilter.Build(kind.IsBridge, kind.WithReplies, (type, protocol)))),
        ];
        int[] verdicts = [0, 0];
        Packet.Sample(
            packet =>
            {
                foreach ((bool isBridge, bool withReplies, uint type, ushort protocol,
                    KernelFilter filter) in filters)
                {
                    bool isDns = DnsPredicate.IsDns(packet, isBridge, withReplies, type, protocol);
                    verdicts[isDns ? 1 : 0]++;
                    if (filter.Judge(packet) != (isDns ? packet.Length : -1))
                    {
                        return false;
                    }
                }
                return true;
            },
            iter: 10_000,
            threads: 1,
            print: Convert.ToHexString);
        Assert.True(verdicts[1] > 5_000, $"{verdicts[1]} of {verdicts.Sum()} were DNS: too few");
        Array.ForEach(filters, entry => entry.Filter.Dispose());
    }

    /// <summary>
    /// True if the kernel refuses the mutant, or the mutant judges at least one packet wrongly.
    /// </summary>
    [Fact]
    public void No_instruction_of_the_program_can_be_changed_unnoticed()
    {
        byte[][] packets =
            [.. Packet.Array[6_000].Single(_ => true, "0000KPcDZ4Hb0"),
                .. Deep.Array[1_000].Single(_ => true, "0000KPcDZ4Hb0")];
        List<string> survivors = [];
        (uint Type, ushort Protocol)[] given =
            [(PACKET_OUTGOING, ETH_P_IP), (PACKET_OUTGOING, ETH_P_IPV6), (PACKET_HOST, ETH_P_IP),
                (PACKET_OUTGOING, 0x0806), (1, ETH_P_IP)];
        BpfInstruction[] program = DnsFilter.Build(false, true, given[0]);
        for (int i = 1; i < program.Length; i++)
        {
            foreach (BpfInstruction mutant in EvidenceFilterTests.Mutants(program[i]))
            {
                // Jumping back one instruction further only loads the next header again: no packet shows a
                // difference.
                bool isSame = mutant == program[i]
                    || (mutant.Code == (BPF_JMP | BPF_JA) && mutant.K + 1 == program[i].K);
                if (!isSame && !given.Any(one => IsNoticed(one, i, mutant, packets)))
                {
                    survivors.Add($"{i}: {program[i]} -> {mutant}");
                }
            }
        }
        Assert.True(survivors.Count == 0, string.Join("\n", survivors));
    }

    private static bool IsNoticed(
        (uint Type, ushort Protocol) given, int at, BpfInstruction mutant, byte[][] packets)
    {
        BpfInstruction[] program = DnsFilter.Build(false, true, given);
        program[at] = mutant;
        try
        {
            using KernelFilter filter = new(program);
            return packets.Any(packet =>
                filter.Judge(packet) >= 0 != DnsPredicate.IsDns(
                    packet, false, true, given.Type, given.Protocol));
        }
        catch (Win32Exception)
        {
            return true;
        }
    }
}
