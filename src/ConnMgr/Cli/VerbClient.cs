using ConnMgr.Config;
using ConnMgr.Control;
using ConnMgr.Logging;
using Tmds.Linux;

namespace ConnMgr.Cli;

/// <summary>The verbs that ask a running daemon: status, events, metrics, reload.</summary>
internal static class VerbClient
{
    private const int WatchMilliseconds = 1000;

    /// <summary>So long may a restart of the daemon take before who watches it is told that it is gone.</summary>
    private const int RestartMilliseconds = 15_000;

    private const string ClearScreen = "\e[H\e[J"; // ECMA-48: CUP, ED

    public static ExitCode Run(Options options)
    {
        ControlClient client = new(Path.Combine(options.RunDirectory, "connmgr.sock"));
        string request = RequestOf(options);
        bool clears = options.Watches && IsTerminal();
        long answeredAt = Environment.TickCount64 - RestartMilliseconds; // at first there is nothing to wait for
        while (true)
        {
            Utf8Text before = new(16);
            before.Add(clears ? ClearScreen : "");
            ControlEnd end = client.Ask(request, options.Follows, before.Bytes, out int status);
            if (end == ControlEnd.OutputClosed || (end == ControlEnd.Answered && !options.Watches))
            {
                return (ExitCode)status;
            }
            if (end == ControlEnd.Answered)
            {
                answeredAt = Environment.TickCount64;
            }
            else
            {
                Console.Error.WriteLine($"{(clears ? ClearScreen : "")}connmgr: {WordsOf(end, options.RunDirectory)}");
            }
            if (!options.Watches || Environment.TickCount64 - answeredAt >= RestartMilliseconds)
            {
                return end == ControlEnd.NotPermitted ? ExitCode.NoPermission : ExitCode.Unavailable;
            }
            ControlClient.Pause(WatchMilliseconds);
        }
    }

    private static string RequestOf(Options options)
    {
        string verb = options.Verb switch
        {
            Verb.Status => "status",
            Verb.Events => "events",
            Verb.Metrics => "metrics",
            _ => "reload",
        };
        string form = options.IsJson ? "" : IsColored() ? " text color" : " text";
        return $"{verb}{form}{(options.Follows ? " follow" : "")}";
    }

    private static string WordsOf(ControlEnd end, string directory) => end switch
    {
        ControlEnd.NotPermitted => $"{directory}: only root may ask",
        ControlEnd.Silent => "the daemon does not answer",
        ControlEnd.Gone => "the daemon has closed the connection",
        _ => $"no daemon answers in {directory}",
    };

    private static bool IsTerminal() => LibC.isatty(1) == 1;

    /// <summary>https://no-color.org</summary>
    private static bool IsColored() => IsTerminal() && string.IsNullOrEmpty(Environment.GetEnvironmentVariable("NO_COLOR"))
        && Environment.GetEnvironmentVariable("TERM") is not (null or "" or "dumb");
}
