using System.Runtime.InteropServices;
using System.Text;
using Tmds.Linux;

namespace ConnMgr.Native;

/// <summary>The names in a directory.</summary>
internal static unsafe class DirectoryNames
{
    // __NR_getdents64 is 217 on x86-64 and Arm, and 61 where the generic table holds.
    private static readonly int Getdents64 = RuntimeInformation.ProcessArchitecture == Architecture.Arm64 ? 61 : 217;

    // struct linux_dirent64, getdents(2)
    private const int LengthOffset = 16;
    private const int NameOffset = 19;

    private const int BufferSize = 8192;

    /// <summary>At most <paramref name="limit"/> names, sorted by their characters; null if it cannot be read, and then why.</summary>
    public static List<string>? Read(string path, int limit, out int errno)
    {
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
            while ((count = (nint)LibC.syscall(Getdents64, fd, bytes, BufferSize)) > 0 && names.Count < limit)
            {
                Take(buffer.AsSpan(0, (int)count), limit, names);
            }
        }
        errno = count < 0 ? Errno.Last : 0;
        _ = LibC.close(fd);
        names.Sort(string.CompareOrdinal);
        return errno == 0 ? names : null;
    }

    private static void Take(ReadOnlySpan<byte> entries, int limit, List<string> names)
    {
        while (entries.Length > NameOffset && names.Count < limit)
        {
            int length = BitConverter.ToUInt16(entries[LengthOffset..]);
            ReadOnlySpan<byte> name = entries[NameOffset..length];
            name = name[..name.IndexOf((byte)0)];
            if (!name.SequenceEqual("."u8) && !name.SequenceEqual(".."u8))
            {
                names.Add(Encoding.UTF8.GetString(name));
            }
            entries = entries[length..];
        }
    }
}
