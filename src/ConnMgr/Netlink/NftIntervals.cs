using ConnMgr.Net;

namespace ConnMgr.Netlink;

/// <summary>Converts the elements of a set of intervals to prefixes. Pure.</summary>
internal static class NftIntervals
{
    /// <summary>
    /// Returns the prefixes in the order of their addresses, from elements in any order. Returns false if an
    /// interval is not a prefix: then another program has added it.
    /// </summary>
    /// <param name="elements">All elements of one set; this method sorts them.</param>
    /// <param name="prefixes">Receives the prefixes.</param>
    public static bool TryRead(List<NftElement> elements, List<IpPrefix> prefixes)
    {
        elements.Sort(static (one, other) => one.Key.Value != other.Key.Value
            ? one.Key.Value.CompareTo(other.Key.Value)
            : other.IsEnd.CompareTo(one.IsEnd)); // at the same address, an end comes before a start
        bool areAll = true;
        for (int i = 0; i < elements.Count; i++)
        {
            if (elements[i].IsEnd)
            {
                continue; // the end of the previous interval, or the element that nft adds at address 0
            }
            IpNumber first = elements[i].Key;
            UInt128 end = i + 1 < elements.Count ? elements[i + 1].Key.Value : End(first);
            if (PrefixOf(first, end) is { } prefix)
            {
                prefixes.Add(prefix);
            }
            else
            {
                areAll = false;
            }
        }
        return areAll;
    }

    /// <summary>The number after the last address of the family; 0 means 2^128.</summary>
    private static UInt128 End(IpNumber first) => first.IsIpv4 ? (UInt128)1 << 48 : 0;

    private static IpPrefix? PrefixOf(IpNumber first, UInt128 end)
    {
        UInt128 size = end - first.Value; // 0 means 2^128
        if (size == 0 ? first.Value != 0 : !UInt128.IsPow2(size) || (first.Value & (size - 1)) != 0)
        {
            return null;
        }
        int hostBits = size == 0 ? 128 : (int)UInt128.TrailingZeroCount(size);
        int bits = first.IsIpv4 ? 32 : 128;
        return hostBits > bits ? null : new IpPrefix(first, (byte)(bits - hostBits));
    }
}
