using System.Text;
using Tmds.Linux;

namespace ConnMgr.Native;

/// <summary>Makes a struct sockaddr_un from a path (unix(7)).</summary>
internal static unsafe class UnixAddress
{
    private const int LongestPath = 107; // sun_path without its final zero

    /// <summary>Returns false if the path is longer than 107 bytes.</summary>
    public static bool TryMake(string path, out sockaddr_un address)
    {
        sockaddr_un made = new() { sun_family = LibC.AF_UNIX };
        bool fits = Encoding.UTF8.TryGetBytes(path, new Span<byte>(made.sun_path, LongestPath), out _);
        address = made;
        return fits;
    }
}
