using ConnMgr.Native;
using Tmds.Linux;

namespace ConnMgr.EventLoop;

/// <summary>
/// Reports by inotify(7) at once when files may have changed, also if a file is replaced or appears. Best
/// effort: the caller also checks periodically.
/// </summary>
internal sealed unsafe class FileMonitor : IDisposable
{
    // <sys/inotify.h>
    private const int IN_NONBLOCK = 0x800;
    private const int IN_CLOEXEC = 0x80000;
    private const uint IN_MODIFY = 0x2;
    private const uint IN_ATTRIB = 0x4; // also when a watched file is replaced: its number of links changes
    private const uint IN_MOVED_TO = 0x80;
    private const uint IN_CREATE = 0x100;
    private const uint IN_MOVE_SELF = 0x800;

    private const int BufferSize = 4096;

    private readonly Loop _loop;
    private readonly IReadOnlyList<string> _paths;
    private readonly Action _changed;
    private readonly int[] _watches; // of each file, and of its directory; -1 for none
    private readonly int _fd;
    private readonly ulong _token;

    /// <param name="loop">Watches for the kernel's reports.</param>
    /// <param name="paths">The files; they need not exist. Symbolic links are followed.</param>
    /// <param name="changed">Called after changes in any of the files or their directories.</param>
    public FileMonitor(Loop loop, IReadOnlyList<string> paths, Action changed)
    {
        _loop = loop;
        _paths = paths;
        _changed = changed;
        _watches = new int[2 * paths.Count];
        _watches.AsSpan().Fill(-1);
        _fd = LibcExtra.inotify_init1(IN_NONBLOCK | IN_CLOEXEC);
        if (_fd >= 0)
        {
            _token = loop.Add(_fd, Read);
        }
        Watch();
    }

    /// <summary>False if the kernel has no inotify, or no more of it for this user.</summary>
    public bool IsWatching => _fd >= 0;

    private void Read()
    {
        byte* buffer = stackalloc byte[BufferSize];
        while ((nint)LibC.read(_fd, buffer, BufferSize) > 0)
        {
            // Which file it is does not matter.
        }
        Watch();
        _changed();
    }

    /// <summary>
    /// Watches the files that are there now, and their directories; watching one again has no effect. Then
    /// ends the watches of those that they have replaced: otherwise a user who may replace a file could
    /// use up the watches of root.
    /// </summary>
    public void Watch()
    {
        if (_fd < 0)
        {
            return;
        }
        int[] before = [.. _watches];
        for (int i = 0; i < _paths.Count; i++)
        {
            using NativeStrings names = new([_paths[i], Path.GetDirectoryName(_paths[i])!]);
            _watches[2 * i] = LibcExtra.inotify_add_watch(
                _fd, names.Pointer[0], IN_MODIFY | IN_ATTRIB | IN_MOVE_SELF);
            _watches[(2 * i) + 1] = LibcExtra.inotify_add_watch(
                _fd, names.Pointer[1], IN_CREATE | IN_MOVED_TO);
        }
        foreach (int watch in before)
        {
            if (watch >= 0 && Array.IndexOf(_watches, watch) < 0)
            {
                _ = LibcExtra.inotify_rm_watch(_fd, watch);
            }
        }
    }

    public void Dispose()
    {
        if (_fd >= 0)
        {
            _loop.Remove(_fd, _token);
            _ = LibC.close(_fd);
        }
    }
}
