using ConnMgr.Probe;

namespace ConnMgr.Links;

/// <summary>How good a link is; a smaller value is better.</summary>
internal enum LinkClass
{
    /// <summary>Unmetered, confirmed.</summary>
    A,

    /// <summary>Unmetered, unconfirmed.</summary>
    B,

    /// <summary>Metered, not failed, within its budget.</summary>
    C,

    /// <summary>Metered, not failed, over its budget.</summary>
    D,

    /// <summary>Unmetered, failed.</summary>
    E,

    /// <summary>Metered, failed.</summary>
    F,

    /// <summary>Not up, or over its budget and never to be used then.</summary>
    None,
}

/// <summary>
/// Chooses the link to use: a function of the links, the current choice and the time. It does no I/O and
/// reads no clock. The numbers of the rules are those of section 7 of the contract.
/// </summary>
internal sealed class Selector
{
    private static readonly TimeSpan StartWait = TimeSpan.FromSeconds(10);
    private static readonly TimeSpan ProbeHeadStart = TimeSpan.FromSeconds(1);

    private readonly TimeSpan _startedAt;
    private Link[] _links = [];
    private readonly Dictionary<Link, SwitchFailures> _switchFailures = [];
    private TimeSpan _nextDeadline = TimeSpan.MaxValue;
    private Link? _preferred;
    private TimeSpan _preferredSince;

    /// <param name="links">All links, most preferred first.</param>
    /// <param name="startedAt">When the daemon started, in the loop's time.</param>
    public Selector(IReadOnlyList<Link> links, TimeSpan startedAt)
    {
        _startedAt = startedAt;
        SetLinks([.. links]);
    }

    /// <summary>The chosen link; null before the first decision.</summary>
    public Link? Choice { get; private set; }

    /// <summary>The reason for the choice, as a phrase.</summary>
    public string Reason { get; private set; } = "";

    /// <summary>When <see cref="Decide"/> may come to another result because of the time alone.</summary>
    public TimeSpan NextDeadline => _nextDeadline;

    /// <summary>The link that the user prefers by hand; null for none.</summary>
    public Link? Preferred(TimeSpan now) => now < PreferredUntil ? _preferred : null;

    /// <summary>When the preference ends; the largest time for never.</summary>
    public TimeSpan PreferredUntil { get; private set; }

    /// <summary>
    /// Prefers a link while it is good (confirmed, or metered and not failed). Null ends the preference.
    /// </summary>
    public void Prefer(Link? link, TimeSpan until, TimeSpan now) =>
        (_preferred, PreferredUntil, _preferredSince) = (link, until, now);

    /// <summary>Decides again. True if the choice has changed.</summary>
    public bool Decide(TimeSpan now)
    {
        _nextDeadline = TimeSpan.MaxValue;
        Link? next = Next(now);
        if (next is null || next == Choice)
        {
            return false;
        }

        Reason = Why(Choice, next, now);
        Choice = next;
        return true;
    }

    /// <summary>Returns, as a phrase, why one link is left for another.</summary>
    private string Why(Link? left, Link next, TimeSpan now)
    {
        string good = $"{next.Name} {next.Words}"
            + (ClassOf(next) == LinkClass.D ? ", although over its budget" : "");
        return next == Preferred(now) ? $"{good}, preferred by hand"
            : left is null ? good
            : IsOut(left, now) ? $"switching to {left.Name} failed twice or more, {good}"
            : left.IsBlocked || (ClassOf(left) == LinkClass.D && ClassOf(next) == LinkClass.C)
                ? $"{left.Name} is over its budget, {good}"
            : ClassOf(left) is LinkClass.B or > LinkClass.D && ClassOf(next) != ClassOf(left)
                ? $"{left.Name} {left.Words}, {good}"
            : left.IsMetered && !next.IsMetered ? $"{good}, {left.Name} costs money"
            : $"{good}, preferred to {left.Name}";
    }

    /// <summary>Handles the end of an attempt to switch to <paramref name="link"/> (rule 7).</summary>
    public void OnSwitchEnded(Link link, bool succeeded, TimeSpan now)
    {
        if (succeeded || Array.IndexOf(_links, link) < 0) // a reload has replaced the link
        {
            _switchFailures.Remove(link);
        }
        else
        {
            _switchFailures[link] = _switchFailures.GetValueOrDefault(link).Another(now);
        }
    }

    /// <summary>Takes other links, ranks them, and drops all state of those that are gone.</summary>
    /// <param name="links">All links, most preferred first.</param>
    public void SetLinks(Link[] links)
    {
        foreach (Link old in _links)
        {
            if (Array.IndexOf(links, old) < 0)
            {
                _switchFailures.Remove(old);
                Choice = Choice == old ? null : Choice;
                _preferred = _preferred == old ? null : _preferred;
            }
        }
        _links = links;
        for (int i = 0; i < links.Length; i++)
        {
            links[i].Rank = i;
        }
    }

    /// <summary>
    /// How much longer the link has to stay good before it may replace the choice (rules 3, 4 and 7).
    /// </summary>
    public TimeSpan HoldLeft(Link link, TimeSpan now)
    {
        if (Choice is null || link == Choice
            || (ClassOf(link) == ClassOf(Choice) && link.Rank > Choice.Rank))
        {
            return TimeSpan.Zero;
        }
        TimeSpan until = (ClassOf(Choice), ClassOf(link)) switch
        {
            (LinkClass.A, LinkClass.A) => link.Since + link.Failures.Hold(now),
            (LinkClass.B, LinkClass.B) or (LinkClass.C or LinkClass.D, LinkClass.C)
                or (LinkClass.D, LinkClass.D) =>
                link.UnfailedSince + link.Failures.Hold(now),
            (LinkClass.C or LinkClass.D, LinkClass.A or LinkClass.B) =>
                link.UnfailedSince + link.Failures.MeteredWait(now),
            _ => TimeSpan.Zero,
        };
        if (IsOut(link, now) && _switchFailures[link].OutUntil > until)
        {
            until = _switchFailures[link].OutUntil;
        }
        return until > now ? until - now : TimeSpan.Zero;
    }

    /// <summary>Returns the class of a link, from its state, its budget, and whether it is metered.</summary>
    public static LinkClass ClassOf(Link link) => ClassOf(link.State, link.IsMetered, link.Budget);

    /// <summary>Returns the class of a link in that state and with that budget.</summary>
    public static LinkClass ClassOf(LinkState state, bool isMetered, LinkBudget budget) => state switch
    {
        _ when budget == LinkBudget.Blocked => LinkClass.None,
        LinkState.Confirmed or LinkState.Unconfirmed when isMetered =>
            budget == LinkBudget.Within ? LinkClass.C : LinkClass.D,
        LinkState.Confirmed => LinkClass.A,
        LinkState.Unconfirmed => LinkClass.B,
        LinkState.Failed => isMetered ? LinkClass.F : LinkClass.E,
        _ => LinkClass.None,
    };

    /// <summary>The link to use now, or null to keep the choice (includes rules 6 and 8).</summary>
    private Link? Next(TimeSpan now)
    {
        if (Preferred(now) is { } preferred)
        {
            WakeAt(PreferredUntil);
            if (MayPrefer(preferred, now))
            {
                return preferred;
            }
        }
        Link? best = null;
        foreach (Link link in _links)
        {
            if (IsCandidate(link, now) && (best is null || ClassOf(link) < ClassOf(best)))
            {
                best = link;
            }
        }
        if (best is null || best == Choice || WaitsForUnmetered(best, now))
        {
            return null;
        }
        return Choice is null || ClassOf(Choice) == LinkClass.None || !IsCandidate(Choice, now)
            ? best
            : InsteadOf(Choice, now);
    }

    /// <summary>
    /// True if the link is good: then it is chosen, whatever the others are. If it has failed since it is
    /// preferred, it must first stay good, as for rule 4. The choice itself may be unconfirmed for a while.
    /// </summary>
    private bool MayPrefer(Link link, TimeSpan now)
    {
        if (!IsCandidate(link, now) || link == Choice)
        {
            return link == Choice && ClassOf(link) <= LinkClass.C;
        }
        return ClassOf(link) is LinkClass.A or LinkClass.C
            && (link.Failures.Last is not { } failed || failed < _preferredSince
                || HasServed(link, link.Since, link.Failures.Hold(now), now));
    }

    /// <summary>
    /// The best link that may replace <paramref name="choice"/>, which is up; null to keep the choice.
    /// </summary>
    private Link? InsteadOf(Link choice, TimeSpan now)
    {
        Link? best = null;
        foreach (Link link in _links)
        {
            if (link != choice && IsCandidate(link, now) && MayReplace(choice, link, now)
                && (best is null || ClassOf(link) < ClassOf(best)))
            {
                best = link;
            }
        }
        return best;
    }

    private bool MayReplace(Link choice, Link link, TimeSpan now)
    {
        bool isPreferred = link.Rank < choice.Rank;
        switch (ClassOf(choice), ClassOf(link))
        {
            case (LinkClass.A, LinkClass.A): // rules 2 and 4
                return isPreferred && HasServed(link, link.Since, link.Failures.Hold(now), now);

            case (LinkClass.B, LinkClass.A): // rule 5
                return HasBeenLapped(choice, link, now);

            case (LinkClass.B, LinkClass.B): // rules 4 and 5
                return isPreferred && link.HasBeenProbed
                    && HasServed(link, link.UnfailedSince, link.Failures.Hold(now), now);

            case (LinkClass.C or LinkClass.D, LinkClass.A): // rule 3
                return HasServed(link, link.UnfailedSince, link.Failures.MeteredWait(now), now);

            case (LinkClass.C or LinkClass.D, LinkClass.B): // rules 1 and 3
                return (link.HasBeenProbed || now < _startedAt + StartWait)
                    && HasServed(link, link.UnfailedSince, link.Failures.MeteredWait(now), now);

            case (LinkClass.D, LinkClass.C): // rule 4; each byte over the budget counts
                return HasServed(link, link.UnfailedSince, link.Failures.Hold(now), now);

            case (LinkClass.C, LinkClass.C) or (LinkClass.D, LinkClass.D):
                // Rules 3 and 4. A metered link that is trusted again after 5 minutes without a probe has
                // proved nothing.
                return isPreferred
                    && link.LastOutcome is not (ProbeOutcome.NoAnswer or ProbeOutcome.WrongContent)
                    && HasServed(link, link.UnfailedSince, link.Failures.Hold(now), now);

            // Rule 1. What this device drops, it would drop on the other link, too.
            case (LinkClass.E or LinkClass.F, <= LinkClass.D):
                return !(choice.IsDroppedHere && link.IsAssumed);

            default: // rules 2 and 6
                return false;
        }
    }

    /// <summary>
    /// True if the link is up and not excluded after failed switches. The choice itself may be interrupted.
    /// </summary>
    private bool IsCandidate(Link link, TimeSpan now)
    {
        if (ClassOf(link) == LinkClass.None || (link.IsInterrupted && link != Choice))
        {
            return false;
        }
        if (!IsOut(link, now) || IsTheOnlyOneUp(link))
        {
            return true;
        }
        WakeAt(_switchFailures[link].OutUntil);
        return false;
    }

    /// <summary>Rule 7: excluded for a while after failed switches.</summary>
    private bool IsOut(Link link, TimeSpan now) =>
        _switchFailures.TryGetValue(link, out SwitchFailures failures) && failures.OutUntil > now;

    private bool IsTheOnlyOneUp(Link link)
    {
        foreach (Link other in _links)
        {
            if (other != link && ClassOf(other) != LinkClass.None)
            {
                return false;
            }
        }
        return true;
    }

    /// <summary>
    /// Rule 1: in the first seconds a metered link waits for an unmetered device that has not come up yet.
    /// </summary>
    private bool WaitsForUnmetered(Link best, TimeSpan now)
    {
        if (!best.IsMetered || now >= _startedAt + StartWait)
        {
            return false;
        }
        foreach (Link link in _links)
        {
            if (!link.IsMetered && link.Facts.Ifindex != 0 && !link.HasBeenUp)
            {
                WakeAt(_startedAt + StartWait);
                return true;
            }
        }
        return false;
    }

    /// <summary>
    /// Rule 5: true if a probe of the choice that began after the other link was confirmed has run for 1 s
    /// without an answer.
    /// </summary>
    private bool HasBeenLapped(Link choice, Link other, TimeSpan now)
    {
        if (choice.ProbeStartedAt < other.Since)
        {
            return false;
        }
        if (now >= choice.ProbeStartedAt + ProbeHeadStart)
        {
            return true;
        }
        WakeAt(choice.ProbeStartedAt + ProbeHeadStart);
        return false;
    }

    private bool HasServed(Link link, TimeSpan since, TimeSpan wait, TimeSpan now)
    {
        if (now - since >= wait)
        {
            return true;
        }
        WakeAt(since + wait);
        WakeAt(link.Failures.NextChange(now)); // old failures count no longer, so the wait may end sooner
        return false;
    }

    private void WakeAt(TimeSpan at) => _nextDeadline = at < _nextDeadline ? at : _nextDeadline;

    /// <summary>
    /// Consecutive failed switches to one link. From the second on, the link is excluded for 10 s, doubled up
    /// to 60 s.
    /// </summary>
    private readonly record struct SwitchFailures(int Count, TimeSpan OutUntil)
    {
        public SwitchFailures Another(TimeSpan now)
        {
            int count = Count + 1;
            double seconds = Math.Min(60, 10 * Math.Pow(2, Math.Min(count - 2, 3)));
            return new SwitchFailures(count, count < 2 ? now : now + TimeSpan.FromSeconds(seconds));
        }
    }
}
