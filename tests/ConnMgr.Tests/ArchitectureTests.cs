using System.Text.RegularExpressions;

namespace ConnMgr.Tests;

/// <summary>A file does I/O, or reads a clock, only if its name says so.</summary>
public partial class ArchitectureTests
{
    [Fact]
    public void Pure_files_neither_do_io_nor_read_a_clock()
    {
        List<string> offences = [];
        int pure = 0;
        foreach (string path in Sources())
        {
            if (MayHaveEffects(path))
            {
                continue;
            }
            pure++;
            offences.AddRange(Offences(path, File.ReadAllText(path)));
        }
        Assert.Empty(offences);
        Assert.True(pure >= 15, $"only {pure} pure files found: is the scan still looking at the right place?");
    }

    [Theory]
    [InlineData("DateTime.UtcNow")]
    [InlineData("_ = LibC.close(fd);")]
    [InlineData("File.ReadAllText(path)")]
    [InlineData("Stopwatch.StartNew()")]
    [InlineData("_time.GetTimestamp()")]
    [InlineData("unsafe { }")]
    [InlineData("await task;")]
    [InlineData("using ConnMgr.Native;")]
    [InlineData("new Socket(family)")]
    [InlineData("Environment.GetEnvironmentVariable(name)")]
    public void The_scan_finds_an_offence(string line) => Assert.NotEmpty(Offences("Pure.cs", line));

    [Fact]
    public void The_scan_ignores_comments() => Assert.Empty(Offences("Pure.cs", "/// <summary>await File.Read</summary>"));

    [Fact]
    public void There_is_no_thread_no_task_no_lock_anywhere()
    {
        List<string> offences = [];
        foreach (string path in Sources())
        {
            foreach (string line in CodeLines(File.ReadAllText(path)))
            {
                if (Concurrency().IsMatch(line))
                {
                    offences.Add($"{Path.GetFileName(path)}: {line.Trim()}");
                }
            }
        }
        Assert.Empty(offences);
    }

    /// <summary>What Trimming.xml takes out of the executable must not be called: unit tests would still find it.</summary>
    [Fact]
    public void Nothing_uses_what_the_executable_lacks()
    {
        List<string> offences = [];
        foreach (string path in Sources())
        {
            foreach (string line in CodeLines(File.ReadAllText(path)))
            {
                if (Trimmed().IsMatch(line))
                {
                    offences.Add($"{Path.GetFileName(path)}: {line.Trim()}");
                }
            }
        }
        Assert.Empty(offences);
        Assert.Matches(Trimmed(), "_ = DateTime.Now;");
    }

    /// <summary>
    /// Layers, the lowest first. A room may use the rooms of lower lines, never one beside or above it.
    /// </summary>
    private static readonly string[][] Layers =
    [
        ["Native", "Net"],
        ["EventLoop", "Logging"],
        ["Netlink", "Dns", "Config", "Scripts"],
        ["Capture", "Flows", "Routing"],
        ["Links", "Firewall", "Probe", "Attributes", "Cli", "Status", "Control"],
        ["App"],
    ];

    [Fact]
    public void Every_folder_is_in_a_layer() => Assert.Equal(
        Layers.SelectMany(layer => layer).Order(),
        Directory.EnumerateDirectories(Repository.Source).Select(path => Path.GetFileName(path)!)
            .Where(name => name is not ("bin" or "obj")).Order());

    private static IEnumerable<string> Sources() =>
        Directory.EnumerateFiles(Repository.Source, "*.cs", SearchOption.AllDirectories)
            .Where(path => !path.Contains("/obj/", StringComparison.Ordinal) && !path.Contains("/bin/", StringComparison.Ordinal));

    private static bool MayHaveEffects(string path)
    {
        string name = Path.GetFileNameWithoutExtension(path);
        string folder = Path.GetFileName(Path.GetDirectoryName(path)!);
        return folder is "Native" or "EventLoop"
            || name is "Program" or "Startup" or "ConfigFiles" or "Daemon" or "Daemon.Reload" or "MonitoredLink"
                or "AttributeReport" or "Lockdown" or "HoleStore" or "DnsObserver" or "ReplyGate" or "NameRefresher"
                or "SetBackend" or "NameServerFiles" or "ScriptEnvironment"
                or "StatusReport" or "Log" or "CommandLine" or "Child" or "ScriptLane"
            || name.EndsWith("Monitor", StringComparison.Ordinal)
            || name.EndsWith("Socket", StringComparison.Ordinal)
            || name.EndsWith("Client", StringComparison.Ordinal)
            || name.EndsWith("Query", StringComparison.Ordinal)
            || name.EndsWith("Runner", StringComparison.Ordinal);
    }

    private static IEnumerable<string> Offences(string path, string text) =>
        from line in CodeLines(text)
        where Effect().IsMatch(line)
        select $"{Path.GetFileName(path)}: {line.Trim()}";

    private static IEnumerable<string> CodeLines(string text) =>
        text.Split('\n').Where(line => !line.TrimStart().StartsWith("//", StringComparison.Ordinal));

    [GeneratedRegex(
        @"\b(LibC|LibcExtra|Shim|SmallFile|Process|File|Directory|Console|DateTime|DateTimeOffset|Stopwatch|TimeProvider|Environment|Socket|Random)\b[.(]"
        + @"|GetTimestamp|GetElapsedTime|\bunsafe\b|\basync\b|\bawait\b|using ConnMgr\.(Native|EventLoop);|using Tmds")]
    private static partial Regex Effect();

    [GeneratedRegex(@"\b(Thread|ThreadPool|Task|Parallel|Monitor|Interlocked)\b[.<(]|\block\s*\(|\basync\b|\bawait\b|~\w+\(\)")]
    private static partial Regex Concurrency();

    [GeneratedRegex(@"\bDateTime(Offset)?\.Now\b|\bToLocalTime\b|\bTimeZoneInfo\b|\bRegex\b|System\.Text\.Json|System\.Reflection|Console\.(In|Read\w*|Foreground\w*)\b|[pP]acket\.ToString\(")]
    private static partial Regex Trimmed();
}
