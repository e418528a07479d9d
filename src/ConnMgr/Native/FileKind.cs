using Tmds.Linux;

namespace ConnMgr.Native;

/// <summary>Type and permissions of a file; symbolic links are not followed.</summary>
/// <param name="IsRegular">A regular file.</param>
/// <param name="IsDirectory">A directory.</param>
/// <param name="IsExecutable">Its owner may execute it.</param>
/// <param name="IsTrusted">Root owns it, and no other user or group can write to it.</param>
internal readonly record struct FileKind(bool IsRegular, bool IsDirectory, bool IsExecutable, bool IsTrusted)
{
    private const uint OwnerExecutes = 0x40; // S_IXUSR, <linux/stat.h>
    private const uint OthersWrite = 0x12; // S_IWGRP | S_IWOTH

    /// <summary>Returns the kind of a file; null if it does not exist.</summary>
    /// <param name="path">The file.</param>
    /// <param name="followsLinks">True for the file that a symbolic link names, false for the link.</param>
    public static unsafe FileKind? Of(string path, bool followsLinks = false)
    {
        int noFollow = followsLinks ? 0 : LibC.O_NOFOLLOW;
        using NativeStrings name = new([path]);
        int fd = LibC.open(name.Pointer[0], LibC.O_PATH | noFollow | LibC.O_CLOEXEC, 0);
        if (fd < 0)
        {
            return null;
        }
        stat status;
        int result = LibC.fstat(fd, &status);
        _ = LibC.close(fd);
        uint mode = (uint)status.st_mode;
        return result < 0 ? null : new FileKind(
            LibC.S_ISREG(status.st_mode), LibC.S_ISDIR(status.st_mode), (mode & OwnerExecutes) != 0,
            (uint)status.st_uid == 0 && (mode & OthersWrite) == 0);
    }
}
