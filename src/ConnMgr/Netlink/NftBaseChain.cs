using System.Buffers.Binary;
using static ConnMgr.Netlink.Nftables;

namespace ConnMgr.Netlink;

/// <summary>Reads the base chains in the kernel's list of chains. Pure.</summary>
internal static class NftBaseChain
{
    private const int LongestName = 32;
    private const uint NF_DROP = 0;

    /// <summary>
    /// Describes the chain of a row: family, table and name, e.g. `inet filter input (policy drop)`.
    /// </summary>
    /// <param name="message">The row.</param>
    /// <param name="hook">NF_INET_*, 0 (prerouting) to 4 (postrouting).</param>
    /// <returns>Null for a chain without a hook, for a NAT chain, for a chain of another family than IPv4,
    /// IPv6 or both, and for a chain of the lockdown's own table.</returns>
    public static string? Read(in NetlinkMessage message, out uint hook)
    {
        hook = uint.MaxValue;
        if (message.Type != NftSetMessage.Type(NFT_MSG_NEWCHAIN)
            || message.Payload.Length < NftSetMessage.HeaderSize)
        {
            return null;
        }
        AttributeReader attributes = new(message.Payload[NftSetMessage.HeaderSize..]);
        ReadOnlySpan<byte> table = default;
        ReadOnlySpan<byte> name = default;
        ReadOnlySpan<byte> type = default;
        bool drops = false;
        while (attributes.TryRead(out NetlinkAttribute attribute))
        {
            switch (attribute.Type)
            {
                case NFTA_CHAIN_TABLE:
                    table = attribute.Value;
                    break;
                case NFTA_CHAIN_NAME:
                    name = attribute.Value;
                    break;
                case NFTA_CHAIN_TYPE:
                    type = attribute.Value;
                    break;
                case NFTA_CHAIN_POLICY when attribute.Value.Length == 4:
                    drops = BinaryPrimitives.ReadUInt32BigEndian(attribute.Value) == NF_DROP;
                    break;
                case NFTA_CHAIN_HOOK:
                    AttributeReader parts = new(attribute.Value);
                    while (parts.TryRead(out NetlinkAttribute part))
                    {
                        hook = part.Type == NFTA_HOOK_HOOKNUM && part.Value.Length == 4
                            ? BinaryPrimitives.ReadUInt32BigEndian(part.Value) : hook;
                    }
                    break;
            }
        }
        string? family = message.Payload[0] switch
        {
            NFPROTO_INET => "inet",
            NFPROTO_IPV4 => "ip",
            NFPROTO_IPV6 => "ip6",
            _ => null,
        };
        return family is null || hook > NF_INET_POST_ROUTING || type.StartsWith("nat"u8)
            || table.SequenceEqual(NftSetMessage.Table)
            ? null
            : $"{family} {TextOf(table)} {TextOf(name)}{(drops ? " (policy drop)" : "")}";
    }

    private static string TextOf(ReadOnlySpan<byte> name) =>
        NftChange.NameIn(name[..Math.Min(name.Length, LongestName)]);
}
