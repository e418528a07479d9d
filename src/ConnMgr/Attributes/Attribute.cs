using System.Buffers.Binary;
using System.Text;

namespace ConnMgr.Attributes;

/// <summary>Writes a value into the span and returns how many bytes it has.</summary>
internal delegate int ReadValue(Span<byte> value);

/// <summary>Takes a value that somebody set. False refuses it as bad data.</summary>
internal delegate bool WriteValue(ReadOnlySpan<byte> value);

/// <summary>One attribute that connmgr owns: its number, who may do what with it, and how to get its value.</summary>
/// <param name="Id">As in the device attribute registry.</param>
/// <param name="Name">For the log.</param>
/// <param name="Read">Its value now; at most 3,968 bytes, 64 if it notifies.</param>
/// <param name="IsNotify">Every change is sent to attrd.</param>
/// <param name="Write">How to set it; null: nobody may.</param>
internal sealed record Attribute(uint Id, string Name, ReadValue Read, bool IsNotify = false, WriteValue? Write = null)
{
    /// <summary>A signed byte.</summary>
    public static Attribute Int8(uint id, string name, Func<sbyte> value, bool isNotify = false, Func<sbyte, bool>? set = null) =>
        new(
            id, name,
            bytes =>
            {
                bytes[0] = (byte)value();
                return 1;
            },
            isNotify,
            set is null ? null : bytes => bytes.Length == 1 && set((sbyte)bytes[0]));

    /// <summary>An unsigned number of 4 bytes, little-endian; of a larger one the low 32 bits.</summary>
    public static Attribute UInt32(uint id, string name, Func<ulong> value) => new(id, name, bytes =>
    {
        BinaryPrimitives.WriteUInt32LittleEndian(bytes, unchecked((uint)value()));
        return sizeof(uint);
    });

    /// <summary>Bytes as they are.</summary>
    public static Attribute Bytes(uint id, string name, Func<ReadOnlyMemory<byte>> value) => new(id, name, bytes =>
    {
        ReadOnlySpan<byte> content = value().Span;
        content.CopyTo(bytes);
        return content.Length;
    });

    /// <summary>UTF-8 with a final zero byte, as strings of attrd have it.</summary>
    public static Attribute Text(uint id, string name, Func<string> value) => new(id, name, bytes =>
    {
        int length = Encoding.UTF8.GetBytes(value(), bytes);
        bytes[length] = 0;
        return length + 1;
    });
}
