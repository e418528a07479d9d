namespace ConnMgr.Netlink;

/// <summary>The kind of a change of the ruleset.</summary>
internal enum RulesetChange
{
    /// <summary>No change in a table `filter`.</summary>
    None,

    /// <summary>A rule was changed in a chain of the whitelist. fwcfg.sh changes these chains.</summary>
    Address,

    /// <summary>Anything else changed in a table `filter`.</summary>
    Frame,
}

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

    /// <summary>The chain's name, in messages about rules.</summary>
    public const ushort NFTA_RULE_CHAIN = 2;

    private const int HeaderSize = 4; // struct nfgenmsg

    /// <summary>
    /// Classifies an event about a table `filter` of IPv4 or IPv6, its chains or its rules. Ignores events
    /// about set elements, because other programs change the elements of their sets all the time.
    /// </summary>
    public static RulesetChange ChangeOf(in NetlinkMessage message)
    {
        if (message.Type >> 8 != NFNL_SUBSYS_NFTABLES || (message.Type & 0xff) > NFT_MSG_DELRULE
            || message.Payload.Length < HeaderSize
            || message.Payload[0] is not (Rtnetlink.AF_INET or Rtnetlink.AF_INET6))
        {
            return RulesetChange.None;
        }
        bool isRule = (message.Type & 0xff) >= NFT_MSG_NEWRULE;
        RulesetChange change = RulesetChange.None;
        AttributeReader attributes = new(message.Payload[HeaderSize..]);
        while (attributes.TryRead(out NetlinkAttribute attribute))
        {
            if (attribute.Type == NFTA_TABLE_NAME)
            {
                if (!attribute.Value.SequenceEqual("filter\0"u8))
                {
                    return RulesetChange.None;
                }
                change = RulesetChange.Frame;
            }
            else if (isRule && attribute.Type == NFTA_RULE_CHAIN && change == RulesetChange.Frame
                && LegacyTable.HoldsAddresses(attribute.Value))
            {
                return RulesetChange.Address;
            }
        }
        return change;
    }
}

/// <summary>The rules of a legacy table as the kernel returns them (struct ipt_entry, ip6t_entry).</summary>
internal static class LegacyTable
{
    private const int Ipv4Match = 84; // sizeof(struct ipt_ip)
    private const int Ipv6Match = 136; // sizeof(struct ip6t_ip6), padded
    private const int TargetHeader = 32; // struct xt_entry_target: u16 size, 29 bytes of name, u8 revision
    private const ulong FnvBasis = 14695981039346656037;
    private const ulong FnvPrime = 1099511628211;

    /// <summary>
    /// Hashes matches, targets and policies with FNV-1a, without counters and the kernel's own fields. Stops
    /// at the first invalid length. Never returns 0.
    /// </summary>
    public static ulong Fingerprint(ReadOnlySpan<byte> entries, bool isIpv6)
    {
        ulong hash = FnvBasis;
        for (int at = 0; TryRead(entries, at, isIpv6, out Entry entry); at += entry.Length)
        {
            hash = Add(Add(hash, entry.Match), entry.Rest);
        }
        return hash == 0 ? 1 : hash;
    }

    /// <summary>
    /// Like <see cref="Fingerprint"/>, but without the rules in the whitelist's chains. Since these rules
    /// shift the offsets of later chains, a jump is hashed by the number of its target chain.
    /// </summary>
    public static ulong FrameFingerprint(ReadOnlySpan<byte> entries, bool isIpv6)
    {
        List<int> chains = [];
        for (int at = 0; TryRead(entries, at, isIpv6, out Entry entry); at += entry.Length)
        {
            if (entry.Chain.Length > 0)
            {
                chains.Add(at);
            }
        }
        ulong hash = FnvBasis;
        bool isSkipping = false;
        for (int at = 0; TryRead(entries, at, isIpv6, out Entry entry); at += entry.Length)
        {
            bool isHead = entry.Chain.Length > 0;
            if (isSkipping && !isHead)
            {
                continue;
            }
            isSkipping = isHead && HoldsAddresses(entry.Chain);
            hash = Add(hash, entry.Match);
            if (entry.Verdict < 0)
            {
                hash = Add(hash, entry.Rest);
                continue;
            }
            hash = Add(hash, entry.Rest[..^entry.AfterVerdict]);
            int ordinal = 0;
            while (ordinal < chains.Count && chains[ordinal] < entry.Verdict)
            {
                ordinal++;
            }
            hash = Add(hash, [(byte)ordinal, (byte)(ordinal >> 8)]);
        }
        return hash == 0 ? 1 : hash;
    }

    /// <summary>True for the name of a chain whose rules change with the open addresses.</summary>
    public static bool HoldsAddresses(ReadOnlySpan<byte> chain) =>
        chain.StartsWith("AFERO_ALLOW_WHITELIST_"u8) || chain.StartsWith("AFERO_FORWARD_WHITELIST"u8);

    private static bool TryRead(ReadOnlySpan<byte> entries, int at, bool isIpv6, out Entry entry)
    {
        int match = isIpv6 ? Ipv6Match : Ipv4Match;
        int target = match + 4; // target_offset, after nfcache
        int next = match + 6; // next_offset
        int counters = (match + 12 + 7) & ~7; // after next_offset and comefrom (4)
        int rest = counters + 16; // struct xt_counters: two numbers of 8 bytes
        entry = default;
        entries = entries[at..];
        if (entries.Length < rest)
        {
            return false;
        }
        int length = BitConverter.ToUInt16(entries[next..]);
        if (length < rest || length > entries.Length)
        {
            return false;
        }
        entry.Length = length;
        entry.Match = entries[..match];
        entry.Rest = entries[rest..length];
        entry.Verdict = -1;
        int data = BitConverter.ToUInt16(entries[target..]) + TargetHeader;
        if (data - TargetHeader < rest || data + sizeof(int) > length)
        {
            return true;
        }
        ReadOnlySpan<byte> name = entries[(data - TargetHeader + 2)..data];
        if (name[0] == 0) // XT_STANDARD_TARGET: int verdict
        {
            entry.Verdict = BitConverter.ToInt32(entries[data..]);
            entry.AfterVerdict = length - data;
        }
        else if (name.StartsWith("ERROR\0"u8)) // XT_ERROR_TARGET: the name of the chain that starts here
        {
            entry.Chain = entries[data..length];
        }
        return true;
    }

    private ref struct Entry
    {
        public int Length;
        public ReadOnlySpan<byte> Match;
        public ReadOnlySpan<byte> Rest; // matches and target
        public ReadOnlySpan<byte> Chain; // the name, if the entry starts a chain
        public int Verdict; // below 0: no jump
        public int AfterVerdict; // the length of Rest after the verdict
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
