using System.CommandLine;
using System.Text.RegularExpressions;
using ConnMgr.Cli;

namespace ConnMgr.Tests.Cli;

/// <summary>The help of each verb, from the command line's own table, and what the verb accepts.</summary>
public sealed partial class HelpTests
{
    /// <summary>A valid value of each option that takes one.</summary>
    private static readonly Dictionary<string, string> Values = new()
    {
        ["--firewall"] = "nft",
        ["--on-firewall-failure"] = "exit",
        ["--config-dir"] = "/x",
        ["--script-dir"] = "/x",
        ["--run-dir"] = "/x",
        ["--state-dir"] = "/x",
        ["--over-budget"] = "never",
        ["--hook-dir"] = "/x",
        ["--probe"] = "tls://a.example",
        ["--echo"] = "a.example",
        ["--ping"] = "198.18.0.1",
        ["--resolver"] = "198.18.0.1",
        ["--dns-servers"] = "any",
        ["--resolv-conf"] = "auto",
        ["--dns"] = "hold",
        ["--queue-num"] = "1",
        ["--mark-bit"] = "1",
        ["--idle"] = "5",
        ["--wan-probe"] = "never",
        ["--switch"] = "netlink",
        ["--control-group"] = "adm",
        ["--attrd-socket"] = "/x",
        ["--log"] = "stderr",
        ["--last"] = "1",
        ["--since"] = "1m",
        ["--for"] = "1m",
        ["--timeout"] = "1m",
    };

    public static TheoryData<string> Verbs =>
        [.. CommandLine.NewRoot().Subcommands.Select(verb => verb.Name), ""];

    [Theory]
    [MemberData(nameof(Verbs))]
    public void A_verb_accepts_the_options_that_its_help_lists_and_no_others(string verb)
    {
        string[] words = verb.Length == 0 ? [] : [verb];
        string[] argument = verb is "use" or "route" ? ["eth0"] : [];
        HashSet<string> listed = [.. OptionNames().Matches(SectionOf(HelpOf(words), "Options"))
            .Select(match => match.Value)];
        Assert.Contains("--help", listed);
        List<Option> all = [.. CommandLine.NewRoot().Options,
            .. CommandLine.NewRoot().Subcommands.SelectMany(one => one.Options)];
        List<string> ofDaemon = [.. CommandLine.NewRoot().Options.Select(option => option.Name)];
        foreach (string name in all.Select(option => option.Name).Distinct())
        {
            if (name is "--help" or "--version")
            {
                continue;
            }
            string[] option = Values.TryGetValue(name, out string? value) ? [name, value] : [name];
            bool isListed = listed.Contains(name);
            Assert.Equal(
                (name, isListed),
                (name, IsAccepted([.. words, .. argument, .. option])));
            // In front of the verb, an option must be one of the daemon and of the verb.
            Assert.Equal(
                (name, isListed && (verb.Length == 0 || ofDaemon.Contains(name))),
                (name, IsAccepted([.. option, .. words, .. argument])));
        }
    }

    /// <summary>
    /// `check` gets its directories also after an error; the status says that there is one.
    /// </summary>
    private static bool IsAccepted(string[] args) =>
        CommandLine.Read(args, out ExitCode exitCode) is not null && exitCode == ExitCode.Ok;

    [Theory]
    [MemberData(nameof(Verbs))]
    public void The_help_of_a_verb_lists_its_exit_statuses(string verb)
    {
        if (verb.Length == 0)
        {
            return; // the daemon's are in the manual page
        }
        string[] lines = SectionOf(HelpOf(verb), "Exit status").Split(
            '\n', StringSplitOptions.TrimEntries | StringSplitOptions.RemoveEmptyEntries);
        List<int> statuses = [.. lines.Select(line => int.Parse(line.Split(' ')[0]))];
        Assert.Equal(statuses.Order().Distinct(), statuses);
        Assert.Subset((HashSet<int>)[.. statuses], (HashSet<int>)[0, 64, 71, 74]);
        Assert.All(statuses, status => Assert.True(Enum.IsDefined((ExitCode)status)));
        Assert.All(lines, line => Assert.Matches(@"^\d+ +[a-zA-Z]", line));
        // Verbs that ask a daemon, and only they, have its directory as the only one.
        Command command = CommandLine.NewRoot().Subcommands.Single(one => one.Name == verb);
        bool asks = command.Options.Any(option => option.Name == "--run-dir")
            && !command.Options.Any(option => option.Name is "--config-dir" or "--script-dir");
        Assert.Equal(asks && verb != "wait-online", statuses.Contains(69));
    }

    private static string HelpOf(params string[] words) =>
        CommandLine.TextOf(CommandLine.NewRoot().Parse([.. words, "--help"]));

    private static string SectionOf(string help, string name)
    {
        int begin = help.IndexOf($"{name}:\n", StringComparison.Ordinal);
        Assert.True(begin >= 0, $"no section {name} in {help}");
        int end = help.IndexOf("\n\n", begin, StringComparison.Ordinal);
        return help[(begin + name.Length + 2)..(end < 0 ? help.Length : end)];
    }

    [GeneratedRegex("(?<=^ .*)--[a-z-]+(?=[ ,]|$)", RegexOptions.Multiline)]
    private static partial Regex OptionNames();
}
