using ConnMgr.Net;

namespace ConnMgr.Dns;

/// <summary>
/// What was asked in the last <see cref="Lifetime"/>. Bounded: when it is full, the oldest question goes. Allocates
/// nothing after its construction, and touches only as much of its memory as questions are open at a time.
/// </summary>
/// <remarks>
/// A question that is sent again may be answered again, as often as it was sent: so each reply that is taken uses one
/// up, and who forges a second one comes too late. Names are kept as keyed hashes: a table of thousands stays small.
/// </remarks>
/// <param name="capacity">How many questions it holds; a power of two.</param>
/// <param name="hash">With a key that nobody can know.</param>
/// <param name="maxRepeats">A question that is sent more often is not answered more often.</param>
internal sealed class Questions(int capacity, NameHash hash, int maxRepeats = 8)
{
    /// <summary>Behaviour, section 10. Resolvers give up sooner.</summary>
    public static readonly TimeSpan Lifetime = TimeSpan.FromSeconds(10);

    private const int None = 0; // entry 0 is never used

    // Pinned, as the collector would write all of them when it moves them.
    private readonly Entry[] _entries = GC.AllocateArray<Entry>(capacity + 1, pinned: true);
    private readonly int[] _buckets = GC.AllocateArray<int>(capacity, pinned: true);
    private int _used; // entries above have never been in use
    private int _free;
    private int _oldest;
    private int _newest;

    /// <summary>How many are open.</summary>
    public int Count { get; private set; }

    /// <summary>How many had to go for newer ones before their time.</summary>
    public long Evicted { get; private set; }

    /// <summary>Remembers a question.</summary>
    /// <param name="flow">Of the packet that asked.</param>
    /// <param name="id">DNS id.</param>
    /// <param name="question">What was asked.</param>
    /// <param name="now">Monotonic.</param>
    /// <returns>False: another had to go for it.</returns>
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

    /// <summary>Whether anything was asked with this flow and id.</summary>
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

    /// <summary>Where this question is, until another method is called; 0: it was not asked, or is answered.</summary>
    public int Find(in Flow flow, ushort id, in DnsQuestion question, TimeSpan now)
    {
        Expire(now);
        return Find(BucketOf(flow, id), flow, id, hash.Of(question));
    }

    /// <summary>One reply was taken: if the question was sent once, it is done.</summary>
    /// <param name="at">What <see cref="Find(in Flow, ushort, in DnsQuestion, TimeSpan)"/> returned, not 0.</param>
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

    // HashCode is seeded at random: nobody can choose ports and ids that meet in one bucket.
    private ref int BucketOf(in Flow flow, ushort id) =>
        ref _buckets[HashCode.Combine(flow.GetHashCode(), id) & (_buckets.Length - 1)];

    private void Expire(TimeSpan now)
    {
        while (_oldest != None && now - _entries[_oldest].Asked >= Lifetime)
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
        public int Next; // in the bucket, or in the list of free ones
        public int Older;
        public int Newer;
    }
}
