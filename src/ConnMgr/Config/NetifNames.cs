using ConnMgr.Logging;
using ConnMgr.Net;

namespace ConnMgr.Config;

/// <summary>An error or a warning about a line of a configuration file.</summary>
/// <param name="Line">The line number, from 1.</param>
/// <param name="Text">The text.</param>
internal readonly record struct Remark(int Line, string Text);

/// <summary>A link that netif_names gives a name.</summary>
/// <param name="kind">The kind of the key, e.g. Ethernet for ETH_INTERFACE_1.</param>
/// <param name="index">The number at the end of the key, 0 to 9.</param>
/// <param name="name">The interface name.</param>
internal sealed class NamedLink(LinkKind kind, int index, string name)
{
    public LinkKind Kind => kind;

    public int Index => index;

    public string Name => name;

    /// <summary>The kind and the index as in the keys of the file, e.g. `WAN_0`.</summary>
    public string Key => NetifNames.KindPrefixes[(int)kind] + (char)('0' + index);

    /// <summary>
    /// True if each byte costs money: WAN links, unless METERED or UNMETERED says otherwise.
    /// </summary>
    public bool IsMetered { get; set; } = kind == LinkKind.Wan;

    /// <summary>The bytes that a metered link may use in a month; 0 for any number.</summary>
    public long Budget { get; set; }
}

/// <summary>
/// The interface names of `netif_names`: lines KEY='value', `#` comments. Scripts read the same file by the
/// shell's rules (scripts/get_netif_names), so only lines that mean the same to both are accepted.
/// </summary>
internal sealed class NetifNames
{
    private const int PerKind = 10; // ETH_INTERFACE_0 to ETH_INTERFACE_9
    private const int LinkCount = 3 * PerKind;
    private const int AccessPointIndex = LinkCount;
    private const int BridgeIndex = LinkCount + 1;
    private const int PreferIndex = LinkCount + 2; // this and the next are lists of names
    private const int MeteredIndex = LinkCount + 3;
    private const int UnmeteredIndex = LinkCount + 4;
    private const int BudgetDayIndex = LinkCount + 5;
    private const int FirstBudget = LinkCount + 6; // ETH_BUDGET_0; those of the other links follow
    private const int KeyCount = FirstBudget + LinkCount;

    /// <summary>The start of the keys of each <see cref="LinkKind"/>.</summary>
    internal static readonly string[] KindPrefixes = ["ETH_", "WIFISTA_", "WAN_"];

    private static readonly string[] OtherKeys =
        ["WIFIAP_INTERFACE_0", "BRIDGE_INTERFACE_0", "PREFER", "METERED", "UNMETERED", "WAN_BUDGET_DAY"];

    private readonly string[] _values; // by number of the key; empty: none

    private NetifNames(string[] values) => _values = values;

    private const int MaxRemarks = 50; // of each kind, since a file of 64 KiB may have thousands of errors

    public static NetifNames Defaults
    {
        get
        {
            string[] values = new string[KeyCount];
            Array.Fill(values, "");
            (values[0], values[PerKind], values[2 * PerKind]) = ("eth0", "wlan0", "wwan0");
            (values[AccessPointIndex], values[BridgeIndex]) = ("wlan0-1", "br-apnet");
            NetifNames names = new(values);
            names.SetLinks();
            return names;
        }
    }

    /// <summary>
    /// The links, most preferred first: those of PREFER, then the others by kind and index. At least one.
    /// </summary>
    public IReadOnlyList<NamedLink> Links { get; private set; } = [];

    /// <summary>
    /// The day of the month on which all budgets begin anew, 1 to 31; the last one of a shorter month.
    /// </summary>
    public int BudgetDay => BudgetSettings.ParseDay(_values[BudgetDayIndex]) ?? 1;

    /// <summary>The interface of the access point; empty if there is none.</summary>
    private string AccessPoint => _values[AccessPointIndex];

    /// <summary>The bridge to which extenders connect; empty if there is none.</summary>
    public string Bridge => _values[BridgeIndex];

    /// <summary>
    /// Lists the differences from <paramref name="old"/>, each as a phrase, e.g. `ETH_INTERFACE_0: eth0 ->
    /// eth1`.
    /// </summary>
    public List<string> ChangesFrom(NetifNames old)
    {
        List<string> changes = [];
        for (int i = 0; i < KeyCount; i++)
        {
            if (_values[i] != old._values[i])
            {
                changes.Add($"{KeyOf(i)}: {OrNone(old._values[i])} -> {OrNone(_values[i])}");
            }
        }
        return changes;

        static string OrNone(string value) => value.Length > 0 ? value : "none";
    }

    /// <summary>
    /// Returns a text of the form of the file. It has the same meaning whatever the defaults are.
    /// </summary>
    public string ToText()
    {
        string text = "";
        for (int i = 0; i < KeyCount; i++)
        {
            if ((_values[i].Length > 0 || (i < PreferIndex && KeyOf(i)[^1] == '0')) && !IsOfAnother(i))
            {
                text += $"{KeyOf(i)}='{_values[i]}'\n";
            }
        }
        return text;
    }

    /// <summary>
    /// True for the default of the access point's key if another interface has that name. A line with it
    /// would give two interfaces the same name.
    /// </summary>
    private bool IsOfAnother(int index) => index == AccessPointIndex && AccessPoint.Length > 0
        && (AccessPoint == Bridge || Array.IndexOf(_values, AccessPoint, 0, LinkCount) >= 0);

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
        names = new([.. (before ?? Defaults)._values]);
        int[] lineOf = new int[KeyCount];
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
            int at = IndexOf(key);
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
            else if (FaultOf(at, value) is { } fault)
            {
                errors.Add(new Remark(number, $"{key}: {fault}"));
            }
            else
            {
                names._values[at] = value;
                lineOf[at] = number;
            }
        }
        FindDuplicates(names._values, lineOf, errors);
        names.SetLinks();
        names.CheckLinks(lineOf, errors, warnings);
        return errors.Count == 0;
    }

    /// <summary>Returns the number of a key; -1 if it is unknown.</summary>
    private static int IndexOf(string key)
    {
        int other = Array.IndexOf(OtherKeys, key);
        if (other >= 0)
        {
            return LinkCount + other;
        }
        for (int at = 0; at < KeyCount; at = at == LinkCount - 1 ? FirstBudget : at + 1)
        {
            if (key == KeyOf(at))
            {
                return at;
            }
        }
        return -1;
    }

    private static string KeyOf(int at)
    {
        if (at is >= LinkCount and < FirstBudget)
        {
            return OtherKeys[at - LinkCount];
        }
        bool isBudget = at >= FirstBudget;
        int link = isBudget ? at - FirstBudget : at;
        string what = isBudget ? "BUDGET_" : "INTERFACE_";
        return KindPrefixes[link / PerKind] + what + (char)('0' + (link % PerKind));
    }

    /// <summary>Returns what is wrong with a value, as a phrase; null if it is right.</summary>
    private static string? FaultOf(int at, string value)
    {
        if (at >= BudgetDayIndex)
        {
            return at == BudgetDayIndex
                ? BudgetSettings.FaultOfDay(value)
                : BudgetSettings.FaultOfSize(value);
        }
        string? bad = at >= PreferIndex ? Array.Find(WordsOf(value), word => !InterfaceName.IsValid(word))
            : value.Length == 0 || InterfaceName.IsValid(value) ? null
            : value;
        return bad is null ? null : $"not an interface name: {ForeignText.Quote(bad)}";
    }

    private static string[] WordsOf(string value) =>
        value.Split((char[])[' ', '\t'], StringSplitOptions.RemoveEmptyEntries);

    /// <summary>Sets <see cref="Links"/> from the values.</summary>
    private void SetLinks()
    {
        List<NamedLink> rest = [];
        for (int i = 0; i < LinkCount; i++)
        {
            if (_values[i].Length > 0)
            {
                rest.Add(new NamedLink((LinkKind)(i / PerKind), i % PerKind, _values[i]));
            }
        }
        foreach (NamedLink link in rest)
        {
            link.IsMetered = (link.IsMetered || Lists(MeteredIndex, link)) && !Lists(UnmeteredIndex, link);
            link.Budget = link.IsMetered
                ? BudgetSettings.ParseSize(_values[BudgetOf(link.Kind, link.Index)]) ?? 0
                : 0;
        }
        List<NamedLink> links = [];
        foreach (string word in WordsOf(_values[PreferIndex]))
        {
            if (rest.Find(link => link.Name == word) is { } preferred)
            {
                rest.Remove(preferred);
                links.Add(preferred);
            }
        }
        links.AddRange(rest);
        Links = links;
    }

    private static int BudgetOf(LinkKind kind, int index) => FirstBudget + ((int)kind * PerKind) + index;

    private bool Lists(int at, NamedLink link) => Array.IndexOf(WordsOf(_values[at]), link.Name) >= 0;

    /// <summary>Reports that there is no link at all, and lists that do not fit the links.</summary>
    private void CheckLinks(int[] lineOf, List<Remark> errors, List<Remark> warnings)
    {
        if (Links.Count == 0)
        {
            int last = 0;
            for (int i = 0; i < LinkCount; i++)
            {
                last = Math.Max(last, lineOf[i]);
            }
            errors.Add(new Remark(
                last,
                "there is no link: ETH_INTERFACE_0, WIFISTA_INTERFACE_0 and WAN_INTERFACE_0 are empty"));
        }
        for (int at = PreferIndex; at <= UnmeteredIndex; at++)
        {
            foreach (string word in WordsOf(_values[at]))
            {
                bool isLink = false;
                foreach (NamedLink link in Links)
                {
                    isLink |= link.Name == word;
                }
                if (!isLink && lineOf[at] > 0 && warnings.Count <= MaxRemarks)
                {
                    warnings.Add(new Remark(lineOf[at], $"{KeyOf(at)}: '{word}' is not a link, ignoring"));
                }
            }
        }
        foreach (NamedLink link in Links)
        {
            if (Lists(MeteredIndex, link) && Lists(UnmeteredIndex, link))
            {
                errors.Add(new Remark(
                    Math.Max(lineOf[MeteredIndex], lineOf[UnmeteredIndex]),
                    $"'{link.Name}' is both in METERED and in UNMETERED"));
            }
        }
        CheckBudgets(lineOf, warnings);
    }

    /// <summary>Reports budgets of links that do not exist or cost nothing.</summary>
    private void CheckBudgets(int[] lineOf, List<Remark> warnings)
    {
        for (int i = 0; i < LinkCount; i++)
        {
            int at = FirstBudget + i;
            if (_values[at].Length == 0 || lineOf[at] == 0 || warnings.Count > MaxRemarks)
            {
                continue;
            }
            NamedLink? link = null;
            foreach (NamedLink other in Links)
            {
                link = BudgetOf(other.Kind, other.Index) == at ? other : link;
            }
            if (link is not { IsMetered: true })
            {
                string why = link is null ? $"there is no {KeyOf(i)}"
                    : $"{link.Name} is not metered (METERED='{link.Name}' would say so)";
                warnings.Add(new Remark(lineOf[at], $"{KeyOf(at)}: {why}, ignoring"));
            }
        }
    }

    /// <summary>
    /// Reports names that are used twice. A device may have its station at `wlan0-1` and no access point:
    /// then the access point's key has its default, which is not an error.
    /// </summary>
    private static void FindDuplicates(string[] values, int[] lineOf, List<Remark> errors)
    {
        bool IsNoAccessPoint(int index) => index == AccessPointIndex && lineOf[index] == 0;

        for (int i = 0; i < PreferIndex; i++)
        {
            for (int j = i + 1; j < PreferIndex && errors.Count < MaxRemarks; j++)
            {
                if (values[i].Length > 0 && values[i] == values[j]
                    && !IsNoAccessPoint(i) && !IsNoAccessPoint(j))
                {
                    errors.Add(new Remark(
                        Math.Max(lineOf[i], lineOf[j]),
                        $"{KeyOf(i)} and {KeyOf(j)} are both '{values[i]}'"));
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
