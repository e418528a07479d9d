using System.Diagnostics;
using System.Net;
using ConnMgr.Firewall;
using ConnMgr.Netlink;
using ConnMgr.Tests.Capture;

namespace ConnMgr.Tests.Firewall;

/// <summary>On the kernel's sets, in a namespace of their own; ipset is the judge.</summary>
public class AddressSetSocketTests
{
    [Fact]
    public void What_has_returned_is_in_the_kernel() => NetworkNamespace.Run(() =>
    {
        using AddressSetSocket sets = Open();
        Assert.Equal(0, sets.Add(Prefix("198.18.7.1", 32), 3900));
        Assert.Equal(0, sets.Add(Prefix("198.18.8.0", 24), 0));
        Assert.Equal(0, sets.Add(Prefix("2001:db8::1", 128), 604800));
        string[] members = Members();
        Assert.Contains(members, member => member.StartsWith("add afero4 198.18.7.1 timeout 3", StringComparison.Ordinal));
        Assert.Contains("add afero4 198.18.8.0/24 timeout 0", members);
        Assert.Contains(members, member => member.StartsWith("add afero6 2001:db8::1 timeout 60", StringComparison.Ordinal));

        Assert.True(sets.Has(Prefix("198.18.7.1", 32)));
        Assert.Equal((0, 0), (sets.Delete(Prefix("198.18.7.1", 32)), sets.Delete(Prefix("198.18.7.1", 32))));
        Assert.False(sets.Has(Prefix("198.18.7.1", 32)));
        Assert.DoesNotContain(Members(), member => member.Contains("198.18.7.1", StringComparison.Ordinal));
    });

    [Fact]
    public void A_new_timeout_takes_the_place_of_the_old() => NetworkNamespace.Run(() =>
    {
        using AddressSetSocket sets = Open();
        sets.Add(Prefix("198.18.7.1", 32), 10);
        sets.Add(Prefix("198.18.7.1", 32), 5000);
        Assert.Contains(Members(), member => member.Contains("timeout 4999") || member.Contains("timeout 5000"));
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
        Ipset("-exist create afero6 hash:net family inet6 timeout 0 maxelem 65536"); // ours is to ipset as its own
    });

    [Fact]
    public void Another_set_of_that_name_is_an_error_in_words() => NetworkNamespace.Run(() =>
    {
        Ipset("create afero6 hash:ip family inet6");
        Assert.Null(AddressSetSocket.Open(out string why));
        Assert.Equal("cannot make the set afero6: there is a set of that name, but of another kind", why);
    });

    [Fact]
    public void A_set_that_has_vanished_is_noticed() => NetworkNamespace.Run(() =>
    {
        using AddressSetSocket sets = Open();
        Ipset("destroy afero4");
        Assert.Equal("there is no such set", AddressSetSocket.Text(sets.Add(Prefix("198.18.7.1", 32), 10)));
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
            element => $"{element.Prefix} {(element.Timeout is > 604000 and <= 604800 ? 604800 : element.Timeout)}");
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
        long before = GC.GetAllocatedBytesForCurrentThread();
        for (int i = 0; i < 2_000; i++)
        {
            sets.Add(prefix, 10 + i);
        }
        // Less than a byte for each: the runtime itself may need something once, while it optimises.
        Assert.InRange(GC.GetAllocatedBytesForCurrentThread() - before, 0, 1_999);
    });

    private static AddressSetSocket Open()
    {
        AddressSetSocket? sets = AddressSetSocket.Open(out string why);
        Assert.True(sets is not null, why);
        return sets;
    }

    private static IpPrefix Prefix(string address, byte length) => new(IpNumber.Of(IPAddress.Parse(address)), length);

    private static string[] Members() => Ipset("save").Split('\n');

    private static string Ipset(string arguments)
    {
        using Process ipset = Process.Start(new ProcessStartInfo("ipset", arguments) { RedirectStandardOutput = true })!;
        string output = ipset.StandardOutput.ReadToEnd();
        ipset.WaitForExit();
        Assert.True(ipset.ExitCode == 0, $"ipset {arguments}");
        return output;
    }
}
