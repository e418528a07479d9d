using System.Globalization;
using System.Text;
using ConnMgr.Native;
using Tmds.Linux;

namespace ConnMgr.Logging;

/// <summary>Where the log goes.</summary>
internal enum LogTarget
{
    /// <summary>stderr if it is a terminal or if /dev/log is missing, else syslog.</summary>
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
/// The log. Never blocks: if the sink is full, the last 64 warnings, errors and decisions are queued and
/// retried; other lines are dropped and counted. A repeated line is written once, followed by the number of
/// repetitions. In a flood, lines are dropped and counted, but never errors and decisions. An event is a line
/// of the log that is also kept for `connmgr events`, whatever the log level.
/// </summary>
internal sealed unsafe class Log : IDisposable
{
    private const int LongestLine = 1000; // RFC 3164 section 4.1 allows 1,024 bytes
    private const int FacilityDaemon = 3 << 3;
    private const int RepeatMilliseconds = 60_000;
    private const int Burst = 400; // lines
    private const int MillisecondsPerLine = 50; // on average; errors and decisions are always written
    private const int MaxKept = 64; // lines

    private static readonly string[] Months = // RFC 3164 section 4.1.2
        ["Jan", "Feb", "Mar", "Apr", "May", "Jun", "Jul", "Aug", "Sep", "Oct", "Nov", "Dec"];

    private readonly string _syslogPath;
    private readonly bool _toSyslog;
    private readonly bool _isTerminal;
    private readonly bool _isJournal; // stderr
    private readonly int _stderr = 2;
    private readonly bool _isSocket; // stderr
    private readonly byte[] _line = new byte[LongestLine + 100];
    private readonly Queue<byte[]> _kept = []; // lines that could not be written yet
    private byte[] _rest = []; // of a line that stderr accepted only in part
    private int _syslog = -1;
    private int _dropped;
    private string _lastText = "";
    private LogLevel _lastLevel;
    private long _lastAt;
    private int _repeated;
    private long _burstEndsAt;
    private readonly HashSet<string> _conditions = []; // active conditions that have been logged

    /// <summary>Opens stderr; syslog is connected with the first line.</summary>
    /// <param name="target">Where the log goes.</param>
    /// <param name="level">The least severe level that is written.</param>
    /// <param name="syslogPath">The path of syslogd's socket.</param>
    public Log(LogTarget target, LogLevel level, string syslogPath = "/dev/log")
    {
        Level = level;
        _syslogPath = syslogPath;
        _isTerminal = LibC.isatty(2) == 1;
        _toSyslog = target == LogTarget.Syslog
            || (target == LogTarget.Auto && !_isTerminal && File.Exists(syslogPath));
        stat status;
        if (LibC.fstat(2, &status) == 0)
        {
            _isSocket = LibC.S_ISSOCK(status.st_mode);
            _isJournal = IsJournal(
                Environment.GetEnvironmentVariable("JOURNAL_STREAM"), (ulong)status.st_dev,
                (ulong)status.st_ino);
            if (!_toSyslog && (LibC.S_ISCHR(status.st_mode) || LibC.S_ISFIFO(status.st_mode)))
            {
                _stderr = ReopenStderr();
            }
        }
    }

    /// <summary>
    /// True if stderr is the journal's: systemd.exec(5), JOURNAL_STREAM. Only then does a line begin with
    /// its severity in brackets, which journald removes (sd-daemon(3)).
    /// </summary>
    /// <param name="stream">The environment variable JOURNAL_STREAM: device and inode, in decimal; null if
    /// it is not set.</param>
    /// <param name="device">The device number of stderr, as fstat(2) has it.</param>
    /// <param name="inode">The inode of stderr.</param>
    internal static bool IsJournal(string? stream, ulong device, ulong inode) =>
        stream is not null && stream.IndexOf(':') is > 0 and int colon
        && ulong.TryParse(stream.AsSpan(0, colon), NumberStyles.None, null, out ulong wantedDevice)
        && ulong.TryParse(stream.AsSpan(colon + 1), NumberStyles.None, null, out ulong wantedInode)
        && (wantedDevice, wantedInode) == (device, inode);

    /// <summary>
    /// The least severe level that is written. Setting it first reports how often the last line was repeated:
    /// afterwards that line may have become too detailed for the log.
    /// </summary>
    public LogLevel Level
    {
        get;
        set
        {
            if (value != field)
            {
                SayRepeated();
            }
            field = value;
        }
    }

    public bool IsDebug => Level >= LogLevel.Debug;

    /// <summary>The last events.</summary>
    public EventRing Events { get; } = new();

    /// <summary>Logs an event and keeps it, e.g. a decision with its reason.</summary>
    public void Event(EventKind kind, string text, LogLevel level = LogLevel.Info) =>
        Event(kind, text, level, null);

    /// <summary>Logs an event whose facts programs can read, and keeps it.</summary>
    public void Event(EventFacts facts, LogLevel level = LogLevel.Info) =>
        Event(facts.Kind, facts.Text, level, facts);

    private void Event(EventKind kind, string text, LogLevel level, EventFacts? facts)
    {
        Events.Add(kind, level, text, TimeProvider.System.GetElapsedTime(0), WallTime(), facts);
        Write(level, text, IsDecision(kind));
    }

    /// <summary>
    /// Logs a condition that lasts, or recurs, only once: at its level when it begins, and as a debug event
    /// after that, until <see cref="Over"/>. The key names the condition, so the text may differ each time.
    /// </summary>
    /// <param name="condition">A constant, e.g. `set full`. Never use text from outside, because the key is
    /// stored.</param>
    /// <param name="kind">The subject of the event.</param>
    /// <param name="text">The line.</param>
    /// <param name="level">The level of the first line.</param>
    public void Once(string condition, EventKind kind, string text, LogLevel level = LogLevel.Warn) =>
        Event(kind, text, _conditions.Add(condition) ? level : LogLevel.Debug);

    /// <summary>The same for an event whose facts programs can read.</summary>
    public void Once(string condition, EventFacts facts, LogLevel level = LogLevel.Warn) =>
        Event(facts, _conditions.Add(condition) ? level : LogLevel.Debug);

    /// <summary>Ends the condition: its next beginning is logged again.</summary>
    /// <returns>True if it had been logged.</returns>
    public bool Over(string condition) => _conditions.Remove(condition);

    public void Error(string text) => Write(LogLevel.Error, text);

    /// <summary>
    /// Logs the error that ends the daemon. It goes to stderr as well, even if the log goes to syslog: the
    /// user who has just started the daemon looks there.
    /// </summary>
    public void Fatal(string text)
    {
        Write(LogLevel.Error, text);
        TellUser(text);
    }

    /// <summary>
    /// Writes to stderr what the log has already, unless both go to the same place: to stderr, or to the
    /// journal.
    /// </summary>
    public void TellUser(string text)
    {
        if (_toSyslog && !_isJournal)
        {
            StandardOutput.Complain($"connmgr: {text}");
        }
    }

    public void Warn(string text) => Write(LogLevel.Warn, text);

    public void Info(string text) => Write(LogLevel.Info, text);

    public void Debug(string text) => Write(LogLevel.Debug, text);

    /// <summary>True for events that are never dropped in a flood.</summary>
    public static bool IsDecision(EventKind kind) =>
        kind is not (EventKind.Probe or EventKind.Hole or EventKind.Reply or EventKind.Reload);

    /// <summary>
    /// Retries queued lines and reports lines that were repeated for a minute. Call it every few seconds.
    /// </summary>
    public void Tick()
    {
        if (!Flush() && _toSyslog)
        {
            // syslogd may have been restarted while another process keeps the old socket open without
            // reading it.
            Disconnect();
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

    /// <summary>Takes a line from the budget, which refills over time. False if it is used up.</summary>
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

    /// <summary>
    /// Writes queued lines and the number of dropped ones. Returns false if the sink is still full.
    /// </summary>
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
        string head = _isJournal
            ? string.Create(CultureInfo.InvariantCulture, $"<{(int)level}>")
            : Head(level, WallTime()); // wall time is only for display
        int length = Encoding.UTF8.GetBytes(head, _line);
        Encoding.UTF8.GetEncoder().Convert(
            text, _line.AsSpan(length, LongestLine), true, out _, out int written, out _);
        length += written;
        if (!_toSyslog)
        {
            _line[length++] = (byte)'\n';
        }
        return _line.AsSpan(0, length);
    }

    /// <summary>
    /// Wall time with the offset of local time. DateTime.Now would return UTC, since Trimming.xml removes the
    /// code that reads time zones from the executable.
    /// </summary>
    private static DateTimeOffset WallTime()
    {
        DateTimeOffset now = DateTimeOffset.UtcNow;
        return now.ToOffset(TimeSpan.FromMinutes(Shim.connmgr_utc_offset(now.ToUnixTimeSeconds()) / 60));
    }

    private string Head(LogLevel level, DateTimeOffset now) => _toSyslog
        ? string.Create(
            CultureInfo.InvariantCulture,
            $"<{FacilityDaemon + (int)level}>{Months[now.Month - 1]} {now.Day,2} "
            + $"{now.Hour:00}:{now.Minute:00}:{now.Second:00} connmgr[{Environment.ProcessId}]: ")
        : string.Create(
            CultureInfo.InvariantCulture,
            $"{now.Hour:00}:{now.Minute:00}:{now.Second:00}.{now.Millisecond:000} {Severity(level)}");

    /// <summary>The severity as people read it.</summary>
    private static string Severity(LogLevel level) => level switch
    {
        LogLevel.Error => "error: ",
        LogLevel.Warn => "warning: ",
        _ => "",
    };

    /// <summary>
    /// Opens the terminal or pipe of stderr again: O_NONBLOCK applies to the open file, which other processes
    /// may share. Files need no such thing, because they never block, and sockets take MSG_DONTWAIT with each
    /// call.
    /// </summary>
    private static int ReopenStderr()
    {
        fixed (byte* path = "/proc/self/fd/2\0"u8)
        {
            int fd = LibC.open(path, LibC.O_WRONLY | LibC.O_NONBLOCK | LibC.O_NOCTTY | LibC.O_CLOEXEC, 0);
            return fd < 0 ? 2 : fd; // another user's terminal, or no /proc: use poll instead
        }
    }

    /// <summary>
    /// Writes a line. If stderr accepts only a part of it, the rest is written before any other line.
    /// </summary>
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

    /// <summary>
    /// Writes bytes and returns their number. On a shared open file it calls poll first, which guarantees
    /// room for PIPE_BUF (4,096) bytes.
    /// </summary>
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

    /// <summary>Sends a datagram of RFC 3164; reconnects once in case syslogd was restarted.</summary>
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
