using ConnMgr.Probe;

namespace ConnMgr.Links;

/// <summary>
/// Starts probes of a link in order to judge another one, and compares the results (sections 5 and 6 of
/// the contract). It does no I/O and reads no clock.
/// </summary>
internal sealed class Crosscheck
{
    private const int RoundsToDistrust = 3;

    /// <summary>
    /// An unanswered echo of another link still counts if its probe ended at most this long before the
    /// compared one started.
    /// </summary>
    private static readonly TimeSpan SameOutage = TimeSpan.FromSeconds(4);

    private Link[] _links;
    private Rounds[] _rounds;
    private Link? _choice;

    /// <param name="links">All links.</param>
    public Crosscheck(Link[] links) => (_links, _rounds) = (links, new Rounds[links.Length]);

    /// <summary>
    /// Compares the links that answer only ping with the others. Call it before a decision: it may withdraw a
    /// link's confirmation.
    /// </summary>
    public void Compare(TimeSpan now)
    {
        for (int i = 0; i < _links.Length; i++)
        {
            Compare(_links[i], ref _rounds[i], now);
        }
    }

    /// <summary>
    /// Probes a newly chosen link, and the alternatives to a suspected link. Call it after a decision.
    /// </summary>
    public void Follow(Link? choice, Link? inUse, TimeSpan now)
    {
        if (choice != _choice)
        {
            _choice = choice;
            choice?.ProbeAsChosen(now);
        }
        if (inUse is { IsUnderSuspicion: true })
        {
            ProbeBeside(inUse, now);
        }
    }

    /// <summary>
    /// Takes other links after a reload. The comparisons of those that stay go on; a new one has none.
    /// </summary>
    public void SetLinks(Link[] links)
    {
        Rounds[] rounds = new Rounds[links.Length];
        for (int i = 0; i < links.Length; i++)
        {
            int at = Array.IndexOf(_links, links[i]);
            rounds[i] = at >= 0 ? _rounds[at] : default;
        }
        (_links, _rounds) = (links, rounds);
        _choice = _choice is { } choice && Array.IndexOf(links, choice) >= 0 ? choice : null;
    }

    /// <summary>Probes the links that could replace the suspect, since two links may die at once.</summary>
    private void ProbeBeside(Link suspect, TimeSpan now)
    {
        foreach (Link link in _links)
        {
            if (link != suspect && Selector.ClassOf(link) == LinkClass.A
                && link.ProbeStartedAt < suspect.ProbeStartedAt)
            {
                link.Probe("may have to stand in for another", isEarly: true, now);
            }
        }
    }

    /// <summary>
    /// Compares a link that answers only ping with the others, to tell a failed service from a failed link.
    /// </summary>
    private void Compare(Link link, ref Rounds rounds, TimeSpan now)
    {
        if (Selector.ClassOf(link) != LinkClass.A || link.LastOutcome != ProbeOutcome.PingOnly)
        {
            rounds = default;
            return;
        }
        if (link.IsProbing || link.ProbeEndedAt == rounds.JudgedAt
            || AskOthers(link, now) is not { } isAnswered)
        {
            return;
        }

        rounds = new Rounds(isAnswered ? rounds.Count + 1 : 0, link.ProbeEndedAt);
        if (rounds.Count >= RoundsToDistrust)
        {
            link.Distrust(now);
        }
        else if (isAnswered)
        {
            link.ProbeForComparison();
        }
    }

    /// <summary>
    /// True if another unmetered link's echo is answered; null while a probe to find that out runs.
    /// </summary>
    private bool? AskOthers(Link link, TimeSpan now)
    {
        bool? isAnswered = false;
        foreach (Link other in _links)
        {
            if (other == link || other.IsMetered || !other.State.IsUp() || other.IsInterrupted)
            {
                continue;
            }
            bool hasAnswer = other.LastOutcome == ProbeOutcome.ServiceAnswered;
            if (!other.IsProbing && hasAnswer && other.ProbeEndedAt >= link.ProbeStartedAt)
            {
                return true;
            }
            if (other.IsProbing || hasAnswer || other.ProbeEndedAt + SameOutage < link.ProbeStartedAt)
            {
                other.Probe("is compared with another", isEarly: false, now);
                isAnswered = null;
            }
        }
        return isAnswered;
    }

    /// <summary>
    /// How many times in a row another link did better, and the end of the last probe that was compared.
    /// </summary>
    private readonly record struct Rounds(int Count, TimeSpan? JudgedAt);
}
