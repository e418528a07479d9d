using System.Diagnostics;
using ConnMgr.Config;
using ConnMgr.EventLoop;
using ConnMgr.Firewall;
using ConnMgr.Links;
using ConnMgr.Logging;
using ConnMgr.Netlink;
using ConnMgr.Probe;
using ConnMgr.Tests.Capture;

namespace ConnMgr.Tests.Firewall;

/// <summary>The whole lockdown in a namespace, with the kernel's sets and scripts that only say how they were called.</summary>
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
        Script("init_firewall.sh", "echo \"sets: $CONNMGR_SETS\"; echo \"queue: ${CONNMGR_QUEUE:-none}\"; echo 'ended: 0'");
        using Loop loop = new();
        using Lockdown lockdown = New(loop, "a.example\n198.18.9.0/24");
        lockdown.Start();
        Until(loop, lockdown, () => lockdown.IsLocked && !lockdown.IsBusy);
        Assert.Equal(("sets", "sniff", "--dns sniff was given"), (lockdown.Store.Backend.Name, lockdown.Gate.ModeName, lockdown.Gate.Reason));
        Assert.Contains(Said(), text => text.EndsWith("addresses by sets; DNS: sniff, since --dns sniff was given", StringComparison.Ordinal));
        Assert.Contains("add afero4 198.18.9.0/24 timeout 0", Run("ipset", "save"));
        List<string> changes = lockdown.Reload(NetifNames.Defaults, StoreRig.Read("a.example\n2001:db8:9::/48"));
        Assert.Equal("whitelist: 2 entries instead of 2; 1 addresses opened, 1 closed", changes[^1]);
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
        lockdown.Start();
        Until(loop, lockdown, () => lockdown.IsLocked && !lockdown.IsBusy);
        Assert.Equal(
            ("rules", "iptables has no rules that match address sets"),
            (lockdown.Store.Backend.Name, lockdown.Store.Backend.Reason));
        Assert.Equal("sync connmgr 198.18.9.0/24", File.ReadAllLines($"{_directory}/calls")[0]);
        lockdown.Store.Learn(StoreRig.Name("b.example"), [], isUrgent: true); // not wanted
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
        lockdown.Start();
        Until(loop, lockdown, () => lockdown.HasFailed);
        Assert.Equal(
            [
                "cannot lock the firewall: init_firewall.sh: exit status 1, saying \"no such table\"",
                "closed: the policies of INPUT, FORWARD and OUTPUT are DROP",
            ],
            Said());
        Assert.Equal(3, Run("iptables", "-S").Split('\n').Count(line => line.EndsWith(" DROP", StringComparison.Ordinal)));
    });

    private string[] Said() =>
        [.. _log.Events.Events.Where(said => said.Level != LogLevel.Debug).Select(said => said.Text)];

    private void Script(string name, string body)
    {
        string path = Path.Combine(_directory, name);
        File.WriteAllText(path, $"#!/bin/sh\n{body}\n");
        File.SetUnixFileMode(path, UnixFileMode.UserRead | UnixFileMode.UserExecute);
    }

    private Lockdown New(Loop loop, string whitelist) => new(
        loop, _log,
        new Options
        {
            ConfigDirectory = _directory,
            ScriptDirectory = _directory,
            RunDirectory = _directory,
            HookDirectory = _directory,
            Services = [],
            Ping = [],
            Resolvers = [],
            DnsServers = [],
            Idle = TimeSpan.FromSeconds(16),
            Dns = DnsMode.Sniff,
        },
        NetifNames.Defaults, StoreRig.Read(whitelist), ["PATH=/usr/sbin:/usr/bin:/sbin:/bin"]);

    private static void Until(Loop loop, Lockdown lockdown, Func<bool> isDone)
    {
        KernelState table = new();
        using Deadline limit = loop.AddTimer(() => throw new TimeoutException());
        limit.Set(loop.Now + TimeSpan.FromSeconds(60));
        try
        {
            loop.Run(() =>
            {
                lockdown.Settle(new LockdownView(table, new ConnectionView(), new NameServers([])));
                if (isDone())
                {
                    throw new OperationCanceledException();
                }
            });
        }
        catch (OperationCanceledException)
        {
        }
    }

    private static string Run(string program, string arguments)
    {
        using Process process = Process.Start(new ProcessStartInfo(program, arguments) { RedirectStandardOutput = true })!;
        string output = process.StandardOutput.ReadToEnd();
        process.WaitForExit();
        Assert.True(process.ExitCode == 0, $"{program} {arguments}");
        return output;
    }
}
