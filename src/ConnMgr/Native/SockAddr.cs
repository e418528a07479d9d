using System.Buffers.Binary;
using System.Net;
using System.Net.Sockets;

namespace ConnMgr.Native;

/// <summary>Encodes struct sockaddr_in and sockaddr_in6 (ip(7), ipv6(7)).</summary>
internal static class SockAddr
{
    /// <summary>The size of the larger one, in bytes.</summary>
    public const int MaxSize = 28;

    private const ushort AF_INET = 2;
    private const ushort AF_INET6 = 10;

    /// <summary>Writes the address and returns its size in bytes.</summary>
    public static int Write(IPAddress address, int port, Span<byte> bytes)
    {
        bool isIpv6 = address.AddressFamily == AddressFamily.InterNetworkV6;
        bytes[..MaxSize].Clear();
        BitConverter.TryWriteBytes(bytes, isIpv6 ? AF_INET6 : AF_INET);
        BinaryPrimitives.WriteUInt16BigEndian(bytes[2..], (ushort)port);
        address.TryWriteBytes(bytes[(isIpv6 ? 8 : 4)..], out _);
        if (isIpv6)
        {
            BitConverter.TryWriteBytes(bytes[24..], (uint)address.ScopeId);
        }
        return isIpv6 ? MaxSize : 16;
    }

    /// <summary>
    /// Returns the address bytes of a structure that the kernel wrote; empty for another family.
    /// </summary>
    public static ReadOnlySpan<byte> AddressBytes(ReadOnlySpan<byte> bytes) =>
        BitConverter.ToUInt16(bytes) switch
        {
            AF_INET => bytes.Slice(4, 4),
            AF_INET6 => bytes.Slice(8, 16),
            _ => default,
        };
}
