using static ConnMgr.Fuzz.BrokenRuleException;

namespace ConnMgr.Fuzz;

/// <summary>
/// Reads foreign bytes, and checks what came of them. A reader refuses bytes by its result. So any exception
/// is a finding.
/// </summary>
internal delegate void Reader(ReadOnlySpan<byte> bytes);

/// <summary>One reader of foreign bytes that can be fuzzed.</summary>
/// <param name="name">The name on the command line, and of the directory of its corpus.</param>
/// <param name="reader">Reads and checks.</param>
/// <param name="fixedMemory">The bytes that a run may allocate whatever the input is. Beyond these, it may
/// allocate <see cref="MemoryPerByte"/> for each byte of input, the checks included: a length that the bytes
/// only claim must not decide how much is allocated.</param>
internal sealed class Target(string name, Reader reader, int fixedMemory = 65536)
{
    private const int MemoryPerByte = 512;

    /// <summary>The longest input, in bytes: longer ones are cut.</summary>
    public const int LongestInput = 4096;

    public string Name => name;

    /// <summary>Runs it once.</summary>
    public void Run(ReadOnlySpan<byte> bytes)
    {
        bytes = bytes[..Math.Min(bytes.Length, LongestInput)];
        long limit = fixedMemory + ((long)MemoryPerByte * bytes.Length);
        // Static fields are made in the first run, and only that one pays for them.
        if (MemoryOf(bytes) > limit)
        {
            long memory = MemoryOf(bytes);
            Unless(memory <= limit, $"a run allocates at most {limit} bytes, not {memory}");
        }
    }

    private long MemoryOf(ReadOnlySpan<byte> bytes)
    {
        long before = GC.GetAllocatedBytesForCurrentThread();
        reader(bytes);
        return GC.GetAllocatedBytesForCurrentThread() - before;
    }
}
