using System.Buffers.Binary;
namespace ConnMgr.Probe;
internal static class Icmp
{
    public const int HeaderSize = 8;
    public static void WriteEchoRequest(Span<byte> p, bool isIpv6, ushort id, ushort sequence, ReadOnlySpan<byte> payload)
    {
        p.Clear();
        p[0] = isIpv6 ? (byte)128 : (byte)8;
        BinaryPrimitives.WriteUInt16BigEndian(p[4..], id);
        BinaryPrimitives.WriteUInt16BigEndian(p[6..], sequence);
        payload.CopyTo(p[8..]);
        uint sum = 0;
        for (int i = 0; i < p.Length; i += 2) sum += BinaryPrimitives.ReadUInt16BigEndian(p[i..]);
        while (sum > 0xffff) sum = (sum & 0xffff) + (sum >> 16);
        BinaryPrimitives.WriteUInt16BigEndian(p[2..], (ushort)~sum);
    }
    public static bool TryReadEchoReply(ReadOnlySpan<byte> p, bool isIpv6, ushort id, ReadOnlySpan<byte> payload, out ushort sequence)
    {
        sequence = 0;
        if (!isIpv6) { if (p.Length < 20) return false; int ihl = (p[0] & 15) * 4; if (ihl < 20 || p.Length < ihl) return false; p = p[ihl..]; }
        if (p.Length < 8 || p[0] != (isIpv6 ? 129 : 0) || BinaryPrimitives.ReadUInt16BigEndian(p[4..]) != id) return false;
        sequence = BinaryPrimitives.ReadUInt16BigEndian(p[6..]);
        return p[8..].SequenceEqual(payload);
    }
}
