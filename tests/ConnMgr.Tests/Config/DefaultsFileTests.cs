using ConnMgr.Config;

namespace ConnMgr.Tests.Config;

public class DefaultsFileTests
{
    [Theory]
    [InlineData("", "")]
    [InlineData("CONNMGR_OPTIONS=''", "")]
    [InlineData("CONNMGR_OPTIONS='-d'\n", "-d")]
    [InlineData("# CONNMGR_OPTIONS='-d'\nCONNMGR_OPTIONS=\"--idle 77  -v\" \n", "--idle|77|-v")]
    [InlineData("CONNMGR_OPTIONS=-d\n", "-d")]
    [InlineData("  CONNMGR_OPTIONS=-d", "-d")]
    [InlineData("CONNMGR_OPTIONS='--probe http://198.18.7.1/#204'", "--probe|http://198.18.7.1/#204")]
    [InlineData("CONNMGR_OPTIONS='-d\n\t--idle 5'\nOTHER='-v'\n", "-d|--idle|5")]
    [InlineData("CONNMGR_OPTIONS='-d'\nCONNMGR_OPTIONS='-v'\n", "-v")]
    [InlineData("CONNMGR_OPTIONS=", "")]
    [InlineData("CONNMGR_OPTIONS", "")]
    [InlineData("OTHER_CONNMGR_OPTIONS='-d'", "")]
    public void The_options_are_the_words_of_the_last_assignment(string text, string expected)
    {
        Assert.Equal(expected, string.Join('|', DefaultsFile.Parse(text, out int badLine)));
        Assert.Equal(0, badLine);
    }

    [Theory]
    [InlineData("CONNMGR_OPTIONS=-d --idle 5", 1)] // sh would run --idle
    [InlineData("#\nCONNMGR_OPTIONS='-d' --idle 5", 2)]
    [InlineData("\n\nCONNMGR_OPTIONS='-d' # more", 3)] // systemd appends it
    [InlineData("CONNMGR_OPTIONS='-d\n", 1)]
    [InlineData("CONNMGR_OPTIONS='-d\n-v'\nCONNMGR_OPTIONS=\"$OTHER\"", 3)]
    [InlineData("CONNMGR_OPTIONS=-d;reboot", 1)]
    [InlineData("CONNMGR_OPTIONS='-d''-v'", 1)]
    public void What_systemd_and_sh_read_differently_is_an_error(string text, int line)
    {
        Assert.Empty(DefaultsFile.Parse(text, out int badLine));
        Assert.Equal(line, badLine);
    }
}
