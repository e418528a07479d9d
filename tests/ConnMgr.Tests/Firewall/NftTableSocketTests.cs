using System.Net;
using ConnMgr.EventLoop;
using ConnMgr.Firewall;
using ConnMgr.Native;
using ConnMgr.Net;
using ConnMgr.Tests.Capture;

namespace ConnMgr.Tests.Firewall;

/// <summary>
/// The socket on the kernel's real nf_tables, in a namespace. The program nft plays the other program.
/// </summary>
public class NftTableSocketTests
{
    /// <summary>Each kind of object that init_firewall.sh and firewall.user make, and a few more.</summary>
    private const string Lockdown = """
        table inet connmgr {
            set afero4 { type ipv4_addr; flags timeout; }
            set afero6 { type ipv6_addr; flags timeout; }
            set afero4_prefixes { type ipv4_addr; flags interval; }
            set afero6_prefixes { type ipv6_addr; flags interval; }
            set asked6 { type ipv6_addr; flags dynamic,timeout; timeout 1m; size 256; }
            set names { type ifname; elements = { "eth0", "wlan0" }; }
            map ports {
                type inet_service : verdict;
                elements = { 22 : accept, 23 : jump AFERO_ALLOW_SERVICE_INPUT };
            }
            chain AFERO_ALLOW_SERVICE_INPUT {
                meta nfproto ipv6 ip6 hoplimit 255 icmpv6 type { 133, 134, 135, 136 } accept
                meta l4proto udp udp sport 53 ct state established ct direction reply accept
                meta mark & 0xffff0000 == 0xafe00000 accept
                ip6 saddr ::1 update @asked6 { ip6 saddr } accept
            }
            chain AFERO_ALLOW_WHITELIST_INPUT {
                ip saddr @afero4 ct state established ct direction reply accept
                ip saddr @afero4_prefixes ct state established ct direction reply accept
                ip6 saddr @afero6 accept
                ip6 saddr @afero6_prefixes accept
                jump added_input
            }
            chain added_input { }
            chain user_input { counter limit rate 5/second log prefix "dropped: "; }
            chain input {
                type filter hook input priority -10; policy drop;
                iifname "lo" accept
                iifname { "eth0", "br-lan" } ct mark set ct mark & 0xffff0000 | 0xb41d
                iifname @names tcp dport vmap @ports
                jump AFERO_ALLOW_SERVICE_INPUT comment "first"
                jump AFERO_ALLOW_WHITELIST_INPUT
                tcp dport { 80, 443, 8000-8080 } tcp flags & rst != rst reject with tcp reset
                jump user_input
            }
            chain forward { type filter hook forward priority -160; policy drop; }
            chain output { type filter hook output priority -10; policy drop; }
        }
        table bridge connmgr {
            chain forward {
                type filter hook forward priority -200; policy accept;
                meta mark 0 meta mark set 0xafe0b41d;
            }
        }
        table inet other {
            set some { type ipv4_addr; flags timeout; }
            chain some { type filter hook input priority 0; policy accept; }
        }

        """;

    [Theory]
    [InlineData("flush ruleset")]
    [InlineData("delete table inet connmgr")]
    [InlineData("delete table bridge connmgr")]
    [InlineData("flush table inet connmgr")]
    [InlineData("flush chain inet connmgr input")]
    [InlineData("insert rule inet connmgr input accept")]
    [InlineData("add rule inet connmgr AFERO_ALLOW_SERVICE_INPUT accept")]
    [InlineData("chain inet connmgr output { policy accept; }")]
    [InlineData("add table inet connmgr { flags dormant; }")]
    [InlineData("flush chain inet connmgr AFERO_ALLOW_WHITELIST_INPUT; delete set inet connmgr afero4")]
    [InlineData("add element inet connmgr names { \"eth9\" }")]
    [InlineData("add chain inet connmgr more { type nat hook prerouting priority 0; }")]
    [InlineData("flush ruleset; add table inet connmgr; flush ruleset")]
    public void What_another_program_changes_is_at_once_as_it_was(string command) =>
        NetworkNamespace.Run(() =>
    {
        using Rig rig = new();
        string before = Listing();
        Nft.Run(command);
        Assert.NotEqual(before, Listing());
        rig.Run(until: () => rig.Damaged.Count > 0 && rig.Programs.Count > 0);
        Assert.Equal(before, Listing());
        Assert.Equal([true], rig.Damaged);
        Assert.StartsWith("nft (process ", rig.Programs[0]);
        rig.RunAll();
        Assert.Single(rig.Damaged); // the daemon's own change does not count
        // Every further change is repaired, too.
        for (int i = 2; i < 12; i++)
        {
            Nft.Run(command);
            rig.Run(until: () => rig.Damaged.Count == i);
        }
        Assert.Equal(before, Listing());
    });

    /// <summary>
    /// A change by another program is undone before the daemon's next transaction, not at the next wake-up.
    /// </summary>
    [Fact]
    public void The_tables_come_before_the_addresses() => NetworkNamespace.Run(() =>
    {
        using Rig rig = new();
        string before = Listing();
        rig.Sets.BeforeEach = rig.Table.RestoreFirst;
        for (int i = 1; i < 4; i++)
        {
            Nft.Run("flush ruleset");
            Assert.Equal(0, rig.Sets.Add(Prefix("198.18.7.1", 32), 3600)); // otherwise there is no set
            Assert.Equal(i, rig.Damaged.Count);
            Assert.Contains("198.18.7.1", Nft.Elements("afero4"), StringComparison.Ordinal);
            Nft.Run("flush set inet connmgr afero4");
            Assert.Equal(before, Listing());
        }
        rig.Run(until: () => rig.Programs.Count > 0 && rig.Gone.Count > 0); // reported at the next wake-up
        Assert.Equal([true, true, true], rig.Damaged);
    });

    /// <summary>
    /// Rules of the daemon, rules in other tables and new elements do not count as changes.
    /// </summary>
    [Fact]
    public void What_is_not_the_lockdowns_or_is_the_daemons_own_is_nothing() => NetworkNamespace.Run(() =>
    {
        using Rig rig = new();
        Nft.Run("add rule inet other some accept");
        Nft.Run("add element inet other some { 198.18.7.1 timeout 1h }");
        Nft.Run("delete table inet other");
        Nft.Run("add table ip connmgr; delete table ip connmgr");
        Assert.Equal(0, rig.Sets.Add(Prefix("198.18.7.1", 32), 3600));
        Assert.Equal(0, rig.Sets.Add(Prefix("198.18.8.0", 24), 0));
        Assert.True(rig.Sets.Delete(Prefix("198.18.7.1", 32)).IsNone);
        Nft.Run("add element inet connmgr afero4 { 198.18.7.2 timeout 1h }");
        Assert.True(rig.Table.Restore());
        rig.RunAll();
        Assert.Empty(rig.Damaged);
        Assert.Empty(rig.Gone);
        Assert.Empty(rig.Programs);
    });

    [Fact]
    public void An_address_that_another_program_takes_out_is_named() => NetworkNamespace.Run(() =>
    {
        using Rig rig = new();
        rig.Sets.Add(Prefix("198.18.7.1", 32), 3600);
        rig.Sets.Add(Prefix("2001:db8::1", 128), 0);
        rig.Sets.Add(Prefix("198.18.8.0", 24), 0);
        Nft.Run("delete element inet connmgr afero4 { 198.18.7.1 }");
        Nft.Run("delete element inet connmgr afero6 { 2001:db8::1 }");
        rig.Run(until: () => rig.Programs.Count > 0 && rig.Gone.Count == 2);
        Assert.Equal(["198.18.7.1", "2001:db8::1"], rig.Gone);
        rig.Gone.Clear();
        Nft.Run("delete element inet connmgr afero4_prefixes { 198.18.8.0/24 }");
        rig.Run(until: () => rig.Gone.Count > 0);
        Assert.Equal("all", rig.Gone[0]);
        Assert.Empty(rig.Damaged);
    });

    /// <summary>More changes than the kernel's buffer for events holds.</summary>
    [Fact]
    public void A_large_set_that_another_program_empties_is_noticed() => NetworkNamespace.Run(() =>
    {
        using Rig rig = new();
        List<HoleEffect> effects = [];
        for (int i = 0; i < 30000; i++)
        {
            effects.Add(new HoleEffect(
                HoleAction.Open, Prefix($"198.{18 + (i & 1)}.{i / 200}.{i % 200}", 32), 604800));
        }
        rig.Sets.Apply(effects.ToArray(), (prefix, error) => Assert.Fail($"{prefix} {error}"));
        Nft.Run("flush set inet connmgr afero4");
        rig.Run(until: () => rig.Gone.Contains("all") || rig.Damaged.Count > 0);
    });

    /// <summary>A rule of fwcfg.sh or firewall.user is not damage. A repair puts it back.</summary>
    [Fact]
    public void What_the_user_adds_to_a_chain_of_the_user_belongs_to_the_lockdown() =>
        NetworkNamespace.Run(() =>
    {
        using Rig rig = new();
        Nft.Run("add rule inet connmgr added_input ip saddr 198.18.7.7 accept comment \"of the user\"");
        Nft.Run("add rule inet connmgr user_input ip saddr 198.18.7.8 accept");
        string before = Listing();
        rig.RunAll();
        Assert.Empty(rig.Damaged);
        Nft.Run("flush ruleset");
        rig.Run(until: () => rig.Damaged.Count > 0);
        Assert.Equal(before, Listing());
    });

    /// <summary>
    /// While the script runs, only the deletion of the table counts. What the script leaves is remembered.
    /// </summary>
    [Fact]
    public void What_the_script_does_is_no_other_programs_change() => NetworkNamespace.Run(() =>
    {
        using Rig rig = new();
        rig.Table.IsPaused = true;
        Nft.Run("flush chain inet connmgr input; add rule inet connmgr input drop");
        string before = Listing();
        rig.RunAll();
        Assert.Empty(rig.Damaged);
        Assert.True(rig.Table.Remember());
        Nft.Run("flush chain inet connmgr input");
        rig.Run(until: () => rig.Damaged.Count > 0);
        Assert.Equal(before, Listing());

        rig.Table.IsPaused = true;
        Nft.Run("delete table inet connmgr");
        rig.Run(until: () => rig.Damaged.Count > 1);
        Assert.Equal(before, Listing());
        Nft.Run("delete table inet connmgr");
        Assert.False(rig.Table.Remember()); // the earlier snapshot remains
        Assert.True(rig.Table.Restore());
        Assert.Equal(before, Listing());
    });

    [Fact]
    public void A_table_that_cannot_be_made_anew_is_said_to_be_damaged() => NetworkNamespace.Run(() =>
    {
        using Rig rig = new();
        Nft.Run("add counter inet connmgr heard");
        Nft.Run("add rule inet connmgr input counter name heard");
        Assert.True(rig.Table.Remember());
        Nft.Run("flush ruleset");
        rig.Run(until: () => rig.Damaged.Count > 0);
        Assert.Equal([false], rig.Damaged);
    });

    private static string Listing() =>
        Nft.Run("list table inet connmgr", "-s", mayFail: true) + Nft.Run(
            "list table bridge connmgr", "-s", mayFail: true);

    private static IpPrefix Prefix(string address, byte length) =>
        new(IpNumber.Of(IPAddress.Parse(address)), length);

    /// <summary>The lockdown in force, with a socket that hears of changes.</summary>
    private sealed class Rig : IDisposable
    {
        private readonly Loop _loop = new();

        public Rig()
        {
            Nft.Load(Lockdown);
            Sets = NftSetSocket.Open(out KernelError why)!;
            Assert.Equal("", why.ToString());
            Table = new NftTableSocket(
                _loop, Sets.PortId, Damaged.Add, address =>
                    Gone.Add(address?.ToString() ?? "all"), Programs.Add);
            Assert.True(Table.Remember());
        }

        public NftSetSocket Sets { get; }

        public NftTableSocket Table { get; }

        public List<bool> Damaged { get; } = [];

        public List<string> Gone { get; } = [];

        public List<string> Programs { get; } = [];

        /// <summary>Runs the loop until the condition is true.</summary>
        public void Run(Func<bool> until)
        {
            Deadline deadline = _loop.AddTimer(() => Assert.Fail("nothing happens"));
            deadline.Set(_loop.Now + TimeSpan.FromSeconds(20));
            Deadline first = _loop.AddTimer(() => { });
            first.Set(_loop.Now); // so that the condition is checked at once, too
            try
            {
                _loop.Run(() =>
                {
                    if (until())
                    {
                        throw new OperationCanceledException(); // a loop that was stopped does not run again
                    }
                });
            }
            catch (OperationCanceledException)
            {
            }
            deadline.Dispose();
            first.Dispose();
        }

        /// <summary>
        /// Runs the loop until the socket has read all events. The kernel queues them while a change is made.
        /// </summary>
        public void RunAll()
        {
            int wakeUps = 0;
            Deadline next = null!;
            next = _loop.AddTimer(() =>
            {
                wakeUps++;
                next.Set(_loop.Now);
            });
            next.Set(_loop.Now);
            Run(until: () => wakeUps == 3);
            next.Dispose();
        }

        public void Dispose()
        {
            Table.Dispose();
            Sets.Dispose();
            _loop.Dispose();
        }
    }
}
