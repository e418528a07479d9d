using ConnMgr.Net;

namespace ConnMgr.Firewall;

/// <summary>
/// Holes by number and by address, in no order: one is found, added and taken out in the same time whatever their number.
/// </summary>
internal sealed class HoleTable
{
    private readonly List<Hole> _holes = [];
    private Hole?[] _buckets = new Hole?[16]; // a power of two

    public int Count => _holes.Count;

    public Hole this[int index] => _holes[index];

    public Hole? Find(IpNumber address)
    {
        Hole? hole = BucketOf(address);
        while (hole is not null && hole.Address != address)
        {
            hole = hole.Next;
        }
        return hole;
    }

    /// <summary>Adds one whose address is not there.</summary>
    public void Add(Hole hole)
    {
        if (_holes.Count == _buckets.Length)
        {
            _buckets = new Hole?[2 * _buckets.Length];
            foreach (Hole old in _holes)
            {
                Link(old);
            }
        }
        hole.Index = _holes.Count;
        _holes.Add(hole);
        Link(hole);
    }

    /// <summary>Takes one out that is there; the last one gets its number.</summary>
    public void Remove(Hole hole)
    {
        ref Hole? link = ref BucketOf(hole.Address);
        while (link != hole)
        {
            link = ref link!.Next;
        }
        link = hole.Next;
        Hole last = _holes[^1];
        _holes[hole.Index] = last;
        last.Index = hole.Index;
        _holes.RemoveAt(_holes.Count - 1);
        hole.Index = -1;
    }

    private void Link(Hole hole)
    {
        ref Hole? bucket = ref BucketOf(hole.Address);
        hole.Next = bucket;
        bucket = hole;
    }

    // The hash of the address is seeded at random: nobody can choose addresses that meet in one bucket.
    private ref Hole? BucketOf(IpNumber address) => ref _buckets[address.GetHashCode() & (_buckets.Length - 1)];
}
