using ConnMgr.Config;
using ConnMgr.Control;
using ConnMgr.Logging;
using ConnMgr.Native;
using Tmds.Linux;

namespace ConnMgr.Cli;

/// <summary>The verbs that a running daemon answers: status, events, metrics, reload.</summary>
internal static class VerbClient
{
    private const int WatchMilliseconds = 1000;

    /// <summary>
    /// How long --watch waits for a restart of the daemon before it reports that the daemon is gone, in
    /// milliseconds.
    /// </summary>
    private const int RestartMilliseconds = 15_000;

    private const int StandardWait = 60; // seconds
    private const int OnlinePeriod = 500; // milliseconds

    private const string ClearScreen = "\e[H\e[J"; // ECMA-48: CUP, ED

    /// <summary>
    /// Sends the request and prints the reply. Returns the verb's exit status, or Unavailable or NoPermission
    /// if the daemon cannot be asked.
    /// </summary>
    public static ExitCode Run(Options options)
    {
        ControlClient client = new(Path.Combine(options.RunDirectory, "connmgr.sock"));
        string request = RequestOf(options);
        bool clears = options.Watches && IsTerminal();
        // The first request does not wait for a daemon that restarts.
        long answeredAt = Environment.TickCount64 - RestartMilliseconds;
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
                string words = WordsOf(end, options.RunDirectory);
                StandardOutput.Complain($"{(clears ? ClearScreen : "")}connmgr: {words}");
            }
            if (!options.Watches || Environment.TickCount64 - answeredAt >= RestartMilliseconds)
            {
                return end == ControlEnd.NotPermitted ? ExitCode.NoPermission : ExitCode.Unavailable;
            }
            ControlClient.Pause(WatchMilliseconds);
        }
    }

    /// <summary>
    /// Waits until `status` ends with 0, 2 or 3: a link is confirmed, or a metered one is assumed to work.
    /// Returns Failed after the limit. The daemon may not run yet.
    /// </summary>
    public static ExitCode WaitOnline(Options options)
    {
        ControlClient client = new(Path.Combine(options.RunDirectory, "connmgr.sock"));
        long end = Environment.TickCount64 + ((options.Seconds ?? StandardWait) * 1000L);
        while (true)
        {
            ControlEnd answer = client.Ask("status", follows: false, default, out int status, isSilent: true);
            if (answer == ControlEnd.NotPermitted)
            {
                StandardOutput.Complain($"connmgr: {WordsOf(answer, options.RunDirectory)}");
                return ExitCode.NoPermission;
            }
            if (answer == ControlEnd.Answered && status is 0 or 2 or 3)
            {
                return ExitCode.Ok;
            }
            long left = end - Environment.TickCount64;
            if (left <= 0)
            {
                StandardOutput.Complain(answer == ControlEnd.Answered
                    ? "connmgr: no link works: see 'connmgr status'"
                    : $"connmgr: {WordsOf(answer, options.RunDirectory)}");
                return ExitCode.Failed;
            }
            ControlClient.Pause((int)Math.Min(left, OnlinePeriod));
        }
    }

    private static string RequestOf(Options options)
    {
        string verb = options.Verb switch
        {
            Verb.Status => "status",
            Verb.Events => "events",
            Verb.Audit => "audit",
            Verb.Metrics => "metrics",
            Verb.Use => "use",
            _ => "reload",
        };
        string form = options.IsJson ? "" : IsColored() ? " text color" : " text";
        string link = options.Link is null ? "" : $" link={options.Link}";
        string last = options.Last is null ? "" : $" last={options.Last}";
        string seconds = options.Seconds is null ? "" : $" seconds={options.Seconds}";
        string format = options.ListsWhitelist ? " whitelist" : options.IsOpenMetrics ? " openmetrics" : "";
        return $"{verb}{form}{format}{(options.Follows ? " follow" : "")}{link}{last}{seconds}";
    }

    private static string WordsOf(ControlEnd end, string directory) => end switch
    {
        ControlEnd.NotPermitted =>
            $"{directory}: you may not ask the daemon: only root, its user, and members of its "
                + "--control-group",
        ControlEnd.Silent => "the daemon does not answer",
        ControlEnd.Gone => "the daemon has closed the connection",
        _ when OldLockdown.IsRecorded(directory) =>
            $"no daemon answers in {directory}; the device is {OldLockdown.Words}",
        _ => $"no daemon answers in {directory}",
    };

    private static bool IsTerminal() => LibC.isatty(1) == 1;

    /// <summary>True if output may be coloured; see https://no-color.org.</summary>
    private static bool IsColored() => IsTerminal()
        && string.IsNullOrEmpty(Environment.GetEnvironmentVariable("NO_COLOR"))
        && Environment.GetEnvironmentVariable("TERM") is not (null or "" or "dumb");
}
