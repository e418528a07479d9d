using ConnMgr.Logging;
using ConnMgr.Net;

namespace ConnMgr.Config;

/// <summary>An error or a warning about a line of a configuration file.</summary>
/// <param name="Line">The line number, from 1.</param>
/// <param name="Text">The text.</param>
internal readonly record struct Remark(int Line, string Text);

/// <summary>
/// The interface names of `netif_names`: lines KEY='value', `#` comments. Scripts read the same file by the
/// shell's rules (scripts/get_netif_names), so only lines that mean the same to both are accepted.
/// </summary>
internal sealed class NetifNames
{
    private static readonly (string Key, string Default)[] Keys =
    [
        ("ETH_INTERFACE_0", "eth0"),
        ("WIFISTA_INTERFACE_0", "wlan0"),
        ("WAN_INTERFACE_0", "wwan0"),
        ("WIFIAP_INTERFACE_0", "wlan0-1"),
        ("BRIDGE_INTERFACE_0", "br-apnet"),
    ];

    private const int AccessPointIndex = 3;

    private readonly string[] _names;

    private NetifNames(string[] names) => _names = names;

    private const int MaxRemarks = 50; // of each kind, since a file of 64 KiB may have thousands of errors

    public static NetifNames Defaults => new([.. Keys.Select(key => key.Default)]);

    public string Ethernet => _names[0];

    public string WiFi => _names[1];

    public string Wan => _names[2];

    /// <summary>The interface of the access point.</summary>
    public string AccessPoint => _names[AccessPointIndex];

    /// <summary>The bridge to which extenders connect.</summary>
    public string Bridge => _names[4];

    /// <summary>
    /// Lists the differences from <paramref name="old"/>, each as a phrase, e.g. `ETH_INTERFACE_0: eth0 ->
    /// eth1`.
    /// </summary>
    public List<string> ChangesFrom(NetifNames old)
    {
        List<string> changes = [];
        for (int i = 0; i < Keys.Length; i++)
        {
            if (_names[i] != old._names[i])
            {
                changes.Add($"{Keys[i].Key}: {old._names[i]} -> {_names[i]}");
            }
        }
        return changes;
    }

    /// <summary>
    /// Parses the file's text. False if there are <paramref name="errors"/>; warnings are allowed.
    /// </summary>
    /// <param name="text">The file's text.</param>
    /// <param name="names">The names, if there is no error.</param>
    /// <param name="errors">Receives the errors.</param>
    /// <param name="warnings">Receives the warnings.</param>
    /// <param name="before">The names to use for keys that the file lacks; null for the defaults.</param>
    public static bool TryParse(
        string text, out NetifNames names, List<Remark> errors, List<Remark> warnings,
        NetifNames? before = null)
    {
        names = new([.. (before ?? Defaults)._names]);
        int[] lineOf = new int[Keys.Length];
        int number = 0;
        foreach (Range line in text.AsSpan().Split('\n')) // to a shell, a carriage return belongs to the line
        {
            number++;
            ReadOnlySpan<char> trimmed = text.AsSpan()[line].Trim(" \t");
            if (trimmed.IsEmpty || trimmed[0] == '#')
            {
                continue;
            }
            if (errors.Count >= MaxRemarks)
            {
                errors.Add(new Remark(number, "too many errors before this line, ignoring the rest"));
                break;
            }
            if (!TrySplit(trimmed, out string key, out string value))
            {
                string quoted = ForeignText.Quote(trimmed.ToString());
                errors.Add(new Remark(number, $"not of the form KEY='value': {quoted}"));
                continue;
            }
            int at = Array.FindIndex(Keys, known => known.Key == key);
            if (at < 0)
            {
                if (warnings.Count < MaxRemarks)
                {
                    warnings.Add(new Remark(number, $"unknown key '{key}', ignoring"));
                }
                else if (warnings.Count == MaxRemarks)
                {
                    warnings.Add(new Remark(number, "more unknown keys, ignoring them too"));
                }
            }
            else if (!InterfaceName.IsValid(value))
            {
                errors.Add(new Remark(number, $"{key}: not an interface name: {ForeignText.Quote(value)}"));
            }
            else
            {
                names._names[at] = value;
                lineOf[at] = number;
            }
        }
        FindDuplicates(names._names, lineOf, errors);
        return errors.Count == 0;
    }

    /// <summary>
    /// Reports names that are used twice. A device may have its station at `wlan0-1` and no access point:
    /// then the access point's key has its default, which is not an error.
    /// </summary>
    private static void FindDuplicates(string[] names, int[] lineOf, List<Remark> errors)
    {
        bool IsNoAccessPoint(int index) => index == AccessPointIndex && lineOf[index] == 0;

        for (int i = 0; i < names.Length; i++)
        {
            for (int j = i + 1; j < names.Length; j++)
            {
                if (names[i] == names[j] && !IsNoAccessPoint(i) && !IsNoAccessPoint(j))
                {
                    errors.Add(new Remark(
                        Math.Max(lineOf[i], lineOf[j]),
                        $"{Keys[i].Key} and {Keys[j].Key} are both '{names[i]}'"));
                }
            }
        }
    }

    /// <summary>
    /// Splits KEY='value', KEY="value" or KEY=value, optionally followed by white space or a comment.
    /// </summary>
    private static bool TrySplit(ReadOnlySpan<char> line, out string key, out string value)
    {
        key = value = "";
        int equals = line.IndexOf('=');
        if (equals < 1 || line[..equals].ContainsAnyExcept(KeyCharacters) || char.IsAsciiDigit(line[0]))
        {
            return false;
        }
        key = line[..equals].ToString();
        ReadOnlySpan<char> rest = line[(equals + 1)..];
        bool isQuoted = rest is ['\'' or '"', ..];
        int end = isQuoted ? rest[1..].IndexOf(rest[0]) + 1 : rest.IndexOfAny(' ', '\t');
        if (isQuoted && end < 1)
        {
            return false;
        }
        ReadOnlySpan<char> content = isQuoted ? rest[1..end] : end < 0 ? rest : rest[..end];
        ReadOnlySpan<char> behind = isQuoted ? rest[(end + 1)..] : rest[content.Length..];
        value = content.ToString();
        bool isPlain = rest switch
        {
            ['\'', ..] => true,
            ['"', ..] => !content.ContainsAny("\\$`'"),
            _ => !content.ContainsAnyExcept(Unquoted),
        };
        ReadOnlySpan<char> comment = behind.Trim(" \t");
        return isPlain && (comment.IsEmpty || behind is [' ' or '\t', ..] && comment[0] == '#');
    }

    private static readonly System.Buffers.SearchValues<char> KeyCharacters =
        System.Buffers.SearchValues.Create("ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789_");

    /// <summary>The characters that no shell treats specially outside of quotes.</summary>
    private static readonly System.Buffers.SearchValues<char> Unquoted =
        System.Buffers.SearchValues.Create(
            "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789._:/@%+,-");
}
