namespace ConnMgr.Links;

/// <summary>
/// Something left the link, and nothing has come back: says when that is worth an early probe. Knows no link.
/// </summary>
internal sealed class Suspicion
{
    private static readonly TimeSpan Patience = TimeSpan.FromSeconds(2);
    private static readonly TimeSpan ShortestGap = TimeSpan.FromSeconds(16);
    private static readonly TimeSpan LongestGap = TimeSpan.FromMinutes(10);

    private TimeSpan? _sentAt;
    private TimeSpan? _probedAt;
    private TimeSpan _gap = ShortestGap;

    public bool IsPending => _sentAt is not null;

    /// <summary>When the early probe is due; <see cref="TimeSpan.MaxValue"/> is never.</summary>
    public TimeSpan DueAt
    {
        get
        {
            if (_sentAt is not { } sent)
            {
                return TimeSpan.MaxValue;
            }
            TimeSpan due = sent + Patience;
            return _probedAt is { } probed && probed + _gap > due ? probed + _gap : due;
        }
    }

    /// <summary>A segment or question has left; only the first one counts.</summary>
    public void SeeOutgoing(TimeSpan now) => _sentAt ??= now;

    /// <summary>There is an answer, or the like: no suspicion, and the next one is taken seriously again.</summary>
    public void SeeEvidence()
    {
        _sentAt = null;
        _gap = ShortestGap;
    }

    /// <summary>Forgets what has been sent: the link is probed anyway, or has gone.</summary>
    public void Clear() => _sentAt = null;

    /// <summary>The early probe starts.</summary>
    public void BeginProbe(TimeSpan now)
    {
        _sentAt = null;
        _probedAt = now;
    }

    /// <summary>The early probe has found the link good: whoever stays silent may do so for other reasons.</summary>
    public void WasUnfounded() => _gap = _gap * 2 < LongestGap ? _gap * 2 : LongestGap;
}
