using System.Globalization;
using System.Text;
using ConnMgr.Control;
using ConnMgr.Native;
using Tmds.Linux;

namespace ConnMgr;

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
/// The log: one line each, never blocking. A line that would block is dropped, and counted in the next that would not.
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
    private const string SyslogPath = "/dev/log";

    private readonly bool _toSyslog;
    private readonly bool _isTerminal;
    private readonly byte[] _line = new byte[LongestLine + 100];
    private int _syslog = -1;
    private int _dropped;
    private string _lastText = "";
    private LogLevel _lastLevel;
    private long _lastAt;
    private int _repeated;
    private long _burstEndsAt;

    public Log(LogTarget target, LogLevel level)
    {
        Level = level;
        _isTerminal = LibC.isatty(2) == 1;
        _toSyslog = target == LogTarget.Syslog || (target == LogTarget.Auto && !_isTerminal && File.Exists(SyslogPath));
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
        Write(level, text, isDecision: kind is not (EventKind.Probe or EventKind.Hole or EventKind.Reply or EventKind.Reload));
    }

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

    /// <summary>Says what has been repeated for a minute. To be called now and then.</summary>
    public void Tick()
    {
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
        if (_dropped > 0 && Put(LogLevel.Warn, $"{_dropped} lines of the log were dropped"))
        {
            _dropped = 0;
        }
        _dropped += Put(level, text) ? 0 : 1;
    }

    private void SayRepeated()
    {
        if (_repeated > 0)
        {
            Put(_lastLevel, $"last message repeated {_repeated} times");
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

    private bool Put(LogLevel level, string text)
    {
        string head = _toSyslog || _isTerminal
            ? Head(level, WallTime()) // wall time is for people only
            : string.Create(CultureInfo.InvariantCulture, $"<{(int)level}>");
        int length = Encoding.UTF8.GetBytes(head, _line);
        Encoding.UTF8.GetEncoder().Convert(text, _line.AsSpan(length, LongestLine), true, out _, out int written, out _);
        length += written;
        if (_toSyslog)
        {
            return PutSyslog(length);
        }
        _line[length++] = (byte)'\n';
        return PutStderr(length);
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

    /// <summary>A pipe that is ready takes at least PIPE_BUF (4,096) bytes at once, so this cannot block (pipe(7)).</summary>
    private bool PutStderr(int length)
    {
        pollfd ready = new() { fd = 2, events = LibC.POLLOUT };
        if (LibC.poll(&ready, 1, 0) != 1 || (ready.revents & LibC.POLLOUT) == 0)
        {
            return false;
        }
        fixed (byte* line = _line)
        {
            return (nint)LibC.write(2, line, length) == length;
        }
    }

    /// <summary>RFC 3164 over a datagram socket; connected anew if syslogd was restarted.</summary>
    private bool PutSyslog(int length)
    {
        for (int attempt = 0; attempt < 2; attempt++)
        {
            if (_syslog < 0 && !ConnectSyslog())
            {
                return false;
            }
            fixed (byte* line = _line)
            {
                if ((nint)LibC.send(_syslog, line, length, LibC.MSG_NOSIGNAL) == length)
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
        _ = UnixAddress.TryMake(SyslogPath, out sockaddr_un address);
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
        Disconnect();
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
