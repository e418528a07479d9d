namespace ConnMgr.Firewall;

/// <summary>
/// Decides when the links must be probed because other programs have added rules of their own. Traffic
/// shows only that packets arrive at the device; a rule may still drop them before they reach a program.
/// Pure; times are those of the loop.
/// </summary>
internal sealed class ForeignRules
{
    /// <summary>
    /// The time from the first change to the probe. Programs add their rules one by one; most have then added
    /// all.
    /// </summary>
    private static readonly TimeSpan SettlingTime = TimeSpan.FromSeconds(1);

    /// <summary>The least time between two probes.</summary>
    private static readonly TimeSpan ProbeGap = TimeSpan.FromSeconds(30);

    private int _seen;
    private TimeSpan _mayProbeAt;

    /// <summary>When <see cref="TakeDue"/> becomes true; TimeSpan.MaxValue if nothing has changed.</summary>
    public TimeSpan NextDeadline { get; private set; } = TimeSpan.MaxValue;

    /// <summary>Records the present number of foreign changes.</summary>
    /// <param name="changes">A number that grows with each one. It falls when the backend changes, which is
    /// no foreign change.</param>
    /// <param name="now">The loop's time.</param>
    /// <returns>True if the links must be probed now.</returns>
    public bool TakeDue(int changes, TimeSpan now)
    {
        int before = _seen;
        _seen = changes;
        if (changes > before)
        {
            TimeSpan at = now + SettlingTime > _mayProbeAt ? now + SettlingTime : _mayProbeAt;
            // Do not put the probe off again: a program might never stop adding rules.
            NextDeadline = at < NextDeadline ? at : NextDeadline;
        }
        if (now < NextDeadline)
        {
            return false;
        }
        NextDeadline = TimeSpan.MaxValue;
        _mayProbeAt = now + ProbeGap;
        return true;
    }
}
