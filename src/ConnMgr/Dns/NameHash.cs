using System.Buffers.Binary;
using System.Numerics;

namespace ConnMgr.Dns;

/// <summary>
/// SipHash-2-4 (Aumasson, Bernstein 2012) of questions: 64 bits for a name and a type. Without the key, an
/// attacker cannot construct two questions with the same hash.
/// </summary>
/// <param name="key0">The first half of the random key.</param>
/// <param name="key1">The second half.</param>
internal readonly struct NameHash(ulong key0, ulong key1)
{
    /// <summary>Returns the hash of the name (in lower case) and the type.</summary>
    public ulong Of(in DnsQuestion question)
    {
        Span<byte> bytes = stackalloc byte[DnsName.MaxWireLength + sizeof(ushort)];
        ReadOnlySpan<byte> name = question.Name.Wire;
        name.CopyTo(bytes);
        BinaryPrimitives.WriteUInt16LittleEndian(bytes[name.Length..], question.Type);
        return Of(bytes[..(name.Length + sizeof(ushort))]);
    }

    /// <summary>Returns the hash of any bytes.</summary>
    public ulong Of(ReadOnlySpan<byte> bytes)
    {
        ulong v0 = key0 ^ 0x736f6d6570736575;
        ulong v1 = key1 ^ 0x646f72616e646f6d;
        ulong v2 = key0 ^ 0x6c7967656e657261;
        ulong v3 = key1 ^ 0x7465646279746573;
        ulong last = (ulong)bytes.Length << 56;
        while (bytes.Length >= sizeof(ulong))
        {
            Absorb(BinaryPrimitives.ReadUInt64LittleEndian(bytes), ref v0, ref v1, ref v2, ref v3);
            bytes = bytes[sizeof(ulong)..];
        }
        for (int i = 0; i < bytes.Length; i++)
        {
            last |= (ulong)bytes[i] << (8 * i);
        }
        Absorb(last, ref v0, ref v1, ref v2, ref v3);
        v2 ^= 0xff;
        for (int i = 0; i < 4; i++)
        {
            Round(ref v0, ref v1, ref v2, ref v3);
        }
        return v0 ^ v1 ^ v2 ^ v3;
    }

    private static void Absorb(ulong word, ref ulong v0, ref ulong v1, ref ulong v2, ref ulong v3)
    {
        v3 ^= word;
        Round(ref v0, ref v1, ref v2, ref v3);
        Round(ref v0, ref v1, ref v2, ref v3);
        v0 ^= word;
    }

    private static void Round(ref ulong v0, ref ulong v1, ref ulong v2, ref ulong v3)
    {
        v0 += v1;
        v2 += v3;
        v1 = BitOperations.RotateLeft(v1, 13) ^ v0;
        v3 = BitOperations.RotateLeft(v3, 16) ^ v2;
        v0 = BitOperations.RotateLeft(v0, 32);
        v2 += v1;
        v0 += v3;
        v1 = BitOperations.RotateLeft(v1, 17) ^ v2;
        v3 = BitOperations.RotateLeft(v3, 21) ^ v0;
        v2 = BitOperations.RotateLeft(v2, 32);
    }
}
