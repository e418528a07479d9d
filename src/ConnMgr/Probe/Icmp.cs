using System.Buffers.Binary;

namespace ConnMgr.Probe;

/// <summary>
/// ICMP and ICMPv6 echo (RFC 792, RFC 4443 section 4): writes requests, and checks the packets that a raw
/// socket delivers. A raw socket delivers any bytes; only an exact answer counts.
/// </summary>
internal static class Icmp
{
    /// <summary>Bytes of type, code, checksum, id and sequence number.</summary>
    public const int HeaderSize = 8;

    private const byte EchoRequest = 8;
    private const byte EchoReply = 0;
    private const byte EchoRequest6 = 128;
    private const byte EchoReply6 = 129;
    private const byte IcmpProtocol = 1;
    private const int MinIpHeaderSize = 20;

    /// <summary>
    /// Writes an echo request. The kernel fills in the checksum of ICMPv6, since it knows the addresses.
    /// </summary>
    /// <param name="packet">A buffer of exactly <see cref="HeaderSize"/> plus the payload's size.</param>
    /// <param name="isIpv6">True for ICMPv6.</param>
    /// <param name="id">Distinguishes this sender's requests from those of others.</param>
    /// <param name="sequence">Distinguishes the requests of one sender.</param>
    /// <param name="payload">Unpredictable bytes, so that a sender who has not seen the request cannot answer
    /// it.</param>
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
    /// True for an echo reply with this id and payload. A raw IPv4 socket delivers packets with their IP
    /// header, and before the kernel has verified their checksum, so this method verifies it. A raw ICMPv6
    /// socket delivers verified packets without the IP header. The caller checks the sender, and whether the
    /// sequence number was used.
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

    /// <summary>
    /// Computes the checksum of RFC 1071; it is 0 for a packet that contains its correct checksum.
    /// </summary>
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
