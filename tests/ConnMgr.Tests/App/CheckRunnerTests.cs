using ConnMgr.Tests.Links;
using static ConnMgr.Tests.Capture.NetworkNamespace;

namespace ConnMgr.Tests.App;

/// <summary>`connmgr check` over files and interfaces: contract, section 2.</summary>
public sealed class CheckRunnerTests
{
    private const string Names = "ETH_INTERFACE_0='eth0'\nWIFISTA_INTERFACE_0='wlan0'\nWAN_INTERFACE_0=''\n";

    [Fact]
    public void A_good_configuration_is_counted() => Run(() =>
    {
        LinkRig.AddLinks();
        using VerbFiles files = Good();
        files.Write("whitelist", "api.example.com\n*.example.com\n192.0.2.0/24\n");
        files.Write("firewall.user", "true\n");
        VerbRun run = Check(files);
        Assert.Equal(
            [
                $"{files.Path}: no errors; the whitelist has 3 entries: 2 names, 1 address or prefix",
                $"{files.Path}/firewall.user: its syntax is correct; only the lockdown shows whether its "
                    + "commands work",
            ],
            run.Output.Where(line => !line.EndsWith("(warning)", StringComparison.Ordinal)));
        Assert.Equal(0, run.Exit);
    });

    [Fact]
    public void An_error_in_the_whitelist_is_named_by_its_line() => Run(() =>
    {
        LinkRig.AddLinks();
        using VerbFiles files = Good();
        files.Write("whitelist", "api.example.com\nhttp://api.example.com/\n");
        VerbRun run = Check(files);
        Assert.Contains(
            run.Output, line => line.StartsWith($"{files.Path}/whitelist:2: ", StringComparison.Ordinal));
        Assert.DoesNotContain(run.Output, line => line.Contains("no errors", StringComparison.Ordinal));
        Assert.Equal(78, run.Exit);
        // Without the lockdown nobody reads it.
        run = Check(files, "-d");
        Assert.Equal(
            [$"{files.Path}: no errors; without a firewall, no whitelist is read"], run.Output);
        Assert.Equal(0, run.Exit);
    });

    [Fact]
    public void A_fault_in_the_syntax_of_firewall_user_is_an_error() => Run(() =>
    {
        LinkRig.AddLinks();
        using VerbFiles files = Good();
        files.Write("firewall.user", "if true\n");
        VerbRun run = Check(files);
        string line = Assert.Single(
            run.Output, line => line.StartsWith($"{files.Path}/firewall.user: ", StringComparison.Ordinal));
        Assert.Contains("yntax error", line, StringComparison.Ordinal);
        Assert.Equal(78, run.Exit);
    });

    [Fact]
    public void A_script_directory_without_the_script_cannot_lock() => Run(() =>
    {
        LinkRig.AddLinks();
        using VerbFiles files = Good();
        VerbRun run = Check(files, "--script-dir", files.Path);
        string missing = $"{files.Path}/init_firewall.sh: no such file: the device could not be locked";
        Assert.Contains(missing, run.Output);
        Assert.Equal(78, run.Exit);
        files.Write("init_firewall.sh", "");
        Assert.Equal(0, Check(files, "--script-dir", files.Path).Exit);
    });

    [Fact]
    public void What_is_seldom_meant_is_a_warning() => Run(() =>
    {
        LinkRig.AddLinks();
        using VerbFiles files = Good();
        VerbRun run = VerbRun.In(
            new() { ["PATH"] = $"{Path.GetDirectoryName(Environment.ProcessPath)}" },
            "check", "--config-dir", files.Path, "--run-dir", files.Path, "--audit",
            "--on-firewall-failure", "manage-links", "--control-group", "no-such-group", "--firewall", "nft");
        Assert.Contains(run.Output, line => line.StartsWith("--audit: ", StringComparison.Ordinal));
        Assert.Contains(
            run.Output, line => line.StartsWith("--on-firewall-failure manage", StringComparison.Ordinal));
        Assert.Contains(run.Output, line => line.StartsWith("--control-group: ", StringComparison.Ordinal));
        Assert.Contains("nft: not installed: the device could not be locked (warning)", run.Output);
        Assert.Equal(0, run.Exit);
    });

    [Fact]
    public void A_link_that_does_not_exist_is_a_warning() => Run(() =>
    {
        LinkRig.AddLinks();
        using VerbFiles files = Good();
        files.Write("netif_names", Names.Replace("eth0", "eth7", StringComparison.Ordinal));
        VerbRun run = Check(files, "-d");
        string warning = Assert.Single(
            run.Output, line => line.EndsWith("(warning)", StringComparison.Ordinal));
        Assert.StartsWith(
            $"{files.Path}/netif_names: no interface eth7; present: ", warning, StringComparison.Ordinal);
        Assert.Contains("eth0 (default route)", warning, StringComparison.Ordinal);
        Assert.Equal(0, run.Exit);
    });

    [Fact]
    public void With_a_wrong_option_the_files_are_checked_too() => Run(() =>
    {
        LinkRig.AddLinks();
        using VerbFiles files = Good();
        files.Write("whitelist", "http://api.example.com/\n");
        foreach (string[] wrong in (string[][])[
            ["--idle", "1"], ["--nonsense"], ["--idle", "20", "--idle", "30"], ["word"]])
        {
            VerbRun run = Check(files, wrong);
            Assert.Equal(64, run.Exit);
            Assert.NotEmpty(run.Error);
            Assert.Contains(
                run.Output, line => line.StartsWith($"{files.Path}/whitelist:1: ", StringComparison.Ordinal));
        }
        // Without the lockdown nobody reads the whitelist.
        VerbRun open = Check(files, "-d", "--nonsense");
        Assert.Equal(64, open.Exit);
        Assert.Equal([$"{files.Path}: no errors; without a firewall, no whitelist is read"], open.Output);
    });

    [Fact]
    public void Start_reports_only_what_ends_a_start() => Run(() =>
    {
        using VerbFiles files = Good();
        files.Write("init_firewall.sh", "");
        files.Write("nft", "#!/bin/sh\n");
        string tool = Path.Combine(files.Path, "nft");
        File.SetUnixFileMode(tool, UnixFileMode.UserRead | UnixFileMode.UserExecute);
        files.Write("whitelist", "http://api.example.com/\n");
        files.Write("firewall.user", "if true\n");
        files.Write("netif_names", Names + "FOO='x'\n");
        Assert.Equal((0, 0), Try());
        File.Delete(Path.Combine(files.Path, "whitelist"));
        Assert.Equal((0, 0), Try());
        Assert.Equal((64, 0), Try("--idle", "1"));
        File.Delete(tool);
        Assert.Equal((78, 1), Try());
        Assert.Equal((0, 0), Try("-d"));
        Assert.Equal((0, 0), Try("--on-firewall-failure", "manage-links"));
        files.Write("nft", "#!/bin/sh\n");
        File.SetUnixFileMode(tool, UnixFileMode.UserRead | UnixFileMode.UserExecute);
        File.Delete(Path.Combine(files.Path, "init_firewall.sh"));
        Assert.Equal((78, 1), Try());
        Assert.Equal((0, 0), Try("-d"));
        files.Write("netif_names", "ETH_INTERFACE_0='eth/0'\nFOO='x'\n");
        Assert.Equal((78, 1), Try("-d"));

        (int Exit, int Lines) Try(params string[] more)
        {
            VerbRun run = VerbRun.In(
                new() { ["PATH"] = $"{Path.GetDirectoryName(Environment.ProcessPath)}:{files.Path}" },
                ["check", "--start", "--config-dir", files.Path, "--run-dir", files.Path, "--script-dir",
                    files.Path, .. more]);
            return (run.Exit, run.Output.Length);
        }
    });

    private static VerbFiles Good()
    {
        VerbFiles files = new();
        files.Write("netif_names", Names);
        files.Write("whitelist", "api.example.com\n");
        return files;
    }

    private static VerbRun Check(VerbFiles files, params string[] more) =>
        VerbRun.Of(["check", "--config-dir", files.Path, "--run-dir", files.Path, .. more]);
}
