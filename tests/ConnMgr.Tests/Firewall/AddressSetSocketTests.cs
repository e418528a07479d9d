using System.Diagnostics;
using System.Net;
using System.Runtime.InteropServices;
using ConnMgr.Firewall;
using ConnMgr.Native;
using ConnMgr.Net;
using ConnMgr.Tests.Capture;

namespace ConnMgr.Tests.Firewall;

/// <summary>
/// The socket on the kernel's real sets, in a namespace; the program ipset reads them back.
/// </summary>
public class AddressSetSocketTests
{
    [Fact]
    public void What_has_returned_is_in_the_kernel() => NetworkNamespace.Run(() =>
    {
        using AddressSetSocket sets = Open();
        Assert.True(sets.Add(Prefix("198.18.7.1", 32), 3900).IsNone);
        Assert.True(sets.Add(Prefix("198.18.8.0", 24), 0).IsNone);
        Assert.True(sets.Add(Prefix("2001:db8::1", 128), 604800).IsNone);
        string[] members = Members();
        Assert.Contains(members, member =>
            member.StartsWith("add afero4 198.18.7.1 timeout 3", StringComparison.Ordinal));
        Assert.Contains("add afero4 198.18.8.0/24 timeout 0", members);
        Assert.Contains(members, member =>
            member.StartsWith("add afero6 2001:db8::1 timeout 60", StringComparison.Ordinal));

        Assert.True(sets.Has(Prefix("198.18.7.1", 32)));
        Assert.True(sets.Delete(Prefix("198.18.7.1", 32)).IsNone);
        Assert.True(sets.Delete(Prefix("198.18.7.1", 32)).IsNone);
        Assert.False(sets.Has(Prefix("198.18.7.1", 32)));
        Assert.DoesNotContain(Members(), member => member.Contains("198.18.7.1", StringComparison.Ordinal));
    });

    /// <summary>Applying effects in runs of any length gives the same result as one by one.</summary>
    [Fact]
    public void Many_effects_are_carried_out_in_their_order() => NetworkNamespace.Run(() =>
    {
        using AddressSetSocket sets = Open();
        List<HoleEffect> effects = [];
        HashSet<string> expected = [];
        Random random = new(5);
        for (int run = 0; run < 200; run++)
        {
            bool isOpening = random.Next(3) > 0;
            int family = random.Next(2);
            for (int i = random.Next(run == 7 ? 1000 : 20); i >= 0; i--)
            {
                int number = random.Next(3000);
                IpPrefix prefix = family == 0 ? Prefix($"198.18.{number / 200}.{number % 200}", 32)
                    : Prefix($"2001:db8::{number}:0", 112);
                effects.Add(new HoleEffect(
                    isOpening ? HoleAction.Open : HoleAction.Close, prefix, isOpening ? 5000 : 0));
                _ = isOpening ? expected.Add(prefix.ToString()!) : expected.Remove(prefix.ToString()!);
            }
        }
        sets.Apply(CollectionsMarshal.AsSpan(effects), (prefix, error) => Assert.Fail($"{prefix} {error}"));
        List<string> found = sets.List()!.ConvertAll(element => $"{element.Prefix}");
        Assert.Equal(expected.Order(), found.Order());
        Assert.All(sets.List()!, element => Assert.InRange(element.Timeout, 4000u, 5000u));
    });

    /// <summary>If the kernel refuses one of many elements, the others are still added.</summary>
    [Fact]
    public void One_that_is_refused_keeps_nobody_out() => NetworkNamespace.Run(() =>
    {
        using AddressSetSocket sets = Open();
        Ipset("destroy afero4");
        Ipset("create afero4 hash:net family inet timeout 0 maxelem 3");
        HoleEffect[] effects = [.. Enumerable.Range(1, 5).Select(
            i => new HoleEffect(HoleAction.Open, Prefix($"198.18.7.{i}", 32), 5000))];
        List<string> failures = [];
        sets.Apply(effects, (prefix, error) => failures.Add($"{prefix} {error}"));
        Assert.Equal(["198.18.7.4 the set is full", "198.18.7.5 the set is full"], failures);
        effects[0] = effects[0] with { Action = HoleAction.Close };
        failures.Clear();
        sets.Apply(effects, (prefix, error) => failures.Add($"{prefix}"));
        Assert.Equal(["198.18.7.5"], failures);
        Assert.Equal(3, sets.List()!.Count);
    });

    [Fact]
    public void A_new_timeout_takes_the_place_of_the_old() => NetworkNamespace.Run(() =>
    {
        using AddressSetSocket sets = Open();
        sets.Add(Prefix("198.18.7.1", 32), 10);
        sets.Add(Prefix("198.18.7.1", 32), 5000);
        Assert.Contains(
            Members(), member => member.Contains("timeout 4999") || member.Contains("timeout 5000"));
        sets.Add(Prefix("198.18.7.1", 32), 0);
        Assert.Contains("add afero4 198.18.7.1 timeout 0", Members());
    });

    [Fact]
    public void Sets_that_are_there_stay_with_what_is_in_them() => NetworkNamespace.Run(() =>
    {
        Ipset("create afero4 hash:net family inet timeout 0 maxelem 65536");
        Ipset("add afero4 198.18.7.1");
        using AddressSetSocket sets = Open();
        Assert.True(sets.Has(Prefix("198.18.7.1", 32)));
        // ipset finds no difference between our set and its own.
        Ipset("-exist create afero6 hash:net family inet6 timeout 0 maxelem 65536");
    });

    [Fact]
    public void Another_set_of_that_name_is_an_error_in_words() => NetworkNamespace.Run(() =>
    {
        Ipset("create afero6 hash:ip family inet6");
        Assert.Null(AddressSetSocket.Open(out KernelError error));
        Assert.Equal(
            "cannot make the set afero6: a set of that name has another type", error.ToString());
    });

    [Fact]
    public void A_set_that_has_vanished_is_noticed() => NetworkNamespace.Run(() =>
    {
        using AddressSetSocket sets = Open();
        Ipset("destroy afero4");
        Assert.Equal("no such set", sets.Add(Prefix("198.18.7.1", 32), 10).ToString());
        Assert.False(sets.Has(Prefix("198.18.7.1", 32)));
    });

    [Fact]
    public void All_that_is_there_is_listed() => NetworkNamespace.Run(() =>
    {
        using AddressSetSocket sets = Open();
        Assert.Empty(sets.List()!);
        List<string> expected = ["198.18.0.0/15 0", "2001:db8::/32 0"];
        sets.Add(Prefix("198.18.0.0", 15), 0);
        sets.Add(Prefix("2001:db8::", 32), 0);
        for (int i = 0; i < 3000; i++)
        {
            string address = $"198.{18 + (i & 1)}.{i / 200}.{i % 200}";
            sets.Add(Prefix(address, 32), 604800);
            expected.Add($"{address} 604800");
        }
        List<string> found = sets.List()!.ConvertAll(
            element => $"{element.Prefix} "
                + $"{(element.Timeout is > 604000 and <= 604800 ? 604800 : element.Timeout)}");
        found.Sort(StringComparer.Ordinal);
        expected.Sort(StringComparer.Ordinal);
        Assert.Equal(expected, found);
    });

    [Fact]
    public void Nothing_is_allocated_for_an_address() => NetworkNamespace.Run(() =>
    {
        using AddressSetSocket sets = Open();
        sets.Add(Prefix("198.18.7.1", 32), 10);
        IpPrefix prefix = Prefix("198.18.7.2", 32);
        long allocated = Allocation.Least(() =>
        {
            for (int i = 0; i < 2_000; i++)
            {
                sets.Add(prefix, 10 + i);
            }
        });
        Assert.InRange(allocated, 0, 1_999); // less than a byte for each
    });

    private static AddressSetSocket Open()
    {
        AddressSetSocket? sets = AddressSetSocket.Open(out KernelError error);
        Assert.True(sets is not null, error.ToString());
        return sets;
    }

    private static IpPrefix Prefix(string address, byte length) =>
        new(IpNumber.Of(IPAddress.Parse(address)), length);

    private static string[] Members() => Ipset("save").Split('\n');

    private static string Ipset(string arguments)
    {
        using Process ipset =
            Process.Start(new ProcessStartInfo("ipset", arguments) { RedirectStandardOutput = true })!;
        string output = ipset.StandardOutput.ReadToEnd();
        ipset.WaitForExit();
        Assert.True(ipset.ExitCode == 0, $"ipset {arguments}");
        return output;
    }
}
