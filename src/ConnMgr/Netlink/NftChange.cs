using System.Buffers.Binary;
using static ConnMgr.Netlink.Nftables;

namespace ConnMgr.Netlink;

/// <summary>How an event of nf_tables concerns the lockdown.</summary>
internal enum NftChangeKind
{
    /// <summary>
    /// No change to the lockdown: another table, an added element, or the daemon's own change.
    /// </summary>
    None,

    /// <summary>Addresses or prefixes were deleted from one of the daemon's sets.</summary>
    ElementsDeleted,

    /// <summary>
    /// A rule was changed in a user's chain (of fwcfg.sh or firewall.user). The rule belongs to the lockdown
    /// from now on.
    /// </summary>
    UserRule,

    /// <summary>
    /// A rule, chain or set was changed, or the flags or policy of the table or a chain: the lockdown is
    /// damaged.
    /// </summary>
    Frame,

    /// <summary>
    /// The table was deleted, and the lockdown with it. No script of the lockdown ever deletes it, not even
    /// temporarily.
    /// </summary>
    TableDeleted,

    /// <summary>A transaction has ended; the event names the program that made it.</summary>
    End,
}

/// <summary>Reads the events of nf_tables (group NFNLGRP_NFTABLES). Pure.</summary>
internal static class NftChange
{
    private const int LongestProgramName = 16; // TASK_COMM_LEN, with its terminating zero

    /// <summary>Classifies an event.</summary>
    /// <param name="message">A message from the kernel. Its port id is that of the program that made the
    /// change.</param>
    /// <param name="ownPorts">The daemon's own port ids, whose changes are ignored.</param>
    public static NftChangeKind Of(in NetlinkMessage message, ReadOnlySpan<uint> ownPorts)
    {
        if (message.Type >> 8 != NFNL_SUBSYS_NFTABLES || ownPorts.Contains(message.PortId)
            || message.Payload.Length < NftSetMessage.HeaderSize)
        {
            return NftChangeKind.None;
        }
        int type = message.Type & 0xff;
        if (type == NFT_MSG_NEWGEN)
        {
            return NftChangeKind.End;
        }
        // The table's name is the first attribute of every kind of object, and has the same number in all of
        // them.
        AttributeReader attributes = new(message.Payload[NftSetMessage.HeaderSize..]);
        if (message.Payload[0] is not (NFPROTO_INET or NFPROTO_BRIDGE)
            || !attributes.TryRead(out NetlinkAttribute table) || table.Type != NFTA_TABLE_NAME
            || !table.Value.SequenceEqual(NftSetMessage.Table))
        {
            return NftChangeKind.None;
        }
        if (type == NFT_MSG_DELTABLE)
        {
            return NftChangeKind.TableDeleted;
        }
        ReadOnlySpan<byte> name = attributes.TryRead(out NetlinkAttribute second) ? second.Value : default;
        return type switch
        {
            NFT_MSG_NEWSETELEM when NftSetMessage.SetOf(name) >= 0 => NftChangeKind.None,
            NFT_MSG_DELSETELEM when NftSetMessage.SetOf(name) >= 0 => NftChangeKind.ElementsDeleted,
            NFT_MSG_NEWRULE or NFT_MSG_DELRULE when IsOfUser(name) => NftChangeKind.UserRule,
            _ => NftChangeKind.Frame,
        };
    }

    /// <summary>
    /// Returns the number of the transaction that made the change, modulo 65,536: every event of one
    /// transaction has the same (res_id of struct nfgenmsg).
    /// </summary>
    /// <param name="message">An event for which <see cref="Of"/> has returned a change.</param>
    public static ushort TransactionOf(in NetlinkMessage message) =>
        BinaryPrimitives.ReadUInt16BigEndian(message.Payload[2..]);

    /// <summary>True if another table has a new chain or rule that may drop packets.</summary>
    public static bool IsOfOthers(in NetlinkMessage message)
    {
        AttributeReader attributes = NftSetMessage.AttributesOf(message, NFT_MSG_NEWCHAIN, NFT_MSG_NEWRULE);
        // The table is the first attribute of both.
        return attributes.TryRead(out NetlinkAttribute table) && table.Type == NFTA_TABLE_NAME
            && !table.Value.SequenceEqual(NftSetMessage.Table);
    }

    private static bool IsOfUser(ReadOnlySpan<byte> chain) =>
        chain.StartsWith("added_"u8) || chain.StartsWith("user_"u8);

    /// <summary>
    /// Returns the program of an <see cref="NftChangeKind.End"/> event, e.g. `nft (process 4711)`.
    /// </summary>
    public static string ProgramOf(in NetlinkMessage message)
    {
        string name = "";
        uint process = 0;
        AttributeReader attributes = NftSetMessage.AttributesOf(message, NFT_MSG_NEWGEN, NFT_MSG_NEWGEN);
        while (attributes.TryRead(out NetlinkAttribute attribute))
        {
            if (attribute.Type == NFTA_GEN_PROC_PID && attribute.Value.Length == 4)
            {
                process = BinaryPrimitives.ReadUInt32BigEndian(attribute.Value);
            }
            else if (attribute.Type == NFTA_GEN_PROC_NAME && attribute.Value.Length <= LongestProgramName)
            {
                name = NameIn(attribute.Value);
            }
        }
        return name.Length > 0 ? $"{name} (process {process})" : "another program";
    }

    /// <summary>
    /// Returns a name as text, with `?` in place of characters that must not get into a log. A process may
    /// give itself any name (PR_SET_NAME), and a table may have any name.
    /// </summary>
    public static string NameIn(ReadOnlySpan<byte> bytes)
    {
        char[] name = new char[bytes.TrimEnd((byte)0).Length];
        for (int i = 0; i < name.Length; i++)
        {
            name[i] = bytes[i] is >= (byte)' ' and <= (byte)'~' ? (char)bytes[i] : '?';
        }
        return new string(name);
    }
}
