using ConnMgr.Config;
using ConnMgr.Links;
using ConnMgr.Net;

namespace ConnMgr.Tests.Links;

/// <summary>Any number of links, for tests of what must hold for each number.</summary>
public static class ManyLinks
{
    /// <summary>The numbers to test.</summary>
    public static TheoryData<int> Counts { get; } = [1, 2, 3, 8, 16];

    /// <summary>Returns so many Ethernet links, named link0 and so on.</summary>
    internal static Link[] Of(int count, TimeSpan idle) =>
    [
        .. Enumerable.Range(0, count).Select(i => new Link(
            LinkKind.Ethernet, $"link{i}", idle, WanProbe.Suspect, i % 10)),
    ];
}
