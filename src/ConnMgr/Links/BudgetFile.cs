using System.Globalization;
using System.Text;
using ConnMgr.Net;

namespace ConnMgr.Links;

/// <summary>
/// The file format of the budgets: a first line with the boot id, one line per link, and a last line with a
/// checksum, so that a file that power loss or worn flash has damaged is recognised. Pure.
/// </summary>
internal static class BudgetFile
{
    /// <summary>In bytes: enough for 30 links.</summary>
    public const int MaxSize = 8192;

    /// <summary>The largest number of bytes in an account.</summary>
    public const long MostBytes = 1L << 60;

    private const string Title = "connmgr-budget-1";
    private const string End = "end ";
    private const int LongestKey = 16;
    private const int MostAccounts = 30;

    /// <summary>Returns the file's text.</summary>
    /// <param name="accounts">The accounts.</param>
    /// <param name="boot">The kernel's boot id.</param>
    public static byte[] Write(IReadOnlyList<BudgetAccount> accounts, string boot)
    {
        StringBuilder text = new();
        text.Append(Title).Append(' ').Append(boot).Append('\n');
        foreach (BudgetAccount account in accounts)
        {
            text.Append(account.Key).Append(' ').Append(account.Name);
            Add(text, account.Used);
            Add(text, account.Before);
            Add(text, account.Until is { } until ? Seconds(until) : 0);
            Add(text, account.IsFirm ? 1 : 0);
            Add(text, account.Ifindex);
            Add(text, (long)Math.Min(account.Counter, long.MaxValue));
            text.Append('\n');
        }
        string body = text.ToString();
        return Encoding.ASCII.GetBytes($"{body}{End}{Checksum(body)}\n");
    }

    private static void Add(StringBuilder text, long number) =>
        text.Append(' ').Append(number.ToString(CultureInfo.InvariantCulture));

    /// <summary>Reads a file. Returns what is wrong with it, as a phrase; null if it is complete.</summary>
    /// <param name="text">The file's text, of any content.</param>
    /// <param name="boot">The kernel's boot id. In another boot, the devices count from zero.</param>
    /// <param name="accounts">Receives the accounts.</param>
    public static string? Read(string text, string boot, List<BudgetAccount> accounts)
    {
        int end = text.LastIndexOf(End, StringComparison.Ordinal);
        if (end < 1 || text[end - 1] != '\n')
        {
            return "it has no end";
        }
        if (text[end..] != $"{End}{Checksum(text[..end])}\n")
        {
            return "its checksum is wrong";
        }
        string[] lines = text[..(end - 1)].Split('\n');
        if (!lines[0].StartsWith(Title + " ", StringComparison.Ordinal))
        {
            return "it is of another version";
        }
        bool isSameBoot = lines[0][(Title.Length + 1)..] == boot;
        for (int i = 1; i < lines.Length; i++)
        {
            if (accounts.Count == MostAccounts || Parse(lines[i]) is not { } account)
            {
                accounts.Clear();
                return $"line {i + 1} is wrong";
            }
            if (!isSameBoot)
            {
                (account.Ifindex, account.Counter) = (0, 0);
            }
            accounts.Add(account);
        }
        return null;
    }

    private static BudgetAccount? Parse(string line)
    {
        string[] words = line.Split(' ');
        if (words.Length != 8 || words[0].Length is 0 or > LongestKey || !InterfaceName.IsValid(words[1]))
        {
            return null;
        }
        long[] numbers = new long[6];
        for (int i = 0; i < numbers.Length; i++)
        {
            if (!long.TryParse(
                words[i + 2], NumberStyles.None, CultureInfo.InvariantCulture, out numbers[i]))
            {
                return null;
            }
        }
        if (numbers[0] > MostBytes || numbers[1] > MostBytes || numbers[3] > 1 || numbers[4] > int.MaxValue
            || numbers[2] > Seconds(DateTime.MaxValue))
        {
            return null;
        }
        return new BudgetAccount(words[0], words[1])
        {
            Used = numbers[0],
            Before = numbers[1],
            Until = numbers[2] == 0 ? null : DateTime.UnixEpoch.AddSeconds(numbers[2]),
            IsFirm = numbers[3] == 1,
            Ifindex = (int)numbers[4],
            Counter = (ulong)numbers[5],
        };
    }

    private static long Seconds(DateTime time) =>
        (time - DateTime.UnixEpoch).Ticks / TimeSpan.TicksPerSecond;

    /// <summary>FNV-1a with 64 bits, in decimal.</summary>
    private static string Checksum(string text)
    {
        ulong hash = 14695981039346656037;
        foreach (char c in text)
        {
            hash = (hash ^ c) * 1099511628211;
        }
        return hash.ToString(CultureInfo.InvariantCulture);
    }
}
