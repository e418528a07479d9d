using ConnMgr.Net;

namespace ConnMgr.Dns;

/// <summary>
/// The questions that are open. A full table drops its oldest question. The table does
/// not allocate after construction, and touches only as much memory as it needs for the open questions.
/// </summary>
/// <remarks>
/// A question may be answered as often as it was sent. Each accepted reply uses up one of these answers, so a
/// second, forged reply matches no question. Names are stored as keyed hashes to keep the table small.
/// </remarks>
/// <param name="capacity">The largest number of questions; a power of two.</param>
/// <param name="hash">A hash with a secret key.</param>
/// <param name="lifetime">How long a question stays open.</param>
/// <param name="maxRepeats">The largest number of replies accepted for one question, however often it is
/// sent.</param>
internal sealed class Questions(int capacity, NameHash hash, TimeSpan lifetime, int maxRepeats = 8)
{
    /// <summary>
    /// How long an answer counts (contract, section 10): the longest timeout of glibc (resolv.conf(5)).
    /// </summary>
    public static readonly TimeSpan Lifetime = TimeSpan.FromSeconds(30);

    private const int None = 0; // entry 0 is never used

    // Pinned: the garbage collector would otherwise move the arrays, and touch all of their memory.
    private readonly Entry[] _entries = GC.AllocateArray<Entry>(capacity + 1, pinned: true);
    private readonly int[] _buckets = GC.AllocateArray<int>(capacity, pinned: true);
    private int _used; // entries from here on have never been used
    private int _free;
    private int _oldest;
    private int _newest;

    /// <summary>The number of open questions.</summary>
    public int Count { get; private set; }

    /// <summary>The number of questions dropped early for newer ones.</summary>
    public long Evicted { get; private set; }

    /// <summary>Stores a question.</summary>
    /// <param name="flow">The flow of the packet.</param>
    /// <param name="id">The DNS identifier.</param>
    /// <param name="question">The question.</param>
    /// <param name="now">Monotonic time.</param>
    /// <returns>False if an older question was dropped for it.</returns>
    public bool Add(in Flow flow, ushort id, in DnsQuestion question, TimeSpan now)
    {
        Expire(now);
        ulong name = hash.Of(question);
        ref int bucket = ref BucketOf(flow, id);
        int at = Find(bucket, flow, id, name);
        if (at != None)
        {
            Unlink(at);
            LinkNewest(at, _entries[at].Repeats + 1, now);
            return true;
        }

        bool isFull = Count == capacity;
        if (isFull)
        {
            Evicted++;
            Remove(_oldest);
        }
        at = _free;
        if (at == None)
        {
            at = ++_used;
        }
        else
        {
            _free = _entries[at].Next;
        }
        _entries[at] = new Entry { Flow = flow, Id = id, Name = name, Next = bucket };
        bucket = at;
        Count++;
        LinkNewest(at, 1, now);
        return !isFull;
    }

    /// <summary>True if any question with this flow and identifier is open.</summary>
    public bool Has(in Flow flow, ushort id, TimeSpan now)
    {
        Expire(now);
        int at = BucketOf(flow, id);
        while (at != None && !(_entries[at].Id == id && _entries[at].Flow == flow))
        {
            at = _entries[at].Next;
        }
        return at != None;
    }

    /// <summary>
    /// Returns the position of an open question, valid until the next call of a method; 0 if it is not open.
    /// </summary>
    public int Find(in Flow flow, ushort id, in DnsQuestion question, TimeSpan now)
    {
        Expire(now);
        return Find(BucketOf(flow, id), flow, id, hash.Of(question));
    }

    /// <summary>
    /// Counts an accepted reply. Removes the question if it has been answered as often as it was sent.
    /// </summary>
    /// <param name="at">
    /// The result of <see cref="Find(in Flow, ushort, in DnsQuestion, TimeSpan)"/>, not 0.
    /// </param>
    public void Answer(int at)
    {
        if (--_entries[at].Repeats == 0)
        {
            Remove(at);
        }
    }

    private int Find(int at, in Flow flow, ushort id, ulong name)
    {
        while (at != None)
        {
            ref readonly Entry entry = ref _entries[at];
            if (entry.Name == name && entry.Id == id && entry.Flow == flow)
            {
                break;
            }
            at = entry.Next;
        }
        return at;
    }

    // HashCode has a random seed: an attacker cannot choose ports and identifiers that share a bucket.
    private ref int BucketOf(in Flow flow, ushort id) =>
        ref _buckets[HashCode.Combine(flow.GetHashCode(), id) & (_buckets.Length - 1)];

    private void Expire(TimeSpan now)
    {
        while (_oldest != None && now - _entries[_oldest].Asked >= lifetime)
        {
            Remove(_oldest);
        }
    }

    private void Remove(int at)
    {
        ref Entry entry = ref _entries[at];
        ref int link = ref BucketOf(entry.Flow, entry.Id);
        while (link != at)
        {
            link = ref _entries[link].Next;
        }
        link = entry.Next;
        Unlink(at);
        entry.Next = _free;
        _free = at;
        Count--;
    }

    private void LinkNewest(int at, int repeats, TimeSpan now)
    {
        ref Entry entry = ref _entries[at];
        entry.Asked = now;
        entry.Repeats = Math.Min(repeats, maxRepeats);
        entry.Older = _newest;
        entry.Newer = None;
        (_newest == None ? ref _oldest : ref _entries[_newest].Newer) = at;
        _newest = at;
    }

    private void Unlink(int at)
    {
        ref Entry entry = ref _entries[at];
        (entry.Older == None ? ref _oldest : ref _entries[entry.Older].Newer) = entry.Newer;
        (entry.Newer == None ? ref _newest : ref _entries[entry.Newer].Older) = entry.Older;
    }

    private struct Entry
    {
        public Flow Flow;
        public ulong Name;
        public TimeSpan Asked;
        public ushort Id;
        public int Repeats;
        public int Next; // in the bucket, or in the list of free entries
        public int Older;
        public int Newer;
    }
}
