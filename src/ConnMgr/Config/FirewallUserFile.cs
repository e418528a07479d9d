using ConnMgr.Net;

namespace ConnMgr.Config;

/// <summary>
/// Finds the interfaces that firewall.user names. A rule for an interface that does not exist admits nobody,
/// and neither nft nor iptables reports it. Finds only names that are written in the rules themselves. Pure.
/// </summary>
internal static class FirewallUserFile
{
    private static readonly string[] OfNft = ["iifname", "oifname", "iif", "oif"];
    private static readonly string[] OfIptables = ["-i", "-o", "--in-interface", "--out-interface"];

    /// <summary>
    /// Returns the names after nft's iifname and oifname and iptables' -i and -o. Leaves out names with a
    /// variable or command of the shell, and names that match several interfaces.
    /// </summary>
    public static IReadOnlyCollection<string> InterfacesIn(string text)
    {
        List<string> names = [];
        foreach (string line in text.Split('\n'))
        {
            int comment = line.IndexOf(" #", StringComparison.Ordinal);
            string[] words = (line.StartsWith('#') ? "" : comment < 0 ? line : line[..comment])
                .Split([' ', '\t', ',', ';', '"', '\''], StringSplitOptions.RemoveEmptyEntries);
            bool isIptables = line.Contains("tables", StringComparison.Ordinal)
                || Array.Exists(words, word => word is "-A" or "-I" or "-C");
            bool mayFollow = false; // the next word may be a name
            bool isSet = false; // names in braces: more may follow
            foreach (string word in words)
            {
                if (Array.IndexOf(OfNft, word) >= 0 || (isIptables && Array.IndexOf(OfIptables, word) >= 0))
                {
                    (mayFollow, isSet) = (true, false);
                }
                else if (mayFollow && word is "vmap" or "map" or ".")
                {
                    mayFollow = false;
                }
                else if (mayFollow && word is "{" or "!" or "!=" or "==")
                {
                    isSet |= word == "{";
                }
                else if (mayFollow)
                {
                    string name = word.Trim('{', '}');
                    bool isPlain = !name.Contains('$') && !name.Contains('`') && !name.Contains('*')
                        && !name.Contains('+') && !name.StartsWith('@');
                    if (isPlain && InterfaceName.IsValid(name) && !names.Contains(name))
                    {
                        names.Add(name);
                    }
                    isSet = (isSet || word[0] == '{') && word[^1] != '}';
                    mayFollow = isSet;
                }
            }
        }
        return names;
    }
}
