using System.Globalization;

namespace ConnMgr.Probe;

/// <summary>
/// MQTT 3.1.1, sections 3.1 and 3.2: the service answers CONNECT without credentials by CONNACK. A CONNACK
/// that refuses the connection counts too, because only an MQTT server sends it.
/// </summary>
internal sealed class MqttConversation : IConversation
{
    private const byte Connack = 0x20;
    private const byte MaxReturnCode = 5; // not authorized
    private const int ConnackSize = 4;
    private const int IdSize = 8; // random bytes, written as twice as many letters

    private readonly byte[] _id = new byte[IdSize];
    private readonly Excerpt _answer = new(capacity: 40);
    private bool _isConnack;

    /// <param name="entropy">At least 8 unpredictable bytes: a server ends the session of another client with
    /// the same client identifier.</param>
    public MqttConversation(ReadOnlySpan<byte> entropy) => entropy[..IdSize].CopyTo(_id);

    public string Detail
    {
        get
        {
            ReadOnlySpan<byte> answer = _answer.Bytes;
            return !_isConnack ? $"does not speak MQTT: {_answer}"
                : answer[3] == 0 ? ""
                : string.Create(CultureInfo.InvariantCulture, $"CONNACK, return code {answer[3]}");
        }
    }

    public int WriteRequest(Span<byte> buffer)
    {
        ReadOnlySpan<byte> start =
        [
            0x10, 12 + (2 * IdSize), // CONNECT, the remaining length
            0, 4, (byte)'M', (byte)'Q', (byte)'T', (byte)'T', 4, // protocol level 4 is 3.1.1
            0x02, // clean session
            0, 60, // keep alive, in seconds
            0, 2 * IdSize, // the size of the client identifier
        ];
        start.CopyTo(buffer);
        // 0-9 and A-Z, up to 23 letters: every server must accept them (section 3.1.3.1).
        for (int i = 0; i < IdSize; i++)
        {
            buffer[start.Length + (2 * i)] = "0123456789ABCDEF"u8[_id[i] >> 4];
            buffer[start.Length + (2 * i) + 1] = "0123456789ABCDEF"u8[_id[i] & 0xf];
        }
        return start.Length + (2 * IdSize);
    }

    public Verdict Read(ReadOnlySpan<byte> bytes)
    {
        for (int i = 0; i < bytes.Length; i++)
        {
            if (!IsRight(_answer.Bytes.Length, bytes[i]))
            {
                _answer.Add(bytes[i..]);
                return Verdict.Wrong;
            }
            _answer.Add(bytes.Slice(i, 1));
            if (_answer.Bytes.Length == ConnackSize)
            {
                _isConnack = true;
                return Verdict.Protocol;
            }
        }
        return Verdict.NotYet;
    }

    public Verdict Conclude(bool isClosed) => Verdict.NotYet;

    private static bool IsRight(int at, byte value) => at switch
    {
        0 => value == Connack,
        1 => value == ConnackSize - 2, // the remaining length
        2 => value == 0, // a clean session is never present
        _ => value <= MaxReturnCode,
    };
}
