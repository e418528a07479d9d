using ConnMgr.Net;
using ConnMgr.Netlink;
using static ConnMgr.Netlink.Rtnetlink;

namespace ConnMgr.Flows;

/// <summary>
/// Asks the kernel over which device it would send a packet now (RTM_GETROUTE, rtnetlink(7)). Only the kernel
/// knows all rules, tables and static routes; a question takes a few microseconds.
/// </summary>
/// <param name="Peer">The destination.</param>
/// <param name="Source">
/// The source address, since rules may select by it; all zero if the device does not have the address.
/// </param>
/// <param name="Mark">The socket's SO_MARK, since rules may select by it.</param>
internal readonly record struct RouteQuestion(IpNumber Peer, IpNumber Source, uint Mark)
{
    private const int HeaderSize = 12; // struct rtmsg

    /// <summary>Returns the netlink request, with sequence number 0.</summary>
    public byte[] ToRequest()
    {
        Span<byte> bytes = stackalloc byte[16];
        bool hasSource = Source.Value != 0;
        byte length = (byte)(Peer.IsIpv4 ? 32 : 128);
        NetlinkWriter writer = new(stackalloc byte[NetlinkReader.HeaderSize + HeaderSize + 20 + 20 + 8]);
        byte family = Peer.IsIpv4 ? AF_INET : AF_INET6;
        writer.Append([family, length, hasSource ? length : (byte)0, 0, 0, 0, 0, 0, 0, 0, 0, 0]);
        writer.Attribute(RTA_DST, bytes[..Peer.Write(bytes)]);
        if (hasSource)
        {
            writer.Attribute(RTA_SRC, bytes[..Source.Write(bytes)]);
        }
        if (Mark != 0)
        {
            writer.Attribute(RTA_MARK, BitConverter.GetBytes(Mark));
        }
        return writer.Finish(RouteMessage.GetRoute, NetlinkMessage.FlagAcknowledge);
    }

    /// <summary>
    /// Parses the answer: the index of the device. Returns false for any route that is not unicast, e.g.
    /// unreachable or local.
    /// </summary>
    public static bool TryReadAnswer(in NetlinkMessage message, out int ifindex)
    {
        ifindex = 0;
        if (message.Type != RouteMessage.NewRoute || message.Payload.Length < HeaderSize
            || message.Payload[7] != RTN_UNICAST)
        {
            return false;
        }
        AttributeReader attributes = new(message.Payload[HeaderSize..]);
        while (attributes.TryRead(out NetlinkAttribute attribute))
        {
            ifindex = attribute.Type == RTA_OIF ? (int)attribute.AsUInt32 : ifindex;
        }
        return ifindex > 0;
    }
}
