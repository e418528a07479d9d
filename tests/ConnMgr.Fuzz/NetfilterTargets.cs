using System.Buffers.Binary;
using ConnMgr.Dns;
using ConnMgr.Firewall;
using ConnMgr.Net;
using ConnMgr.Netlink;
using static ConnMgr.Fuzz.BrokenRuleException;

namespace ConnMgr.Fuzz;

/// <summary>Sockets, connections, sets, queued packets and rules, as the kernel reports them.</summary>
internal static class NetfilterTargets
{
    private const int SocketIdAt = 4; // in struct inet_diag_msg, and 8 in the request
    private const int SocketIdSize = 48;

    /// <summary>The first byte is the protocol of the request; then a row of sock_diag.</summary>
    public static void Socket(ReadOnlySpan<byte> bytes)
    {
        InputBytes input = new(bytes);
        byte protocol = input.Byte();
        ReadOnlySpan<byte> row = input.Rest;
        if (!SockDiagMessage.TryRead(protocol, row, out SockDiagMessage socket))
        {
            return;
        }
        _ = (socket.IsConnected, socket.HasOwner, socket.User, socket.Mark, socket.Ifindex);
        Unless(row.IndexOf((byte)(socket.LocalPort >> 8)) >= 0, "the port is in the row");
        byte[] request = socket.DestroyRequest();
        Unless(request.Length == NetlinkReader.HeaderSize + 8 + SocketIdSize, "a request has one size");
        ReadOnlySpan<byte> id = request.AsSpan(NetlinkReader.HeaderSize + 8);
        Unless(id.SequenceEqual(row.Slice(SocketIdAt, SocketIdSize)),
            "a request ends the socket of the row, by its cookie");
    }

    /// <summary>A row of conntrack.</summary>
    public static void Connection(ReadOnlySpan<byte> payload)
    {
        if (!ConntrackMessage.TryRead(payload, out ConntrackMessage entry))
        {
            return;
        }
        NetlinkReader reader = new(entry.DeleteRequest());
        Unless(reader.TryRead(out NetlinkMessage message) && !reader.TryRead(out _), "one message is sent");
        AttributeReader attributes = new(message.Payload[4..]);
        Unless(attributes.TryRead(out NetlinkAttribute tuple)
            && ConntrackMessage.Tuple.TryRead(tuple.Value, out ConntrackMessage.Tuple same)
            && same == entry.Original, "a request deletes the entry of the row");
        if (entry.Original.Source.IsIpv4 == entry.Original.Destination.IsIpv4)
        {
            Flow flow = new(
                entry.Original.Source, entry.Original.Destination, entry.Original.SourcePort,
                entry.Original.DestinationPort, entry.Original.Protocol == SockDiagMessage.Tcp);
            _ = ConntrackMessage.Lookup(flow, 1);
            _ = SockDiagMessage.Lookup(flow);
        }
    }

    /// <summary>A datagram of rows of an ipset.</summary>
    public static void AddressSet(ReadOnlySpan<byte> datagram)
    {
        NetlinkReader reader = new(datagram);
        while (reader.TryRead(out NetlinkMessage message))
        {
            IpsetMessage.Elements elements = IpsetMessage.ElementsOf(message);
            for (int count = 0; elements.TryRead(out IpPrefix prefix, out _); count++)
            {
                Unless(count < message.Payload.Length / 4, "each element takes 4 bytes");
                Unless(prefix.Length <= (prefix.First.IsIpv4 ? 32 : 128),
                    "a prefix is not longer than its address");
                _ = prefix.ToString();
                _ = IpsetMessage.Delete(new byte[IpsetMessage.MaxSize], prefix, 1);
            }
        }
    }

    /// <summary>A datagram of an NFQUEUE.</summary>
    public static void Queue(ReadOnlySpan<byte> datagram)
    {
        NetlinkReader reader = new(datagram);
        while (reader.TryRead(out NetlinkMessage message))
        {
            if (!QueuedPacket.TryRead(message, out QueuedPacket packet))
            {
                continue;
            }
            Unless(packet.Bytes.IsEmpty || datagram.Overlaps(packet.Bytes), "a packet is in its message");
            _ = Packet.Read(packet.Bytes, out _);
            byte[] request = new byte[32];
            Unless(Nfqueue.WriteVerdict(request, 1, packet.Id) == request.Length
                && BinaryPrimitives.ReadUInt32BigEndian(request.AsSpan(28)) == packet.Id,
                "a verdict names its packet");
        }
    }

    /// <summary>A datagram of elements of nf_tables' sets.</summary>
    public static void SetElements(ReadOnlySpan<byte> datagram)
    {
        List<NftElement> found = [];
        NetlinkReader reader = new(datagram);
        while (reader.TryRead(out NetlinkMessage message))
        {
            _ = NftSetMessage.IsAboutPrefixes(message);
            NftSetMessage.Elements elements = NftSetMessage.ElementsOf(message);
            for (int count = 0; elements.TryRead(out NftElement element); count++)
            {
                Unless(count < message.Payload.Length / 4, "each element takes 4 bytes");
                found.Add(element);
            }
        }
        List<IpPrefix> prefixes = [];
        _ = NftIntervals.TryRead(found, prefixes);
        Unless(prefixes.Count <= found.Count, "an interval has a start");
        byte[] buffer = new byte[NftSetMessage.MaxSize];
        foreach (IpPrefix prefix in prefixes)
        {
            Unless(prefix.First == IpPrefix.Masked(prefix.First, prefix.Length),
                "a prefix has no bits beyond its length");
            Unless(found.Exists(element => !element.IsEnd && element.Key == prefix.First),
                "a prefix begins where an interval does");
            _ = NftSetMessage.Delete(buffer, prefix, 1);
        }
    }

    /// <summary>
    /// A datagram of nf_tables: what has changed, and the transaction that a snapshot builds of it.
    /// </summary>
    public static void Ruleset(ReadOnlySpan<byte> datagram)
    {
        NftSnapshot snapshot = new();
        NetlinkReader reader = new(datagram);
        while (reader.TryRead(out NetlinkMessage message))
        {
            NftChangeKind change = NftChange.Of(message, [4711]);
            Unless(change == NftChangeKind.None || message.PortId != 4711, "own changes are ignored");
            _ = NftEvent.ChangeOf(message);
            string program = NftChange.ProgramOf(message);
            Unless(program.Length <= 64, "a program has a short name");
            foreach (char letter in program)
            {
                Unless(!char.IsControl(letter), "a program's name is safe in a log");
            }
            snapshot.Add(message);
        }
        Unless(snapshot.IsLike(snapshot), "a snapshot is like itself");
        ReadOnlySpan<byte> batch = snapshot.Restoring(1);
        NetlinkReader sent = new(batch);
        int rest = batch.Length;
        int count = 0;
        for (; sent.TryRead(out NetlinkMessage message); count++)
        {
            Unless(message.Sequence == 1 + count, "the messages are numbered");
            rest -= NetlinkReader.HeaderSize + message.Payload.Length;
        }
        Unless(rest == 0 && count == snapshot.Count + 2, "the transaction is whole");
    }

    /// <summary>The first byte is the family; then the entries of a legacy table.</summary>
    public static void LegacyRules(ReadOnlySpan<byte> bytes)
    {
        InputBytes input = new(bytes);
        bool isIpv6 = (input.Byte() & 1) != 0;
        ulong whole = LegacyTable.Fingerprint(input.Rest, isIpv6);
        Unless(whole != 0 && LegacyTable.FrameFingerprint(input.Rest, isIpv6) != 0, "0 means no table");
        byte[] longer = [.. input.Rest, 0];
        Unless(LegacyTable.Fingerprint(longer, isIpv6) == whole || longer.Length >= 112,
            "a table without an entry is empty");
    }
}
