using System.Runtime.InteropServices;

namespace ConnMgr.Native;

/// <summary>
/// A NULL-terminated array of C strings, like argv and envp. Dispose it to free the memory.
/// </summary>
internal sealed unsafe class NativeStrings : IDisposable
{
    private readonly int _count;

    /// <summary>Copies the strings as UTF-8, each ended by a zero byte.</summary>
    public NativeStrings(IReadOnlyList<string> strings)
    {
        _count = strings.Count;
        Pointer = (byte**)NativeMemory.AllocZeroed((nuint)(_count + 1), (nuint)sizeof(byte*));
        for (int i = 0; i < _count; i++)
        {
            Pointer[i] = (byte*)Marshal.StringToCoTaskMemUTF8(strings[i]);
        }
    }

    /// <summary>The array; valid until it is disposed.</summary>
    public byte** Pointer { get; }

    public void Dispose()
    {
        for (int i = 0; i < _count; i++)
        {
            Marshal.FreeCoTaskMem((nint)Pointer[i]);
        }
        NativeMemory.Free(Pointer);
    }
}
