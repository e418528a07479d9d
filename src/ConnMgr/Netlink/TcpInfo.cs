using static ConnMgr.Netlink.InetDiag;

namespace ConnMgr.Netlink;

/// <summary>
/// Reads struct tcp_info (&lt;linux/tcp.h&gt;), which the kernel returns as the socket option TCP_INFO and as
/// INET_DIAG_INFO. Older kernels return a shorter structure; the missing fields count as 0. Pure.
/// </summary>
internal readonly ref struct TcpInfo(ReadOnlySpan<byte> bytes)
{
    /// <summary>The size in bytes of the part of the structure that this class reads.</summary>
    public const int Size = 144;

    private const int Retransmitting = 36; // offsetof(struct tcp_info, tcpi_retrans)
    private const int Retransmitted = 100; // tcpi_total_retrans
    private const int Received = 128; // tcpi_bytes_received, since Linux 4.2
    private const int Out = 136; // tcpi_segs_out
    private const int In = 140; // tcpi_segs_in

    private readonly ReadOnlySpan<byte> _bytes = bytes;

    /// <summary>True while the peer has not accepted the connection.</summary>
    public bool IsConnecting => _bytes.Length > 0 && _bytes[0] == TCP_SYN_SENT;

    /// <summary>
    /// True if a segment has been retransmitted. While connecting, that segment is the SYN.
    /// </summary>
    public bool HasRepeated => At(Retransmitted) > 0;

    /// <summary>
    /// True if the kernel itself refused to send the last retransmission: its rules drop the segment, or
    /// there is no route. The kernel does not retransmit a segment that waits for a neighbour's address to be
    /// resolved.
    /// </summary>
    public bool IsRefused => HasRepeated && At(Retransmitting) == 0;

    /// <summary>The bytes that the peer has sent.</summary>
    public long BytesReceived => At(Received) | ((long)At(Received + 4) << 32);

    /// <summary>The segments in both directions; 0 before Linux 4.2.</summary>
    public long Segments => (long)At(Out) + At(In);

    private uint At(int offset) => _bytes.Length >= offset + 4 ? NetlinkWire.UInt32(_bytes[offset..]) : 0;
}
