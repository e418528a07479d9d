using System.Runtime.InteropServices;

namespace ConnMgr.Native;

/// <summary>Imports of our own C code (native/), linked statically into the executable.</summary>
internal static unsafe partial class Shim
{
    /// <summary>See native/signal_pipe.h. Returns the read end of the pipe, or -errno.</summary>
    [LibraryImport("connmgr_native")]
    public static partial int connmgr_catch_signals(int* signals, int count);

    /// <summary>See native/local_time.h. Returns the offset of local time from UTC, in seconds.</summary>
    [LibraryImport("connmgr_native")]
    public static partial int connmgr_utc_offset(long seconds);

    /// <summary>See native/runtime.h.</summary>
    [LibraryImport("connmgr_native")]
    public static partial void connmgr_unmap_executable();

    /// <summary>See native/capabilities.h. Returns 0 or -errno.</summary>
    [LibraryImport("connmgr_native")]
    public static partial int connmgr_keep_capabilities(ulong keep);
}
