using ConnMgr.Netlink;

namespace ConnMgr.Firewall;

/// <summary>An event of nf_tables (&lt;linux/netfilter/nf_tables.h&gt;).</summary>
internal static class NftEvent
{
    public const int NFNL_SUBSYS_NFTABLES = 10;
    public const int NFT_MSG_NEWTABLE = 0;
    public const int NFT_MSG_DELTABLE = 2;
    public const int NFT_MSG_NEWCHAIN = 3;
    public const int NFT_MSG_DELCHAIN = 5;
    public const int NFT_MSG_NEWRULE = 6;
    public const int NFT_MSG_DELRULE = 8;

    /// <summary>The table's name, in messages about tables, chains and rules alike.</summary>
    public const ushort NFTA_TABLE_NAME = 1;

    private const int HeaderSize = 4; // struct nfgenmsg

    /// <summary>
    /// True if a table `filter` of IPv4 or IPv6 was made or deleted, or something in it that rules depend on. Elements of
    /// sets come and go all the time in other people's tables, and are nothing.
    /// </summary>
    public static bool ConcernsFilter(in NetlinkMessage message)
    {
        if (message.Type >> 8 != NFNL_SUBSYS_NFTABLES || (message.Type & 0xff) > NFT_MSG_DELRULE
            || message.Payload.Length < HeaderSize || message.Payload[0] is not (2 or 10)) // AF_INET, AF_INET6
        {
            return false;
        }
        AttributeReader attributes = new(message.Payload[HeaderSize..]);
        while (attributes.TryRead(out NetlinkAttribute attribute))
        {
            if (attribute.Type == NFTA_TABLE_NAME)
            {
                return attribute.Value.SequenceEqual("filter\0"u8);
            }
        }
        return false;
    }
}

/// <summary>The rules of a legacy table as the kernel hands them out (struct ipt_entry, ip6t_entry).</summary>
internal static class LegacyTable
{
    private const int Ipv4Match = 84; // sizeof(struct ipt_ip)
    private const int Ipv6Match = 136; // sizeof(struct ip6t_ip6), padded
    private const ulong FnvBasis = 14695981039346656037;
    private const ulong FnvPrime = 1099511628211;

    /// <summary>
    /// FNV-1a over what somebody may change: matches, targets, policies; not the counters, nor the kernel's own fields. Never
    /// 0. Ends at the first length that cannot be.
    /// </summary>
    public static ulong Fingerprint(ReadOnlySpan<byte> entries, bool isIpv6)
    {
        int match = isIpv6 ? Ipv6Match : Ipv4Match;
        int next = match + 6; // next_offset, after nfcache (4 bytes) and target_offset (2)
        int counters = (match + 12 + 7) & ~7; // after next_offset and comefrom (4)
        int rest = counters + 16; // struct xt_counters: two numbers of 8 bytes
        ulong hash = FnvBasis;
        while (entries.Length >= rest)
        {
            int length = BitConverter.ToUInt16(entries[next..]);
            if (length < rest || length > entries.Length)
            {
                break;
            }
            hash = Add(Add(hash, entries[..match]), entries[rest..length]);
            entries = entries[length..];
        }
        return hash == 0 ? 1 : hash;
    }

    private static ulong Add(ulong hash, ReadOnlySpan<byte> bytes)
    {
        foreach (byte value in bytes)
        {
            hash = (hash ^ value) * FnvPrime;
        }
        return hash;
    }
}
