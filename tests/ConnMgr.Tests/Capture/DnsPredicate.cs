using System.Buffers.Binary;
using static ConnMgr.Capture.Bpf;

namespace ConnMgr.Tests.Capture;

/// <summary>
/// The rules of the BPF program for DNS in plain C#. The tests compare the program with it.
/// </summary>
internal static class DnsPredicate
{
    public static bool IsDns(
        ReadOnlySpan<byte> packet, bool isBridge, bool withReplies, uint type, ushort protocol)
    {
        bool isOut = type == PACKET_OUTGOING;
        if (!isOut && type != PACKET_HOST)
        {
            return false;
        }
        bool isQuestion = isOut != isBridge;
        return (isQuestion || withReplies) && protocol switch
        {
            ETH_P_IP => IsIPv4(packet, isQuestion),
            ETH_P_IPV6 => IsIPv6(packet, isQuestion),
            _ => false,
        };
    }

    private static bool IsIPv4(ReadOnlySpan<byte> packet, bool isQuestion)
    {
        if (packet.Length < 20 || packet[0] >> 4 != 4)
        {
            return false;
        }
        int header = (packet[0] & 15) * 4;
        int total = BinaryPrimitives.ReadUInt16BigEndian(packet[2..]);
        bool isLaterFragment = (BinaryPrimitives.ReadUInt16BigEndian(packet[6..]) & 0x1fff) != 0;
        return header >= 20 && header <= total && total <= packet.Length && !isLaterFragment
            && IsTransport(packet, header, total, packet[9], isQuestion);
    }

    private static bool IsIPv6(ReadOnlySpan<byte> packet, bool isQuestion)
    {
        if (packet.Length < 40 || packet[0] >> 4 != 6)
        {
            return false;
        }
        int total = 40 + BinaryPrimitives.ReadUInt16BigEndian(packet[4..]);
        if (total > packet.Length)
        {
            return false;
        }
        int header = packet[6];
        int at = 40;
        for (int i = 0; i < 4 && header is 0 or 43 or 44 or 60; i++)
        {
            if (at + (header == 44 ? 4 : 2) > packet.Length
                || (header == 44 && (packet[at + 2] | (packet[at + 3] & 0xf8)) != 0))
            {
                return false;
            }
            int size = header == 44 ? 8 : (packet[at + 1] + 1) * 8;
            header = packet[at];
            at += size;
        }
        return IsTransport(packet, at, total, header, isQuestion);
    }

    private static bool IsTransport(
        ReadOnlySpan<byte> packet, int at, int total, int protocol, bool isQuestion)
    {
        int port = at + (isQuestion ? 2 : 0);
        if (protocol is not 6 and not 17 || port + 2 > packet.Length
            || BinaryPrimitives.ReadUInt16BigEndian(packet[port..]) != 53)
        {
            return false;
        }
        if (protocol == 17)
        {
            return true;
        }
        return at + 13 < packet.Length
            && ((packet[at + 13] & 2) != 0 || at + ((packet[at + 12] >> 4) * 4) < total);
    }
}
