using System.Buffers.Binary;
using System.Text;
using static ConnMgr.Netlink.Nftables;

namespace ConnMgr.Netlink;

/// <summary>What an event of nf_tables is to the lockdown.</summary>
internal enum NftChangeKind
{
    /// <summary>Nothing: another table, an element that was added, or the daemon's own doing.</summary>
    None,

    /// <summary>Addresses or prefixes were taken out of one of the daemon's sets.</summary>
    ElementsDeleted,

    /// <summary>
    /// A rule of a chain that is the user's: of fwcfg.sh or firewall.user. It belongs to the lockdown from
    /// now on.
    /// </summary>
    UserRule,

    /// <summary>
    /// A rule, chain, set, or the table's or a chain's flags or policy: the lockdown is not what it was.
    /// </summary>
    Frame,

    /// <summary>
    /// The table is gone, and the lockdown with it. No script of the lockdown deletes it in between.
    /// </summary>
    TableDeleted,

    /// <summary>A transaction has ended; says which program's it was.</summary>
    End,
}

/// <summary>Reads the events of nf_tables (group NFNLGRP_NFTABLES). Pure.</summary>
internal static class NftChange
{
    private const int LongestProgramName = 16; // TASK_COMM_LEN, with its zero

    /// <summary>What the event is.</summary>
    /// <param name="message">
    /// From the kernel. Its port is the netlink address of the program that made the change.
    /// </param>
    /// <param name="ownPorts">The daemon's own, whose changes are none.</param>
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
        // The name of the table is the first attribute of every kind of object, and has the same number.
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

    private static bool IsOfUser(ReadOnlySpan<byte> chain) =>
        chain.StartsWith("added_"u8) || chain.StartsWith("user_"u8);

    /// <summary>Of <see cref="NftChangeKind.End"/>: the program, e.g. `nft (process 4711)`.</summary>
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
                name = Encoding.Latin1.GetString(attribute.Value).TrimEnd('\0');
            }
        }
        return name.Length > 0 ? $"{name} (process {process})" : "another program";
    }
}
