using System.Text.RegularExpressions;
using ConnMgr.Firewall;
using ConnMgr.Tests.Capture;

namespace ConnMgr.Tests.Firewall;

/// <summary>The table that closes the device. Lab test 163 shows when it is made.</summary>
public class ClosingRunnerTests
{
    [Fact]
    public void The_table_is_that_of_the_boot_script()
    {
        string script = File.ReadAllText(Path.Combine(Repository.Root, "scripts", "boot_lockdown.sh"));
        Match match = Regex.Match(script, "<<'END'\n(add table .*?)\nEND\n", RegexOptions.Singleline);
        string table = match.Groups[1].Value;
        Assert.Contains("connmgr_closed", table, StringComparison.Ordinal);
        Assert.Equal(Words(table), Words(ClosingRunner.Table));
    }

    [Fact]
    public void Nft_takes_it_again_and_again() => NetworkNamespace.Run(() =>
    {
        Nft.Run(ClosingRunner.Table);
        string first = Nft.Run("list table inet connmgr_closed");
        Assert.Equal(3, Regex.Count(first, "policy drop"));
        Nft.Run(ClosingRunner.Table);
        Assert.Equal(first, Nft.Run("list table inet connmgr_closed"));
    });

    // In a script a line's end ends a statement; in one line a semicolon does.
    private static string Words(string table) => Regex.Replace(table, @"[\s;]+", " ").Trim();
}
