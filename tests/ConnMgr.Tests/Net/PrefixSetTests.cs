using System.Net;
using ConnMgr.Net;

namespace ConnMgr.Tests.Net;

public class PrefixSetTests
{
    [Fact]
    public void It_contains_what_a_search_through_all_members_finds()
    {
        Random random = new(7);
        PrefixSet set = new();
        List<IpPrefix> members = [];
        for (int i = 0; i < 300; i++)
        {
            IpNumber address = Address(random);
            byte length = (byte)(address.IsIpv4 ? random.Next(8, 33) : random.Next(16, 129));
            IpPrefix prefix = new(IpPrefix.Masked(address, length), length);
            set.Add(prefix);
            set.Add(prefix);
            members.Add(prefix);
        }
        Assert.Equal(members.Distinct().Count(), set.Count);
        for (int i = 0; i < 5000; i++)
        {
            IpNumber address = Address(random);
            Assert.Equal(members.Exists(prefix => prefix.Contains(address)), set.Contains(address));
        }
        PrefixSet taken = set.Take();
        Assert.Equal((0, members.Distinct().Count()), (set.Count, taken.Count));
        Assert.True(taken.Contains(members[0].First));
        Assert.False(set.Contains(members[0].First));
    }

    private static IpNumber Address(Random random) => IpNumber.Of(random.Next(2) == 0
        ? new IPAddress([198, (byte)random.Next(18, 20), (byte)random.Next(4), (byte)random.Next(256)])
        : IPAddress.Parse($"2001:db8::{random.Next(4):x}:{random.Next(512):x}"));
}
