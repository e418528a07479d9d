using System.Text;
using Tmds.Linux;

namespace ConnMgr.Native;

/// <summary>Handles the next part of a text.</summary>
internal delegate void TextPart(ReadOnlySpan<char> text);

/// <summary>Reads and writes whole small files. Never blocks, not even on a FIFO or a device.</summary>
internal static unsafe class SmallFile
{
    private const int FirstSize = 4095; // bytes, for a file whose size is unknown

    /// <summary>
    /// Reads at most <paramref name="limit"/> bytes of a text file. Returns null and sets <paramref
    /// name="errno"/> if it cannot be read; sets <paramref name="isCut"/> if it is longer.
    /// </summary>
    public static string? Read(string path, int limit, out bool isCut, out int errno, bool onlyRoots = false)
    {
        byte[]? bytes = ReadBytes(path, limit, out int length, out isCut, out errno, onlyRoots);
        return bytes is null ? null : Encoding.UTF8.GetString(bytes, 0, length);
    }

    /// <summary>
    /// Like <see cref="Read"/>, for any content: the first <paramref name="length"/> bytes of the result are
    /// the file's.
    /// </summary>
    /// <param name="path">The file.</param>
    /// <param name="limit">The largest number of bytes to read.</param>
    /// <param name="length">The number of bytes of the result that are the file's.</param>
    /// <param name="isCut">True if the file is longer.</param>
    /// <param name="errno">The error number if the result is null.</param>
    /// <param name="onlyRoots">True to refuse a symbolic link (ELOOP), and a file that root does not own
    /// (EACCES).</param>
    public static byte[]? ReadBytes(
        string path, int limit, out int length, out bool isCut, out int errno, bool onlyRoots = false)
    {
        length = 0;
        isCut = false;
        errno = 0;
        using NativeStrings name = new([path]);
        int flags = LibC.O_RDONLY | LibC.O_CLOEXEC | LibC.O_NONBLOCK | (onlyRoots ? LibC.O_NOFOLLOW : 0);
        int fd = LibC.open(name.Pointer[0], flags, 0);
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
        if (onlyRoots && (uint)status.st_uid != 0)
        {
            errno = Errno.EACCES;
            _ = LibC.close(fd);
            return null;
        }

        // Read one byte more than the size to detect the end of the file. Files in /proc report size 0.
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
        while ((count > 0 && length <= limit) || (count < 0 && Errno.Last == Errno.EINTR));
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
    /// Reads a text of any length in parts of whole lines, such as the list of all sockets in /proc/net. Does
    /// nothing if the file cannot be read. Passes on a line of more than 16 KiB in pieces. Stops after 1,024
    /// reads; for a file in /proc, each read returns a page.
    /// </summary>
    public static void ReadParts(string path, TextPart handler)
    {
        const int PartSize = 16384;
        // For each page the kernel walks all earlier sockets again, so its work grows with the square of the
        // number of pages.
        const int MostParts = 1024;
        using NativeStrings name = new([path]);
        int fd = LibC.open(name.Pointer[0], LibC.O_RDONLY | LibC.O_CLOEXEC | LibC.O_NONBLOCK, 0);
        if (fd < 0)
        {
            return;
        }
        byte* bytes = stackalloc byte[PartSize];
        Span<char> text = stackalloc char[PartSize];
        int kept = 0; // the beginning of a line
        nint count;
        int left = MostParts;
        while (left-- > 0 && (count = (nint)LibC.read(fd, bytes + kept, PartSize - kept)) > 0)
        {
            Span<byte> read = new(bytes, kept + (int)count);
            int lines = read.LastIndexOf((byte)'\n') + 1;
            int part = lines > 0 ? lines : read.Length == PartSize ? PartSize : 0;
            handler(text[..Encoding.Latin1.GetChars(read[..part], text)]);
            kept = read.Length - part;
            read[part..].CopyTo(read);
        }
        _ = LibC.close(fd);
    }

    /// <summary>
    /// Replaces a file atomically: a reader, or the next start after a crash, finds either the old or the new
    /// content. Returns 0 or the error number.
    /// </summary>
    /// <param name="path">The file.</param>
    /// <param name="content">Its new content.</param>
    /// <param name="mode">The permission bits of the file, whatever the umask is.</param>
    public static int Replace(string path, ReadOnlySpan<byte> content, uint mode = 0x180 /* 0600 */)
    {
        using NativeStrings names = new([$"{path}.new", path]);
        // Create a new file: never write through another user's link or FIFO of that name.
        _ = LibC.unlink(names.Pointer[0]);
        int flags = LibC.O_WRONLY | LibC.O_CREAT | LibC.O_EXCL | LibC.O_CLOEXEC | LibC.O_NONBLOCK;
        int fd = LibC.open(names.Pointer[0], flags, 0x180 /* 0600 */);
        if (fd < 0)
        {
            return Errno.Last;
        }
        int errno = LibcExtra.fchmod(fd, mode) < 0 ? Errno.Last : 0;
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

    /// <summary>
    /// Overwrites the start of an existing file, as /proc/sys requires. Returns 0 or the error number.
    /// </summary>
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
