using ConnMgr.Probe;

namespace ConnMgr.Links;

/// <summary>
/// Decides which services count as evidence of a captive portal. A wrong answer means a portal only if the
/// service has answered correctly before. A service that never did, over any link since the start, may not
/// be the service that the user believes it is (it may be SSH, for example) and its answers would make
/// every link count as failed. A service that has not answered at all is suspected, too, after the second
/// probe of a link: its name or port may be wrong. Pure.
/// </summary>
internal sealed class ServiceTrust
{
    private static readonly TimeSpan BetweenArbitrations = TimeSpan.FromHours(1);

    private readonly HashSet<string> _proven = [];
    private readonly HashSet<string> _warned = [];
    // By link: the last probe, if a suspected service answered wrongly.
    private readonly Dictionary<Link, ProbeResult> _suspicions = [];
    private readonly HashSet<Link> _unanswered = []; // over these a probe has ended with ping alone
    private TimeSpan _nextArbitration = TimeSpan.MinValue;

    /// <summary>
    /// The URLs of the services that have answered correctly over any link since the start.
    /// </summary>
    public IReadOnlySet<string> Proven => _proven;

    /// <summary>
    /// Handles the end of a probe, after the link itself has handled it. Once a service has answered
    /// correctly, the links over which it answered wrongly are probed again, since its answer now counts.
    /// </summary>
    /// <returns>A warning for the user, or null.</returns>
    public string? Take(Link link, in ProbeResult result, TimeSpan now)
    {
        _suspicions.Remove(link);
        if (result is { Outcome: ProbeOutcome.ServiceAnswered, Service: { } service } && _proven.Add(service))
        {
            foreach (Link other in _suspicions.Keys
                .Where(other => _suspicions[other].Suspect == service)
                .ToArray())
            {
                _suspicions.Remove(other);
                other.Probe($"got another answer from '{service}' than {link.Name}", isEarly: true, now);
            }
        }
        if (result.Suspect is not { } suspect)
        {
            return WarnOfSilence(link, result);
        }
        if (_proven.Contains(suspect))
        {
            link.Probe(
                $"got a wrong answer from '{suspect}', which has answered correctly meanwhile",
                isEarly: true, now);
            return null;
        }
        _suspicions[link] = result;
        return _warned.Add(suspect)
            ? $"'{suspect}' has not answered correctly over any link since the start, "
                + $"and wrongly over {link.Name}: check the host and port of --probe. ping decides until "
                + "it answers correctly"
            : null;
    }

    /// <summary>
    /// Probes over a metered link whether a service is wrong or a portal answers in its place, if no other
    /// link can tell. Without this probe, the daemon would use a portal on the only unmetered link
    /// indefinitely, or move all traffic to the metered link because of a wrong service. It costs at most
    /// one probe an hour, and none with `--wan-probe never`.
    /// </summary>
    /// <param name="links">All links, after they have handled the results of their probes.</param>
    /// <param name="now">The loop's time.</param>
    public void Arbitrate(IReadOnlyList<Link> links, TimeSpan now)
    {
        if (now < _nextArbitration || !_suspicions.Keys.Any(link => !link.IsMetered && link.State.IsUp())
            || links.Any(link => !link.IsMetered && link.IsProbing))
        {
            return;
        }
        foreach (Link link in links)
        {
            if (link.ProbeAsArbiter(now))
            {
                _nextArbitration = now + BetweenArbitrations;
                return;
            }
        }
    }

    /// <summary>
    /// Returns the link over which the service answered wrongly without being trusted; null if there is none.
    /// </summary>
    public Link? SuspectedBy(string service)
    {
        foreach ((Link link, ProbeResult suspicion) in _suspicions)
        {
            if (suspicion.Suspect == service)
            {
                return link;
            }
        }
        return null;
    }

    /// <summary>
    /// True if the user was warned of the service, and it has not answered correctly since.
    /// </summary>
    public bool IsSuspected(string service) => _warned.Contains(service) && !_proven.Contains(service);

    /// <summary>Drops a link that is no longer monitored.</summary>
    public void Forget(Link link)
    {
        _suspicions.Remove(link);
        _unanswered.Remove(link);
    }

    /// <summary>
    /// Returns the warning of services that have answered over no link, once a second probe of the link has
    /// ended with ping alone: another link, or the service itself, has had the time to answer. Else null.
    /// </summary>
    private string? WarnOfSilence(Link link, in ProbeResult result)
    {
        if (_proven.Count > 0 || result.IsDroppedHere || result.Outcome != ProbeOutcome.PingOnly
            || result.Unanswered is not { Count: > 0 } services || _unanswered.Add(link))
        {
            return null;
        }
        int before = _warned.Count;
        _warned.UnionWith(services);
        if (_warned.Count == before)
        {
            return null;
        }
        string who = services.Count == 1
            ? $"'{services[0]}' has not"
            : $"none of '{string.Join("', '", services)}' has";
        return $"{who} answered correctly over any link since the start ({link.Name}: {result.Detail}): "
            + "check the host and port of --probe. ping decides until it answers correctly";
    }
}
