using ConnMgr.Logging;

namespace ConnMgr.Firewall;

/// <summary>Compares two whitelists, for the report of a reload. Pure.</summary>
internal static class WhitelistChanges
{
    /// <summary>
    /// The largest number of entries that are compared: the texts of more would take too much memory.
    /// </summary>
    private const int MaxCompared = 4096;

    private const int MaxChanges = 50;

    /// <summary>
    /// Lists the added and removed entries, each as a phrase, and counts the addresses that were opened and
    /// closed. Empty if nothing has changed.
    /// </summary>
    public static List<string> Between(Whitelist old, Whitelist whitelist, int opened, int closed)
    {
        List<string> changes = Between(old, whitelist, out bool hasNewName);
        if (opened > 0 || closed > 0 || changes.Count > 0)
        {
            changes.Add(
                $"whitelist: {TextLayout.Count(whitelist.Count, "entry", "entries")} instead of {old.Count}; "
                + $"{TextLayout.Count(opened, "address", "addresses")} opened, {closed} closed"
                + (hasNewName ? "; looking up the new names" : ""));
        }
        return changes;
    }

    /// <summary>Says only that entries may have changed if there are too many to compare.</summary>
    private static List<string> Between(Whitelist old, Whitelist whitelist, out bool hasNewName)
    {
        hasNewName = false; // a new name that the daemon itself resolves
        if (old.Count > MaxCompared || whitelist.Count > MaxCompared)
        {
            return ["whitelist: read again"];
        }
        HashSet<string> before = EntriesOf(old);
        HashSet<string> after = EntriesOf(whitelist);
        List<string> changes = [];
        foreach (string entry in before)
        {
            if (!after.Contains(entry))
            {
                changes.Add($"whitelist: removed {entry}");
            }
        }
        foreach (string entry in after)
        {
            if (!before.Contains(entry))
            {
                changes.Add($"whitelist: added {entry}");
            }
        }
        for (int i = 0; i < whitelist.NameCount && !hasNewName; i++)
        {
            hasNewName = whitelist.IsExact(i) && !before.Contains(whitelist.TextOf(i));
        }
        int more = changes.Count - MaxChanges;
        if (more > 0)
        {
            changes.RemoveRange(MaxChanges, more);
            changes.Add($"whitelist: and {more} more changes");
        }
        return changes;
    }

    private static HashSet<string> EntriesOf(Whitelist whitelist)
    {
        HashSet<string> entries = [];
        for (int i = 0; i < whitelist.NameCount; i++)
        {
            entries.Add(whitelist.TextOf(i));
        }
        for (int i = 0; i < whitelist.LiteralCount; i++)
        {
            entries.Add(whitelist.LiteralOf(i).ToString());
        }
        return entries;
    }
}
