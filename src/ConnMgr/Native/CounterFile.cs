namespace ConnMgr.Native;

/// <summary>Reads the kernel's file with the byte counters of all interfaces (proc_pid_net(5)).</summary>
internal static class CounterFile
{
    private const string Path = "/proc/thread-self/net/dev"; // /proc/net is that of the first thread
    private const int Limit = 65536; // bytes: 500 interfaces

    /// <summary>Returns the whole lines of the file; empty if it cannot be read.</summary>
    public static string Read()
    {
        string text = SmallFile.Read(Path, Limit, out bool isCut, out _) ?? "";
        // A number at the end of a file that was cut may lack digits.
        return isCut ? text[..Math.Max(0, text.LastIndexOf('\n'))] : text;
    }
}
