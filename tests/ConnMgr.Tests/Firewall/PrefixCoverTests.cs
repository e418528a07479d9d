using System.Net;
using ConnMgr.Firewall;
using ConnMgr.Net;

namespace ConnMgr.Tests.Firewall;

public class PrefixCoverTests
{
    private readonly PrefixCover _cover = new();
    private readonly List<(bool IsAdd, IpPrefix Prefix)> _changes = [];

    [Fact]
    public void A_prefix_within_another_is_left_out_until_the_other_goes()
    {
        Assert.Equal("+198.18.0.0/16", Add("198.18.0.0/16"));
        Assert.Equal("", Add("198.18.7.0/24"));
        Assert.Equal("", Add("198.18.7.0/25"));
        Assert.Equal("-198.18.0.0/16 +198.18.7.0/24", Remove("198.18.0.0/16"));
        Assert.Equal("", Remove("198.18.7.0/25"));
        Assert.Equal("-198.18.7.0/24", Remove("198.18.7.0/24"));
    }

    [Fact]
    public void A_prefix_takes_the_place_of_those_within()
    {
        Assert.Equal("+198.18.7.0/24", Add("198.18.7.0/24"));
        Assert.Equal("+198.18.9.0/24", Add("198.18.9.0/24"));
        Assert.Equal("+198.19.0.0/16", Add("198.19.0.0/16"));
        Assert.Equal("-198.18.7.0/24 -198.18.9.0/24 +198.18.0.0/16", Add("198.18.0.0/16"));
        // Again, as after another program has emptied the set.
        Assert.Equal("+198.18.0.0/16", Add("198.18.0.0/16"));
    }

    [Fact]
    public void Families_are_apart()
    {
        Assert.Equal("+::/0", Add("::/0"));
        Assert.Equal("+198.18.0.0/16", Add("198.18.0.0/16"));
        Assert.Equal("", Add("2001:db8::/32"));
        Assert.Equal("-::/0 +2001:db8::/32", Remove("::/0"));
    }

    [Fact]
    public void What_the_kernel_refused_is_not_wanted()
    {
        Add("198.18.0.0/16");
        Add("198.18.7.0/24");
        _cover.Undo(Prefix("198.18.0.0/16"), wasAdded: true);
        Assert.Equal([Prefix("198.18.7.0/24")], _cover.Wanted);
        Assert.Equal("-198.18.7.0/24", Remove("198.18.7.0/24"));
    }

    /// <summary>
    /// The kernel's set contains exactly the outermost of the wanted prefixes, and never two that overlap.
    /// </summary>
    [Theory]
    [InlineData(1)]
    [InlineData(2)]
    [InlineData(3)]
    public void The_kernel_always_has_the_outermost(int seed)
    {
        Random random = new(seed);
        HashSet<IpPrefix> wanted = [];
        HashSet<IpPrefix> kernel = [];
        for (int step = 0; step < 3000; step++)
        {
            byte length = (byte)random.Next(20, 32);
            IpNumber first = IpPrefix.Masked(
                IpNumber.Of(IPAddress.Parse($"198.18.{random.Next(16)}.{random.Next(256)}")), length);
            IpPrefix prefix = new(first, length);
            _changes.Clear();
            bool isAdd = random.Next(3) > 0;
            bool hasChanged = isAdd ? _cover.Add(prefix, _changes) : _cover.Remove(prefix, _changes);
            Assert.Equal(isAdd ? wanted.Add(prefix) : wanted.Remove(prefix), hasChanged);
            foreach ((bool isPut, IpPrefix change) in _changes)
            {
                if (!isPut)
                {
                    kernel.Remove(change);
                    continue;
                }
                Assert.DoesNotContain(kernel, other =>
                    other != change && (other.Contains(change.First) || change.Contains(other.First)));
                kernel.Add(change);
            }
            IEnumerable<IpPrefix> outermost = wanted.Where(
                one => !wanted.Any(other => other.Length < one.Length && other.Contains(one.First)));
            Assert.Equal(outermost.ToHashSet(), kernel);
        }
    }

    private string Add(string prefix) => Text(_cover.Add, prefix);

    private string Remove(string prefix) => Text(_cover.Remove, prefix);

    private string Text(Func<IpPrefix, List<(bool IsAdd, IpPrefix Prefix)>, bool> change, string prefix)
    {
        _changes.Clear();
        _ = change(Prefix(prefix), _changes);
        return string.Join(' ', _changes.Select(one => $"{(one.IsAdd ? '+' : '-')}{one.Prefix}"));
    }

    private static IpPrefix Prefix(string text)
    {
        string[] parts = text.Split('/');
        return new IpPrefix(IpNumber.Of(IPAddress.Parse(parts[0])), byte.Parse(parts[1]));
    }
}
