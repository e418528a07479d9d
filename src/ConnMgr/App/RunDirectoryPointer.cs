using System.Text;
using ConnMgr.Config;
using ConnMgr.Control;
using ConnMgr.Native;
using Tmds.Linux;

namespace ConnMgr.App;

/// <summary>
/// Leads `status`, `reload` and the other verbs to a daemon with another --run-dir: the file `run-dir` in
/// the standard run directory names it, while that daemon runs. The user need not know the options of the
/// service.
/// </summary>
internal sealed unsafe class RunDirectoryPointer : IDisposable
{
    private const int LongestPath = 4096;

    private static readonly string PointerPath = Path.Combine(Options.StandardRunDirectory, "run-dir");

    private readonly string? _written;

    /// <summary>Writes the file, unless the directory is the standard one. Ignores failures.</summary>
    public RunDirectoryPointer(string runDirectory)
    {
        string full = Path.GetFullPath(runDirectory);
        if (full == Options.StandardRunDirectory)
        {
            return;
        }
        using NativeStrings standard = new([Options.StandardRunDirectory]);
        // Members of --control-group read it, whatever the umask is.
        if (LibC.mkdir(standard.Pointer[0], 0x1ED /* 0755 */) == 0)
        {
            _ = LibC.chmod(standard.Pointer[0], 0x1ED);
        }
        _written = SmallFile.Replace(PointerPath, Encoding.UTF8.GetBytes(full), 0x1A4 /* 0644 */) == 0
            ? full
            : null;
    }

    /// <summary>
    /// Returns the run directory of the daemon to ask: the one that the command line names, else the one that
    /// the file names, else the standard one.
    /// </summary>
    public static string Find(Options options)
    {
        if (options.HasRunDirectory)
        {
            return options.RunDirectory;
        }
        string? named = SmallFile.Read(PointerPath, LongestPath, out _, out _, onlyRoots: true);
        // A daemon that was killed leaves its socket behind.
        return named is ['/', ..] && !ControlClient.IsListening(options.RunDirectory)
            && ControlClient.IsListening(named)
            ? named
            : options.RunDirectory;
    }

    /// <summary>Removes the file if it is still this daemon's.</summary>
    public void Dispose()
    {
        if (_written is not null
            && SmallFile.Read(PointerPath, LongestPath, out _, out _, onlyRoots: true) == _written)
        {
            using NativeStrings path = new([PointerPath]);
            _ = LibC.unlink(path.Pointer[0]);
        }
    }
}
