using ConnMgr.Net;

namespace ConnMgr.Firewall;

/// <summary>
/// Holes by index and by address, unordered. Finding, adding and removing take constant time.
/// </summary>
internal sealed class HoleTable
{
    private readonly List<Hole> _holes = [];
    private Hole?[] _buckets = new Hole?[16]; // a power of two

    public int Count => _holes.Count;

    public Hole this[int index] => _holes[index];

    /// <summary>Returns the hole of an address, or null.</summary>
    public Hole? Find(IpNumber address)
    {
        Hole? hole = BucketOf(address);
        while (hole is not null && hole.Address != address)
        {
            hole = hole.Next;
        }
        return hole;
    }

    /// <summary>Adds a hole; its address must not be in the table.</summary>
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

    /// <summary>Removes a hole; the last hole gets its index.</summary>
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

    // GetHashCode has a random seed: an attacker cannot choose addresses that share a bucket.
    private ref Hole? BucketOf(IpNumber address) =>
        ref _buckets[address.GetHashCode() & (_buckets.Length - 1)];
}
