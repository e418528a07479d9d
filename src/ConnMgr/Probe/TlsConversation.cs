using System.Buffers.Binary;
using System.Globalization;
using System.Text;

namespace ConnMgr.Probe;

/// <summary>
/// TLS (RFC 8446): sends a ClientHello with a random legacy_session_id. A ServerHello of TLS 1.3 repeats it
/// (section 4.1.3), and so does a HelloRetryRequest. A correct answer therefore needs no secret, and the
/// probe computes no key. A ServerHello of TLS 1.2, or an alert, proves only that the peer speaks TLS.
/// </summary>
/// <remarks>
/// Does not check the certificate: TLS 1.3 encrypts it, and checking it would need a certificate store and a
/// correct clock. So a portal that itself speaks TLS 1.3 passes for the service.
/// </remarks>
internal sealed class TlsConversation : IConversation
{
    /// <summary>The random, the session id and the key share, of 32 bytes each.</summary>
    public const int EntropySize = 3 * FieldSize;

    private const int FieldSize = 32;
    private const byte AlertRecord = 21;
    private const byte HandshakeRecord = 22;
    private const byte ServerHelloMessage = 2;
    private const int RecordHeaderSize = 5;
    private const int MaxRecordSize = 16384;
    private const int AlertSize = 2;
    private const int RandomAt = 6; // in a ServerHello, behind type, length and version
    private const int SessionSizeAt = RandomAt + FieldSize;
    private const int SessionAt = SessionSizeAt + 1;

    private readonly string? _name;
    private readonly byte[] _entropy = new byte[EntropySize];
    private readonly byte[] _record = new byte[RecordHeaderSize];
    private readonly byte[] _message = new byte[SessionAt + FieldSize];
    private readonly Excerpt _answer = new(capacity: 40);
    private int _recordHeaderSize;
    private int _recordLeft; // bytes of the record still to come
    private int _size; // bytes of the message received
    private bool _isAlert;
    private Verdict _verdict;

    /// <param name="name">The host name for the server_name extension (RFC 6066, section 3); null if the URL
    /// has an address, which the extension must not contain.</param>
    /// <param name="entropy">At least <see cref="EntropySize"/> unpredictable bytes.</param>
    public TlsConversation(string? name, ReadOnlySpan<byte> entropy)
    {
        _name = name;
        entropy[..EntropySize].CopyTo(_entropy);
    }

    /// <summary>The value of random that makes a ServerHello a HelloRetryRequest (section 4.1.3).</summary>
    private static ReadOnlySpan<byte> RetryRandom =>
    [
        0xCF, 0x21, 0xAD, 0x74, 0xE5, 0x9A, 0x61, 0x11, 0xBE, 0x1D, 0x8C, 0x02, 0x1E, 0x65, 0xB8, 0x91,
        0xC2, 0xA2, 0x11, 0x16, 0x7A, 0xBB, 0x8C, 0x5E, 0x07, 0x9E, 0x09, 0xE2, 0xC8, 0xA8, 0x33, 0x9C,
    ];

    private ReadOnlySpan<byte> Random => _entropy.AsSpan(0, FieldSize);

    private ReadOnlySpan<byte> SessionId => _entropy.AsSpan(FieldSize, FieldSize);

    private ReadOnlySpan<byte> KeyShare => _entropy.AsSpan(2 * FieldSize, FieldSize);

    public string Detail => _verdict switch
    {
        Verdict.Content when _message.AsSpan(RandomAt, FieldSize).SequenceEqual(RetryRandom)
            => "HelloRetryRequest",
        Verdict.Protocol when _isAlert => string.Create(
            CultureInfo.InvariantCulture, $"TLS alert {_message[1]}"),
        Verdict.Protocol => "a ServerHello of TLS 1.2 or older",
        Verdict.Wrong => $"does not speak TLS (a portal?): {_answer}",
        _ => "",
    };

    public int WriteRequest(Span<byte> buffer)
    {
        int size = 0;
        Put(buffer, ref size, [HandshakeRecord, 3, 1, 0, 0]); // the lengths are filled in at the end
        Put(buffer, ref size, [1, 0, 0, 0, 3, 3]); // ClientHello; legacy_version
        Put(buffer, ref size, Random);
        Put(buffer, ref size, [FieldSize]);
        Put(buffer, ref size, SessionId);
        Put(buffer, ref size, [0, 18,
            0x13, 0x01, 0x13, 0x02, 0x13, 0x03, // AES-128-GCM, AES-256-GCM, ChaCha20 of TLS 1.3
            0xc0, 0x2b, 0xc0, 0x2f, 0xc0, 0x2c, 0xc0, 0x30, 0xcc, 0xa9, 0xcc, 0xa8]); // ECDHE of TLS 1.2
        Put(buffer, ref size, [1, 0]); // no compression

        int extensions = size;
        Put(buffer, ref size, [0, 0]);
        if (_name is not null)
        {
            int length = Encoding.ASCII.GetByteCount(_name);
            Put(buffer, ref size, [0, 0]); // server_name: a list of one host_name
            PutUInt16(buffer, ref size, length + 5);
            PutUInt16(buffer, ref size, length + 3);
            Put(buffer, ref size, [0]);
            PutUInt16(buffer, ref size, length);
            size += Encoding.ASCII.GetBytes(_name, buffer[size..]);
        }
        // supported_groups: x25519, P-256, P-384
        Put(buffer, ref size, [0, 10, 0, 8, 0, 6, 0, 29, 0, 23, 0, 24]);
        Put(buffer, ref size, [0, 11, 0, 2, 1, 0]); // ec_point_formats: uncompressed
        Put(buffer, ref size, [0, 13, 0, 18, 0, 16, // signature_algorithms
            4, 3, 5, 3, 6, 3, 8, 7, // ECDSA with P-256, P-384, P-521; Ed25519
            8, 4, 8, 5, 8, 6, 4, 1]); // RSA-PSS with SHA-256, -384, -512; RSA PKCS #1 with SHA-256
        Put(buffer, ref size, [0, 43, 0, 5, 4, 3, 4, 3, 3]); // supported_versions: 1.3, 1.2
        Put(buffer, ref size, [0, 51, 0, 38, 0, 36, 0, 29, 0, FieldSize]); // key_share: x25519
        // Any 32 bytes are a valid x25519 public key (RFC 7748, section 5).
        Put(buffer, ref size, KeyShare);

        BinaryPrimitives.WriteUInt16BigEndian(buffer[extensions..], (ushort)(size - extensions - 2));
        BinaryPrimitives.WriteUInt16BigEndian(buffer[3..], (ushort)(size - RecordHeaderSize));
        BinaryPrimitives.WriteUInt16BigEndian(buffer[7..], (ushort)(size - RecordHeaderSize - 4));
        return size;
    }

    public Verdict Read(ReadOnlySpan<byte> bytes)
    {
        for (int i = 0; i < bytes.Length && _verdict == Verdict.NotYet; i++)
        {
            bool isTls = _recordLeft == 0 ? TakeRecordHeader(bytes[i]) : TakeMessage(bytes[i]);
            if (!isTls)
            {
                _verdict = Verdict.Wrong;
            }
            _answer.Add(isTls ? bytes.Slice(i, 1) : bytes[i..]);
        }
        return _verdict;
    }

    public Verdict Conclude(bool isClosed) => _verdict;

    /// <summary>
    /// Processes one byte of a record header. Returns false if the peer does not speak TLS.
    /// </summary>
    private bool TakeRecordHeader(byte value)
    {
        _record[_recordHeaderSize++] = value;
        switch (_recordHeaderSize)
        {
            case 1:
                // A server sends nothing else before its ServerHello, and an alert does not interrupt a
                // message.
                _isAlert = value == AlertRecord;
                return value == HandshakeRecord || (value == AlertRecord && _size == 0);
            case 2:
                return value == 3;
            case 3:
                return value <= 4;
            case RecordHeaderSize:
                _recordHeaderSize = 0;
                _recordLeft = BinaryPrimitives.ReadUInt16BigEndian(_record.AsSpan(3));
                return _isAlert ? _recordLeft == AlertSize : _recordLeft is > 0 and <= MaxRecordSize;
            default:
                return true;
        }
    }

    /// <summary>Processes one byte of a message. Returns false if the peer does not speak TLS.</summary>
    private bool TakeMessage(byte value)
    {
        _recordLeft--;
        _message[_size++] = value;
        if (_isAlert)
        {
            _verdict = _size == AlertSize ? Verdict.Protocol : Verdict.NotYet;
            return _size < AlertSize || _message[0] is 1 or 2; // warning, fatal
        }
        switch (_size)
        {
            case 1:
                return value == ServerHelloMessage;
            case 4:
                // Version, random, session id, cipher suite and compression method.
                int length = (_message[1] << 16) | (_message[2] << 8) | _message[3];
                return length is >= SessionAt - 4 + 3 and <= MaxRecordSize;
            case 5:
                return value == 3;
            case SessionAt when value != FieldSize:
                _verdict = Verdict.Protocol; // TLS 1.2 has its own session ids, or none
                return value < FieldSize;
            case SessionAt + FieldSize:
                _verdict = _message.AsSpan(SessionAt).SequenceEqual(SessionId)
                    ? Verdict.Content
                    : Verdict.Protocol;
                return true;
            default:
                return true;
        }
    }

    private static void Put(Span<byte> buffer, ref int size, ReadOnlySpan<byte> bytes)
    {
        bytes.CopyTo(buffer[size..]);
        size += bytes.Length;
    }

    private static void PutUInt16(Span<byte> buffer, ref int size, int value)
    {
        BinaryPrimitives.WriteUInt16BigEndian(buffer[size..], (ushort)value);
        size += 2;
    }
}
