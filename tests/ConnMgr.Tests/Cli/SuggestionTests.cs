using ConnMgr.Cli;

namespace ConnMgr.Tests.Cli;

public class SuggestionTests
{
    private static readonly string[] Names =
        ["status", "events", "reload", "unlock", "use", "--dns", "--idle", "--run-dir", "--keep-flows"];

    [Theory]
    [InlineData("statsu", "status")]
    [InlineData("stauts", "status")]
    [InlineData("event", "events")]
    [InlineData("relaod", "reload")]
    [InlineData("unlok", "unlock")]
    [InlineData("--rundir", "--run-dir")]
    [InlineData("--keep-flow", "--keep-flows")]
    [InlineData("--idel", "--idle")]
    [InlineData("xyz", null)]
    [InlineData("--dms-servers", null)]
    [InlineData("us", "use")]
    [InlineData("", null)]
    public void The_closest_name_is_meant_if_it_is_close(string word, string? meant) =>
        Assert.Equal(meant, Suggestion.Closest(word, Names));
}
