using ConnMgr.Netlink;

namespace ConnMgr.Routing;

/// <summary>A link as the plan of its routes sees it.</summary>
/// <param name="Ifindex">The device, above 0.</param>
/// <param name="Name">Its name.</param>
/// <param name="UsualMetric">The metric of its default where it had none: 10 Ethernet, 20 Wi-Fi, 50 WAN.</param>
/// <param name="Rank">
/// Its place among the standby routes, 0 is the best; null: its route may stand anywhere behind the one in front.
/// </param>
internal sealed record RoutedLink(int Ifindex, string Name, uint UsualMetric, int? Rank);

/// <summary>Where the default of one link and family belongs while it stands somewhere else.</summary>
/// <param name="Own">The metric that its DHCP client, netifd or the user gave it.</param>
/// <param name="Placed">The metric at which the plan last placed it; in front, the same as <paramref name="Own"/>.</param>
internal readonly record struct OwnMetric(uint Own, uint Placed)
{
    /// <summary>Reads `OWN PLACED`; a third word is ignored. False for anything else, and for numbers of ten digits.</summary>
    public static bool TryParse(string? text, out OwnMetric metric)
    {
        metric = default;
        string[] words = (text ?? "").Split((char[])[' ', '\t', '\n'], 3, StringSplitOptions.RemoveEmptyEntries);
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
        return word.Length < 10 && word[0] != '0' && word.All(char.IsAsciiDigit) && uint.TryParse(word, out number);
    }

    /// <inheritdoc/>
    public override string ToString() => $"{Own} {Placed}";
}

/// <summary>All that a plan depends on.</summary>
/// <param name="Routes">The default routes of both families, as the kernel reported them.</param>
/// <param name="Lost">Defaults that another program's replace removed, while the link stayed as it was.</param>
/// <param name="Links">The links, in the order of preference.</param>
/// <param name="Chosen">The one that is to be in front.</param>
/// <param name="HasIpv4Address">It has a usable IPv4 address.</param>
/// <param name="HasIpv6Address">It has a usable IPv6 address.</param>
/// <param name="OwnMetrics">What earlier plans remembered, by family (true: IPv6) and name of the link.</param>
internal sealed record RouteInput(
    IReadOnlyList<KernelRoute> Routes,
    IReadOnlyList<KernelRoute> Lost,
    IReadOnlyList<RoutedLink> Links,
    RoutedLink Chosen,
    bool HasIpv4Address,
    bool HasIpv6Address,
    IReadOnlyDictionary<(bool IsIpv6, string Link), OwnMetric> OwnMetrics);
