using ConnMgr.Cli;
using ConnMgr.Control;
using ConnMgr.Logging;
using ConnMgr.Scripts;
using ConnMgr.Status;

namespace ConnMgr.App;

/// <summary>The requests to a running daemon, and the reload.</summary>
internal sealed partial class Daemon
{
    private int Answer(in ControlRequest request, Utf8Text reply)
    {
        if (request.Verb == ControlVerb.Use)
        {
            return (int)Use(request, reply);
        }
        if (request.Verb == ControlVerb.Audit)
        {
            return AuditText.Write(_lockdown, request, reply);
        }
        if (request.Verb != ControlVerb.Reload)
        {
            return _report.Answer(request, reply, _flows?.Limit, _loop.Now);
        }
        ReloadText said = new();
        ExitCode exitCode = Reload(said, out string result);
        said.Write(exitCode == ExitCode.Ok, result, request.IsText, reply);
        return (int)exitCode;
    }

    /// <summary>Prefers a link by hand, or ends that.</summary>
    private ExitCode Use(in ControlRequest request, Utf8Text reply)
    {
        TimeSpan until = request.Seconds is { } seconds
            ? _loop.Now + TimeSpan.FromSeconds(seconds)
            : TimeSpan.MaxValue;
        if (!_links.Prefer(request.Link, until))
        {
            reply.Add(_links.View.NoLink(request.Link!));
            return ExitCode.Usage;
        }
        string time = request.Seconds is { } left
            ? $" for {TextLayout.Span(TimeSpan.FromSeconds(left))}"
            : "";
        string words = request.Link is null ? "no link is preferred by hand"
            : $"{request.Link} is preferred by hand{time} while it is good";
        _log.Event(EventFacts.Preferred(request.Link, words));
        reply.Add(words).Add('\n');
        return ExitCode.Ok;
    }

    /// <summary>Reads the configuration again. All of it takes effect, or nothing.</summary>
    /// <param name="said">Receives the lines of the report.</param>
    /// <param name="result">The result, as a phrase.</param>
    private ExitCode Reload(ReloadText said, out string result)
    {
        _heap.Trim(); // two whitelists must fit at once, so free the garbage of the last reload
        ConfigFiles files = ConfigFiles.Read(
            _options.ConfigDirectory, _options.RunDirectory, withWhitelist: !_options.IsFirewallDisabled);
        foreach ((LogLevel level, string text) in files.Remarks)
        {
            Say(text, level, said);
        }
        if (files.HasErrors || files.NetifNames is not { } names)
        {
            _report.ReloadEnded(isGood: false, _loop.Now);
            result = "refused: the old configuration stays in force";
            EndReload($"reload {result}", LogLevel.Error, said);
            return ExitCode.Config;
        }

        List<string> changes = names.ChangesFrom(_names);
        _names = names;
        _environment[0] = ScriptEnvironment.NamesVariable(names);
        if (changes.Count > 0)
        {
            _links.Reload(names);
            if (_isMonitoring)
            {
                _budgets.Set(names);
            }
            _resolver.Reload();
            _hintedVersion = -1;
            _flows?.Dispose();
            _flows = NewFlowRunner();
        }
        if (_lockdown is not null)
        {
            changes.AddRange(_lockdown.Reload(names, files.Whitelist));
        }
        for (int i = 0; i < changes.Count - 1; i++)
        {
            Say(changes[i], LogLevel.Info, said);
        }
        _report.ReloadEnded(isGood: true, _loop.Now);
        result = changes.Count > 0 ? changes[^1] : "nothing has changed";
        EndReload($"reload: {result}", LogLevel.Info, said);
        return ExitCode.Ok;
    }

    private void Say(string text, LogLevel level, ReloadText said)
    {
        if (said.Add(text))
        {
            _log.Event(EventKind.Reload, $"reload: {text}", level);
        }
    }

    private void EndReload(string result, LogLevel level, ReloadText said)
    {
        int more = said.Count - ReloadText.MaxEvents;
        if (more > 0)
        {
            _log.Event(EventKind.Reload, $"reload: and {more} more (see `connmgr check`)", LogLevel.Warn);
        }
        _log.Event(EventKind.Reload, result, level);
    }
}
