using ConnMgr.Native;

namespace ConnMgr.Config;

/// <summary>
/// The file with the daemon's options, which connmgr.service and the sysvinit script read: a line
/// CONNMGR_OPTIONS='OPTIONS'.
/// </summary>
internal static class DefaultsFile
{
    public const string Path = "/etc/default/connmgr";

    private const string Variable = "CONNMGR_OPTIONS=";
    private const int Limit = 65536; // bytes

    /// <summary>Returns the options; none if there is no such file.</summary>
    public static string[] Read() => Parse(SmallFile.Read(Path, Limit, out _, out _) ?? "");

    /// <summary>
    /// Returns the words of the variable's last assignment, as systemd (EnvironmentFile=, and `$NAME` in
    /// ExecStart=) and sh split them: at white space, behind quotes that may span lines. Pure.
    /// </summary>
    public static string[] Parse(string text)
    {
        string value = "";
        int from = 0;
        while (from < text.Length)
        {
            int end = text.IndexOf('\n', from) is >= 0 and int found ? found : text.Length;
            string line = text[from..end].TrimStart();
            if (line.StartsWith(Variable, StringComparison.Ordinal))
            {
                int begin = text.IndexOf(Variable, from, StringComparison.Ordinal) + Variable.Length;
                if (begin < text.Length && text[begin] is '\'' or '"')
                {
                    int close = text.IndexOf(text[begin], begin + 1);
                    end = close < 0 ? text.Length : close;
                    value = text[(begin + 1)..end];
                }
                else
                {
                    value = text[begin..end].TrimEnd();
                }
            }
            from = end + 1;
        }
        return value.Split((char[]?)null, StringSplitOptions.RemoveEmptyEntries);
    }
}
