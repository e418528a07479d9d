namespace ConnMgr.Firewall;

/// <summary>
/// The holes that could go for others, the best one first: of wildcards before those of exact names, then the one that ends
/// first. All are looked at once for many that have to go: a binary heap.
/// </summary>
internal sealed class SpareHoles
{
    private Spare[] _heap = [];
    private int _count;

    /// <summary>When they were last looked at.</summary>
    public TimeSpan FilledAt { get; private set; } = Hole.Never;

    /// <summary>How many were looked at or compared, all in all: what it has cost.</summary>
    public long Work { get; private set; }

    /// <summary>Looks at all.</summary>
    /// <param name="holes">Those that there are.</param>
    /// <param name="now">The time.</param>
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

    /// <summary>They are not what they were.</summary>
    public void Clear()
    {
        FilledAt = Hole.Never;
        _count = 0;
        _heap = [];
    }

    /// <summary>Takes the best one that can still go. Null: there is none.</summary>
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

    /// <param name="Rank">The lower, the better; kept here, since to look it up in each hole takes ten times as long.</param>
    /// <param name="Hole">It.</param>
    private readonly record struct Spare(long Rank, Hole Hole);
}
