namespace ConnMgr.Firewall;

/// <summary>
/// Decides when the links must be probed because other programs have added rules of their own: traffic alone
/// shows that packets arrive, not that they reach a program. Pure; times are those of the loop.
/// </summary>
internal sealed class ForeignRules
{
    /// <summary>Programs add their rules one by one: probe when they have added all.</summary>
    public static readonly TimeSpan Calm = TimeSpan.FromSeconds(1);

    /// <summary>The least time between two probes.</summary>
    public static readonly TimeSpan ProbeGap = TimeSpan.FromSeconds(30);

    private int _seen;
    private TimeSpan _probeAt = TimeSpan.MaxValue;
    private TimeSpan _mayProbeAt;

    /// <summary>Records the present number of foreign changes.</summary>
    /// <param name="changes">The number, which changes with each one.</param>
    /// <param name="mayBeOwn">True if they cannot be told from the daemon's own changes: they then do not
    /// count.</param>
    /// <param name="now">The loop's time.</param>
    /// <returns>True if the links must be probed now.</returns>
    public bool Take(int changes, bool mayBeOwn, TimeSpan now)
    {
        if (changes != _seen)
        {
            _seen = changes;
            if (!mayBeOwn)
            {
                _probeAt = now + Calm > _mayProbeAt ? now + Calm : _mayProbeAt;
            }
        }
        if (now < _probeAt)
        {
            return false;
        }
        _probeAt = TimeSpan.MaxValue;
        _mayProbeAt = now + ProbeGap;
        return true;
    }
}
