using System.Globalization;

namespace ConnMgr.Native;

/// <summary>
/// Looks up a group in /etc/group (group(5)). The C library's own lookup is not used: in a static executable
/// it would load the shared libraries of nsswitch.conf.
/// </summary>
internal static class GroupFile
{
    private const string FilePath = "/etc/group";
    private const int FileLimit = 1 << 20;

    /// <summary>
    /// Returns the id of a group, given by name or by number. Returns null if the name is null, or if the
    /// group does not exist; only then <paramref name="failure"/> is a phrase, else it is empty.
    /// </summary>
    public static uint? Find(string? name, out string failure)
    {
        failure = "";
        if (name is null)
        {
            return null;
        }
        if (TryId(name, out uint number))
        {
            return number;
        }
        string text = SmallFile.Read(FilePath, FileLimit, out _, out _) ?? "";
        uint? found = FindIn(text, name);
        failure = found is null ? $"{FilePath} has no such group" : "";
        return found;
    }

    /// <summary>Returns the id from lines `name:password:id:members`; null if there is none.</summary>
    public static uint? FindIn(string text, string name)
    {
        foreach (string line in text.Split('\n'))
        {
            string[] parts = line.Split(':');
            if (parts.Length >= 3 && parts[0] == name && TryId(parts[2], out uint id))
            {
                return id;
            }
        }
        return null;
    }

    // The largest number means "no group" to the kernel.
    private static bool TryId(string text, out uint id) =>
        uint.TryParse(text, NumberStyles.None, CultureInfo.InvariantCulture, out id) && id != uint.MaxValue;
}
