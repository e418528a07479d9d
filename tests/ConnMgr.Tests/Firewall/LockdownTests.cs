using System.Diagnostics;
using ConnMgr.Config;
using ConnMgr.EventLoop;
using ConnMgr.Firewall;
using ConnMgr.Links;
using ConnMgr.Logging;
using ConnMgr.Netlink;
using ConnMgr.Probe;
using ConnMgr.Tests.Capture;
using ConnMgr.Tests.Links;

namespace ConnMgr.Tests.Firewall;

/// <summary>
/// The whole lockdown in a namespace, with the kernel's real sets. The scripts only record their arguments.
/// </summary>
public sealed class LockdownTests : IDisposable
{
    private readonly string _directory = Directory.CreateTempSubdirectory("connmgr-test-").FullName;
    private readonly Log _log = new(LogTarget.Stderr, LogLevel.Error);

    public void Dispose()
    {
        _log.Dispose();
        Directory.Delete(_directory, recursive: true);
    }

    [Fact]
    public void It_locks_opens_the_literals_and_follows_a_reload() => NetworkNamespace.Run(() =>
    {
        Script("init_firewall.sh",
            "echo \"sets: $CONNMGR_SETS\"; echo \"queue: ${CONNMGR_QUEUE:-none}\"; echo 'ended: 0'");
        using Loop loop = new();
        using Lockdown lockdown = New(loop, "a.example\n198.18.9.0/24");
        lockdown.Start(NetifNames.Defaults, new NameServers([]));
        Until(loop, lockdown, () => lockdown.IsLocked && !lockdown.IsBusy);
        Assert.Equal(("sets", "sniff", "--dns sniff was given"),
            (lockdown.Store.Backend.Name, lockdown.Gate.ModeName, lockdown.Gate.Reason));
        Assert.Contains(
            Said(), text => text.EndsWith(
                "addresses by sets; DNS: sniff, since --dns sniff was given", StringComparison.Ordinal));
        Assert.Contains("add afero4 198.18.9.0/24 timeout 0", Run("ipset", "save"));
        List<string> changes = lockdown.Reload(
            NetifNames.Defaults, StoreRig.Read("a.example\n2001:db8:9::/48"));
        Assert.Equal("whitelist: 2 entries instead of 2; 1 address opened, 1 closed", changes[^1]);
        Assert.Empty(lockdown.Reload(NetifNames.Defaults, StoreRig.Read("a.example\n2001:db8:9::/48")));
        Assert.DoesNotContain("198.18.9.0", Run("ipset", "save"));
        Assert.Contains("add afero6 2001:db8:9::/48", Run("ipset", "save"));
        Until(loop, lockdown, () => !lockdown.IsBusy);
        Assert.False(lockdown.HasFailed);
    });

    [Fact]
    public void Without_rules_that_match_sets_each_address_gets_rules() => NetworkNamespace.Run(() =>
    {
        Script("init_firewall.sh", "echo 'sets: no'; echo 'queue: none'; echo 'ended: 0'");
        Script("fwcfg.sh", $"echo \"$*\" >>{_directory}/calls");
        using Loop loop = new();
        using Lockdown lockdown = New(loop, "198.18.9.0/24");
        lockdown.Start(NetifNames.Defaults, new NameServers([]));
        Until(loop, lockdown, () => lockdown.IsLocked && !lockdown.IsBusy);
        Assert.Equal(
            ("rules", "iptables has no rules that match address sets"),
            (lockdown.Store.Backend.Name, lockdown.Store.Backend.Reason));
        Assert.Equal("sync connmgr 198.18.9.0/24", File.ReadAllLines($"{_directory}/calls")[0]);
        lockdown.Store.Learn(StoreRig.Name("b.example"), [], isUrgent: true); // not in the whitelist
        lockdown.Reload(NetifNames.Defaults, StoreRig.Read("198.18.9.0/24\n198.18.8.8"));
        Until(loop, lockdown, () => !lockdown.IsBusy);
        Assert.Contains("add 198.18.8.8 connmgr", File.ReadAllLines($"{_directory}/calls"));
    });

    [Fact]
    public void A_first_run_that_fails_closes_the_firewall_and_is_the_end() => NetworkNamespace.Run(() =>
    {
        Script("init_firewall.sh", "echo 'no such table'; exit 1");
        using Loop loop = new();
        using Lockdown lockdown = New(loop, "198.18.9.0/24");
        lockdown.Start(NetifNames.Defaults, new NameServers([]));
        Until(loop, lockdown, () => lockdown.HasFailed);
        Assert.False(lockdown.Firewall.NeedsCorrection);
        Assert.Equal(
            [
                "cannot lock the firewall: init_firewall.sh: exit status 1, saying \"no such table\"",
                "closed: the policies of INPUT, FORWARD and OUTPUT are DROP",
            ],
            Said());
        Assert.Equal(3, Run("iptables", "-S")
            .Split('\n').Count(line => line.EndsWith(" DROP", StringComparison.Ordinal)));
    });

    private const string ByNft = """
        nft -f - <<'END' || exit 1
        add table inet connmgr
        add set inet connmgr afero4 { type ipv4_addr; flags timeout; }
        add set inet connmgr afero4_prefixes { type ipv4_addr; flags interval; }
        add chain inet connmgr AFERO_ALLOW_WHITELIST_OUTPUT
        add chain inet connmgr output { type filter hook output priority -10; policy drop; }
        flush chain inet connmgr AFERO_ALLOW_WHITELIST_OUTPUT
        flush chain inet connmgr output
        add rule inet connmgr output jump AFERO_ALLOW_WHITELIST_OUTPUT
        add rule inet connmgr AFERO_ALLOW_WHITELIST_OUTPUT ip daddr @afero4 accept
        add rule inet connmgr AFERO_ALLOW_WHITELIST_OUTPUT ip daddr @afero4_prefixes accept
        END
        echo "$CONNMGR_FIREWALL ${CONNMGR_SETS-unset}" >>${0%/*}/calls
        echo 'sets: yes'; echo 'queue: none'; echo 'ended: 0'; echo 'backend: nft'
        """;

    [Fact]
    public void By_nft_it_locks_and_undoes_what_another_program_does() => NetworkNamespace.Run(() =>
    {
        Script("init_firewall.sh", ByNft);
        using Loop loop = new();
        using Lockdown lockdown = New(loop, "198.18.9.0/24\n198.18.7.7", FirewallBackend.Auto);
        lockdown.Start(NetifNames.Defaults, new NameServers([]));
        Until(loop, lockdown, () => lockdown.IsLocked && !lockdown.IsBusy);
        Assert.Equal(("nft", ""), (lockdown.Store.Backend.Name, lockdown.Store.Backend.Reason));
        Assert.Equal(["auto unset"], File.ReadAllLines($"{_directory}/calls"));
        Assert.Equal(
            ("198.18.7.7", "198.18.9.0/24"), (Nft.Elements("afero4"), Nft.Elements("afero4_prefixes")));
        string before = Nft.Run("list table inet connmgr", "-s");

        for (int i = 0; i < 6; i++)
        {
            Nft.Run(i % 2 == 0 ? "insert rule inet connmgr output accept" : "flush ruleset");
            Until(loop, lockdown, () => Nft.Run("list table inet connmgr", "-s", mayFail: true) == before);
        }
        Assert.InRange(lockdown.Firewall.RepairCount, 1, 6); // the script may have repaired one itself
        Nft.Run("delete element inet connmgr afero4 { 198.18.7.7 }");
        Until(loop, lockdown, () => Nft.Elements("afero4").Length > 0);
        Nft.Run("flush set inet connmgr afero4_prefixes");
        Until(loop, lockdown, () => Nft.Elements("afero4_prefixes").Length > 0);
        Assert.Equal(before, Nft.Run("list table inet connmgr", "-s"));
        Assert.Contains(Said(), text => text.StartsWith("nft (process ", StringComparison.Ordinal)
            && text.EndsWith("changed the lockdown, restored it", StringComparison.Ordinal));
        Until(loop, lockdown, () => !lockdown.IsBusy);
        Assert.All(File.ReadAllLines($"{_directory}/calls").Skip(1), call => Assert.Equal("nft unset", call));
    });

    [Fact]
    public void Where_the_script_takes_iptables_nothing_is_left_of_nft() => NetworkNamespace.Run(() =>
    {
        Script("init_firewall.sh",
            $"echo \"$CONNMGR_FIREWALL ${{CONNMGR_SETS-unset}}\" >>{_directory}/calls\n"
            + "echo 'sets: yes'; echo 'queue: none'; echo 'ended: 0'; echo 'backend: iptables'; echo "
            + "'backend-reason: nft: too old'");
        using Loop loop = new();
        using Lockdown lockdown = New(loop, "198.18.9.0/24", FirewallBackend.Auto);
        lockdown.Start(NetifNames.Defaults, new NameServers([]));
        Until(loop, lockdown, () =>
            lockdown.IsLocked && !lockdown.IsBusy && lockdown.Store.Backend.Name != "nft");
        Assert.Equal(("sets", "nft: too old"), (lockdown.Store.Backend.Name, lockdown.Store.Backend.Reason));
        Assert.Equal(["auto unset", "iptables yes"], File.ReadAllLines($"{_directory}/calls"));
        Assert.Contains("add afero4 198.18.9.0/24 timeout 0", Run("ipset", "save"));
        Assert.Equal("", Nft.Run("list ruleset"));
    });

    [Fact]
    public void Links_are_managed_on_an_open_device_if_that_is_wanted() => NetworkNamespace.Run(() =>
    {
        Script("init_firewall.sh", "echo 'there is neither nft nor iptables'; exit 1");
        using Loop loop = new();
        using Lockdown lockdown = New(loop, "198.18.9.0/24", managesLinks: true);
        lockdown.Start(NetifNames.Defaults, new NameServers([]));
        Until(loop, lockdown, () => Said().Length > 0);
        Assert.False(lockdown.HasFailed);
        Assert.False(lockdown.IsLocked);
        Assert.Equal(
            [
                "cannot lock the firewall, managing the links of the open device: init_firewall.sh: exit "
                + "status 1, saying \"there is neither nft nor iptables\", retrying",
            ],
            Said());
        Assert.DoesNotContain(" DROP", Run("iptables", "-S"));
    });

    private string[] Said() => LogLines.Of(_log);

    private void Script(string name, string body) => TestScript.Write(_directory, name, body);

    private Lockdown New(Loop loop, string whitelist, FirewallBackend firewall = FirewallBackend.Iptables,
        bool managesLinks = false) => new(
        loop, _log,
        LinkRig.OptionsIn(_directory) with
        {
            IsFirewallDisabled = false,
            DnsServerMode = DnsServerMode.Any,
            Dns = DnsMode.Sniff,
            Firewall = firewall,
            ManagesLinksUnlocked = managesLinks,
        },
        NetifNames.Defaults, StoreRig.Read(whitelist), ["PATH=/usr/sbin:/usr/bin:/sbin:/bin"]);

    private static void Until(Loop loop, Lockdown lockdown, Func<bool> isDone)
    {
        KernelState table = new();
        LoopRun.Until(loop, () =>
        {
            lockdown.Settle(new LockdownView(table, new ConnectionView(), new NameServers([])));
            return isDone();
        });
    }

    internal static string Run(string program, string arguments)
    {
        using Process process =
            Process.Start(new ProcessStartInfo(program, arguments) { RedirectStandardOutput = true })!;
        string output = process.StandardOutput.ReadToEnd();
        process.WaitForExit();
        Assert.True(process.ExitCode == 0, $"{program} {arguments}");
        return output;
    }
}
