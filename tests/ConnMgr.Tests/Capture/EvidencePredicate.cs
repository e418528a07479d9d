using System.Buffers.Binary;
using System.Net;
using ConnMgr.Net;

namespace ConnMgr.Tests.Capture;

/// <summary>Section 5 of the contract in plain C#. The tests compare the BPF program with it.</summary>
internal static class EvidencePredicate
{
    public static bool IsEvidence(ReadOnlySpan<byte> packet, Subnet[] own, ushort protocol) => protocol switch
    {
        0x0800 => IsIPv4Evidence(packet, own),
        0x86dd => IsIPv6Evidence(packet, own),
        _ => false,
    };

    private static bool IsIPv4Evidence(ReadOnlySpan<byte> packet, Subnet[] own)
    {
        if (packet.Length < 20 || packet[0] >> 4 != 4)
        {
            return false;
        }
        int headerLength = (packet[0] & 15) * 4;
        int totalLength = BinaryPrimitives.ReadUInt16BigEndian(packet[2..]);
        if (headerLength < 20 || totalLength < headerLength || totalLength > packet.Length)
        {
            return false;
        }
        int fragment = BinaryPrimitives.ReadUInt16BigEndian(packet[6..]);
        if (fragment % 8192 > 0)
        {
            return false;
        }
        IPAddress source = new(packet[12..16]);
        IPAddress destination = new(packet[16..20]);
        foreach (Subnet subnet in own.Where(subnet => !subnet.IsIPv6))
        {
            if (Contains(subnet, source)
                || (subnet.PrefixLength < 31 && destination.Equals(Broadcast(subnet))))
            {
                return false;
            }
        }
        return IsGlobalIPv4(packet[12]) && IsGlobalIPv4(packet[16])
            && !(packet[12] == 169 && packet[13] == 254) && !(packet[16] == 169 && packet[17] == 254)
            && IsTransportEvidence(
                packet[9], packet[headerLength..totalLength], isFirstOfMany: (fragment & 0x2000) != 0);
    }

    private static bool IsIPv6Evidence(ReadOnlySpan<byte> packet, Subnet[] own)
    {
        if (packet.Length < 40 || packet[0] >> 4 != 6)
        {
            return false;
        }
        int payloadLength = BinaryPrimitives.ReadUInt16BigEndian(packet[4..]);
        if (40 + payloadLength > packet.Length)
        {
            return false;
        }
        IPAddress source = new(packet[8..24]);
        IPAddress destination = new(packet[24..40]);
        foreach (Subnet subnet in own.Where(subnet => subnet.IsIPv6))
        {
            if (Contains(subnet, source) || Contains(subnet with { PrefixLength = 64 }, source))
            {
                return false;
            }
        }
        return IsGlobalIPv6(source) && IsGlobalIPv6(destination)
            && IsTransportEvidence(packet[6], packet.Slice(40, payloadLength), isFirstOfMany: false);
    }

    private static bool IsGlobalIPv4(byte first) => first is not 0 and not 127 and < 224;

    private static bool IsGlobalIPv6(IPAddress address) =>
        !address.IsIPv6LinkLocal && !address.IsIPv6Multicast
        && address.GetAddressBytes().Take(4).Any(b => b != 0);

    private static bool IsTransportEvidence(byte protocol, ReadOnlySpan<byte> payload, bool isFirstOfMany)
    {
        if (payload.Length < 8)
        {
            return false;
        }
        switch (protocol)
        {
            case 6:
                bool isReset = payload.Length >= 20 && (payload[13] & 4) == 4;
                int offset = payload.Length >= 20 ? payload[12] / 16 * 4 : 0;
                return !isReset && offset >= 20 && offset <= payload.Length;
            case 17:
                int length = BinaryPrimitives.ReadUInt16BigEndian(payload[4..]);
                return length >= 8 && (length <= payload.Length || isFirstOfMany);
            case 1:
                return payload[0] is not (3 or 5 or 11 or 12);
            case 58:
                return payload[0] is not (>= 1 and <= 4) and not (>= 133 and <= 137);
            default:
                return protocol is not (0 or 43 or 44 or 51 or 59 or 60 or 135 or 139 or 140 or 253 or 254);
        }
    }

    private static bool Contains(Subnet subnet, IPAddress address)
    {
        byte[] a = subnet.Address.GetAddressBytes();
        byte[] b = address.GetAddressBytes();
        return Enumerable.Range(0, subnet.PrefixLength).All(
            i => (((a[i / 8] ^ b[i / 8]) >> (7 - (i % 8))) & 1) == 0);
    }

    private static IPAddress Broadcast(Subnet subnet)
    {
        byte[] bytes = subnet.Address.GetAddressBytes();
        for (int i = subnet.PrefixLength; i < 32; i++)
        {
            bytes[i / 8] |= (byte)(0x80 >> (i % 8));
        }
        return new IPAddress(bytes);
    }
}
