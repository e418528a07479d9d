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
    /// <param name="error">What is wrong with the file; empty if nothing is. With an error, no options are
    /// returned.</param>
    public static string[] Read(out string error)
    {
        string? text = SmallFile.Read(Path, Limit, out bool isCut, out int errno);
        string[] options = Parse(text ?? "", out int badLine);
        error = isCut ? $"{Path}: longer than {Limit} bytes"
            : text is null && errno != Errno.ENOENT ? $"{Path}: {Errno.Text(errno)}"
            : badLine > 0
                ? $"{Path}, line {badLine}: systemd and sh read it differently, write {Variable}'OPTIONS'"
            : "";
        return error.Length > 0 ? [] : options;
    }

    /// <summary>
    /// Returns the words of the variable's last assignment. Accepts only what systemd (EnvironmentFile=, and
    /// `$NAME` in ExecStart=) and sh read alike: one quoted value, which may span lines, or one plain word,
    /// and nothing behind it. Pure.
    /// </summary>
    /// <param name="text">The file's text.</param>
    /// <param name="badLine">The line of the first assignment in another form, from 1; 0 for none.</param>
    public static string[] Parse(string text, out int badLine)
    {
        badLine = 0;
        string value = "";
        int line = 1;
        for (int from = 0; from < text.Length;)
        {
            int end = EndOfLine(text, from);
            int begin = from;
            while (begin < end && char.IsWhiteSpace(text[begin]))
            {
                begin++;
            }
            int first = line++;
            if (text.AsSpan(begin, end - begin).StartsWith(Variable))
            {
                begin += Variable.Length;
                bool isQuoted = begin < end && text[begin] is '\'' or '"';
                int close = isQuoted ? text.IndexOf(text[begin], begin + 1) : end;
                if (close < 0)
                {
                    badLine = badLine == 0 ? first : badLine;
                    break;
                }
                string written = isQuoted ? text[(begin + 1)..close] : text[begin..close].TrimEnd();
                end = EndOfLine(text, close);
                line += written.AsSpan().Count('\n');
                bool isPlain = !HasAny(written, isQuoted ? "$`\\\"" : "$`\\\" \t#;&|<>()'*?[~")
                    && (!isQuoted || text.AsSpan(close + 1, end - close - 1).IsWhiteSpace());
                badLine = isPlain || badLine > 0 ? badLine : first;
                value = written;
            }
            from = end + 1;
        }
        return badLine > 0 ? [] : value.Split((char[]?)null, StringSplitOptions.RemoveEmptyEntries);
    }

    private static bool HasAny(string text, string characters)
    {
        foreach (char character in characters)
        {
            if (text.Contains(character, StringComparison.Ordinal))
            {
                return true;
            }
        }
        return false;
    }

    private static int EndOfLine(string text, int from) =>
        text.IndexOf('\n', from) is >= 0 and int found ? found : text.Length;
}
