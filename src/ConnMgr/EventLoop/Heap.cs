namespace ConnMgr.EventLoop;

/// <summary>
/// Keeps the managed heap at what is in use. The collector by itself keeps what a burst has taken, for the next one: after a
/// day's worth of work that was twice as much as was in use, and a reload's large arrays came on top.
/// </summary>
internal sealed class Heap
{
    /// <summary>In bytes: so much is allocated before a collection is worth its time, about a millisecond.</summary>
    private const long Worthwhile = 1 << 18;

    private long _allocated;
    private int _collections;

    /// <summary>
    /// Moves together what is in use and gives the rest back to the kernel, if much has been allocated since the last time,
    /// or the collector itself has been at work.
    /// To be called between two batches of events, where a pause hurts nobody.
    /// </summary>
    public void Trim()
    {
        if (GC.GetAllocatedBytesForCurrentThread() - _allocated >= Worthwhile || GC.CollectionCount(0) != _collections)
        {
            GC.Collect(GC.MaxGeneration, GCCollectionMode.Aggressive, blocking: true, compacting: true);
            _allocated = GC.GetAllocatedBytesForCurrentThread();
            _collections = GC.CollectionCount(0);
        }
    }
}
