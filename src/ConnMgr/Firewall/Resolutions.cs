using ConnMgr.Dns;

namespace ConnMgr.Firewall;

/// <summary>
/// Decides when the daemon itself resolves the exact names of the whitelist: at the start, and again before
/// their holes end, so that programs that resolve a name only once keep working. Pure; times are monotonic.
/// The work per call grows with the logarithm of the number of names (an indexed binary heap).
/// </summary>
internal sealed class Resolutions
{
    private const int LongestBackOff = 600; // seconds
    private const int LongestDoubling = 9; // 2^9 = 512 s
    private const int NotInHeap = -1;

    // In seconds. Addresses of the family without an answer may stay open no longer than this.
    private static readonly int ShortestLifetime = Holes.LifetimeOf(ttl: 0);


    private State[] _states = []; // by entry of the whitelist
    private int[] _heap = []; // waiting entries, the earliest first
    private int _count;

    public Resolutions(Whitelist whitelist, TimeSpan now) => Change(whitelist, now);

    public Whitelist Whitelist { get; private set; } = Whitelist.Empty;

    /// <summary>The number of comparisons of the heap, for tests of its cost.</summary>
    public long Work { get; private set; }

    /// <summary>When the next name is due. Names that are being resolved do not count.</summary>
    public TimeSpan NextDeadline => _count == 0 ? TimeSpan.MaxValue : _states[_heap[0]].Due;

    /// <summary>
    /// Takes a name that is due. It counts as being resolved until <see cref="Answered"/> or <see
    /// cref="Failed"/>.
    /// </summary>
    /// <param name="now">The loop's time.</param>
    /// <param name="entry">Its number in <see cref="Whitelist"/>.</param>
    public bool TryTake(TimeSpan now, out int entry)
    {
        if (NextDeadline > now || _count == 0)
        {
            entry = -1;
            return false;
        }
        entry = _heap[0];
        _states[entry].Place = NotInHeap;
        if (--_count > 0)
        {
            Put(_heap[_count], 0);
            Sink(0);
        }
        return true;
    }

    /// <summary>Call it when a name has been resolved.</summary>
    /// <param name="name">The name, since the whitelist may have changed meanwhile.</param>
    /// <param name="lifetime">The shortest time that its addresses stay open, in seconds (<see
    /// cref="Holes.LifetimeOf"/>).</param>
    /// <param name="now">The loop's time.</param>
    public void Answered(in DnsName name, int lifetime, TimeSpan now)
    {
        if (Whitelist.IsWanted(name, out int entry) && Whitelist.IsExact(entry))
        {
            // The last quarter, at least 15 minutes, is left for retries.
            Schedule(entry, now + TimeSpan.FromSeconds(lifetime * 3L / 4), failures: 0);
        }
    }

    /// <summary>
    /// Call it if there was no answer for a family, or there are no addresses: retries after 2, 4, 8 and so
    /// on up to 600 s. There are name servers that never answer for IPv6; then the addresses of the other
    /// family set the pace, after those retries.
    /// </summary>
    /// <param name="name">The name.</param>
    /// <param name="now">The loop's time.</param>
    /// <param name="lifetime">The shortest time that the other family's addresses stay open, in seconds;
    /// 0 if there are none.</param>
    public void Failed(in DnsName name, TimeSpan now, int lifetime = 0)
    {
        if (Whitelist.IsWanted(name, out int entry) && Whitelist.IsExact(entry))
        {
            int failures = Math.Min(_states[entry].Failures + 1, LongestDoubling + 1);
            int longest = Math.Max(LongestBackOff, Math.Min(ShortestLifetime, lifetime) * 3 / 4);
            int wait = failures > LongestDoubling ? longest : 1 << failures;
            Schedule(entry, now + TimeSpan.FromSeconds(wait), failures);
        }
    }

    /// <summary>
    /// Makes names that failed due at once, because another link is in use. A name that is being resolved
    /// over the old link is due 2 s after its failure.
    /// </summary>
    public void Retry(TimeSpan now)
    {
        foreach (ref State state in _states.AsSpan())
        {
            state.Due = state.Failures > 0 ? now : state.Due;
            state.Failures = 0;
        }
        Order();
    }

    /// <summary>Applies another whitelist: its new names are due at once.</summary>
    public void Change(Whitelist whitelist, TimeSpan now)
    {
        State[] states = new State[whitelist.NameCount];
        int[] heap = new int[whitelist.NameCount];
        int count = 0;
        for (int i = 0; i < states.Length; i++)
        {
            states[i].Place = NotInHeap;
            if (!whitelist.IsExact(i))
            {
                continue;
            }
            bool isOld = Whitelist.IsWanted(whitelist.NameOf(i), out int old) && Whitelist.IsExact(old);
            states[i] = isOld ? _states[old] : new State { Due = now };
            if (!isOld || states[i].Place != NotInHeap)
            {
                states[i].Place = count;
                heap[count++] = i;
            }
        }
        (_states, _heap, _count, Whitelist) = (states, heap, count, whitelist);
        Order();
    }

    private void Schedule(int entry, TimeSpan due, int failures)
    {
        ref State state = ref _states[entry];
        (state.Due, state.Failures) = (due, (byte)failures);
        if (state.Place == NotInHeap)
        {
            Put(entry, _count++);
        }
        Rise(state.Place);
        Sink(state.Place);
    }

    private void Order()
    {
        for (int i = (_count / 2) - 1; i >= 0; i--)
        {
            Sink(i);
        }
    }

    private void Put(int entry, int place)
    {
        _heap[place] = entry;
        _states[entry].Place = place;
    }

    private void Rise(int place)
    {
        int entry = _heap[place];
        while (place > 0 && IsBefore(entry, _heap[(place - 1) / 2]))
        {
            Put(_heap[(place - 1) / 2], place);
            place = (place - 1) / 2;
        }
        Put(entry, place);
    }

    private void Sink(int place)
    {
        int entry = _heap[place];
        while (true)
        {
            int child = (2 * place) + 1;
            if (child >= _count)
            {
                break;
            }
            child += child + 1 < _count && IsBefore(_heap[child + 1], _heap[child]) ? 1 : 0;
            if (!IsBefore(_heap[child], entry))
            {
                break;
            }
            Put(_heap[child], place);
            place = child;
        }
        Put(entry, place);
    }

    /// <summary>Entries that are due at the same time keep the order of the whitelist.</summary>
    private bool IsBefore(int one, int other)
    {
        Work++;
        TimeSpan a = _states[one].Due;
        TimeSpan b = _states[other].Due;
        return a < b || (a == b && one < other);
    }

    private struct State
    {
        public TimeSpan Due;
        public int Place; // in the heap; NotInHeap: being resolved, or a wildcard
        public byte Failures;
    }
}
