using ConnMgr.Native;
using Tmds.Linux;

namespace ConnMgr.Resolver;

/// <summary>
/// Detects changes of the files from which `resolv_conf.sh` reads the name servers of the links. Necessary
/// because a new lease may change only the name servers, but neither resolv.conf, nor an address, nor a
/// route.
/// </summary>
/// <param name="runDirectory">The run directory; hooks of DHCP clients write into `resolv` there.</param>
internal sealed class ServerFiles(string runDirectory)
{
    private const int MostNames = 64; // of a directory
    private const uint TypeMask = 0xF000; // S_IFMT
    private const uint DirectoryType = 0x4000; // S_IFDIR

    private readonly string[] _directories =
    [
        "/run/resolvconf/interfaces", // openresolv
        "/run/resolvconf/keys", // openresolv since 3.14, a directory of each interface
        "/run/resolvconf/interface", // Debian's resolvconf
        "/run/dhcpcd/hook-state/resolv.conf",
        "/run/systemd/netif/leases",
        Path.Combine(runDirectory, "resolv"),
    ];

    private long _seen;

    /// <summary>
    /// True if a file has changed, appeared or disappeared since the last call. A missing directory costs one
    /// system call.
    /// </summary>
    public bool HaveChanged()
    {
        long seen = 0;
        foreach (string directory in _directories)
        {
            seen = Add(seen, directory, withDirectories: true);
        }
        bool hasChanged = seen != _seen;
        _seen = seen;
        return hasChanged;
    }

    /// <summary>Adds inode, size and mtime of each file to a sum that depends on the order.</summary>
    private static unsafe long Add(long sum, string directory, bool withDirectories)
    {
        // Skip the records that resolv_conf.sh itself writes: `connmgr` and `lo.connmgr`.
        List<string>? names = DirectoryNames.Read(
            directory, MostNames, static name => name[0] != '.' && !name.EndsWith("connmgr"), out _, out _);
        foreach (string name in names ?? [])
        {
            string path = Path.Combine(directory, name);
            using NativeStrings pointer = new([path]);
            stat status;
            if (LibC.stat(pointer.Pointer[0], &status) < 0)
            {
                continue;
            }
            if (((uint)status.st_mode & TypeMask) == DirectoryType)
            {
                sum = withDirectories ? Add(sum, path, withDirectories: false) : sum;
                continue;
            }
            foreach (long part in (ReadOnlySpan<long>)
                [(long)(ulong)status.st_ino, (long)status.st_size, (long)status.st_mtim.tv_sec,
                    (long)status.st_mtim.tv_nsec])
            {
                sum = (sum * 31) + part;
            }
        }
        return sum;
    }
}
