using System.Globalization;
using System.Text;

namespace ConnMgr.Probe;

/// <summary>
/// The first bytes of a foreign answer, to be shown to the user. Stores them without allocation, and escapes
/// them before they reach a terminal or a log.
/// </summary>
internal sealed class Excerpt
{
    private readonly byte[] _bytes;
    private int _size;
    private bool _isCut;

    /// <param name="capacity">The number of bytes to keep.</param>
    public Excerpt(int capacity) => _bytes = new byte[capacity];

    public ReadOnlySpan<byte> Bytes => _bytes.AsSpan(0, _size);

    public void Clear()
    {
        _size = 0;
        _isCut = false;
    }

    /// <summary>Appends the bytes that still fit.</summary>
    public void Add(ReadOnlySpan<byte> bytes)
    {
        int count = Math.Min(bytes.Length, _bytes.Length - _size);
        bytes[..count].CopyTo(_bytes.AsSpan(_size));
        _size += count;
        _isCut |= count < bytes.Length;
    }

    /// <summary>
    /// Returns the bytes in double quotes; bytes that are not printable ASCII become `\r`, `\n` or `\xNN`.
    /// </summary>
    public override string ToString()
    {
        StringBuilder text = new("\"");
        foreach (byte value in Bytes)
        {
            _ = value switch
            {
                (byte)'"' or (byte)'\\' => text.Append('\\').Append((char)value),
                (byte)'\r' => text.Append("\\r"),
                (byte)'\n' => text.Append("\\n"),
                >= 0x20 and < 0x7f => text.Append((char)value),
                _ => text.Append(CultureInfo.InvariantCulture, $"\\x{value:x2}"),
            };
        }
        return text.Append(_isCut ? "…\"" : "\"").ToString();
    }
}
