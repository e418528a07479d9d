using ConnMgr.Netlink;

namespace ConnMgr.Routing;

/// <summary>A link as the route plan sees it.</summary>
/// <param name="Ifindex">The interface index, above 0.</param>
/// <param name="Name">The interface name.</param>
/// <param name="UsualMetric">The metric of its default if it had none: 10 to 19 for
/// Ethernet, 20 to 29 for Wi-Fi, 50 to 59 for WAN.</param>
/// <param name="Rank">Its position among the standby routes, 0 for the best; null if its route may have any
/// metric behind the preferred one.</param>
internal sealed record RoutedLink(int Ifindex, string Name, uint UsualMetric, int? Rank)
{
    /// <summary>True if nothing beyond the link answers: it is down, or a probe has failed.</summary>
    public bool IsDead { get; init; }

    /// <summary>True if the link must not send anything: its routes are hidden.</summary>
    public bool IsBlocked { get; init; }

    /// <summary>The link has no usable IPv4 address.</summary>
    public bool LacksIpv4 { get; init; }

    /// <summary>The link has no usable IPv6 address; a link-local one does not count.</summary>
    public bool LacksIpv6 { get; init; }

    /// <summary>
    /// True if the link has no usable address of the family. A packet that its default sends has the address
    /// of another link as its source, and no answer comes back.
    /// </summary>
    public bool Lacks(bool isIpv6) => isIpv6 ? LacksIpv6 : LacksIpv4;
}

/// <summary>The own metric of a link's default in one family, while the route is at another one.</summary>
/// <param name="Own">The metric that its DHCP client, netifd or the user assigned.</param>
/// <param name="Placed">The metric at which the plan last placed it; while it is preferred, the same as
/// <paramref name="Own"/>.</param>
internal readonly record struct OwnMetric(uint Own, uint Placed)
{
    /// <summary>
    /// Parses `OWN PLACED`; a third word is ignored. False for any other text, and for numbers of ten digits.
    /// </summary>
    public static bool TryParse(string? text, out OwnMetric metric)
    {
        metric = default;
        string[] words = (text ?? "").Split((char[])[' ', '\t', '\n'], 3,
            StringSplitOptions.RemoveEmptyEntries);
        if (words.Length < 2 || !TryParse(words[0], out uint own) || !TryParse(words[1], out uint placed))
        {
            return false;
        }
        metric = new OwnMetric(own, placed);
        return true;
    }

    private static bool TryParse(string word, out uint number)
    {
        number = 0;
        return word.Length < 10 && word[0] != '0' && word.All(char.IsAsciiDigit)
            && uint.TryParse(word, out number);
    }

    /// <inheritdoc/>
    public override string ToString() => $"{Own} {Placed}";
}

/// <summary>Everything that a plan depends on.</summary>
/// <param name="Routes">The default routes of both families, as the kernel reported them.</param>
/// <param name="Lost">Defaults that another program's replace removed while the link stayed
/// unchanged.</param>
/// <param name="Links">The links, most preferred first.</param>
/// <param name="Chosen">The link whose route must be preferred.</param>
/// <param name="OwnMetrics">The metrics that earlier plans recorded, by family (true: IPv6) and link
/// name.</param>
internal sealed record RouteInput(
    IReadOnlyList<KernelRoute> Routes,
    IReadOnlyList<KernelRoute> Lost,
    IReadOnlyList<RoutedLink> Links,
    RoutedLink Chosen,
    IReadOnlyDictionary<(bool IsIpv6, string Link), OwnMetric> OwnMetrics)
{
    /// <summary>The addresses of all devices.</summary>
    public IReadOnlyList<DeviceAddress> Addresses { get; init; } = [];

    /// <summary>The routers that advertise themselves beside others.</summary>
    public RivalRouters Routers { get; init; } = new();

    /// <summary>
    /// The routes that earlier plans have added: to subnets, and all of the tables of their rules.
    /// </summary>
    public IReadOnlyList<KernelRoute> Subnets { get; init; } = [];

    /// <summary>
    /// The policy rules that earlier plans have added; null if the kernel has no policy rules.
    /// </summary>
    public IReadOnlyList<SourceRule>? Rules { get; init; }

    /// <summary>The routes of other programs to single name servers.</summary>
    public IReadOnlyList<KernelRoute> Hosts { get; init; } = [];
}
