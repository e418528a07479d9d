namespace ConnMgr.Selection;

/// <summary>How good a link is; the better class is the smaller.</summary>
internal enum LinkClass
{
    /// <summary>Unmetered, confirmed.</summary>
    A,

    /// <summary>Unmetered, unconfirmed.</summary>
    B,

    /// <summary>Metered, not failed.</summary>
    C,

    /// <summary>Unmetered, failed.</summary>
    D,

    /// <summary>Metered, failed.</summary>
    E,

    /// <summary>Not up.</summary>
    None,
}

/// <summary>
/// Chooses the link to use: a function of the links, the choice that stands, and the time. It does no I/O and reads
/// no clock. The numbers of the rules are those of the contract, section 7.
/// </summary>
/// <param name="links">All links, in the order of preference.</param>
/// <param name="startedAt">When the daemon started.</param>
internal sealed class Selector(IReadOnlyList<Link> links, TimeSpan startedAt)
{
    private static readonly TimeSpan StartWait = TimeSpan.FromSeconds(10);
    private static readonly TimeSpan ProbeHeadStart = TimeSpan.FromSeconds(1);

    private readonly Dictionary<Link, SwitchFailures> _switchFailures = [];
    private TimeSpan _nextDeadline = TimeSpan.MaxValue;

    /// <summary>The link that is to be used; null before the first decision.</summary>
    public Link? Choice { get; private set; }

    /// <summary>Why, in words.</summary>
    public string Reason { get; private set; } = "";

    /// <summary>When <see cref="Decide"/> may come to another end by time alone.</summary>
    public TimeSpan NextDeadline => _nextDeadline;

    /// <summary>Decides anew. True if the choice has changed.</summary>
    public bool Decide(TimeSpan now)
    {
        _nextDeadline = TimeSpan.MaxValue;
        Link? next = Next(now);
        if (next is null || next == Choice)
        {
            return false;
        }

        Reason = Choice is null ? $"{next.Name} {next.Words}" : $"{Choice.Name} {Choice.Words}, {next.Name} {next.Words}";
        Choice = next;
        return true;
    }

    /// <summary>Takes how an attempt to switch to <paramref name="link"/> ended (rule 7).</summary>
    public void EndSwitch(Link link, bool succeeded, TimeSpan now)
    {
        if (succeeded)
        {
            _switchFailures.Remove(link);
        }
        else
        {
            _switchFailures[link] = _switchFailures.GetValueOrDefault(link).Another(now);
        }
    }

    public static LinkClass ClassOf(Link link) => link.State switch
    {
        LinkState.Confirmed => link.IsMetered ? LinkClass.C : LinkClass.A,
        LinkState.Unconfirmed => link.IsMetered ? LinkClass.C : LinkClass.B,
        LinkState.Failed => link.IsMetered ? LinkClass.E : LinkClass.D,
        _ => LinkClass.None,
    };

    /// <summary>The link to use now, or null if nothing is to change (rules 6 and 8 included).</summary>
    private Link? Next(TimeSpan now)
    {
        Link? best = null;
        foreach (Link link in links)
        {
            if (IsCandidate(link, now) && (best is null || ClassOf(link) < ClassOf(best)))
            {
                best = link;
            }
        }
        if (best is null || best == Choice)
        {
            return null;
        }
        if (Choice is null || ClassOf(Choice) == LinkClass.None || !IsCandidate(Choice, now))
        {
            return WaitsForUnmetered(best, now) ? null : best;
        }
        return InsteadOf(Choice, best, now);
    }

    /// <summary>The link to leave <paramref name="choice"/> for, which is up but not the best; null if it is kept.</summary>
    private Link? InsteadOf(Link choice, Link best, TimeSpan now)
    {
        switch (ClassOf(choice))
        {
            case LinkClass.A: // rule 2
                return FirstPreferred(LinkClass.A, link => HasServed(link, link.Since, link.Failures.Hold(now), now), now);

            case LinkClass.B: // rule 5
                return ClassOf(best) == LinkClass.A && HasBeenLapped(choice, best, now)
                    ? best
                    : FirstPreferred(
                        LinkClass.B,
                        link => link.HasBeenProbed && HasServed(link, link.UnfailedSince, link.Failures.Hold(now), now),
                        now);

            case LinkClass.C: // rule 3
                return FirstOf(
                    link => ClassOf(link) == LinkClass.A
                        || (ClassOf(link) == LinkClass.B && (link.HasBeenProbed || now < startedAt + StartWait)),
                    link => HasServed(link, link.UnfailedSince, link.Failures.MeteredWait(now), now),
                    now);

            default: // rules 1 and 6: a failed link is left for anything better, not for another failed one
                return ClassOf(best) <= LinkClass.C ? best : null;
        }
    }

    /// <summary>Up, and not out of the choice because switching to it failed. The choice itself may be interrupted.</summary>
    private bool IsCandidate(Link link, TimeSpan now)
    {
        if (ClassOf(link) == LinkClass.None || (link.IsInterrupted && link != Choice))
        {
            return false;
        }
        if (!_switchFailures.TryGetValue(link, out SwitchFailures failures) || failures.OutUntil <= now || IsTheOnlyOneUp(link))
        {
            return true;
        }
        WakeAt(failures.OutUntil);
        return false;
    }

    private bool IsTheOnlyOneUp(Link link)
    {
        foreach (Link other in links)
        {
            if (other != link && ClassOf(other) != LinkClass.None)
            {
                return false;
            }
        }
        return true;
    }

    /// <summary>Rule 1: in the first seconds the metered link waits for a device that is not up yet.</summary>
    private bool WaitsForUnmetered(Link best, TimeSpan now)
    {
        if (!best.IsMetered || now >= startedAt + StartWait)
        {
            return false;
        }
        foreach (Link link in links)
        {
            if (!link.IsMetered && link.Facts.Ifindex != 0 && !link.HasBeenUp)
            {
                WakeAt(startedAt + StartWait);
                return true;
            }
        }
        return false;
    }

    /// <summary>Rule 5: a probe of the choice, begun after the other was confirmed, has run for a second in vain.</summary>
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

    private Link? FirstPreferred(LinkClass linkClass, Func<Link, bool> mayReplace, TimeSpan now) =>
        FirstOf(link => link.Kind < Choice!.Kind && ClassOf(link) == linkClass, mayReplace, now);

    private Link? FirstOf(Func<Link, bool> isWanted, Func<Link, bool> mayReplace, TimeSpan now)
    {
        Link? found = null;
        foreach (Link link in links)
        {
            if (IsCandidate(link, now) && isWanted(link) && mayReplace(link)
                && (found is null || ClassOf(link) < ClassOf(found)))
            {
                found = link;
            }
        }
        return found;
    }

    private bool HasServed(Link link, TimeSpan since, TimeSpan wait, TimeSpan now)
    {
        if (now - since >= wait)
        {
            return true;
        }
        WakeAt(since + wait);
        // The wait also ends when the failures that caused it are old enough.
        if (link.Failures.Last is { } last)
        {
            WakeAt(last + TimeSpan.FromMinutes(10) > now ? last + TimeSpan.FromMinutes(10) : TimeSpan.MaxValue);
        }
        return false;
    }

    private void WakeAt(TimeSpan at) => _nextDeadline = at < _nextDeadline ? at : _nextDeadline;

    /// <summary>Switches to one link that failed in a row; from the second on it is out for 10 s, doubled up to 60 s.</summary>
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
