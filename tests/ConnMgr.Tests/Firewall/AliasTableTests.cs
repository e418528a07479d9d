using ConnMgr.Dns;
using ConnMgr.Firewall;

namespace ConnMgr.Tests.Firewall;

public class AliasTableTests
{
    private readonly AliasTable _aliases = new();
    private Whitelist _whitelist = StoreRig.Read("*.fresh.example\nexact.example");

    [Fact]
    public void A_target_is_wanted_as_long_as_the_alias_holds_and_no_longer()
    {
        Learn(0, "www.fresh.example", "edge.cdn.test", ttl: 60);
        Assert.Equal("www.fresh.example", Owners(0, "edge.cdn.test"));
        Assert.Equal("www.fresh.example", Owners(3899, "edge.cdn.test")); // at least 300 s, plus an hour
        Assert.Equal("", Owners(3900, "edge.cdn.test"));
        Learn(3900, "www.fresh.example", "edge.cdn.test", ttl: 86400);
        Assert.Equal("www.fresh.example", Owners(90000, "edge.cdn.test"));
        Assert.Equal("", Owners(100, "cdn.test"));
        Assert.Equal("", Owners(100, "x.edge.cdn.test"));
        Assert.Equal("", Owners(100, "other.test"));
    }

    [Fact]
    public void Over_several_steps_each_has_to_hold()
    {
        Learn(0, "www.fresh.example", "a.test", ttl: 10000);
        Learn(0, "a.test", "b.test", ttl: 60);
        Learn(0, "b.test", "c.test", ttl: 10000);
        Assert.Equal("www.fresh.example", Owners(3899, "c.test"));
        Assert.Equal("", Owners(3901, "c.test"));
        Assert.Equal("www.fresh.example", Owners(3901, "a.test"));
        Learn(3902, "a.test", "b.test", ttl: 60);
        Assert.Equal("www.fresh.example", Owners(3903, "c.test"));
    }

    [Theory]
    [InlineData(AliasTable.MaxSteps, "www.fresh.example")]
    [InlineData(AliasTable.MaxSteps + 1, "")]
    public void Steps_are_bounded(int steps, string owners)
    {
        Learn(0, "www.fresh.example", "t1.test");
        for (int i = 1; i < steps; i++)
        {
            Learn(0, $"t{i}.test", $"t{i + 1}.test");
        }
        Assert.Equal(owners, Owners(1, $"t{steps}.test"));
    }

    [Fact]
    public void Circles_end()
    {
        Learn(0, "a.test", "b.test");
        Learn(0, "b.test", "a.test");
        Learn(0, "a.test", "a.test");
        Assert.Equal("", Owners(1, "a.test"));
        Learn(0, "www.fresh.example", "b.test");
        Assert.Equal("www.fresh.example", Owners(1, "a.test"));
    }

    [Fact]
    public void A_target_counts_for_every_name_that_leads_to_it_and_for_itself()
    {
        Learn(0, "www.fresh.example", "edge.fresh.example");
        Learn(0, "exact.example", "edge.fresh.example");
        Assert.Equal("edge.fresh.example exact.example www.fresh.example", Owners(1, "edge.fresh.example"));
        for (int i = 0; i < 100; i++)
        {
            Learn(i, $"n{i}.fresh.example", "busy.test");
        }
        Assert.Equal(AliasTable.MaxOwners, Owners(100, "busy.test").Split(' ').Length);
        Assert.Contains("n99.fresh.example", Owners(100, "busy.test"), StringComparison.Ordinal);
    }

    [Fact]
    public void Another_whitelist_decides_at_once()
    {
        Learn(0, "www.fresh.example", "edge.cdn.test");
        _whitelist = StoreRig.Read("exact.example");
        Assert.Equal("", Owners(1, "edge.cdn.test"));
        _whitelist = StoreRig.Read("www.fresh.example");
        Assert.Equal("www.fresh.example", Owners(1, "edge.cdn.test"));
    }

    [Fact]
    public void Memory_is_bounded_and_what_ends_first_goes_first()
    {
        Learn(0, "www.fresh.example", "long.test", ttl: 100_000);
        for (int i = 0; i < 3 * AliasTable.MaxAliases; i++)
        {
            Learn(0, "www.fresh.example", $"t{i}.test", ttl: (uint)(1000 + i));
            Assert.InRange(_aliases.Count, 1, AliasTable.MaxAliases);
        }
        Assert.Equal("www.fresh.example", Owners(1, "long.test"));
        Assert.Equal("", Owners(1, "t0.test"));
        Assert.Equal("www.fresh.example", Owners(1, $"t{(3 * AliasTable.MaxAliases) - 1}.test"));
        Learn(200_000, "www.fresh.example", "late.test"); // all others have ended
        Assert.Equal(1, _aliases.Count);
    }

    private void Learn(int at, string owner, string target, uint ttl = 60) =>
        _aliases.Learn(StoreRig.Name(owner), StoreRig.Name(target), ttl, TimeSpan.FromSeconds(at));

    private string Owners(int at, string name)
    {
        List<DnsName> owners = [];
        _aliases.FindOwners(StoreRig.Name(name), _whitelist, TimeSpan.FromSeconds(at), owners);
        return string.Join(' ', owners.Select(owner => owner.ToString()).Order());
    }
}
