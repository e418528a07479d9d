using System.Diagnostics.CodeAnalysis;
using System.Net;
using PacketDotNet;
using PacketDotNet.Utils;

namespace ConnMgr.Capture;

/// <summary>
/// Says in a line what a captured packet was. The only place where PacketDotNet is used, since it throws on
/// truncated input; nothing throws past this class.
/// </summary>
internal static class Frame
{
    /// <summary>
    /// Describes a packet for people, e.g. `TCP 198.18.100.10:443 -> 198.18.1.2:50122, 60 bytes`.
    /// </summary>
    /// <param name="packet">From the IPv4 or IPv6 header on; the end may be cut off.</param>
    /// <param name="description">One line. The length is that of the whole packet, from its network header
    /// on.</param>
    /// <param name="source">Who sent it.</param>
    /// <returns>False if it is no such packet, or PacketDotNet cannot read it.</returns>
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
        // Whatever PacketDotNet throws, a line of status is not worth the daemon.
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
