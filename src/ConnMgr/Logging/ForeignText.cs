using System.Globalization;
using System.Text;

namespace ConnMgr.Logging;

/// <summary>Makes text from outside safe for the log. Pure.</summary>
internal static class ForeignText
{
    /// <summary>
    /// Quotes a foreign string for the log: control characters escaped, at most 200 characters.
    /// </summary>
    public static string Quote(string foreign)
    {
        StringBuilder quoted = new("\"");
        foreach (char c in foreign.AsSpan(0, Math.Min(foreign.Length, 200)))
        {
            _ = c is '"' or '\\' ? quoted.Append('\\').Append(c)
                : char.IsControl(c) || char.IsSurrogate(c)
                    ? quoted.Append(CultureInfo.InvariantCulture, $"\\u{(int)c:x4}")
                : quoted.Append(c);
        }
        return quoted.Append(foreign.Length > 200 ? "…\"" : "\"").ToString();
    }
}
