using ConnMgr.Probe;

namespace ConnMgr.Links;

/// <summary>
/// Which services may accuse a link. A wrong answer means a portal only if the service has once been seen to answer
/// rightly: one that never was, over any link since the start, may be another service than the user believes, such as SSH,
/// and would condemn every link. Pure.
/// </summary>
internal sealed class ServiceTrust
{
    private static readonly TimeSpan BetweenArbitrations = TimeSpan.FromHours(1);

    private readonly HashSet<string> _proven = [];
    private readonly HashSet<string> _warned = [];
    private readonly Dictionary<Link, ProbeResult> _suspicions = []; // by link: the last probe, if a suspect was wrong
    private TimeSpan _nextArbitration = TimeSpan.MinValue;

    /// <summary>The URLs of the services that have answered rightly over any link since the start.</summary>
    public IReadOnlySet<string> Proven => _proven;

    /// <summary>
    /// Takes the end of a probe, after the link itself has taken it. As soon as a service proves right, the links over
    /// which it was wrong are probed again: now its answer counts.
    /// </summary>
    /// <returns>A warning for the user, or null.</returns>
    public string? Take(Link link, in ProbeResult result, TimeSpan now)
    {
        _suspicions.Remove(link);
        if (result is { Outcome: ProbeOutcome.EchoAnswered, Service: { } service } && _proven.Add(service))
        {
            foreach (Link other in _suspicions.Keys.Where(other => _suspicions[other].Suspect == service).ToArray())
            {
                _suspicions.Remove(other);
                other.Probe($"got another answer from '{service}' than {link.Name}", isEarly: true, now);
            }
        }
        if (result.Suspect is not { } suspect)
        {
            return null;
        }
        if (_proven.Contains(suspect))
        {
            link.Probe($"got a wrong answer from '{suspect}', which has proved right meanwhile", isEarly: true, now);
            return null;
        }
        _suspicions[link] = result;
        return _warned.Add(suspect)
            ? $"'{suspect}' has not answered rightly over any link since the start, and wrongly over {link.Name}: "
                + "is that the service? ping decides until it answers rightly"
            : null;
    }

    /// <summary>
    /// Lets a metered link decide between a portal and a wrong service, if no other link can: a portal on the only
    /// unmetered link would be used for ever, and a wrong service would send all traffic over the metered link. It costs one
    /// probe an hour at most, and none with `--wan-probe never`.
    /// </summary>
    /// <param name="links">All links, after they have taken the results of their probes.</param>
    /// <param name="now">The time.</param>
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

    /// <summary>The link over which the service was wrong and may not accuse it; null if there is none.</summary>
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

    /// <summary>The link is monitored no longer.</summary>
    public void Forget(Link link) => _suspicions.Remove(link);
}
