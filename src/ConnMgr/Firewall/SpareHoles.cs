namespace ConnMgr.Firewall;

/// <summary>
/// The replaceable holes, the most dispensable first: wildcard names before exact ones, then the earliest
/// end. A binary heap, filled once for many replacements.
/// </summary>
internal sealed class SpareHoles
{
    private Spare[] _heap = [];
    private int _count;

    /// <summary>When the heap was last filled.</summary>
    public TimeSpan FilledAt { get; private set; } = Hole.Never;

    /// <summary>The number of holes visited or compared in all, for tests of the cost.</summary>
    public long Work { get; private set; }

    /// <summary>Fills the heap.</summary>
    /// <param name="holes">All holes.</param>
    /// <param name="now">The loop's time.</param>
    public void Fill(HoleTable holes, TimeSpan now)
    {
        FilledAt = now;
        _count = 0;
        if (_heap.Length < holes.Count)
        {
            _heap = new Spare[holes.Count];
        }
        for (int i = 0; i < holes.Count; i++)
        {
            Work++;
            Hole hole = holes[i];
            if (Holes.CanGo(hole, now))
            {
                _heap[_count++] = new Spare((hole.IsExact ? long.MaxValue / 2 : 0) + hole.Until.Ticks, hole);
            }
        }
        for (int i = (_count / 2) - 1; i >= 0; i--)
        {
            Sink(i);
        }
    }

    /// <summary>Empties the heap, because the holes have changed.</summary>
    public void Clear()
    {
        FilledAt = Hole.Never;
        _count = 0;
        _heap = [];
    }

    /// <summary>Takes the most dispensable hole that is still replaceable; null if there is none.</summary>
    public Hole? Take(TimeSpan now)
    {
        while (_count > 0)
        {
            Hole best = _heap[0].Hole;
            _heap[0] = _heap[--_count];
            Sink(0);
            if (best.Index >= 0 && Holes.CanGo(best, now))
            {
                return best;
            }
        }
        return null;
    }

    private void Sink(int at)
    {
        Spare sinking = _heap[at];
        while (true)
        {
            int child = (2 * at) + 1;
            if (child >= _count)
            {
                break;
            }
            Work++;
            child += child + 1 < _count && _heap[child + 1].Rank < _heap[child].Rank ? 1 : 0;
            if (_heap[child].Rank >= sinking.Rank)
            {
                break;
            }
            _heap[at] = _heap[child];
            at = child;
        }
        _heap[at] = sinking;
    }

    /// <param name="Rank">A lower rank is more dispensable. Stored here, because reading it from each hole
    /// takes ten times as long.</param>
    /// <param name="Hole">The hole.</param>
    private readonly record struct Spare(long Rank, Hole Hole);
}
