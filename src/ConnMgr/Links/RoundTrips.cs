namespace ConnMgr.Links;

/// <summary>
/// Measures how long a busy link takes to answer, and derives how long to wait for an answer: the smoothed
/// round trip plus four times its variation (RFC 6298, section 2.3). Pure.
/// </summary>
/// <remarks>
/// A sample is the time from the first packet that awaits an answer to the first sign of life, so that a lost
/// packet lengthens it. Unlike in TCP, a sample above the timeout raises the timeout at once, and the
/// variation falls by a 16th: a queue fills fast, and a lossy link must not be judged by its best moments. A
/// link that has rested is not measured, because a modem or an access point may have to wake up first.
/// </remarks>
internal sealed class RoundTrips
{
    /// <summary>
    /// After a longer rest the link may sleep. The evidence socket hears a link at most twice a tick of 2 s,
    /// so traffic without a pause seems to rest for up to 2.2 s.
    /// </summary>
    private static readonly TimeSpan LongestPause = TimeSpan.FromSeconds(2.25);

    private static readonly TimeSpan Granularity = TimeSpan.FromMilliseconds(100); // RFC 6298: G
    private static readonly TimeSpan Longest = TimeSpan.FromSeconds(4);

    private TimeSpan _variation;
    private TimeSpan? _activeAt; // when a packet left or arrived; null: not since the link came up
    private TimeSpan? _sentAt; // the first packet that still awaits an answer
    private bool _hadRested; // before that packet

    /// <summary>The smoothed round trip; null if it has not been measured.</summary>
    public TimeSpan? Smoothed { get; private set; }

    /// <summary>
    /// The time within which the answer to the last packet is to be expected, without bounds; null if it has
    /// not been measured, or if the link had rested.
    /// </summary>
    public TimeSpan? Timeout => _hadRested ? null : Bound;

    /// <summary>As <see cref="Timeout"/>, of a packet that would leave now.</summary>
    public TimeSpan? TimeoutAt(TimeSpan now) =>
        (_sentAt is null ? HasRested(now) : _hadRested) ? null : Bound;

    private TimeSpan? Bound => Smoothed + Later(Granularity, 4 * _variation);

    /// <summary>Forgets everything: the link has come up, or leads elsewhere.</summary>
    public void Reset() => (Smoothed, _activeAt, _sentAt) = (null, null, null);

    /// <summary>Forgets the packet that awaits an answer, because the link was interrupted.</summary>
    public void Forget() => _sentAt = null;

    /// <summary>
    /// Records that a packet leaves that awaits an answer. It ends the rest, unless an earlier packet did.
    /// </summary>
    public void SeeSent(TimeSpan now)
    {
        if (_sentAt is null)
        {
            (_sentAt, _hadRested, _activeAt) = (now, HasRested(now), now);
        }
    }

    /// <summary>Handles evidence, which may be the answer.</summary>
    public void SeeEvidence(TimeSpan now)
    {
        if (_sentAt is { } sent && !_hadRested)
        {
            Add(now - sent);
        }
        (_sentAt, _activeAt) = (null, now);
    }

    /// <summary>Handles the end of a probe.</summary>
    /// <param name="heard">The time from its first packet to the first sign of life; null if there was
    /// none.</param>
    /// <param name="now">The loop's time.</param>
    public void OnProbeEnded(TimeSpan? heard, TimeSpan now)
    {
        if (heard is { } took && (Smoothed is null || !_hadRested))
        {
            Add(took); // the first one may be too long, because it includes waking up, but never too short
        }
        (_sentAt, _activeAt) = (null, now);
    }

    private bool HasRested(TimeSpan now) => _activeAt is not { } active || now - active > LongestPause;

    private void Add(TimeSpan took)
    {
        took = took < Longest ? took : Longest;
        if (Smoothed is not { } smoothed)
        {
            (Smoothed, _variation) = (took, took / 2);
            return;
        }
        TimeSpan? timeout = Bound;
        TimeSpan error = (took - smoothed).Duration();
        TimeSpan mean = smoothed + ((took - smoothed) / 8);
        _variation += (error - _variation) / (error > _variation ? 4 : 16);
        Smoothed = mean;
        if (took > timeout)
        {
            _variation = Later(_variation, ((1.25 * took) - mean) / 4);
        }
    }

    private static TimeSpan Later(TimeSpan a, TimeSpan b) => a > b ? a : b;
}
