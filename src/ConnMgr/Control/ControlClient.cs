using ConnMgr.Logging;
using ConnMgr.Native;
using Tmds.Linux;

namespace ConnMgr.Control;

/// <summary>The result of a request to the daemon.</summary>
internal enum ControlEnd
{
    /// <summary>The daemon sent the whole reply with an exit status.</summary>
    Answered,

    /// <summary>No daemon listens at the socket.</summary>
    NoDaemon,

    /// <summary>The user may not connect to the socket.</summary>
    NotPermitted,

    /// <summary>The daemon did not answer in time.</summary>
    Silent,

    /// <summary>The connection ended while events were being followed.</summary>
    Gone,

    /// <summary>
    /// Standard output accepts no more: its reader has closed it, or <see cref="StandardOutput.Failure"/>.
    /// </summary>
    OutputClosed,
}

/// <summary>
/// The client of <see cref="ControlSocket"/>: sends one request and prints the reply as it arrives. It runs
/// in its own process without the loop, so it may block, but only until a deadline, except while it follows
/// events.
/// </summary>
internal sealed unsafe class ControlClient(string path)
{
    private const int ReadSize = 16384;
    private const int RetryMilliseconds = 100;

    /// <summary>The reply to a user who is not a member of the daemon's --control-group.</summary>
    public static ReadOnlySpan<byte> NotAMember => "{\"error\":\"not a member of the control group\"}\n"u8;

    private static readonly TimeSpan Patience = TimeSpan.FromSeconds(5);

    private readonly byte[] _buffer = new byte[ReadSize];
    private bool _isSilent;

    /// <summary>
    /// Sends a request and writes <paramref name="before"/> and the reply to standard output.
    /// </summary>
    /// <param name="request">
    /// A line for <see cref="ControlRequest"/>, without `exit` and without the line feed.
    /// </param>
    /// <param name="follows">True if the reply has no end.</param>
    /// <param name="before">Text to write before the reply.</param>
    /// <param name="status">The exit status of the verb, if the daemon answered.</param>
    /// <param name="isSilent">True to write nothing.</param>
    public ControlEnd Ask(
        string request, bool follows, ReadOnlySpan<byte> before, out int status, bool isSilent = false)
    {
        _isSilent = isSilent;
        long deadline = Environment.TickCount64 + (long)Patience.TotalMilliseconds;
        status = 0;
        ControlEnd end;
        while ((end = Connect(out int fd)) is ControlEnd.Answered or ControlEnd.Silent)
        {
            if (end == ControlEnd.Answered)
            {
                end = Converse(fd, request, follows, before, deadline, out status);
                _ = LibC.close(fd);
                if (end != ControlEnd.Silent)
                {
                    return end;
                }
            }
            if (Environment.TickCount64 >= deadline)
            {
                break;
            }
            Pause(RetryMilliseconds); // the daemon has too many clients: try again
        }
        return end;
    }

    /// <summary>True if a daemon listens in this run directory, or the user may not know.</summary>
    public static bool IsListening(string directory)
    {
        ControlEnd end = new ControlClient(Path.Combine(directory, "connmgr.sock")).Connect(out int fd);
        if (end == ControlEnd.Answered)
        {
            _ = LibC.close(fd);
        }
        return end != ControlEnd.NoDaemon;
    }

    /// <summary>Blocks for this time.</summary>
    public static void Pause(int milliseconds) => _ = LibC.poll(null, 0, milliseconds);

    private ControlEnd Connect(out int fd)
    {
        fd = -1;
        if (!UnixAddress.TryMake(path, out sockaddr_un address))
        {
            return ControlEnd.NoDaemon;
        }
        int type = LibC.SOCK_STREAM | LibC.SOCK_NONBLOCK | LibC.SOCK_CLOEXEC;
        fd = Errno.Check(LibC.socket(LibC.AF_UNIX, type, 0));
        if (LibC.connect(fd, (sockaddr*)&address, sizeof(sockaddr_un)) == 0)
        {
            return ControlEnd.Answered;
        }
        int errno = Errno.Last;
        _ = LibC.close(fd);
        return errno switch
        {
            Errno.EAGAIN => ControlEnd.Silent,
            Errno.EACCES or Errno.EPERM => ControlEnd.NotPermitted,
            _ => ControlEnd.NoDaemon,
        };
    }

    private ControlEnd Converse(
        int fd, string request, bool follows, ReadOnlySpan<byte> before, long deadline, out int status)
    {
        status = 0;
        Utf8Text line = new(ControlSocket.MaxRequest);
        line.Add(request).Add(" exit\n"u8);
        fixed (byte* bytes = line.Bytes)
        {
            // A new socket has room for the whole line.
            _ = LibC.send(fd, bytes, line.Length, LibC.MSG_NOSIGNAL);
        }

        bool hasStatus = false;
        while (true)
        {
            long left = Math.Max(0, deadline - Environment.TickCount64);
            pollfd ready = new() { fd = fd, events = LibC.POLLIN };
            if (LibC.poll(&ready, 1, follows && hasStatus ? -1 : (int)left) == 0)
            {
                return ControlEnd.Silent;
            }
            nint count;
            fixed (byte* buffer = _buffer)
            {
                count = (nint)LibC.recv(fd, buffer, ReadSize, 0);
            }
            if (count < 0 && Errno.Last is Errno.EAGAIN or Errno.EINTR)
            {
                continue;
            }
            if (count <= 0)
            {
                return !hasStatus ? ControlEnd.Silent : follows ? ControlEnd.Gone : ControlEnd.Answered;
            }

            ReadOnlySpan<byte> part = _buffer.AsSpan(0, (int)count);
            if (!hasStatus && part.SequenceEqual(NotAMember))
            {
                return ControlEnd.NotPermitted;
            }
            if (!hasStatus)
            {
                // The daemon sends the status in one piece with the reply. A refusal has no status.
                int end = part.IndexOf((byte)'\n');
                if (end <= 0 || !int.TryParse(part[..end], out status))
                {
                    return ControlEnd.Silent;
                }
                hasStatus = true;
                part = part[(end + 1)..];
                if (!_isSilent && !StandardOutput.Write(before))
                {
                    return ControlEnd.OutputClosed;
                }
            }
            if (!_isSilent && !StandardOutput.Write(part))
            {
                return ControlEnd.OutputClosed;
            }
            deadline = Environment.TickCount64 + (long)Patience.TotalMilliseconds;
        }
    }
}
