using System.Runtime.InteropServices;
using System.Text;
using Tmds.Linux;

namespace ConnMgr.Native;

/// <summary>Lists the names in a directory.</summary>
internal static unsafe class DirectoryNames
{
    // __NR_getdents64 is 217 on x86-64 and Arm, and 61 in the generic table.
    private static readonly int Getdents64 =
        RuntimeInformation.ProcessArchitecture == Architecture.Arm64 ? 61 : 217;

    // struct linux_dirent64, getdents(2)
    private const int LengthOffset = 16;
    private const int NameOffset = 19;

    private const int BufferSize = 8192;

    /// <summary>
    /// Returns the first <paramref name="limit"/> wanted names in ordinal order; null if the directory cannot
    /// be read.
    /// </summary>
    /// <param name="path">The directory.</param>
    /// <param name="limit">The largest number of names to return.</param>
    /// <param name="isWanted">Selects names.</param>
    /// <param name="more">The number of wanted names beyond the limit.</param>
    /// <param name="errno">The error number, or 0.</param>
    public static List<string>? Read(
        string path, int limit, Predicate<string> isWanted, out int more, out int errno)
    {
        more = 0;
        using NativeStrings name = new([path]);
        int fd = LibC.open(name.Pointer[0], LibC.O_RDONLY | LibC.O_DIRECTORY | LibC.O_CLOEXEC, 0);
        if (fd < 0)
        {
            errno = Errno.Last;
            return null;
        }

        List<string> names = [];
        byte[] buffer = new byte[BufferSize];
        nint count;
        fixed (byte* bytes = buffer)
        {
            while ((count = (nint)LibC.syscall(Getdents64, fd, bytes, BufferSize)) > 0)
            {
                Take(buffer.AsSpan(0, (int)count), isWanted, names);
                names.Sort(string.CompareOrdinal);
                int over = Math.Max(0, names.Count - limit);
                names.RemoveRange(names.Count - over, over);
                more += over;
            }
        }
        errno = count < 0 ? Errno.Last : 0;
        _ = LibC.close(fd);
        return errno == 0 ? names : null;
    }

    private static void Take(ReadOnlySpan<byte> entries, Predicate<string> isWanted, List<string> names)
    {
        while (entries.Length > NameOffset)
        {
            int length = BitConverter.ToUInt16(entries[LengthOffset..]);
            ReadOnlySpan<byte> bytes = entries[NameOffset..length];
            string name = Encoding.UTF8.GetString(bytes[..bytes.IndexOf((byte)0)]);
            if (isWanted(name))
            {
                names.Add(name);
            }
            entries = entries[length..];
        }
    }
}
