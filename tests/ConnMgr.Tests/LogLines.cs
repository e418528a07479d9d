using ConnMgr.Logging;

namespace ConnMgr.Tests;

/// <summary>What a part of the daemon has logged, from the events that the log keeps.</summary>
internal static class LogLines
{
    /// <summary>Returns the texts of all events but those of the level debug, oldest first.</summary>
    public static string[] Of(Log log) =>
        [.. log.Events.Events.Where(said => said.Level != LogLevel.Debug).Select(said => said.Text)];

    /// <summary>Returns the texts of the events, of any level, that begin so.</summary>
    public static string[] Beginning(Log log, string start) =>
    [
        .. log.Events.Events.Select(said => said.Text)
            .Where(text => text.StartsWith(start, StringComparison.Ordinal)),
    ];
}
