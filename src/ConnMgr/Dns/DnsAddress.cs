using System.Diagnostics.CodeAnalysis;
using System.Net;
using System.Runtime.CompilerServices;

namespace ConnMgr.Dns;

/// <summary>One address from a DNS answer, stored inline so that it needs no object of its own.</summary>
internal readonly struct DnsAddress
{
    private readonly Buffer _bytes;
    private readonly byte _size;

    /// <param name="bytes">4 or 16 bytes in network byte order.</param>
    /// <param name="ttl">The time to live in seconds.</param>
    public DnsAddress(scoped ReadOnlySpan<byte> bytes, uint ttl)
    {
        bytes.CopyTo(_bytes);
        _size = (byte)bytes.Length;
        Ttl = ttl;
    }

    /// <summary>4 or 16 bytes in network byte order.</summary>
    [UnscopedRef]
    public ReadOnlySpan<byte> Bytes => ((ReadOnlySpan<byte>)_bytes)[.._size];

    /// <summary>
    /// The time to live in seconds, 0 to 2^31-1: the smallest TTL among the address record and the CNAMEs
    /// that lead to it.
    /// </summary>
    public uint Ttl { get; }

    public IPAddress ToIPAddress() => new(Bytes);

    [InlineArray(16)]
    private struct Buffer
    {
        private byte _first;
    }
}
