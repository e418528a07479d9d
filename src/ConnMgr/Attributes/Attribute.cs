using System.Buffers.Binary;
using System.Text;

namespace ConnMgr.Attributes;

/// <summary>
/// Writes a value into the span and returns its length in bytes, or <see cref="Attribute.Unknown"/>.
/// </summary>
internal delegate int ReadValue(Span<byte> value);

/// <summary>Stores a value that a client of attrd sets. Returns false to refuse it as bad data.</summary>
internal delegate bool WriteValue(ReadOnlySpan<byte> value);

/// <summary>One attribute that connmgr owns: its number, its access, and how to read its value.</summary>
/// <param name="Id">Its number in the device attribute registry.</param>
/// <param name="Name">Its name, for the log.</param>
/// <param name="Read">Writes its current value: at most 3,968 bytes, or 64 if it notifies.</param>
/// <param name="IsNotify">True if connmgr sends each change to attrd.</param>
/// <param name="Write">Sets its value; null if it is read-only.</param>
/// <param name="Wanted">Called when a get finds that the value is not known yet; null if it is always
/// known.</param>
internal sealed record Attribute(
    uint Id, string Name, ReadValue Read, bool IsNotify = false, WriteValue? Write = null,
    Action? Wanted = null)
{
    /// <summary>The result of <see cref="Read"/> while the value is not known yet.</summary>
    public const int Unknown = -1;

    /// <summary>A signed byte; null while it is not known yet.</summary>
    public static Attribute Int8(
        uint id, string name, Func<sbyte?> value, bool isNotify = false, Func<sbyte, bool>? set = null,
        Action? wanted = null) => new(
        id, name,
        bytes =>
        {
            if (value() is not { } known)
            {
                return Unknown;
            }
            bytes[0] = (byte)known;
            return 1;
        },
        isNotify,
        set is null ? null : bytes => bytes.Length == 1 && set((sbyte)bytes[0]),
        wanted);

    /// <summary>An unsigned number of 4 bytes, little-endian: the low 32 bits of a larger one.</summary>
    public static Attribute UInt32(uint id, string name, Func<ulong> value) => new(id, name, bytes =>
    {
        BinaryPrimitives.WriteUInt32LittleEndian(bytes, unchecked((uint)value()));
        return sizeof(uint);
    });

    /// <summary>Raw bytes.</summary>
    public static Attribute Bytes(uint id, string name, Func<ReadOnlyMemory<byte>> value) => new(
        id, name,
        bytes =>
        {
            ReadOnlySpan<byte> content = value().Span;
            content.CopyTo(bytes);
            return content.Length;
        });

    /// <summary>UTF-8 with a final zero byte, as attrd encodes strings.</summary>
    public static Attribute Text(uint id, string name, Func<string> value) => new(id, name, bytes =>
    {
        int length = Encoding.UTF8.GetBytes(value(), bytes);
        bytes[length] = 0;
        return length + 1;
    });
}
