using System.Globalization;
using System.Net.Sockets;
using System.Text;
using System.Text.RegularExpressions;
using ConnMgr.Logging;

namespace ConnMgr.Tests.Logging;

/// <summary>The log with a real socket in place of syslogd, read only when a test says so.</summary>
public sealed partial class LogTests : IDisposable
{
    private readonly string _directory = Directory.CreateTempSubdirectory("connmgr-test-").FullName;
    private readonly List<Socket> _sockets = [];
    private readonly Log _log;

    public LogTests()
    {
        Listen();
        _log = new Log(LogTarget.Syslog, LogLevel.Debug, SocketPath);
    }

    private string SocketPath => Path.Combine(_directory, "log");

    public void Dispose()
    {
        _log.Dispose();
        _sockets.ForEach(socket => socket.Dispose());
        Directory.Delete(_directory, recursive: true);
    }

    [Fact]
    public void While_syslogd_stands_still_the_last_64_decisions_are_kept_in_order_and_the_rest_is_counted()
    {
        const int Said = 2000; // more than any kernel's net.unix.max_dgram_qlen lets through
        for (int i = 0; i < Said; i++)
        {
            _log.Event(EventKind.Decision, $"decision {i}");
        }
        List<string> taken = Drain();
        int before = taken.Count;
        Assert.InRange(before, 1, Said - 100);
        for (int ticks = 0; ticks < 100 && !taken.Contains($"decision {Said - 1}"); ticks++)
        {
            _log.Tick();
            taken.AddRange(Drain());
        }
        string[] expected =
        [
            .. Enumerable.Range(0, before).Select(i => $"decision {i}"),
            .. Enumerable.Range(Said - 64, 64).Select(i => $"decision {i}"),
        ];
        Assert.Equal(expected, taken.Where(line => line.StartsWith("decision", StringComparison.Ordinal)));
        Assert.Equal([$"{Said - before - 64} lines of the log were dropped"], taken.Except(expected));
    }

    [Fact]
    public void A_condition_is_logged_once_whatever_its_text_until_it_is_over()
    {
        _log.Level = LogLevel.Info;
        for (int i = 0; i < 5; i++)
        {
            _log.Once("full", EventKind.Hole, $"no room for 198.18.1.{i}");
            _log.Once("other", EventKind.Hole, "another condition");
        }
        Assert.Equal(["no room for 198.18.1.0", "another condition"], Drain());
        Assert.Equal((true, false), (_log.Over("full"), _log.Over("full")));
        _log.Once("full", EventKind.Hole, "no room for 198.18.1.9");
        Assert.Equal(["no room for 198.18.1.9"], Drain());
        Assert.Equal(11, _log.Events.Total(EventKind.Hole));
    }

    [Theory]
    [InlineData(nameof(LogLevel.Error), true)]
    [InlineData(nameof(LogLevel.Warn), true)]
    [InlineData(nameof(LogLevel.Info), false)]
    [InlineData(nameof(LogLevel.Debug), false)]
    public void Of_what_is_no_decision_errors_and_warnings_are_kept(string level, bool isKept)
    {
        Fill();
        _log.Event(EventKind.Probe, "said meanwhile", Enum.Parse<LogLevel>(level));
        Drain();
        _log.Tick();
        List<string> taken = Drain();
        Assert.Equal(isKept, taken.Contains("said meanwhile"));
        Assert.Contains(taken, line => Dropped().IsMatch(line));
    }

    [Fact]
    public void A_line_after_a_standstill_comes_behind_what_was_kept()
    {
        Fill();
        _log.Event(EventKind.Decision, "first");
        _log.Event(EventKind.Decision, "second");
        Drain();
        _log.Info("third");
        List<string> taken = Drain();
        Assert.Equal(["first", "second", "third"], taken.Where(line => !Dropped().IsMatch(line)));
        Assert.Equal(2, taken.FindIndex(line => Dropped().IsMatch(line)));
    }

    [Fact]
    public void Without_syslogd_lines_are_kept_until_it_is_back()
    {
        _log.Error("before");
        using Socket other = new(AddressFamily.Unix, SocketType.Dgram, ProtocolType.Unspecified);
        other.Connect(new UnixDomainSocketEndPoint(SocketPath));
        _sockets[0].Dispose();
        // A child process of another test, between fork and exec, may hold the descriptor open for a moment.
        SpinWait.SpinUntil(() => IsRefused(other), TimeSpan.FromSeconds(30));
        File.Delete(SocketPath);
        _log.Error("meanwhile");
        Listen();
        _log.Tick();
        Assert.Equal(["meanwhile"], Drain());
    }

    /// <summary>
    /// syslogd hangs, and its successor binds a new socket to the same path. The old socket is never read
    /// again.
    /// </summary>
    [Fact]
    public void A_new_socket_in_the_place_of_a_full_one_gets_what_was_kept()
    {
        Fill();
        _log.Error("meanwhile");
        File.Delete(SocketPath);
        Listen();
        _log.Tick();
        Assert.Contains("meanwhile", Drain());
    }

    [Theory]
    [InlineData(nameof(EventKind.Daemon), false)]
    [InlineData(nameof(EventKind.Link), false)]
    [InlineData(nameof(EventKind.Probe), true)]
    [InlineData(nameof(EventKind.Decision), false)]
    [InlineData(nameof(EventKind.Switch), false)]
    [InlineData(nameof(EventKind.Route), false)]
    [InlineData(nameof(EventKind.Firewall), false)]
    [InlineData(nameof(EventKind.Hole), true)]
    [InlineData(nameof(EventKind.Reply), true)]
    [InlineData(nameof(EventKind.Attrd), false)]
    [InlineData(nameof(EventKind.Reload), true)]
    [InlineData(nameof(EventKind.Hook), false)]
    public void A_flood_is_cut_and_counted_but_never_what_was_decided(string kind, bool isCut)
    {
        const int Said = 1500;
        long began = Environment.TickCount64;
        List<string> taken = [];
        for (int i = 0; i < Said; i++)
        {
            _log.Event(Enum.Parse<EventKind>(kind), $"line {i}", LogLevel.Warn);
            taken.AddRange(Drain());
        }
        _log.Tick();
        taken.AddRange(Drain());
        int written = taken.Count(line => line.StartsWith("line", StringComparison.Ordinal));
        long counted = taken.Sum(line => Dropped().Match(line) is { Success: true } match
            ? int.Parse(match.Groups[1].ValueSpan, CultureInfo.InvariantCulture)
            : 0);
        Assert.Equal(Said, written + counted);
        // 400 lines at once, then one every 50 ms.
        Assert.InRange(
            written, isCut ? 400 : Said, isCut
            ? Math.Min(Said, 402 + (Environment.TickCount64 - began) / 50) : Said);
    }

    [Fact]
    public void Errors_come_through_a_flood_of_anything()
    {
        List<string> taken = [];
        for (int i = 0; i < 1000; i++)
        {
            _log.Event(EventKind.Hole, $"hole {i}");
            taken.AddRange(Drain());
        }
        _log.Event(EventKind.Reload, "refused", LogLevel.Error);
        _log.Event(EventKind.Link, "eth0: ITFUP_SS -> ITFDOWN_SU", LogLevel.Debug);
        taken.AddRange(Drain());
        Assert.Equal(["refused", "eth0: ITFUP_SS -> ITFDOWN_SU"], taken.TakeLast(2));
    }

    [GeneratedRegex("^([0-9]+) lines of the log were dropped$")]
    private static partial Regex Dropped();

    private static bool IsRefused(Socket socket)
    {
        try
        {
            socket.Send([0], SocketFlags.None, out SocketError error);
            return error == SocketError.ConnectionRefused;
        }
        catch (SocketException exception)
        {
            return exception.SocketErrorCode == SocketError.ConnectionRefused;
        }
    }

    private void Listen()
    {
        Socket socket = new(AddressFamily.Unix, SocketType.Dgram, ProtocolType.Unspecified);
        socket.Bind(new UnixDomainSocketEndPoint(SocketPath));
        socket.Blocking = false;
        _sockets.Add(socket);
    }

    /// <summary>Logs debug lines until the socket is full.</summary>
    private void Fill()
    {
        for (int i = 0; i < 2000; i++)
        {
            _log.Event(EventKind.Link, $"filling {i}", LogLevel.Debug);
        }
        // Drain the queued lines, then let another client fill the socket, so that no line of ours is queued.
        Drain();
        for (int i = 0; i < 100; i++)
        {
            _log.Tick();
            Drain();
        }
        using Socket other = new(AddressFamily.Unix, SocketType.Dgram, ProtocolType.Unspecified);
        other.Connect(new UnixDomainSocketEndPoint(SocketPath));
        other.Blocking = false;
        try
        {
            while (true)
            {
                other.Send("<30>other"u8);
            }
        }
        catch (SocketException full)
        {
            Assert.Equal(SocketError.WouldBlock, full.SocketErrorCode);
        }
        _log.Debug("nobody misses this");
    }

    /// <summary>Returns the lines that syslogd receives, without their headers.</summary>
    private List<string> Drain()
    {
        List<string> lines = [];
        byte[] buffer = new byte[65536];
        while (_sockets[^1].Available > 0)
        {
            string line = Encoding.UTF8.GetString(buffer, 0, _sockets[^1].Receive(buffer));
            if (line != "<30>other")
            {
                lines.Add(line[(line.IndexOf("]: ", StringComparison.Ordinal) + 3)..]);
            }
        }
        return lines;
    }
}
