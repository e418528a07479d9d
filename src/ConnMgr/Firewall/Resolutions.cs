using ConnMgr.Dns;

namespace ConnMgr.Firewall;

/// <summary>
/// When the daemon itself asks for the exact names of the whitelist: at the start, and again before their holes end, so
/// that programs that never ask twice go on working. Times are passed in, monotonic.
/// </summary>
internal sealed class Resolutions
{
    private const int LongestBackOff = 600; // seconds
    private const int LongestDoubling = 9; // 2^9 = 512 s

    private State[] _states;

    public Resolutions(Whitelist whitelist, TimeSpan now)
    {
        _states = [];
        Change(whitelist, now);
    }

    public Whitelist Whitelist { get; private set; } = Whitelist.Empty;

    /// <summary>When the next name is due; those that are being asked for are not.</summary>
    public TimeSpan NextDeadline
    {
        get
        {
            int next = Next();
            return next < 0 ? TimeSpan.MaxValue : _states[next].Due;
        }
    }

    /// <summary>
    /// A name that is due; it counts as being asked for until <see cref="Answered"/> or <see cref="Failed"/>.
    /// </summary>
    /// <param name="now">The time.</param>
    /// <param name="entry">Its number in <see cref="Whitelist"/>.</param>
    public bool TryTake(TimeSpan now, out int entry)
    {
        entry = Next();
        if (entry < 0 || _states[entry].Due > now)
        {
            return false;
        }
        _states[entry].IsAsked = true;
        return true;
    }

    /// <summary>There was an answer.</summary>
    /// <param name="name">Of the question; by name, since another whitelist may hold since.</param>
    /// <param name="lifetime">The least that its addresses stay open, in seconds (<see cref="Holes.LifetimeOf"/>).</param>
    /// <param name="now">The time.</param>
    public void Answered(in DnsName name, int lifetime, TimeSpan now)
    {
        if (Whitelist.IsWanted(name, out int entry) && Whitelist.IsExact(entry))
        {
            // A quarter of an hour and more is left for failures.
            _states[entry] = new State { Due = now + TimeSpan.FromSeconds(lifetime * 3L / 4) };
        }
    }

    /// <summary>There was no answer, or one without addresses: again after 2, 4, 8 and so on to 600 s.</summary>
    public void Failed(in DnsName name, TimeSpan now)
    {
        if (Whitelist.IsWanted(name, out int entry) && Whitelist.IsExact(entry))
        {
            int failures = Math.Min(_states[entry].Failures + 1, LongestDoubling + 1);
            int wait = failures > LongestDoubling ? LongestBackOff : 1 << failures;
            _states[entry] = new State { Due = now + TimeSpan.FromSeconds(wait), Failures = (byte)failures };
        }
    }

    /// <summary>There is another way out: names that failed are due at once.</summary>
    public void Retry(TimeSpan now)
    {
        for (int i = 0; i < _states.Length; i++)
        {
            if (_states[i].Failures > 0 && _states[i].Due != TimeSpan.MaxValue)
            {
                _states[i] = _states[i] with { Due = now, Failures = 0 };
            }
        }
    }

    /// <summary>Another whitelist holds from now on: its new names are due at once.</summary>
    public void Change(Whitelist whitelist, TimeSpan now)
    {
        State[] states = new State[whitelist.NameCount];
        for (int i = 0; i < states.Length; i++)
        {
            states[i].Due = TimeSpan.MaxValue;
            if (whitelist.IsExact(i))
            {
                bool isOld = Whitelist.IsWanted(whitelist.NameOf(i), out int old) && Whitelist.IsExact(old);
                states[i] = isOld ? _states[old] : new State { Due = now };
            }
        }
        (_states, Whitelist) = (states, whitelist);
    }

    private int Next()
    {
        int next = -1;
        for (int i = 0; i < _states.Length; i++)
        {
            if (!_states[i].IsAsked && _states[i].Due < (next < 0 ? TimeSpan.MaxValue : _states[next].Due))
            {
                next = i;
            }
        }
        return next;
    }

    private record struct State(TimeSpan Due, byte Failures, bool IsAsked);
}
