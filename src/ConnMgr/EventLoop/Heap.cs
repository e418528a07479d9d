using ConnMgr.Native;

namespace ConnMgr.EventLoop;

/// <summary>
/// Returns unused memory of the managed heap and of the executable to the kernel. Without this, the garbage
/// collector keeps the memory of a burst for the next one: after a simulated day of work the heap was twice
/// the size of its live objects, plus a reload's large arrays.
/// </summary>
internal sealed class Heap
{
    /// <summary>
    /// The number of bytes allocated since the last collection that makes the next one, which takes about 1
    /// ms, worthwhile.
    /// </summary>
    private const long Worthwhile = 1 << 17;

    private long _allocated;
    private int _collections;

    /// <summary>
    /// Compacts the heap and returns the rest to the kernel, if much has been allocated since the last call
    /// or the runtime itself has collected. Call it between two batches of events, where a pause of 1 ms does
    /// no harm.
    /// </summary>
    public void Trim()
    {
        if (GC.GetAllocatedBytesForCurrentThread() - _allocated >= Worthwhile
            || GC.CollectionCount(0) != _collections)
        {
            GC.Collect(GC.MaxGeneration, GCCollectionMode.Aggressive, blocking: true, compacting: true);
            _allocated = GC.GetAllocatedBytesForCurrentThread();
            _collections = GC.CollectionCount(0);
            // After the start nearly all of the executable is mapped. It counts as resident, and the kernel
            // drops it last when memory is short. The loop needs half of it.
            Shim.connmgr_unmap_executable();
        }
    }
}
