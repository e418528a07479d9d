namespace ConnMgr.Logging;

/// <summary>
/// An event with its facts for programs: its sentence, for the log, and the members of `events --json`
/// with the same content. Pure.
/// </summary>
internal sealed class EventFacts
{
    private EventFacts(EventKind kind, string name, string text)
    {
        Kind = kind;
        Name = name;
        Text = text;
    }

    /// <summary>The subject.</summary>
    public EventKind Kind { get; }

    /// <summary>What has happened; a value of `event` in scripts/events.schema.json.</summary>
    public string Name { get; }

    /// <summary>The sentence.</summary>
    public string Text { get; private init; }

    /// <summary>The interface name of the link; null if the event is about no link.</summary>
    public string? Link { get; private init; }

    /// <summary>The previous state or link; null if there is none.</summary>
    public string? From { get; private init; }

    /// <summary>The new state or link; null if there is none.</summary>
    public string? To { get; private init; }

    /// <summary>
    /// The script, program or setting that has failed or is wrong; null in other events.
    /// </summary>
    public string? What { get; private init; }

    /// <summary>The reason, the result or the failure, as a phrase of bounded length; else null.</summary>
    public string? Reason
    {
        get;
        private init => field = value is null ? null : EventRing.Shorten(value);
    }

    /// <summary>How long a switch or a repair took.</summary>
    public TimeSpan? Took { get; private init; }

    /// <summary>A link has changed its state.</summary>
    public static EventFacts StateChanged(string link, string from, string to, string reason) =>
        new(EventKind.Link, "state", $"{link}: {from} -> {to}: {reason}")
        {
            Link = link,
            From = from,
            To = to,
            Reason = reason,
        };

    /// <summary>Another fact about a link, e.g. a setting that cannot be changed.</summary>
    /// <param name="link">The interface name.</param>
    /// <param name="what">What is wrong, e.g. the name of a setting.</param>
    /// <param name="reason">Why, as a phrase.</param>
    /// <param name="head">Begins the sentence; the link if null.</param>
    public static EventFacts OfLink(string link, string what, string reason, string? head = null) =>
        new(EventKind.Link, "trouble", $"{head ?? link}: {reason}")
        {
            Link = link,
            What = what,
            Reason = reason,
        };

    /// <summary>How much of its budget of bytes a link has used.</summary>
    public static EventFacts Budget(string link, string words) =>
        new(EventKind.Link, "budget", $"{link} {words}") { Link = link, Reason = words };

    public static EventFacts ProbeStarted(string link, string reason) =>
        new(EventKind.Probe, "probe_started", $"probe of {link}: started: {reason}")
        {
            Link = link,
            Reason = reason,
        };

    public static EventFacts ProbeCancelled(string link, string reason) =>
        new(EventKind.Probe, "probe_cancelled", $"probe of {link}: cancelled, since it {reason}")
        {
            Link = link,
            Reason = reason,
        };

    public static EventFacts ProbeEnded(string link, string result) =>
        new(EventKind.Probe, "probe_ended", $"probe of {link}: {result}") { Link = link, Reason = result };

    /// <summary>A service has answered wrongly, and never correctly.</summary>
    public static EventFacts ServiceSuspected(string link, string warning) =>
        new(EventKind.Probe, "service_suspected", warning) { Link = link, Reason = warning };

    /// <summary>Another link is to be used.</summary>
    public static EventFacts Chosen(string? from, string? to, string reason) =>
        new(EventKind.Decision, "chosen", $"using {to ?? "none"}: {reason}")
        {
            Link = to,
            From = from,
            To = to,
            Reason = reason,
        };

    /// <summary>The user prefers a link; null if the preference has ended.</summary>
    public static EventFacts Preferred(string? link, string words) =>
        new(EventKind.Decision, "preferred", words) { Link = link, To = link, Reason = words };

    /// <summary>The default routes lead over another link now.</summary>
    public static EventFacts Switched(string? from, string to, string reason, TimeSpan took) =>
        new(EventKind.Switch, "switched", $"switched to {to} in {Duration.Milliseconds(took)}")
        {
            Link = to,
            From = from,
            To = to,
            Reason = reason.Length > 0 ? reason : null,
            Took = took,
        };

    /// <summary>A switch has failed.</summary>
    /// <param name="link">The link that was to be used.</param>
    /// <param name="failure">The failure, as a sentence.</param>
    /// <param name="isNew">False if the log has the same failure already.</param>
    public static EventFacts SwitchFailed(string link, string failure, bool isNew) =>
        new(EventKind.Switch, "switch_failed", isNew ? $"{failure}, retrying" : failure)
        {
            Link = link,
            To = link,
            Reason = failure,
        };

    /// <summary>
    /// The kernel's routes lead over another link, no matter which program changed them.
    /// </summary>
    public static EventFacts InUse(string? from, string? to) =>
        new(EventKind.Switch, "in_use", $"in use: {to ?? "none"}") { Link = to, From = from, To = to };

    /// <summary>Another program has changed a route, and connmgr repairs it.</summary>
    public static EventFacts Restoring(string link, string found) =>
        new(EventKind.Route, "restoring", $"restoring the route over {link}: found {found}")
        {
            Link = link,
            To = link,
            Reason = $"found {found}",
        };

    /// <summary>A route has been repaired.</summary>
    public static EventFacts Restored(string link, TimeSpan took, bool isInPlace)
    {
        const string Again = "it has been changed again";
        string text = $"restored the route over {link} in {Duration.Milliseconds(took)}";
        return new(EventKind.Route, "restored", isInPlace ? text : $"{text}, and {Again}")
        {
            Link = link,
            To = link,
            Reason = isInPlace ? null : Again,
            Took = took,
        };
    }

    /// <summary>An address has been opened in the lockdown.</summary>
    /// <param name="address">The address.</param>
    /// <param name="name">The name that has this address.</param>
    /// <param name="entry">The entry of the whitelist that admits the name.</param>
    public static EventFacts Opened(string address, string name, string entry)
    {
        string reason = $"{name} ({entry})";
        return new(EventKind.Hole, "opened", $"opened {address}: {reason}") { To = address, Reason = reason };
    }

    /// <summary>A program, a script or a request of connmgr has failed.</summary>
    /// <param name="kind">The subject.</param>
    /// <param name="what">The program, the script or the request.</param>
    /// <param name="reason">Why, as a phrase.</param>
    /// <param name="head">Begins the sentence; <paramref name="what"/> if null.</param>
    public static EventFacts Failed(EventKind kind, string what, string reason, string? head = null) =>
        new(kind, "failed", $"{head ?? what}: {reason}") { What = what, Reason = reason };
}
