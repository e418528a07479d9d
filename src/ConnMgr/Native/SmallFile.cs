using System.Text;
using Tmds.Linux;

namespace ConnMgr.Native;

/// <summary>Reads and writes small files whole; never waits for them, whatever they are.</summary>
internal static unsafe class SmallFile
{
    private const int FirstSize = 4095; // where the file does not say how long it is

    /// <summary>
    /// The text of a file, at most its first <paramref name="limit"/> bytes (<paramref name="isCut"/> says whether
    /// there was more); null if it cannot be read, and then why.
    /// </summary>
    public static string? Read(string path, int limit, out bool isCut, out int errno)
    {
        byte[]? bytes = ReadBytes(path, limit, out int length, out isCut, out errno);
        return bytes is null ? null : Encoding.UTF8.GetString(bytes, 0, length);
    }

    /// <summary>As <see cref="Read"/>, for files that need not be text; the first <paramref name="length"/> bytes of
    /// what is returned are the file's.</summary>
    public static byte[]? ReadBytes(string path, int limit, out int length, out bool isCut, out int errno)
    {
        length = 0;
        isCut = false;
        errno = 0;
        using NativeStrings name = new([path]);
        int fd = LibC.open(name.Pointer[0], LibC.O_RDONLY | LibC.O_CLOEXEC | LibC.O_NONBLOCK, 0);
        if (fd < 0)
        {
            errno = Errno.Last;
            return null;
        }

        stat status;
        if (LibC.fstat(fd, &status) < 0 || !LibC.S_ISREG(status.st_mode))
        {
            errno = Errno.EINVAL; // a directory, a FIFO, a device
            _ = LibC.close(fd);
            return null;
        }

        // One byte more than there is shows that it has ended. In /proc, every file seems to be empty.
        long size = (long)status.st_size;
        byte[] bytes = new byte[Math.Min(size > 0 ? size : FirstSize, limit) + 1];
        nint count;
        do
        {
            if (length == bytes.Length)
            {
                Array.Resize(ref bytes, (int)Math.Min(2L * length, limit + 1L));
            }
            fixed (byte* buffer = bytes)
            {
                count = (nint)LibC.read(fd, buffer + length, bytes.Length - length);
            }
            length += (int)Math.Max(0, count);
        }
        while (count > 0 && length <= limit);
        errno = count < 0 ? Errno.Last : 0;
        _ = LibC.close(fd);
        if (errno != 0)
        {
            return null;
        }
        isCut = length > limit;
        length = Math.Min(length, limit);
        return bytes;
    }

    /// <summary>
    /// Puts a file with this content into the place of the old one, in one step: whoever reads it, or is killed, finds the
    /// one or the other. Returns 0 or the error.
    /// </summary>
    public static int Replace(string path, ReadOnlySpan<byte> content)
    {
        using NativeStrings names = new([$"{path}.new", path]);
        int flags = LibC.O_WRONLY | LibC.O_CREAT | LibC.O_TRUNC | LibC.O_CLOEXEC | LibC.O_NONBLOCK;
        int fd = LibC.open(names.Pointer[0], flags, 0x180 /* 0600 */);
        if (fd < 0)
        {
            return Errno.Last;
        }
        int errno = 0;
        fixed (byte* bytes = content)
        {
            for (int written = 0; written < content.Length && errno == 0;)
            {
                nint count = (nint)LibC.write(fd, bytes + written, content.Length - written);
                errno = count < 0 ? Errno.Last : 0;
                written += (int)Math.Max(0, count);
            }
        }
        _ = LibC.close(fd);
        if (errno == 0 && LibcExtra.rename(names.Pointer[0], names.Pointer[1]) < 0)
        {
            errno = Errno.Last;
        }
        if (errno != 0)
        {
            _ = LibC.unlink(names.Pointer[0]);
        }
        return errno;
    }

    /// <summary>Writes over the beginning of an existing file, as /proc/sys wants it. Returns 0 or the error.</summary>
    public static int Overwrite(string path, ReadOnlySpan<byte> content)
    {
        using NativeStrings name = new([path]);
        int fd = LibC.open(name.Pointer[0], LibC.O_WRONLY | LibC.O_CLOEXEC | LibC.O_NONBLOCK, 0);
        if (fd < 0)
        {
            return Errno.Last;
        }
        int errno;
        fixed (byte* bytes = content)
        {
            errno = (nint)LibC.write(fd, bytes, content.Length) < 0 ? Errno.Last : 0;
        }
        _ = LibC.close(fd);
        return errno;
    }
}
