using ConnMgr.Config;

namespace ConnMgr.Tests.Config;

public class DefaultsFileTests
{
    [Theory]
    [InlineData("", "")]
    [InlineData("CONNMGR_OPTIONS=''", "")]
    [InlineData("CONNMGR_OPTIONS='-d'\n", "-d")]
    [InlineData("# CONNMGR_OPTIONS='-d'\nCONNMGR_OPTIONS=\"--idle 77  -v\" # more\n", "--idle|77|-v")]
    [InlineData("CONNMGR_OPTIONS=-d\n", "-d")]
    [InlineData("  CONNMGR_OPTIONS=-d", "-d")]
    [InlineData("CONNMGR_OPTIONS='--probe http://198.18.7.1/#204'", "--probe|http://198.18.7.1/#204")]
    [InlineData("CONNMGR_OPTIONS='-d\n\t--idle 5'\nOTHER='-v'\n", "-d|--idle|5")]
    [InlineData("CONNMGR_OPTIONS='-d'\nCONNMGR_OPTIONS='-v'\n", "-v")]
    [InlineData("CONNMGR_OPTIONS='-d", "-d")]
    [InlineData("CONNMGR_OPTIONS=", "")]
    [InlineData("CONNMGR_OPTIONS", "")]
    [InlineData("OTHER_CONNMGR_OPTIONS='-d'", "")]
    public void The_options_are_the_words_of_the_last_assignment(string text, string expected) =>
        Assert.Equal(expected, string.Join('|', DefaultsFile.Parse(text)));
}
