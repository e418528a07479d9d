using ConnMgr.Config;
using ConnMgr.Net;

namespace ConnMgr.Tests.Config;

public class IdleLimitsTests
{
    [Theory]
    [InlineData("30", 30, 30, 30)]
    [InlineData("ethernet=5,wan=300", 5, 16, 300)]
    [InlineData("wifi=2,20", 20, 2, 20)]
    [InlineData("wan=3600,wan=60", 16, 16, 60)]
    public void Each_kind_has_its_own_or_the_general_limit(string text, int ethernet, int wifi, int wan)
    {
        IdleLimits limits = IdleLimits.Parse(text)!;
        Assert.Equal(
            [ethernet, wifi, wan],
            [.. Enum.GetValues<LinkKind>().Select(kind => (int)limits.Of(kind).TotalSeconds)]);
    }

    [Theory]
    [InlineData("")]
    [InlineData("1")]
    [InlineData("3601")]
    [InlineData("16,")]
    [InlineData("lan=16")]
    [InlineData("wan=")]
    [InlineData("wan=1")]
    [InlineData("wan=-5")]
    [InlineData("wan= 5")]
    [InlineData("WAN=5")]
    [InlineData("wan=5=6")]
    [InlineData("99999999999")]
    public void Anything_else_is_refused(string text) => Assert.Null(IdleLimits.Parse(text));
}
