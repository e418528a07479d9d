using System.CommandLine;
using System.CommandLine.Parsing;

namespace ConnMgr.Cli;

/// <summary>Finds the verb or option that a mistyped word was meant to be. Pure.</summary>
internal static class Suggestion
{
    private const int MostEdits = 2;

    /// <summary>
    /// Returns the name that is closest to the first word that the command line does not know; null if it
    /// knows all words, or none is close.
    /// </summary>
    public static string? For(ParseResult parsed)
    {
        CommandResult command = parsed.CommandResult;
        string? word = parsed.UnmatchedTokens is [string first, ..] ? first : null;
        foreach (SymbolResult given in command.Children)
        {
            // The parser takes an option that it does not know for the argument of the verb, if that has one.
            if (given is ArgumentResult { Tokens: [{ Value: ['-', ..] option }] })
            {
                word = option;
            }
        }
        return word is null ? null : Closest(word.Split('=')[0], Names(command.Command));
    }

    /// <summary>
    /// Returns the candidate that needs the fewest edits to become <paramref name="word"/>, at most 2 and
    /// fewer than half of its length; null if there is none.
    /// </summary>
    public static string? Closest(string word, IEnumerable<string> candidates)
    {
        string? best = null;
        int least = MostEdits + 1;
        foreach (string candidate in candidates)
        {
            int edits = Distance(word, candidate);
            if (edits < least && edits * 2 < candidate.TrimStart('-').Length)
            {
                (best, least) = (candidate, edits);
            }
        }
        return best;
    }

    private static IEnumerable<string> Names(Command command)
    {
        foreach (Command verb in command.Subcommands)
        {
            yield return verb.Name;
        }
        foreach (Option option in command.Options)
        {
            yield return option.Name;
        }
    }

    /// <summary>
    /// The number of insertions, deletions, replacements and exchanges of neighbours that turn one word into
    /// the other (optimal string alignment).
    /// </summary>
    private static int Distance(string from, string to)
    {
        int width = to.Length + 1;
        int[] table = new int[(from.Length + 1) * width];
        for (int i = 0; i <= from.Length; i++)
        {
            for (int j = 0; j <= to.Length; j++)
            {
                int edits = i == 0 ? j : j == 0 ? i : Math.Min(
                    Math.Min(table[((i - 1) * width) + j], table[(i * width) + j - 1]) + 1,
                    table[((i - 1) * width) + j - 1] + (from[i - 1] == to[j - 1] ? 0 : 1));
                if (i > 1 && j > 1 && from[i - 1] == to[j - 2] && from[i - 2] == to[j - 1])
                {
                    edits = Math.Min(edits, table[((i - 2) * width) + j - 2] + 1);
                }
                table[(i * width) + j] = edits;
            }
        }
        return table[^1];
    }
}
