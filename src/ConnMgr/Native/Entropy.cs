namespace ConnMgr.Native;

/// <summary>
/// Unpredictable bytes from getrandom(2). The runtime's own cryptography would need OpenSSL.
/// </summary>
internal static class Entropy
{
    /// <summary>
    /// Fills the span with random bytes. If getrandom(2) fails, for example early at boot, the runtime's own
    /// generator is used, which is not cryptographically secure.
    /// </summary>
    public static unsafe void Fill(Span<byte> bytes)
    {
        fixed (byte* pointer = bytes)
        {
            const uint NonBlocking = 1; // GRND_NONBLOCK: early at boot there may be no entropy yet
            if (LibcExtra.getrandom(pointer, (nuint)bytes.Length, NonBlocking) != bytes.Length)
            {
                Random.Shared.NextBytes(bytes);
            }
        }
    }

    /// <summary>Returns 16 random bits.</summary>
    public static ushort UInt16()
    {
        Span<byte> bytes = stackalloc byte[2];
        Fill(bytes);
        return BitConverter.ToUInt16(bytes);
    }

    /// <summary>Returns 64 random bits.</summary>
    public static ulong UInt64()
    {
        ulong value = 0;
        Fill(System.Runtime.InteropServices.MemoryMarshal.AsBytes(new Span<ulong>(ref value)));
        return value;
    }
}
