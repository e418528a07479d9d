using ConnMgr.Net;

namespace ConnMgr.Netlink;

/// <summary>Reads the elements of a set of intervals as the prefixes that they stand for. Pure.</summary>
internal static class NftIntervals
{
    /// <summary>
    /// The prefixes in the order of their addresses, from elements in any order. False if an interval is no
    /// prefix, which is another program's doing.
    /// </summary>
    /// <param name="elements">All elements of one set; they are sorted.</param>
    /// <param name="prefixes">Receives the prefixes.</param>
    public static bool TryRead(List<NftElement> elements, List<IpPrefix> prefixes)
    {
        elements.Sort(static (one, other) => one.Key.Value != other.Key.Value
            ? one.Key.Value.CompareTo(other.Key.Value)
            : other.IsEnd.CompareTo(one.IsEnd)); // an end is before what begins at the same address
        bool areAll = true;
        for (int i = 0; i < elements.Count; i++)
        {
            if (elements[i].IsEnd)
            {
                continue; // of the interval before, or what nft puts at the address 0
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

    /// <summary>Behind the last address of the family; 0 is 2^128.</summary>
    private static UInt128 End(IpNumber first) => first.IsIpv4 ? (UInt128)1 << 48 : 0;

    private static IpPrefix? PrefixOf(IpNumber first, UInt128 end)
    {
        UInt128 size = end - first.Value; // 0 is 2^128
        if (size == 0 ? first.Value != 0 : !UInt128.IsPow2(size) || (first.Value & (size - 1)) != 0)
        {
            return null;
        }
        int hostBits = size == 0 ? 128 : (int)UInt128.TrailingZeroCount(size);
        int bits = first.IsIpv4 ? 32 : 128;
        return hostBits > bits ? null : new IpPrefix(first, (byte)(bits - hostBits));
    }
}
