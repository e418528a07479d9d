using System.Buffers.Binary;
using static ConnMgr.Netlink.Nftables;

namespace ConnMgr.Netlink;

/// <summary>
/// The lockdown's tables as init_firewall.sh has left them, without the addresses. Builds, from the rows that
/// the kernel listed, the transaction that creates the tables again. If another program deletes a table, the
/// daemon can restore it with one system call, without starting a program. Pure.
/// </summary>
/// <remarks>
/// A row of a list has the attributes of the request that creates the object. It also has some attributes of
/// the kernel's own (handles, counts), which the snapshot leaves out. An anonymous set, as in the rule
/// `tcp dport { 80, 443 }`, keeps the name that the kernel gave it.
/// </remarks>
internal sealed class NftSnapshot
{
    /// <summary>In bytes. Larger than any lockdown; connmgr does not use a larger snapshot.</summary>
    public const int LargestSize = 196608;

    private const int MaxSets = 4096;

    private readonly List<byte[]> _rows = [];
    private readonly List<byte> _families = [];
    private int _length;
    private int _setCount;
    private byte[]? _batch;

    /// <summary>True if the rows so far include the table of family inet.</summary>
    public bool HasTable => _families.Contains(NFPROTO_INET);

    /// <summary>True if the rows so far include a chain: without one, the tables filter nothing.</summary>
    public bool HasChain { get; private set; }

    /// <summary>
    /// The sets whose elements belong to the snapshot, by family and name. Excludes the daemon's own sets,
    /// and sets whose elements expire.
    /// </summary>
    public List<(byte Family, byte[] Name)> Sets { get; } = [];

    /// <summary>True if there are more rows than a snapshot may have.</summary>
    public bool IsTooLarge => _length > LargestSize || Sets.Count > MaxSets;

    /// <summary>
    /// Adds a row. Add the tables first, then chains, sets, the elements of <see cref="Sets"/>, and rules.
    /// Ignores rows of other tables.
    /// </summary>
    public void Add(in NetlinkMessage message)
    {
        int type = message.Type & 0xff;
        ReadOnlySpan<byte> kept = Kept(type);
        if (message.Type >> 8 != NFNL_SUBSYS_NFTABLES || kept.IsEmpty || IsTooLarge
            || message.Payload.Length < NftSetMessage.HeaderSize
            || message.Payload[0] is not (NFPROTO_INET or NFPROTO_BRIDGE))
        {
            return;
        }
        const int Padding = 4;
        const int SetId = 8;
        byte[] row = new byte[NetlinkReader.HeaderSize + message.Payload.Length + Padding + SetId];
        NetlinkWriter writer = NftSetMessage.BeginRequest(row, message.Payload[0]);
        AttributeReader attributes = new(message.Payload[NftSetMessage.HeaderSize..]);
        bool isOurs = false;
        ReadOnlySpan<byte> name = default;
        uint flags = 0;
        while (attributes.TryRead(out NetlinkAttribute attribute))
        {
            isOurs |= attribute.Type == NFTA_TABLE_NAME && attribute.Value.SequenceEqual(NftSetMessage.Table);
            if (attribute.Type == NFTA_SET_NAME)
            {
                name = attribute.Value;
            }
            else if (attribute.Type == NFTA_SET_FLAGS && attribute.Value.Length == 4)
            {
                flags = BinaryPrimitives.ReadUInt32BigEndian(attribute.Value);
            }
            if (kept.Contains((byte)attribute.Type))
            {
                writer.Attribute(attribute.Type, attribute.Value);
            }
        }
        if (!isOurs)
        {
            return;
        }
        HasChain |= type == NFT_MSG_NEWCHAIN;
        if (type == NFT_MSG_NEWTABLE)
        {
            _families.Add(message.Payload[0]);
        }
        else if (type == NFT_MSG_NEWSET)
        {
            if ((flags & NFT_SET_TIMEOUT) == 0 && NftSetMessage.SetOf(name) < 0)
            {
                Sets.Add((message.Payload[0], name.ToArray()));
            }
            NftSetMessage.Number(ref writer, NFTA_SET_ID, (uint)++_setCount);
        }
        _rows.Add(writer.Finish(NftSetMessage.Type(type), FlagsOf(type), 0).ToArray());
        _length += _rows[^1].Length;
    }

    /// <summary>True if both have the same rows.</summary>
    public bool IsLike(NftSnapshot other)
    {
        bool isLike = _rows.Count == other._rows.Count;
        for (int i = 0; isLike && i < _rows.Count; i++)
        {
            isLike = _rows[i].AsSpan().SequenceEqual(other._rows[i]);
        }
        return isLike;
    }

    /// <summary>
    /// Returns the transaction that deletes the tables, if they exist, and creates them again. Its last
    /// message requests an answer, whose sequence number is that of the first message plus
    /// <see cref="Count"/>. The first call builds it; later calls only change the sequence numbers, because
    /// the device is unprotected meanwhile. Call it after the last <see cref="Add"/>.
    /// </summary>
    /// <param name="firstSequence">The sequence number of the message that begins the transaction.</param>
    /// <returns>The bytes, until the next call.</returns>
    public ReadOnlySpan<byte> Restoring(uint firstSequence)
    {
        _batch ??= Build();
        uint sequence = firstSequence;
        for (int at = 0; at < _batch.Length; at += (BitConverter.ToInt32(_batch, at) + 3) & ~3)
        {
            BitConverter.TryWriteBytes(_batch.AsSpan(at + 8), sequence++);
        }
        return _batch;
    }

    private byte[] Build()
    {
        int around = (2 * NftSetMessage.MarkSize) + (2 * _families.Count * NftSetMessage.MaxSize);
        byte[] batch = new byte[_length + around];
        int length = NftSetMessage.Begin(batch, sequence: 0);
        foreach (byte family in _families)
        {
            length += NftSetMessage.ChangeTable(batch.AsSpan(length), family, isNew: true, sequence: 0);
            length += NftSetMessage.ChangeTable(batch.AsSpan(length), family, isNew: false, sequence: 0);
        }
        for (int i = 0; i < _rows.Count; i++)
        {
            Span<byte> row = batch.AsSpan(length);
            _rows[i].CopyTo(row);
            if (i == _rows.Count - 1)
            {
                row[6] |= (byte)NetlinkMessage.FlagAcknowledge;
            }
            length += _rows[i].Length;
        }
        length += NftSetMessage.End(batch.AsSpan(length), sequence: 0);
        return batch[..length];
    }

    /// <summary>The number of messages between the begin and the end of the transaction.</summary>
    public int Count => _rows.Count + (2 * _families.Count);

    /// <summary>Rules need NLM_F_APPEND, so that each is added after the existing ones.</summary>
    private static ushort FlagsOf(int type) =>
        (ushort)(NLM_F_CREATE | (type == NFT_MSG_NEWRULE ? NLM_F_APPEND : 0));

    /// <summary>Returns the types of the attributes that the request may contain.</summary>
    private static ReadOnlySpan<byte> Kept(int type) => type switch
    {
        NFT_MSG_NEWTABLE => [NFTA_TABLE_NAME, NFTA_TABLE_FLAGS, NFTA_TABLE_USERDATA],
        NFT_MSG_NEWCHAIN =>
        [
            NFTA_CHAIN_TABLE, NFTA_CHAIN_NAME, NFTA_CHAIN_HOOK, NFTA_CHAIN_POLICY, NFTA_CHAIN_TYPE,
            NFTA_CHAIN_FLAGS, NFTA_CHAIN_USERDATA,
        ],
        NFT_MSG_NEWRULE => [NFTA_RULE_TABLE, NFTA_RULE_CHAIN, NFTA_RULE_EXPRESSIONS, NFTA_RULE_USERDATA],
        NFT_MSG_NEWSET =>
        [
            NFTA_SET_TABLE, NFTA_SET_NAME, NFTA_SET_FLAGS, NFTA_SET_KEY_TYPE, NFTA_SET_KEY_LEN,
            NFTA_SET_DATA_TYPE, NFTA_SET_DATA_LEN, NFTA_SET_POLICY, NFTA_SET_DESC, NFTA_SET_TIMEOUT,
            NFTA_SET_GC_INTERVAL, NFTA_SET_USERDATA, NFTA_SET_OBJ_TYPE, NFTA_SET_EXPR, NFTA_SET_EXPRESSIONS,
        ],
        NFT_MSG_NEWSETELEM => [NFTA_SET_ELEM_LIST_TABLE, NFTA_SET_ELEM_LIST_SET, NFTA_SET_ELEM_LIST_ELEMENTS],
        _ => default,
    };
}
