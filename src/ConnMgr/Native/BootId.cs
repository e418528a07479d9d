namespace ConnMgr.Native;

/// <summary>
/// The kernel's boot id (random(4)). Counters and open addresses of one boot do not apply to another.
/// </summary>
internal static class BootId
{
    private const int Limit = 64; // bytes

    /// <summary>Reads the id; empty if the kernel has none.</summary>
    /// <exception cref="System.ComponentModel.Win32Exception">The kernel has no memory or descriptor now:
    /// an empty id would be mistaken for that of another boot.</exception>
    public static string Read()
    {
        string? id = SmallFile.Read("/proc/sys/kernel/random/boot_id", Limit, out _, out int errno);
        Errno.ThrowIfShortage(errno, "boot_id");
        return (id ?? "").Trim();
    }
}
