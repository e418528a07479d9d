using System.Buffers.Binary;
using System.Net;

namespace ConnMgr.Tests.Dns;

/// <summary>Writes valid and invalid IP packets from text. It shares no code with the reader.</summary>
internal static class PacketBuilder
{
    public const int Syn = 0x02;
    public const int Ack = 0x10;

    public static byte[] Udp(string from, string to, byte[] payload, byte[]? options = null) =>
        Ip(from, to, 17, [.. Ports(from, to), .. Short(8 + payload.Length), 0, 0, .. payload], options ?? []);

    public static byte[] Tcp(
        string from, string to, uint sequence, byte[] payload, int flags = Ack, uint acknowledgment = 0,
        byte[]? options = null)
    {
        byte[] header = new byte[16];
        BinaryPrimitives.WriteUInt32BigEndian(header, sequence);
        BinaryPrimitives.WriteUInt32BigEndian(header.AsSpan(4), acknowledgment);
        header[8] = (byte)((20 + (options?.Length ?? 0)) / 4 << 4);
        header[9] = (byte)flags;
        return Ip(from, to, 6, [.. Ports(from, to), .. header, .. options ?? [], .. payload], []);
    }

    /// <summary>
    /// `from` and `to` are `address port`. `options` are IPv4 options, or IPv6 extension headers after the
    /// number of the first one.
    /// </summary>
    public static byte[] Ip(string from, string to, byte protocol, byte[] transport, byte[] options)
    {
        byte[] source = Address(from);
        byte[] destination = Address(to);
        if (source.Length == 16)
        {
            byte first = options.Length == 0 ? protocol : options[0];
            byte[] rest = options.Length == 0 ? transport : [.. options.AsSpan(1), .. transport];
            return [0x60, 0, 0, 0, .. Short(rest.Length), first, 64, .. source, .. destination, .. rest];
        }
        int header = 20 + options.Length;
        return
        [
            (byte)(0x40 | (header / 4)), 0, .. Short(header + transport.Length), 0, 0, 0x40, 0, 64,
            protocol, 0, 0,
            .. source, .. destination, .. options, .. transport,
        ];
    }

    /// <summary>Puts the length in front, as DNS over TCP does.</summary>
    public static byte[] Framed(byte[] message) => [.. Short(message.Length), .. message];

    private static byte[] Address(string text) => IPAddress.Parse(text.Split(' ')[0]).GetAddressBytes();

    private static byte[] Ports(string from, string to) =>
        [.. Short(int.Parse(from.Split(' ')[1], null)), .. Short(int.Parse(to.Split(' ')[1], null))];

    private static byte[] Short(int value) => [(byte)(value >> 8), (byte)value];
}
