using System.Text;
using ConnMgr.Config;
using ConnMgr.EventLoop;
using ConnMgr.Logging;
using ConnMgr.Native;
using ConnMgr.Scripts;

namespace ConnMgr.App;

/// <summary>
/// The options that the init system gives to the daemon: those of /etc/default/connmgr, or on OpenWrt those
/// of /etc/config/connmgr. For the verbs that work without a daemon.
/// </summary>
internal sealed class ServiceOptions
{
    private const string UciPath = "/etc/config/connmgr";
    private const string InitScript = "/etc/init.d/connmgr";
    private const string Answer = "options:"; // begins the line with the options
    private const int Limit = 65536; // bytes

    private static readonly TimeSpan ScriptLimit = TimeSpan.FromSeconds(10);

    /// <summary>The file that the options come from.</summary>
    public required string Source { get; init; }

    /// <summary>The options; null if the file is not usable.</summary>
    public string[]? Words { get; init; }

    /// <summary>What is wrong with the file, as lines; empty for nothing.</summary>
    public required IReadOnlyList<string> Faults { get; init; }

    /// <summary>Reads the options. Without the file, there are none.</summary>
    public static ServiceOptions Read()
    {
        if (File.Exists("/etc/rc.common") && File.Exists(UciPath))
        {
            string? fault = SmallFile.Read(UciPath, Limit, out _, out int errno) is null
                ? $"{UciPath}: {Errno.Text(errno)}"
                : null;
            return fault is null ? Ask() : new ServiceOptions { Source = UciPath, Faults = [fault] };
        }
        string[] words = DefaultsFile.Read(out string error);
        return new ServiceOptions
        {
            Source = DefaultsFile.Path,
            Words = error.Length > 0 ? null : words,
            Faults = error.Length > 0 ? [error] : [],
        };
    }

    /// <summary>
    /// Reads the answer of the init script: a line `options: OPTION...`; each line before it is a fault.
    /// An older init script prints its help text instead, which has no such line.
    /// </summary>
    internal static ServiceOptions Of(string output)
    {
        List<string> faults = [];
        foreach (string line in output.Split('\n'))
        {
            if (line.StartsWith(Answer, StringComparison.Ordinal))
            {
                return new ServiceOptions
                {
                    Source = UciPath,
                    Words = line[Answer.Length..].Split(' ', StringSplitOptions.RemoveEmptyEntries),
                    Faults = faults,
                };
            }
            faults.Add(line);
        }
        return new ServiceOptions
        {
            Source = UciPath,
            Faults = [$"{UciPath}: {InitScript} does not say which options it gives to the daemon"],
        };
    }

    /// <summary>Asks the init script, which alone knows how the values become options.</summary>
    private static ServiceOptions Ask()
    {
        using Loop loop = new();
        Utf8Text said = new(Limit);
        using Child? script = Child.Start(
            loop, ScriptLimit, [InitScript, "connmgr_options"], ScriptEnvironment.Base,
            _ => loop.Stop(),
            out _,
            bytes =>
            {
                if (said.Length + bytes.Length <= Limit)
                {
                    said.Add(bytes);
                }
            });
        if (script is not null)
        {
            loop.Run(static () => { });
        }
        return Of(Encoding.UTF8.GetString(said.Bytes));
    }
}
