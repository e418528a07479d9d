using ConnMgr.Probe;

namespace ConnMgr.Links;

/// <summary>
/// Probes of one link that another one is the reason for, and what follows from both together: sections 5 and 6 of
/// the contract. It does no I/O and reads no clock.
/// </summary>
/// <param name="links">All links.</param>
internal sealed class Crosscheck(IReadOnlyList<Link> links)
{
    private const int RoundsToDistrust = 3;

    /// <summary>What was found out so long before is still true, if it is that the echo is not answered.</summary>
    private static readonly TimeSpan SameOutage = TimeSpan.FromSeconds(4);

    private readonly Link[] _links = [.. links];
    private readonly Rounds[] _rounds = new Rounds[links.Count];
    private Link? _choice;

    /// <summary>
    /// Compares the links that answer ping alone with the others. Call it before a decision: it may turn a link that was
    /// confirmed into one that is not.
    /// </summary>
    public void Compare(TimeSpan now)
    {
        for (int i = 0; i < _links.Length; i++)
        {
            Compare(_links[i], ref _rounds[i], now);
        }
    }

    /// <summary>Starts the probes that a choice, or a link under suspicion, is the reason for. Call it after a decision.</summary>
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

    /// <summary>Another link takes the place of <paramref name="old"/>, of which nothing is remembered.</summary>
    public void Replace(Link old, Link link)
    {
        int at = Array.IndexOf(_links, old);
        _links[at] = link;
        _rounds[at] = default;
        _choice = _choice == old ? null : _choice;
    }

    /// <summary>Two links may die at once: those that would have to stand in are probed at the same time.</summary>
    private void ProbeBeside(Link suspect, TimeSpan now)
    {
        foreach (Link link in _links)
        {
            if (link != suspect && Selector.ClassOf(link) == LinkClass.A && link.ProbeStartedAt < suspect.ProbeStartedAt)
            {
                link.Probe("may have to stand in for another", isEarly: true, now);
            }
        }
    }

    /// <summary>A link that answers ping alone is compared with the others: is it the service, or the link?</summary>
    private void Compare(Link link, ref Rounds rounds, TimeSpan now)
    {
        if (Selector.ClassOf(link) != LinkClass.A || link.LastOutcome != ProbeOutcome.PingOnly)
        {
            rounds = default;
            return;
        }
        if (link.IsProbing || link.ProbeEndedAt == rounds.JudgedAt || AskOthers(link, now) is not { } isAnswered)
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

    /// <summary>Whether another unmetered link's echo is answered; null while that is being found out.</summary>
    private bool? AskOthers(Link link, TimeSpan now)
    {
        bool? isAnswered = false;
        foreach (Link other in _links)
        {
            if (other == link || other.IsMetered || !other.State.IsUp() || other.IsInterrupted)
            {
                continue;
            }
            bool hasAnswer = other.LastOutcome == ProbeOutcome.EchoAnswered;
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

    /// <summary>How often in a row another link did better, and the end of the last probe that was judged.</summary>
    private readonly record struct Rounds(int Count, TimeSpan? JudgedAt);
}
