using System.Text;
using Tmds.Linux;

namespace ConnMgr.Native;

/// <summary>
/// Standard output and standard error of the verbs. Every write is checked, because a truncated report must
/// not look complete: <see cref="Failure"/> tells whether all of it was written. The console of .NET would
/// throw instead.
/// </summary>
internal static unsafe class StandardOutput
{
    private const int Output = 1;
    private const int Error = 2;
    private const int RetryMilliseconds = 100;

    /// <summary>
    /// The error number of the first write to standard output that failed, e.g. ENOSPC; 0 if none has.
    /// </summary>
    public static int Failure { get; private set; }

    /// <summary>
    /// Opens /dev/null read-only in place of closed standard descriptors, so that a write to them still
    /// fails. Call it before any other descriptor is opened: otherwise a socket could get the number 1 or 2,
    /// and the report would be written to that socket.
    /// </summary>
    public static void Reserve()
    {
        fixed (byte* path = "/dev/null\0"u8)
        {
            int fd;
            do
            {
                fd = LibC.open(path, LibC.O_RDONLY, 0);
            }
            while (fd is >= 0 and <= Error);
            if (fd > Error)
            {
                _ = LibC.close(fd);
            }
        }
    }

    /// <summary>Writes a line to standard output.</summary>
    public static void Line(string text) => Write(Encoding.UTF8.GetBytes(text + "\n"));

    /// <summary>
    /// Writes a line to standard error. A failure is ignored: there is no other place to report it.
    /// </summary>
    public static void Complain(string text) => _ = Put(Error, Encoding.UTF8.GetBytes(text + "\n"));

    /// <summary>
    /// Writes to standard output, and waits while its reader is slow. False if a write has failed, this time
    /// or before.
    /// </summary>
    public static bool Write(ReadOnlySpan<byte> bytes)
    {
        if (Failure == 0)
        {
            Failure = Put(Output, bytes);
        }
        return Failure == 0;
    }

    private static int Put(int fd, ReadOnlySpan<byte> bytes)
    {
        while (bytes.Length > 0)
        {
            nint written;
            fixed (byte* begin = bytes)
            {
                written = (nint)LibC.write(fd, begin, bytes.Length);
            }
            int errno = written < 0 ? Errno.Last : 0;
            if (errno == Errno.EAGAIN)
            {
                _ = LibC.poll(null, 0, RetryMilliseconds); // another process made the file non-blocking
            }
            else if (errno is not (0 or Errno.EINTR))
            {
                return errno;
            }
            bytes = bytes[(int)Math.Max(0, written)..];
        }
        return 0;
    }
}
