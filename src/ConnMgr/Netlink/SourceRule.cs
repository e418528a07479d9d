using System.Net;
using static ConnMgr.Netlink.Rtnetlink;

namespace ConnMgr.Netlink;

/// <summary>
/// A policy rule of connmgr's own: packets from an address use the routing table of that address's link
/// (struct fib_rule_hdr, &lt;linux/fib_rules.h&gt;). Pure.
/// </summary>
/// <param name="Address">The source address.</param>
/// <param name="Table">The routing table: <see cref="TableOf"/> the link.</param>
internal sealed record SourceRule(IPAddress Address, uint Table)
{
    /// <summary>
    /// The priority of the rules: before the rule of the main table (32766), and before the rules that
    /// programs such as wg-quick add just before that one.
    /// </summary>
    public const uint Priority = 32_700;

    private const uint FirstTable = 45_000_000;
    private const int MostDevices = 10_000_000;
    private const int HeaderSize = 12; // struct fib_rule_hdr
    private const byte Unspecified = 0; // RT_TABLE_UNSPEC: the attribute says which

    /// <summary>True for IPv6.</summary>
    public bool IsIpv6 => Address.AddressFamily == System.Net.Sockets.AddressFamily.InterNetworkV6;

    /// <summary>
    /// Returns the number of the table for packets from a device's addresses: 45,000,000 plus (the interface
    /// index modulo 10,000,000).
    /// </summary>
    public static uint TableOf(int ifindex) => FirstTable + (uint)(ifindex % MostDevices);

    /// <summary>True if the table may be one of <see cref="TableOf"/>.</summary>
    public static bool IsOwnTable(uint table) => table - FirstTable < MostDevices;

    /// <summary>
    /// Parses the payload of RTM_NEWRULE or RTM_DELRULE. False if it is malformed, or not a rule of
    /// connmgr.
    /// </summary>
    public static bool TryRead(ReadOnlySpan<byte> payload, out SourceRule rule)
    {
        rule = null!;
        if (payload.Length < HeaderSize || payload[0] is not (AF_INET or AF_INET6)
            || payload[2] != (payload[0] == AF_INET ? 32 : 128) || payload[7] != FR_ACT_TO_TBL)
        {
            return false;
        }
        ReadOnlySpan<byte> address = default;
        uint table = payload[4];
        uint priority = 0;
        AttributeReader attributes = new(payload[HeaderSize..]);
        while (attributes.TryRead(out NetlinkAttribute attribute))
        {
            switch (attribute.Type)
            {
                case FRA_SRC:
                    address = attribute.Value;
                    break;
                case FRA_PRIORITY when attribute.Value.Length >= 4:
                    priority = attribute.AsUInt32;
                    break;
                case FRA_TABLE when attribute.Value.Length >= 4:
                    table = attribute.AsUInt32;
                    break;
            }
        }
        if (priority != Priority || !IsOwnTable(table) || address.Length * 8 != payload[2])
        {
            return false;
        }
        rule = new SourceRule(new IPAddress(address), table);
        return true;
    }

    /// <summary>Returns the request that adds or deletes the rule.</summary>
    /// <param name="type">RTM_NEWRULE or RTM_DELRULE.</param>
    /// <param name="flags">NLM_F_* besides NLM_F_REQUEST.</param>
    public byte[] ToMessage(ushort type, ushort flags)
    {
        byte[] address = Address.GetAddressBytes();
        NetlinkWriter writer = new(new byte[NetlinkReader.HeaderSize + HeaderSize + 20 + 8 + 8 + 8]);
        writer.Append(
        [
            IsIpv6 ? AF_INET6 : AF_INET, 0, (byte)(address.Length * 8), 0,
            Unspecified, 0, 0, FR_ACT_TO_TBL, 0, 0, 0, 0,
        ]);
        writer.Attribute(FRA_SRC, address);
        writer.Attribute(FRA_PRIORITY, BitConverter.GetBytes(Priority));
        writer.Attribute(FRA_TABLE, BitConverter.GetBytes(Table));
        writer.Attribute(FRA_PROTOCOL, [KernelRoute.OwnProtocol]);
        return writer.Finish(type, flags);
    }
}
