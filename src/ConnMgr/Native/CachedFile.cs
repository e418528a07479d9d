using Tmds.Linux;

namespace ConnMgr.Native;

/// <summary>
/// The text of a small file that is read often. The file is read again only when its inode, size, mtime or
/// ctime has changed, so an unchanged file costs one system call.
/// </summary>
/// <param name="path">The file.</param>
/// <param name="limit">The largest number of bytes used.</param>
/// <param name="onlyRoots">True to ignore a symbolic link, and a file that root does not own: for directories
/// that other users may write to. Otherwise links are followed.</param>
internal sealed class CachedFile(string path, int limit, bool onlyRoots = false)
{
    private (ulong Device, ulong Inode, long Size, long Mtime, long MtimeNs, long Ctime, long CtimeNs) _seen;
    private string _text = "";

    /// <summary>
    /// Increases whenever <see cref="Text"/> has read the file again, or found that it is gone.
    /// </summary>
    public int Version { get; private set; }

    /// <summary>The text; empty if the file is missing or cannot be read.</summary>
    public unsafe string Text
    {
        get
        {
            using NativeStrings name = new([path]);
            stat status;
            int result = onlyRoots
                ? LibC.lstat(name.Pointer[0], &status)
                : LibC.stat(name.Pointer[0], &status);
            if (result < 0)
            {
                status = default;
            }
            (ulong, ulong, long, long, long, long, long) seen = (
                (ulong)status.st_dev, (ulong)status.st_ino, (long)status.st_size,
                (long)status.st_mtim.tv_sec, (long)status.st_mtim.tv_nsec,
                (long)status.st_ctim.tv_sec, (long)status.st_ctim.tv_nsec);
            if (seen != _seen)
            {
                // Store the state from before the read, so that a change during the read is detected next
                // time.
                _seen = seen;
                _text = SmallFile.Read(path, limit, out _, out _, onlyRoots) ?? "";
                Version++;
            }
            return _text;
        }
    }
}
