using System.Net;
using System.Runtime.InteropServices;
using ConnMgr.Firewall;
using ConnMgr.Native;
using ConnMgr.Net;
using ConnMgr.Netlink;
using ConnMgr.Tests.Capture;

namespace ConnMgr.Tests.Firewall;

/// <summary>
/// The socket on the kernel's real nf_tables, in a namespace; the program nft reads the sets back. `null`
/// finds out how this kernel updates a time-out, `false` forces the way that kernels before 6.12 need.
/// </summary>
public class NftSetSocketTests
{
    [Theory, InlineData(null), InlineData(false)]
    public void What_has_returned_is_in_the_kernel(bool? updatesInPlace) => NetworkNamespace.Run(() =>
    {
        using NftSetSocket sets = Open(updatesInPlace);
        Assert.Equal(0, sets.Add(Prefix("198.18.7.1", 32), 3900));
        Assert.Equal(0, sets.Add(Prefix("198.18.7.2", 32), 0));
        Assert.Equal(0, sets.Add(Prefix("198.18.8.0", 24), 0));
        Assert.Equal(0, sets.Add(Prefix("2001:db8::1", 128), 604800));
        Assert.Equal(0, sets.Add(Prefix("2001:db8:7::", 48), 0));
        Assert.Equal("198.18.7.1 3900, 198.18.7.2", Nft.Elements("afero4"));
        Assert.Equal("198.18.8.0/24", Nft.Elements("afero4_prefixes"));
        Assert.Equal("2001:db8::1 604800", Nft.Elements("afero6"));
        Assert.Equal("2001:db8:7::/48", Nft.Elements("afero6_prefixes"));
        Assert.True(sets.Has(Prefix("198.18.7.1", 32)));
        Assert.True(sets.Has(Prefix("198.18.8.0", 24)));
        Assert.False(sets.Has(Prefix("198.18.7.9", 32)));
        Assert.False(sets.Has(Prefix("198.18.8.128", 25)));

        Assert.True(sets.Delete(Prefix("198.18.7.1", 32)).IsNone);
        Assert.True(sets.Delete(Prefix("198.18.7.1", 32)).IsNone);
        Assert.True(sets.Delete(Prefix("198.18.8.0", 24)).IsNone);
        Assert.True(sets.Delete(Prefix("198.18.8.0", 24)).IsNone);
        Assert.False(sets.Has(Prefix("198.18.7.1", 32)));
        Assert.Equal("198.18.7.2", Nft.Elements("afero4"));
        Assert.Equal("", Nft.Elements("afero4_prefixes"));
    });

    /// <summary>A new time-out starts now, even if it is as long as the old one.</summary>
    [Theory, InlineData(null), InlineData(false)]
    public void A_new_timeout_takes_the_place_of_the_old(bool? updatesInPlace) => NetworkNamespace.Run(() =>
    {
        using NftSetSocket sets = Open(updatesInPlace);
        IpPrefix prefix = Prefix("198.18.7.1", 32);
        sets.Add(prefix, 10);
        sets.Add(prefix, 5000);
        Assert.InRange(Left(sets, prefix), 4999u, 5000u);
        sets.Add(prefix, 0);
        Assert.Equal(0u, Left(sets, prefix));
        sets.Add(prefix, 70);
        Assert.InRange(Left(sets, prefix), 69u, 70u);
        Nft.Run("add element inet connmgr afero4 { 198.18.7.2 timeout 5000s expires 7s }");
        sets.Add(Prefix("198.18.7.2", 32), 5000);
        Assert.InRange(Left(sets, Prefix("198.18.7.2", 32)), 4999u, 5000u);
        sets.Add(Prefix("198.18.7.2", 32), 3);
        Assert.InRange(Left(sets, Prefix("198.18.7.2", 32)), 2u, 3u);
    });

    /// <summary>
    /// The socket tries out what the kernel does. On a kernel of 6.12 or later the result must be "updates in
    /// place".
    /// </summary>
    [Fact]
    public void What_the_kernel_does_with_a_new_timeout_is_found_out_and_leaves_no_trace() =>
        NetworkNamespace.Run(() =>
    {
        using NftSetSocket sets = Open(null);
        Version kernel = new(
            string.Join('.', File.ReadAllText("/proc/sys/kernel/osrelease").Split('.', '-').Take(2)));
        Assert.Equal(kernel >= new Version(6, 12), sets.UpdatesInPlace);
        Assert.Empty(sets.List()!);
    });

    /// <summary>Applying effects together gives the same result as one by one.</summary>
    [Theory, InlineData(null), InlineData(false)]
    public void Many_effects_are_carried_out_in_their_order(bool? updatesInPlace) =>
        NetworkNamespace.Run(() =>
    {
        using NftSetSocket sets = Open(updatesInPlace);
        List<HoleEffect> effects = [];
        HashSet<string> expected = [];
        Random random = new(5);
        for (int i = 0; i < 6000; i++)
        {
            bool isOpening = random.Next(3) > 0;
            int number = random.Next(1000);
            IpPrefix prefix = random.Next(10) switch
            {
                0 => Prefix($"2001:db8:{number:x}::", 48),
                1 => Prefix($"198.18.{number % 200}.0", 24),
                < 6 => Prefix($"198.19.{number / 200}.{number % 200}", 32),
                _ => Prefix($"2001:db8::{number:x}", 128),
            };
            effects.Add(new HoleEffect(isOpening ? HoleAction.Open : HoleAction.Close, prefix, isOpening
                && prefix.IsAddress ? 5000 : 0));
            _ = isOpening ? expected.Add(prefix.ToString()) : expected.Remove(prefix.ToString());
        }
        sets.Apply(CollectionsMarshal.AsSpan(effects), (prefix, error) => Assert.Fail($"{prefix} {error}"));
        List<(IpPrefix Prefix, uint Timeout)> found = sets.List()!;
        Assert.Equal(expected.Order(), found.ConvertAll(element => element.Prefix.ToString()).Order());
        Assert.All(found, element => Assert.InRange(
            element.Timeout, element.Prefix.IsAddress ? 4000u : 0u, element.Prefix.IsAddress ? 5000u : 0u));
        string[] judged = [.. AllSets
            .SelectMany(set => Nft.Elements(set).Split(", ")).Select(element => element.Split(' ')[0])];
        Assert.Equal(expected.Order(), judged.Order());
    });

    /// <summary>
    /// If the kernel refuses one element, it drops the whole transaction. The other elements must still be
    /// added.
    /// </summary>
    [Theory, InlineData(null), InlineData(false)]
    public void One_that_is_refused_keeps_nobody_out(bool? updatesInPlace) => NetworkNamespace.Run(() =>
    {
        Nft.Run("add table inet connmgr");
        Nft.Run("add set inet connmgr afero4 { type ipv4_addr; flags timeout; size 3; }");
        using NftSetSocket sets = Open(updatesInPlace);
        HoleEffect[] effects =
        [
            .. Enumerable.Range(1, 5).Select(
                i => new HoleEffect(HoleAction.Open, Prefix($"198.18.7.{i}", 32), 5000)),
            new HoleEffect(HoleAction.Open, Prefix("2001:db8::1", 128), 5000),
        ];
        List<string> failures = [];
        sets.Apply(effects, (prefix, error) => failures.Add($"{prefix} {error}"));
        Assert.Equal(["198.18.7.4 the set is full", "198.18.7.5 the set is full"], failures);
        Assert.Equal("198.18.7.1 5000, 198.18.7.2 5000, 198.18.7.3 5000", Nft.Elements("afero4"));
        Assert.Equal("2001:db8::1 5000", Nft.Elements("afero6"));
    });

    [Fact]
    public void Prefixes_may_overlap_and_touch_and_be_everything() => NetworkNamespace.Run(() =>
    {
        using NftSetSocket sets = Open();
        IpPrefix[] prefixes =
        [
            Prefix("198.18.7.0", 24), Prefix("198.18.8.0", 24), Prefix("198.18.0.0", 16),
            Prefix("198.18.9.0", 24), Prefix("198.19.0.0", 16), Prefix("255.255.255.0", 24),
            Prefix("2001:db8::", 32), Prefix("2001:db8:1::", 48), Prefix("ffff::", 16),
        ];
        Assert.All(prefixes, prefix => Assert.Equal(0, sets.Add(prefix, 0)));
        Assert.Equal("198.18.0.0/16, 198.19.0.0/16, 255.255.255.0/24", Nft.Elements("afero4_prefixes"));
        Assert.Equal(
            prefixes.Order(Comparer), sets.List()!.Select(element => element.Prefix).Order(Comparer));
        Assert.True(sets.Delete(Prefix("198.18.0.0", 16)).IsNone);
        Assert.Equal("198.18.7.0/24, 198.18.8.0/24, 198.18.9.0/24, 198.19.0.0/16, 255.255.255.0/24",
            Nft.Elements("afero4_prefixes"));
        Assert.Equal((0, 0), (sets.Add(Prefix("0.0.0.0", 0), 0), sets.Add(Prefix("::", 0), 0)));
        Assert.Equal("0.0.0.0/0", Nft.Elements("afero4_prefixes"));
        Assert.Equal("::/0", Nft.Elements("afero6_prefixes"));
        Assert.True(sets.Delete(Prefix("0.0.0.0", 0)).IsNone);
        Assert.True(sets.Delete(Prefix("::", 0)).IsNone);
        Assert.Equal("2001:db8::/32, ffff::/16", Nft.Elements("afero6_prefixes"));
    });

    /// <summary>
    /// The state after a restart: prefixes of an old whitelist in the kernel overlap those of the new one.
    /// </summary>
    [Fact]
    public void Sets_that_are_there_stay_with_what_is_in_them() => NetworkNamespace.Run(() =>
    {
        Nft.Run("add table inet connmgr");
        Nft.Run("add set inet connmgr afero4 { type ipv4_addr; flags timeout; }");
        Nft.Run("add set inet connmgr afero4_prefixes { type ipv4_addr; flags interval; }");
        Nft.Run("add element inet connmgr afero4 { 198.18.7.1 timeout 1h }");
        Nft.Run("add element inet connmgr afero4_prefixes { 198.18.4.0/24, 198.18.5.0/24, 198.19.0.0/17 }");
        using NftSetSocket sets = Open();
        Assert.True(sets.Has(Prefix("198.18.7.1", 32)));
        Assert.Equal(
            ["198.18.4.0/24", "198.18.5.0/24", "198.18.7.1", "198.19.0.0/17"],
            sets.List()!.Select(element => element.Prefix.ToString()).Order());
        Assert.Equal(0, sets.Add(Prefix("198.18.0.0", 16), 0));
        Assert.True(sets.Delete(Prefix("198.18.4.0", 24)).IsNone);
        Assert.True(sets.Delete(Prefix("198.18.5.0", 24)).IsNone);
        Assert.Equal("198.18.0.0/16, 198.19.0.0/17", Nft.Elements("afero4_prefixes"));
        // nft finds no difference between our set and its own.
        Nft.Run("add set inet connmgr afero6 { type ipv6_addr; flags timeout; }");
    });

    [Fact]
    public void Intervals_that_are_no_prefixes_are_taken_out() => NetworkNamespace.Run(() =>
    {
        Open().Dispose();
        Nft.Run("add element inet connmgr afero4_prefixes { 198.18.4.0/24, 198.18.5.7-198.18.5.9 }");
        using NftSetSocket sets = Open();
        Assert.Equal("", Nft.Elements("afero4_prefixes"));
        Assert.Equal(0, sets.Add(Prefix("198.18.5.0", 24), 0));
    });

    [Fact]
    public void Another_set_of_that_name_is_an_error_in_words() => NetworkNamespace.Run(() =>
    {
        Nft.Run("add table inet connmgr");
        Nft.Run("add set inet connmgr afero6 { type inet_service; }");
        Assert.Null(NftSetSocket.Open(out KernelError why));
        Assert.Equal(
            "cannot make the table inet connmgr and its sets: a set of that name has another type",
            why.ToString());
    });

    [Fact]
    public void A_table_that_has_vanished_is_noticed() => NetworkNamespace.Run(() =>
    {
        using NftSetSocket sets = Open();
        Nft.Run("flush ruleset");
        Assert.Equal(
            "no such table or set", sets.Try(Prefix("198.18.7.1", 32), 10).ToString());
        Assert.Equal(
            "no such table or set", sets.Try(Prefix("198.18.7.0", 24), 0).ToString());
        Assert.False(sets.Has(Prefix("198.18.7.1", 32)));
        int failed = 0;
        HoleEffect[] effects = [.. Enumerable.Range(1, 200).Select(
            i => new HoleEffect(HoleAction.Open, Prefix($"198.18.7.{i}", 32), 50))];
        sets.Apply(effects, (_, _) => failed++);
        Assert.Equal(200, failed);
        Nft.Run("add table inet connmgr");
        Nft.Run("add set inet connmgr afero4 { type ipv4_addr; flags timeout; }");
        Assert.Equal(0, sets.Add(Prefix("198.18.7.1", 32), 10));
    });

    [Fact]
    public void All_that_is_there_is_listed() => NetworkNamespace.Run(() =>
    {
        using NftSetSocket sets = Open();
        Assert.Empty(sets.List()!);
        List<HoleEffect> effects = [];
        for (int i = 0; i < 30000; i++)
        {
            effects.Add(new HoleEffect(
                HoleAction.Open, Prefix($"198.{18 + (i & 1)}.{i / 200}.{i % 200}", 32), 604800));
        }
        sets.Apply(CollectionsMarshal.AsSpan(effects), (prefix, error) => Assert.Fail($"{prefix} {error}"));
        // The kernel grows the hash table in the background. A list made meanwhile may lack an element, or
        // have one twice (nft_rhash_walk, net/netfilter/nft_set_hash.c, goes on at a place of the old table).
        List<(IpPrefix Prefix, uint Timeout)> found = sets.List()!;
        bool IsWhole() => found.Count == effects.Count
            && found.Select(element => element.Prefix).Distinct().Count() == effects.Count;
        for (int i = 0; i < 100 && !IsWhole(); i++)
        {
            Thread.Sleep(50);
            found = sets.List()!;
        }
        Assert.Equal(
            effects.Select(effect => effect.Prefix)
            .Order(Comparer), found.Select(element => element.Prefix).Order(Comparer));
        Assert.All(found, element => Assert.InRange(element.Timeout, 604000u, 604800u));
    });

    /// <summary>A reload may close thousands: each transaction has as many as fit.</summary>
    [Fact]
    public void Prefixes_are_opened_and_closed_many_at_a_time() => NetworkNamespace.Run(() =>
    {
        using NftSetSocket sets = Open();
        const int Netfilter = 12; // NETLINK_NETFILTER
        const int Group = 7; // NFNLGRP_NFTABLES
        using NetlinkSocket events = new(Netfilter, 1 << 16, checkCredentials: false, Group);
        foreach (HoleAction action in (HoleAction[])[HoleAction.Open, HoleAction.Revoke, HoleAction.Close])
        {
            HoleEffect[] effects = [.. Enumerable.Range(0, 200).Select(
                i => new HoleEffect(action, Prefix($"198.18.{i}.0", 24), 0))];
            sets.Apply(effects, (prefix, error) => Assert.Fail($"{prefix} {error}"));
            int transactions = 0;
            while (events.Receive(out ReadOnlySpan<byte> datagram) == Received.Datagram)
            {
                NetlinkReader messages = new(datagram);
                while (messages.TryRead(out NetlinkMessage message))
                {
                    transactions += message.Type == NftSetMessage.Type(Nftables.NFT_MSG_NEWGEN) ? 1 : 0;
                }
            }
            Assert.InRange(transactions, 1, 10);
            Assert.Equal(action == HoleAction.Open ? 200 : 0, sets.List()!.Count);
        }
    });

    [Theory, InlineData(null), InlineData(false)]
    public void Nothing_is_allocated_for_an_address(bool? updatesInPlace) => NetworkNamespace.Run(() =>
    {
        using NftSetSocket sets = Open(updatesInPlace);
        IpPrefix prefix = Prefix("198.18.7.2", 32);
        sets.Add(prefix, 10);
        long allocated = Allocation.Least(() =>
        {
            for (int i = 0; i < 2_000; i++)
            {
                sets.Apply([new HoleEffect(HoleAction.Open, prefix, 10 + i)], static (_, _) => { });
            }
        });
        Assert.InRange(allocated, 0, 1_999); // less than a byte for each
    });

    private static readonly string[] AllSets = ["afero4", "afero6", "afero4_prefixes", "afero6_prefixes"];

    private static Comparer<IpPrefix> Comparer { get; } =
        Comparer<IpPrefix>.Create(
            (one, other) => (one.First.Value, one.Length).CompareTo((other.First.Value, other.Length)));

    private static uint Left(NftSetSocket sets, IpPrefix prefix) =>
        sets.List()!.Single(element => element.Prefix == prefix).Timeout;

    private static NftSetSocket Open(bool? updatesInPlace = null)
    {
        NftSetSocket? sets = NftSetSocket.Open(out KernelError why, updatesInPlace);
        Assert.True(sets is not null, why.ToString());
        return sets;
    }

    private static IpPrefix Prefix(string address, byte length) =>
        new(IpNumber.Of(IPAddress.Parse(address)), length);
}
