namespace ConnMgr.Links;

/// <summary>
/// Decides when an early probe is worthwhile because a packet left the link and no answer came. It does
/// not refer to a link. Pure.
/// </summary>
internal sealed class Suspicion
{
    private static readonly TimeSpan ShortestGap = TimeSpan.FromSeconds(16);
    private static readonly TimeSpan LongestGap = TimeSpan.FromMinutes(10);

    private TimeSpan _patience;
    private TimeSpan? _probedAt;
    private TimeSpan _gap = ShortestGap;

    /// <summary>When the packet left that waits for an answer; null if none waits.</summary>
    public TimeSpan? SentAt { get; private set; }

    /// <summary>True while a sent packet waits for an answer.</summary>
    public bool IsPending => SentAt is not null;

    /// <summary>When the early probe is due; <see cref="TimeSpan.MaxValue"/> if never.</summary>
    public TimeSpan DueAt
    {
        get
        {
            if (SentAt is not { } sent)
            {
                return TimeSpan.MaxValue;
            }
            TimeSpan due = sent + _patience;
            return _probedAt is { } probed && probed + _gap > due ? probed + _gap : due;
        }
    }

    /// <summary>Records that a segment or question has left; only the first one counts.</summary>
    /// <param name="now">When it left.</param>
    /// <param name="patience">How long to wait for an answer.</param>
    public void SeeOutgoing(TimeSpan now, TimeSpan patience)
    {
        if (!IsPending)
        {
            (SentAt, _patience) = (now, patience);
        }
    }

    /// <summary>Ends the suspicion after an answer, and resets the gap before the next one.</summary>
    public void SeeEvidence()
    {
        SentAt = null;
        _gap = ShortestGap;
    }

    /// <summary>Forgets outgoing packets: the link is being probed anyway, or has gone.</summary>
    public void Clear() => SentAt = null;

    /// <summary>Records the start of the early probe.</summary>
    public void BeginProbe(TimeSpan now)
    {
        SentAt = null;
        _probedAt = now;
    }

    /// <summary>
    /// Doubles the gap, because the early probe found the link good: a peer may be silent for other reasons.
    /// </summary>
    public void WasUnfounded() => _gap = _gap * 2 < LongestGap ? _gap * 2 : LongestGap;
}
