namespace ConnMgr.Net;

/// <summary>Validates names of network devices.</summary>
internal static class InterfaceName
{
    private const int MaxLength = 15; // IFNAMSIZ - 1

    /// <summary>
    /// Applies the kernel's rule (dev_valid_name(), net/core/dev.c): 1 to 15 bytes without `/`, `:` and white
    /// space, not `.` or `..`. Also requires printable ASCII and no leading `-`, since the name becomes an
    /// argument of programs.
    /// </summary>
    public static bool IsValid(string name)
    {
        if (name.Length is 0 or > MaxLength || name is "." or ".." || name[0] == '-')
        {
            return false;
        }
        foreach (char c in name)
        {
            if (c is <= ' ' or > '~' or '/' or ':')
            {
                return false;
            }
        }
        return true;
    }
}
