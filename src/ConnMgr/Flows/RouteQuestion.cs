using ConnMgr.Net;
using ConnMgr.Netlink;

namespace ConnMgr.Flows;

/// <summary>
/// Over which device would the kernel send this now? (RTM_GETROUTE, rtnetlink(7).) The kernel is asked since only it knows all
/// rules, tables and static routes; it costs some microseconds for each peer.
/// </summary>
/// <param name="Peer">To where.</param>
/// <param name="Source">From which address, since rules may choose by it; all zero where it is not the device's, or no more.</param>
/// <param name="Mark">SO_MARK, since rules may choose by it, too.</param>
internal readonly record struct RouteQuestion(IpNumber Peer, IpNumber Source, uint Mark)
{
    private const int HeaderSize = 12; // struct rtmsg
    private const byte FamilyIpv4 = 2; // AF_INET
    private const byte FamilyIpv6 = 10;

    /// <summary>The request.</summary>
    public byte[] ToRequest()
    {
        Span<byte> bytes = stackalloc byte[16];
        bool hasSource = Source.Value != 0;
        byte length = (byte)(Peer.IsIpv4 ? 32 : 128);
        NetlinkWriter writer = new(stackalloc byte[NetlinkReader.HeaderSize + HeaderSize + 20 + 20 + 8]);
        writer.Append([Peer.IsIpv4 ? FamilyIpv4 : FamilyIpv6, length, hasSource ? length : (byte)0, 0, 0, 0, 0, 0, 0, 0, 0, 0]);
        writer.Attribute(1 /* RTA_DST */, bytes[..Peer.Write(bytes)]);
        if (hasSource)
        {
            writer.Attribute(2 /* RTA_SRC */, bytes[..Source.Write(bytes)]);
        }
        if (Mark != 0)
        {
            writer.Attribute(16 /* RTA_MARK */, BitConverter.GetBytes(Mark));
        }
        return writer.Finish(RouteMessage.GetRoute, NetlinkMessage.FlagAcknowledge);
    }

    /// <summary>The answer: a device's number. False for whatever is no way to another host: unreachable, local, multicast.</summary>
    public static bool TryReadAnswer(in NetlinkMessage message, out int ifindex)
    {
        ifindex = 0;
        if (message.Type != RouteMessage.NewRoute || message.Payload.Length < HeaderSize
            || message.Payload[7] != 1 /* RTN_UNICAST */)
        {
            return false;
        }
        AttributeReader attributes = new(message.Payload[HeaderSize..]);
        while (attributes.TryRead(out NetlinkAttribute attribute))
        {
            ifindex = attribute.Type == 4 /* RTA_OIF */ ? (int)attribute.AsUInt32 : ifindex;
        }
        return ifindex > 0;
    }
}
