namespace ConnMgr.Tests;

/// <summary>Counts what code allocates.</summary>
internal static class Allocation
{
    /// <summary>
    /// Returns the bytes that <paramref name="action"/> allocates: the least of five rounds. The runtime may
    /// allocate while it optimises code, and a collection that another test causes counts the rest of the
    /// thread's buffer, up to 8 KiB; neither happens in each round.
    /// </summary>
    public static long Least(Action action)
    {
        long least = long.MaxValue;
        for (int round = 0; round < 5 && least > 0; round++)
        {
            long before = GC.GetAllocatedBytesForCurrentThread();
            action();
            least = Math.Min(least, GC.GetAllocatedBytesForCurrentThread() - before);
        }
        return least;
    }
}
