using System.Buffers.Binary;

namespace ConnMgr.Probe;

/// <summary>
/// ICMP and ICMPv6 echo (RFC 792, RFC 4443 section 4): writes requests, and judges what a raw socket
/// delivers. Any bytes may come; what is no exact answer is no answer.
/// </summary>
internal static class Icmp
{
    /// <summary>Type, code, checksum, id, sequence number; in bytes.</summary>
    public const int HeaderSize = 8;

    private const byte EchoRequest = 8;
    private const byte EchoReply = 0;
    private const byte EchoRequest6 = 128;
    private const byte EchoReply6 = 129;
    private const byte IcmpProtocol = 1;
    private const int MinIpHeaderSize = 20;

    /// <summary>
    /// Writes an echo request. The checksum of ICMPv6 is left to the kernel, which knows the addresses.
    /// </summary>
    /// <param name="packet">Exactly <see cref="HeaderSize"/> and the payload.</param>
    /// <param name="isIpv6">Which of the two protocols.</param>
    /// <param name="id">Tells this sender's requests from others'.</param>
    /// <param name="sequence">Tells the requests of one sender apart.</param>
    /// <param name="payload">Unpredictable, so that nobody can answer what he has not seen.</param>
    public static void WriteEchoRequest(
        Span<byte> packet, bool isIpv6, ushort id, ushort sequence, ReadOnlySpan<byte> payload)
    {
        packet[..HeaderSize].Clear();
        packet[0] = isIpv6 ? EchoRequest6 : EchoRequest;
        BinaryPrimitives.WriteUInt16BigEndian(packet[4..], id);
        BinaryPrimitives.WriteUInt16BigEndian(packet[6..], sequence);
        payload.CopyTo(packet[HeaderSize..]);
        if (!isIpv6)
        {
            BinaryPrimitives.WriteUInt16BigEndian(packet[2..], Checksum(packet));
        }
    }

    /// <summary>
    /// True for an echo reply with this id and this payload, and an IPv4 one with a right checksum: a raw
    /// IPv4 socket gets packets before the kernel has checked it, with the IP header; a raw ICMPv6 socket
    /// after that and without. Who sent it, and whether the sequence number was in use, is for the caller to
    /// check.
    /// </summary>
    public static bool TryReadEchoReply(
        ReadOnlySpan<byte> packet, bool isIpv6, ushort id, ReadOnlySpan<byte> payload, out ushort sequence)
    {
        sequence = 0;
        if (!isIpv6 && !TrySkipIpHeader(ref packet))
        {
            return false;
        }
        if (packet.Length < HeaderSize
            || packet[0] != (isIpv6 ? EchoReply6 : EchoReply) || packet[1] != 0
            || BinaryPrimitives.ReadUInt16BigEndian(packet[4..]) != id
            || !packet[HeaderSize..].SequenceEqual(payload)
            || (!isIpv6 && Checksum(packet) != 0))
        {
            return false;
        }
        sequence = BinaryPrimitives.ReadUInt16BigEndian(packet[6..]);
        return true;
    }

    private static bool TrySkipIpHeader(ref ReadOnlySpan<byte> packet)
    {
        if (packet.Length < MinIpHeaderSize || packet[0] >> 4 != 4 || packet[9] != IcmpProtocol)
        {
            return false;
        }
        int headerSize = (packet[0] & 0xf) * 4;
        if (headerSize < MinIpHeaderSize || headerSize > packet.Length)
        {
            return false;
        }
        packet = packet[headerSize..];
        return true;
    }

    /// <summary>RFC 1071. Over a packet that contains its right checksum it is 0.</summary>
    private static ushort Checksum(ReadOnlySpan<byte> packet)
    {
        ulong sum = 0;
        for (int i = 0; i < packet.Length; i++)
        {
            sum += i % 2 == 0 ? (ulong)packet[i] << 8 : packet[i];
        }
        while (sum > 0xffff)
        {
            sum = (sum & 0xffff) + (sum >> 16);
        }
        return (ushort)~sum;
    }
}
