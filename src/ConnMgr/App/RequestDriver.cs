using ConnMgr.Cli;
using ConnMgr.Config;
using ConnMgr.Control;
using ConnMgr.EventLoop;
using ConnMgr.Firewall;
using ConnMgr.Links;
using ConnMgr.Logging;
using ConnMgr.Scripts;
using ConnMgr.Status;

namespace ConnMgr.App;

/// <summary>Carries out the requests that change a running daemon: a reload, and `use`.</summary>
/// <param name="loop">The clock.</param>
/// <param name="log">The log.</param>
/// <param name="options">The directories of the configuration.</param>
/// <param name="names">The names of the interfaces at the start.</param>
/// <param name="environment">The environment of the scripts; the first variable follows the names.</param>
/// <param name="links">The links.</param>
/// <param name="budgets">The budgets of the links.</param>
/// <param name="lockdown">The lockdown; null if the firewall is disabled.</param>
/// <param name="report">Counts the reloads.</param>
/// <param name="namesChanged">Called when a reload has changed the names; the second argument is true if it
/// has replaced links.</param>
internal sealed class RequestDriver(
    Loop loop, Log log, Options options, NetifNames names, List<string> environment, LinkDriver links,
    BudgetDriver budgets, Lockdown? lockdown, StatusReport report, Action<NetifNames, bool> namesChanged)
{
    /// <summary>The names of the interfaces, as the last good reload has read them.</summary>
    public NetifNames Names { get; private set; } = names;

    /// <summary>Prefers a link by hand, or ends that.</summary>
    public ExitCode Use(in ControlRequest request, Utf8Text reply)
    {
        TimeSpan until = request.Seconds is { } seconds
            ? loop.Now + TimeSpan.FromSeconds(seconds)
            : TimeSpan.MaxValue;
        if (!links.Prefer(request.Link, until))
        {
            reply.Add(links.View.NoLink(request.Link!));
            return ExitCode.Usage;
        }
        string time = request.Seconds is { } left
            ? $" for {TextLayout.Span(TimeSpan.FromSeconds(left))}"
            : "";
        string words = request.Link is null ? "no link is preferred by hand"
            : $"{request.Link} is preferred by hand{time} while it is good";
        log.Event(EventFacts.Preferred(request.Link, words));
        reply.Add(words).Add('\n');
        return ExitCode.Ok;
    }

    /// <summary>Reads the configuration again, and writes the report as a reply.</summary>
    public ExitCode Reload(bool isText, Utf8Text reply)
    {
        ReloadText said = new();
        ExitCode exitCode = Reload(said, out string result);
        said.Write(exitCode == ExitCode.Ok, result, isText, reply);
        return exitCode;
    }

    /// <summary>Reads the configuration again. All of it takes effect, or nothing.</summary>
    /// <param name="said">Receives the lines of the report.</param>
    /// <param name="result">The result, as a phrase.</param>
    public ExitCode Reload(ReloadText said, out string result)
    {
        ConfigFiles files = ConfigFiles.Read(
            options.ConfigDirectory, options.RunDirectory, withWhitelist: !options.IsFirewallDisabled);
        foreach ((LogLevel level, string text) in files.Remarks)
        {
            Say(text, level, said);
        }
        NetifNames? read = files.HasErrors ? null : files.NetifNames;
        if (read is not null && budgets.Load(read) is { } trouble)
        {
            Say(trouble, LogLevel.Error, said);
            read = null;
        }
        if (read is null)
        {
            report.ReloadEnded(isGood: false, loop.Now);
            result = "refused: the old configuration stays in force";
            End($"reload {result}", LogLevel.Error, said);
            return ExitCode.Config;
        }

        List<string> changes = read.ChangesFrom(Names);
        Names = read;
        environment[0] = ScriptEnvironment.NamesVariable(read);
        if (changes.Count > 0)
        {
            namesChanged(read, links.Reload(read));
        }
        if (lockdown is not null)
        {
            changes.AddRange(lockdown.Reload(read, files.Whitelist));
            if (File.Exists(Path.Combine(options.ConfigDirectory, "firewall.user")))
            {
                Say("init_firewall.sh runs again, and with it firewall.user", LogLevel.Info, said);
            }
        }
        for (int i = 0; i < changes.Count - 1; i++)
        {
            Say(changes[i], LogLevel.Info, said);
        }
        report.ReloadEnded(isGood: true, loop.Now);
        result = changes.Count > 0 ? changes[^1] : "nothing has changed";
        End($"reload: {result}", LogLevel.Info, said);
        return ExitCode.Ok;
    }

    private void Say(string text, LogLevel level, ReloadText said)
    {
        if (said.Add(text))
        {
            log.Event(EventKind.Reload, $"reload: {text}", level);
        }
    }

    private void End(string result, LogLevel level, ReloadText said)
    {
        int more = said.Count - ReloadText.MaxEvents;
        if (more > 0)
        {
            log.Event(EventKind.Reload, $"reload: and {more} more (see `connmgr check`)", LogLevel.Warn);
        }
        log.Event(EventKind.Reload, result, level);
    }
}
