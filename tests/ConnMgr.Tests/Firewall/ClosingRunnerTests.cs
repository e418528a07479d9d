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

    [Theory]
    [InlineData("", true)]
    [InlineData("insert rule inet connmgr output accept", false)]
    [InlineData("insert rule inet connmgr forward ip daddr 198.18.0.1 accept", false)]
    [InlineData("chain inet connmgr input { policy accept; }", false)]
    [InlineData("flush chain inet connmgr input", false)]
    [InlineData("add table inet connmgr { flags dormant; }", true)] // the look ends that
    public void A_lockdown_that_another_program_has_opened_does_not_count(string change, bool isLockdown) =>
        NetworkNamespace.Run(() =>
        {
            Nft.Run("""
                table inet connmgr {
                    chain AFERO_ALLOW_SERVICE_INPUT { }
                    chain AFERO_ALLOW_SERVICE_OUTPUT { }
                    chain AFERO_FORWARD_ACCEPT_SERVICE { }
                    chain input {
                        type filter hook input priority -10; policy drop;
                        jump AFERO_ALLOW_SERVICE_INPUT; }
                    chain output {
                        type filter hook output priority -10; policy drop;
                        jump AFERO_ALLOW_SERVICE_OUTPUT; }
                    chain forward {
                        type filter hook forward priority -160; policy drop;
                        jump AFERO_FORWARD_ACCEPT_SERVICE; }
                }
                """);
            Nft.Run(change);
            Assert.Equal(isLockdown, ClosingRunner.Hooks.All(static hook =>
                ClosingRunner.IsLockdown(Nft.Run(ClosingRunner.ListChain(hook)), hook, isNft: true)));
            Assert.DoesNotContain(
                "dormant", Nft.Run("list table inet connmgr"), StringComparison.Ordinal);
        });

    [Theory]
    [InlineData("# Warning: legacy tables\n-A INPUT -j AFERO_ALLOW_SERVICE_INPUT\n", true)]
    [InlineData("-A INPUT -j AFERO_ALLOW_SERVICE_INPUT2\n", false)]
    [InlineData("-A INPUT -j ACCEPT\n", false)]
    [InlineData("", false)]
    public void The_first_rule_of_iptables_decides(string listed, bool isLockdown) =>
        Assert.Equal(isLockdown, ClosingRunner.IsLockdown(listed, "INPUT", isNft: false));

    // In a script a line's end ends a statement; in one line a semicolon does.
    private static string Words(string table) => Regex.Replace(table, @"[\s;]+", " ").Trim();
}
