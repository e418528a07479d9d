using System.Buffers.Binary;

namespace ConnMgr.Dns;

/// <summary>
/// Iterates over the messages (RFC 1035 section 4.2.2) that a segment of a TCP connection completes. Pure.
/// </summary>
internal ref struct TcpMessages
{
    private readonly TcpStream _stream;
    private readonly ReadOnlySpan<byte> _available;
    private readonly bool _wasLost;
    private int _taken;

    /// <param name="stream">The stream that receives the segment.</param>
    /// <param name="packet">The segment.</param>
    public TcpMessages(TcpStream stream, scoped in Packet packet)
    {
        _stream = stream;
        _wasLost = stream.IsLost;
        uint sequence = packet.IsSyn ? unchecked(packet.Sequence + 1) : packet.Sequence;
        _available = stream.Accept(sequence, packet.Payload);
    }

    /// <summary>Reads the next whole message; false if there is none left.</summary>
    public bool TryRead(out ReadOnlySpan<byte> message)
    {
        bool isRead = TryReadFirst(_available[_taken..], out message);
        _taken += isRead ? sizeof(ushort) + message.Length : 0;
        return isRead;
    }

    /// <summary>
    /// Stores the bytes that have not been read yet. Returns false if this segment has made the stream lost.
    /// </summary>
    public readonly bool KeepRest()
    {
        if (!_available.IsEmpty)
        {
            _stream.Advance(_taken, _available);
        }
        return _wasLost || !_stream.IsLost;
    }

    /// <summary>
    /// True for a segment that consists of whole queries. After lost bytes, the stream of questions resumes
    /// at such a segment, because a client sends each query in one write. A client that sends something else
    /// gains nothing: it could just as well ask.
    /// </summary>
    public static bool AreQueries(ReadOnlySpan<byte> segment)
    {
        bool isQuery = false;
        while (TryReadFirst(segment, out ReadOnlySpan<byte> message))
        {
            segment = segment[(sizeof(ushort) + message.Length)..];
            isQuery = DnsQuestion.TryReadQuery(message, out _, out _);
            if (!isQuery)
            {
                break;
            }
        }
        return isQuery && segment.IsEmpty;
    }

    /// <summary>Reads the first message, with its length in front (RFC 1035 section 4.2.2).</summary>
    public static bool TryReadFirst(ReadOnlySpan<byte> bytes, out ReadOnlySpan<byte> message)
    {
        message = default;
        if (bytes.Length < sizeof(ushort))
        {
            return false;
        }
        int length = BinaryPrimitives.ReadUInt16BigEndian(bytes);
        if (bytes.Length - sizeof(ushort) < length)
        {
            return false;
        }
        message = bytes.Slice(sizeof(ushort), length);
        return true;
    }
}
