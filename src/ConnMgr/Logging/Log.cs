using System.Globalization;
using System.Text;
using ConnMgr.Native;
using Tmds.Linux;

namespace ConnMgr.Logging;

/// <summary>Where the log goes.</summary>
internal enum LogTarget
{
    /// <summary>stderr if it is a terminal or /dev/log is missing, else syslog.</summary>
    Auto,
    Stderr,
    Syslog,
}

/// <summary>Severities, with the numbers of RFC 5424 section 6.2.1.</summary>
internal enum LogLevel
{
    Error = 3,
    Warn = 4,
    Info = 6,
    Debug = 7,
}

/// <summary>
/// The log: one line each, never blocking. What nobody takes at the moment is tried again, if it is a warning, an error or
/// what was decided: the last 64 of them. The rest is dropped, and counted as soon as something is taken.
/// The same line again and again is written once, and then how often it came; of a flood, some lines are dropped and counted, never what was
/// decided or what became of a link.
/// What somebody may ask about later is said as an event: it is a line of the log, and kept whatever the level.
/// </summary>
internal sealed unsafe class Log : IDisposable
{
    private const int LongestLine = 1000; // RFC 3164 section 4.1 allows 1,024 bytes
    private const int FacilityDaemon = 3 << 3;
    private const int RepeatMilliseconds = 60_000;
    private const int Burst = 400; // lines
    private const int MillisecondsPerLine = 50; // in the long run; errors, decisions and the like are always written
    private const int MaxKept = 64; // lines

    private readonly string _syslogPath;
    private readonly bool _toSyslog;
    private readonly bool _isTerminal;
    private readonly int _stderr = 2;
    private readonly bool _isSocket; // stderr
    private readonly byte[] _line = new byte[LongestLine + 100];
    private readonly Queue<byte[]> _kept = []; // what could not be written yet
    private byte[] _rest = []; // of a line that stderr has taken a part of
    private int _syslog = -1;
    private int _dropped;
    private string _lastText = "";
    private LogLevel _lastLevel;
    private long _lastAt;
    private int _repeated;
    private long _burstEndsAt;
    private readonly HashSet<string> _conditions = []; // that hold, and have been said

    public Log(LogTarget target, LogLevel level, string syslogPath = "/dev/log")
    {
        Level = level;
        _syslogPath = syslogPath;
        _isTerminal = LibC.isatty(2) == 1;
        _toSyslog = target == LogTarget.Syslog || (target == LogTarget.Auto && !_isTerminal && File.Exists(syslogPath));
        if (!_toSyslog)
        {
            _stderr = OpenStderr(out _isSocket);
        }
    }

    /// <summary>What is less severe is not written.</summary>
    public LogLevel Level { get; set; }

    public bool IsDebug => Level >= LogLevel.Debug;

    /// <summary>The last events.</summary>
    public EventRing Events { get; } = new();

    /// <summary>Says something that is worth being kept, e.g. a decision with its reason.</summary>
    public void Event(EventKind kind, string text, LogLevel level = LogLevel.Info)
    {
        Events.Add(kind, level, text, TimeProvider.System.GetElapsedTime(0), WallTime());
        Write(level, text, IsDecision(kind));
    }

    /// <summary>
    /// Logs a condition that lasts, or comes again and again, once: at its level when it begins, and as a debug event
    /// after that, until <see cref="Over"/>. The key names the condition, so the text may differ each time.
    /// </summary>
    /// <param name="condition">A constant, e.g. `set full`; never text from outside, which would be kept.</param>
    /// <param name="kind">What the event is about.</param>
    /// <param name="text">The line.</param>
    /// <param name="level">Of the first line.</param>
    public void Once(string condition, EventKind kind, string text, LogLevel level = LogLevel.Warn) =>
        Event(kind, text, _conditions.Add(condition) ? level : LogLevel.Debug);

    /// <summary>The condition has ended: its next beginning is logged again.</summary>
    /// <returns>True if it had been logged.</returns>
    public bool Over(string condition) => _conditions.Remove(condition);

    public void Error(string text) => Write(LogLevel.Error, text);

    public void Warn(string text) => Write(LogLevel.Warn, text);

    public void Info(string text) => Write(LogLevel.Info, text);

    public void Debug(string text) => Write(LogLevel.Debug, text);

    /// <summary>A foreign string for the log: in quotes, control characters escaped, at most 200 characters.</summary>
    public static string Quote(string foreign)
    {
        StringBuilder quoted = new("\"");
        foreach (char c in foreign.AsSpan(0, Math.Min(foreign.Length, 200)))
        {
            _ = c is '"' or '\\' ? quoted.Append('\\').Append(c)
                : char.IsControl(c) || char.IsSurrogate(c) ? quoted.Append(CultureInfo.InvariantCulture, $"\\u{(int)c:x4}")
                : quoted.Append(c);
        }
        return quoted.Append(foreign.Length > 200 ? "…\"" : "\"").ToString();
    }

    /// <summary>What is about this is never dropped as a part of a flood.</summary>
    public static bool IsDecision(EventKind kind) =>
        kind is not (EventKind.Probe or EventKind.Hole or EventKind.Reply or EventKind.Reload);

    /// <summary>Tries again what nobody took, and says what has been repeated for a minute. To be called now and then.</summary>
    public void Tick()
    {
        if (!Flush() && _toSyslog)
        {
            Disconnect(); // the socket may have been replaced, and the old one still be held by who does not read it
            Flush();
        }
        if (_repeated > 0 && Environment.TickCount64 - _lastAt >= RepeatMilliseconds)
        {
            SayRepeated();
        }
    }

    private void Write(LogLevel level, string text, bool isDecision = false)
    {
        if (level > Level)
        {
            return;
        }
        long now = Environment.TickCount64;
        if (text == _lastText && level == _lastLevel && now - _lastAt < RepeatMilliseconds)
        {
            _repeated++;
            return;
        }
        SayRepeated();
        (_lastText, _lastLevel, _lastAt) = (text, level, now);
        if (level > LogLevel.Error && !isDecision && !IsAffordable(now))
        {
            _dropped++;
            return;
        }
        Put(level, text, isDecision);
    }

    private void SayRepeated()
    {
        if (_repeated > 0)
        {
            Put(_lastLevel, $"last message repeated {_repeated} times", isDecision: false);
            _repeated = 0;
            _lastText = "";
        }
    }

    /// <summary>Each line takes its time from a budget that the silence before it has filled.</summary>
    private bool IsAffordable(long now)
    {
        long end = Math.Max(_burstEndsAt, now) + MillisecondsPerLine;
        if (end - now > Burst * MillisecondsPerLine)
        {
            return false;
        }
        _burstEndsAt = end;
        return true;
    }

    private void Put(LogLevel level, string text, bool isDecision)
    {
        bool isNext = Flush();
        ReadOnlySpan<byte> line = Format(level, text);
        if (isNext && TryPut(line))
        {
            return;
        }
        if (level > LogLevel.Warn && !isDecision)
        {
            _dropped++;
            return;
        }
        if (_kept.Count == MaxKept)
        {
            _kept.Dequeue();
            _dropped++;
        }
        _kept.Enqueue(line.ToArray());
    }

    /// <summary>Writes what was kept, and says how much was not. False if that is not taken yet.</summary>
    private bool Flush()
    {
        while (_kept.TryPeek(out byte[]? line))
        {
            if (!TryPut(line))
            {
                return false;
            }
            _kept.Dequeue();
        }
        if (_dropped > 0)
        {
            if (!TryPut(Format(LogLevel.Warn, $"{_dropped} lines of the log were dropped")))
            {
                return false;
            }
            _dropped = 0;
        }
        return true;
    }

    private bool TryPut(ReadOnlySpan<byte> line) => _toSyslog ? PutSyslog(line) : PutStderr(line);

    private ReadOnlySpan<byte> Format(LogLevel level, string text)
    {
        string head = _toSyslog || _isTerminal
            ? Head(level, WallTime()) // wall time is for people only
            : string.Create(CultureInfo.InvariantCulture, $"<{(int)level}>");
        int length = Encoding.UTF8.GetBytes(head, _line);
        Encoding.UTF8.GetEncoder().Convert(text, _line.AsSpan(length, LongestLine), true, out _, out int written, out _);
        length += written;
        if (!_toSyslog)
        {
            _line[length++] = (byte)'\n';
        }
        return _line.AsSpan(0, length);
    }

    /// <summary>
    /// Wall time, with the offset of local time. Not DateTime.Now, which would be UTC: what reads time zones is left out of the
    /// executable (Trimming.xml).
    /// </summary>
    private static DateTimeOffset WallTime()
    {
        DateTimeOffset now = DateTimeOffset.UtcNow;
        return now.ToOffset(TimeSpan.FromMinutes(Shim.connmgr_utc_offset(now.ToUnixTimeSeconds()) / 60));
    }

    private string Head(LogLevel level, DateTimeOffset now) => _toSyslog
        ? string.Create(
            CultureInfo.InvariantCulture,
            $"<{FacilityDaemon + (int)level}>{now:MMM} {now.Day,2} {now:HH:mm:ss} connmgr[{Environment.ProcessId}]: ")
        : string.Create(CultureInfo.InvariantCulture, $"{now:HH:mm:ss.fff} ");

    /// <summary>
    /// Terminals and pipes are opened anew, since O_NONBLOCK belongs to the open file: whoever shares ours with us must not
    /// find it changed. Files never block; sockets can be told so with each call.
    /// </summary>
    private static int OpenStderr(out bool isSocket)
    {
        isSocket = false;
        stat status;
        if (LibC.fstat(2, &status) < 0)
        {
            return 2;
        }
        isSocket = LibC.S_ISSOCK(status.st_mode);
        if (!LibC.S_ISCHR(status.st_mode) && !LibC.S_ISFIFO(status.st_mode))
        {
            return 2;
        }
        fixed (byte* path = "/proc/self/fd/2\0"u8)
        {
            int fd = LibC.open(path, LibC.O_WRONLY | LibC.O_NONBLOCK | LibC.O_NOCTTY | LibC.O_CLOEXEC, 0);
            return fd < 0 ? 2 : fd; // another user's terminal, or no /proc: poll has to do
        }
    }

    /// <summary>A terminal, or a stream, may take a part of a line: the rest comes before anything else.</summary>
    private bool PutStderr(ReadOnlySpan<byte> line)
    {
        if (_rest.Length > 0)
        {
            _rest = _rest[WriteStderr(_rest)..];
            if (_rest.Length > 0)
            {
                return false;
            }
        }
        int written = WriteStderr(line);
        if (written > 0 && written < line.Length)
        {
            _rest = line[written..].ToArray();
        }
        return written > 0;
    }

    /// <summary>How much of it was taken. Where we share the open file, only what poll promises: a pipe takes PIPE_BUF (4,096) bytes.</summary>
    private int WriteStderr(ReadOnlySpan<byte> bytes)
    {
        pollfd ready = new() { fd = _stderr, events = LibC.POLLOUT };
        if (_stderr == 2 && !_isSocket
            && (LibC.poll(&ready, 1, 0) != 1 || (ready.revents & LibC.POLLOUT) == 0))
        {
            return 0;
        }
        fixed (byte* begin = bytes)
        {
            nint written = _isSocket
                ? (nint)LibC.send(_stderr, begin, bytes.Length, LibC.MSG_DONTWAIT | LibC.MSG_NOSIGNAL)
                : (nint)LibC.write(_stderr, begin, bytes.Length);
            return (int)Math.Max(0, written);
        }
    }

    /// <summary>RFC 3164 over a datagram socket; connected anew if syslogd was restarted.</summary>
    private bool PutSyslog(ReadOnlySpan<byte> datagram)
    {
        for (int attempt = 0; attempt < 2; attempt++)
        {
            if (_syslog < 0 && !ConnectSyslog())
            {
                return false;
            }
            fixed (byte* bytes = datagram)
            {
                if ((nint)LibC.send(_syslog, bytes, datagram.Length, LibC.MSG_NOSIGNAL) == datagram.Length)
                {
                    return true;
                }
            }
            if (Errno.Last == Errno.EAGAIN)
            {
                return false;
            }
            Disconnect();
        }
        return false;
    }

    private bool ConnectSyslog()
    {
        _ = UnixAddress.TryMake(_syslogPath, out sockaddr_un address);
        _syslog = LibC.socket(LibC.AF_UNIX, LibC.SOCK_DGRAM | LibC.SOCK_NONBLOCK | LibC.SOCK_CLOEXEC, 0);
        if (_syslog >= 0 && LibC.connect(_syslog, (sockaddr*)&address, sizeof(sockaddr_un)) < 0)
        {
            Disconnect();
        }
        return _syslog >= 0;
    }

    public void Dispose()
    {
        SayRepeated();
        Flush();
        Disconnect();
        if (_stderr != 2)
        {
            _ = LibC.close(_stderr);
        }
    }

    private void Disconnect()
    {
        if (_syslog >= 0)
        {
            _ = LibC.close(_syslog);
            _syslog = -1;
        }
    }
}
