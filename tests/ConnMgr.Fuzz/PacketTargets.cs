using System.Net;
using ConnMgr.Capture;
using ConnMgr.Dns;
using ConnMgr.Probe;
using static ConnMgr.Fuzz.BrokenRuleException;

namespace ConnMgr.Fuzz;

/// <summary>IP packets, as packet sockets, queues and raw sockets deliver them.</summary>
internal static class PacketTargets
{
    private const ushort EchoId = 0x4321;

    /// <summary>UDP and TCP, for the DNS behind it.</summary>
    public static void Transport(ReadOnlySpan<byte> bytes)
    {
        PacketFlaw flaw = Packet.Read(bytes, out Packet packet);
        if (flaw != PacketFlaw.None)
        {
            Unless(packet.Payload.IsEmpty && packet.Flow == default, "a flawed packet has nothing");
            return;
        }
        Unless(packet.Payload.IsEmpty || bytes.Overlaps(packet.Payload), "the payload is in the packet");
        Unless(packet.Payload.Length <= bytes.Length - 28, "the headers are no payload");
        Unless(packet.Flow.Source.IsIpv4 == packet.Flow.Destination.IsIpv4,
            "both addresses are of one family");
        Unless(packet.Flow.Source.IsIpv4 == (bytes[0] >> 4 == 4), "the family is that of the packet");
        Unless(packet.Flow.Reversed.Reversed == packet.Flow, "a flow has two directions");

        byte[] padded = [.. bytes, 1, 2, 3];
        Unless(Packet.Read(padded, out Packet same) == PacketFlaw.None && same.Flow == packet.Flow
            && same.Payload.SequenceEqual(packet.Payload), "padding is ignored");
    }

    /// <summary>The line of `status` about the last packet.</summary>
    public static void Description(ReadOnlySpan<byte> bytes)
    {
        bytes = bytes[..Math.Min(bytes.Length, EvidenceFilter.SnapLength)];
        if (!Frame.TryDescribe(bytes, out string? description, out IPAddress? source))
        {
            return;
        }
        Unless(description.Length <= 160 && !description.AsSpan().ContainsAnyExceptInRange(' ', '~'),
            "a description is one line");
        Unless(bytes.IndexOf(source.GetAddressBytes()) >= 0, "the source is in the packet");
    }

    /// <summary>The first byte says which family; then a packet that may be the reply to an echo.</summary>
    public static void EchoReply(ReadOnlySpan<byte> bytes)
    {
        InputBytes input = new(bytes);
        bool isIpv6 = (input.Byte() & 1) != 0;
        ReadOnlySpan<byte> payload = "connmgr!"u8;
        if (Icmp.TryReadEchoReply(input.Rest, isIpv6, EchoId, payload, out ushort read))
        {
            Unless(input.Rest.EndsWith(payload), "a reply has the payload");
            Unless(input.Rest[^10] << 8 == (read & 0xff00), "a reply has its number");
        }

        // Any payload comes back.
        ReadOnlySpan<byte> any = input.Take(64);
        byte[] packet = new byte[(isIpv6 ? 0 : 20) + Icmp.HeaderSize + any.Length];
        Span<byte> icmp = packet.AsSpan(isIpv6 ? 0 : 20);
        Icmp.WriteEchoRequest(icmp, isIpv6, EchoId, 7, any);
        Unless(!Icmp.TryReadEchoReply(packet, isIpv6, EchoId, any, out _), "a request is no reply");
        icmp[0] = isIpv6 ? (byte)129 : (byte)0;
        if (!isIpv6)
        {
            (packet[0], packet[9]) = (0x45, 1);
            int sum = (icmp[2] << 8) + icmp[3] + 0x800; // the type is 8 less (RFC 1624)
            (icmp[2], icmp[3]) = ((byte)((sum + (sum >> 16)) >> 8), (byte)(sum + (sum >> 16)));
        }
        Unless(Icmp.TryReadEchoReply(packet, isIpv6, EchoId, any, out ushort number) && number == 7,
            "the reply to a request is read");
    }
}
