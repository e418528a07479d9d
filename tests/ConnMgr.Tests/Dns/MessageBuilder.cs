using System.Net;
using System.Text;

namespace ConnMgr.Tests.Dns;

/// <summary>Writes valid and invalid DNS messages from text. It shares no code with the reader.</summary>
internal sealed class MessageBuilder(bool isCompressing = false)
{
    public const int A = 1;
    public const int Cname = 5;
    public const int Aaaa = 28;

    private readonly List<byte> _bytes = [];
    private readonly Dictionary<string, int> _offsets = new(StringComparer.Ordinal);

    public int Length => _bytes.Count;

    /// <summary>A reply to one question with that many answers.</summary>
    public static MessageBuilder Reply(
        int answers, string name = "echo.afero.io", int type = A, int flags = 0x8180,
        bool isCompressing = false) =>
        new MessageBuilder(isCompressing).Short(GoldenMessages.Id, flags, 1, answers, 0, 0)
        .Name(name).Short(type, 1);

    public byte[] ToArray() => [.. _bytes];

    public MessageBuilder Short(params int[] values)
    {
        foreach (int value in values)
        {
            _bytes.Add((byte)(value >> 8));
            _bytes.Add((byte)value);
        }
        return this;
    }

    public MessageBuilder Raw(params byte[] bytes)
    {
        _bytes.AddRange(bytes);
        return this;
    }

    public MessageBuilder Name(string name)
    {
        while (name.Length > 0)
        {
            if (isCompressing && _offsets.TryGetValue(name, out int offset))
            {
                return Short(0xc000 | offset);
            }
            if (_bytes.Count < 0x4000)
            {
                _offsets.TryAdd(name, _bytes.Count);
            }
            string label = name.Split('.')[0];
            _bytes.Add((byte)label.Length);
            _bytes.AddRange(Encoding.Latin1.GetBytes(label));
            name = name[Math.Min(name.Length, label.Length + 1)..];
        }
        _bytes.Add(0);
        return this;
    }

    public MessageBuilder Address(string owner, string address, long ttl = 60)
    {
        byte[] bytes = IPAddress.Parse(address).GetAddressBytes();
        return Record(owner, bytes.Length == 4 ? A : Aaaa, ttl, bytes);
    }

    public MessageBuilder Alias(string owner, string target, long ttl = 60)
    {
        _ = Name(owner).Short(Cname, 1, (int)(ttl >> 16), (int)ttl, 0);
        int start = _bytes.Count;
        _ = Name(target);
        _bytes[start - 2] = (byte)((_bytes.Count - start) >> 8);
        _bytes[start - 1] = (byte)(_bytes.Count - start);
        return this;
    }

    public MessageBuilder Record(
        string owner, int type, long ttl, byte[] data, int dnsClass = 1, int? dataLength = null) =>
        Name(owner).Short(type, dnsClass, (int)(ttl >> 16), (int)ttl, dataLength ?? data.Length).Raw(data);
}
