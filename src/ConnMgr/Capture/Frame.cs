using System.Diagnostics.CodeAnalysis;
using System.Net;
using PacketDotNet;
using PacketDotNet.Utils;

namespace ConnMgr.Capture;

/// <summary>
/// Describes a captured packet in one line. It is the only user of PacketDotNet, which throws on truncated
/// input; this class catches all of its exceptions.
/// </summary>
internal static class Frame
{
    /// <summary>
    /// Describes a packet, e.g. `TCP 198.18.100.10:443 -> 198.18.1.2:50122, 60 bytes`.
    /// </summary>
    /// <param name="packet">The packet from its IPv4 or IPv6 header; the end may be cut off.</param>
    /// <param name="description">
    /// One line, with the length of the whole packet from its network header.
    /// </param>
    /// <param name="source">The source address.</param>
    /// <returns>False if it is not an IP packet, or if PacketDotNet cannot parse it.</returns>
    public static bool TryDescribe(
        ReadOnlySpan<byte> packet,
        [NotNullWhen(true)] out string? description,
        [NotNullWhen(true)] out IPAddress? source)
    {
        try
        {
            ByteArraySegment bytes = new(packet.ToArray());
            IPPacket? ip = (packet.IsEmpty ? 0 : packet[0] >> 4) switch
            {
                4 => new IPv4Packet(bytes),
                6 => new IPv6Packet(bytes),
                _ => null,
            };
            if (ip is not null)
            {
                source = ip.SourceAddress;
                description = $"{Describe(ip)}, {ip.TotalLength} bytes";
                return true;
            }
        }
        // A status line must not end the daemon, so catch every exception of PacketDotNet.
        catch (Exception)
        {
        }
        source = null;
        description = null;
        return false;
    }

    private static string Describe(IPPacket ip)
    {
        (IPAddress from, IPAddress to) = (ip.SourceAddress, ip.DestinationAddress);
        return ip.PayloadPacket switch
        {
            TcpPacket tcp => $"TCP {EndPoint(from, tcp.SourcePort)} -> {EndPoint(to, tcp.DestinationPort)}",
            UdpPacket udp => $"UDP {EndPoint(from, udp.SourcePort)} -> {EndPoint(to, udp.DestinationPort)}",
            IcmpV4Packet icmp => $"ICMP type {(int)icmp.TypeCode >> 8} {from} -> {to}",
            IcmpV6Packet icmp => $"ICMPv6 type {(int)icmp.Type} {from} -> {to}",
            _ => $"protocol {(int)ip.Protocol} {from} -> {to}",
        };
    }

    private static IPEndPoint EndPoint(IPAddress address, ushort port) => new(address, port);
}
