using System.Buffers.Binary;
using ConnMgr.Netlink;

namespace ConnMgr.Tests.Netlink;

/// <summary>Events of Linux 6.18, recorded while nft 1.0.6 made changes.</summary>
public class NftChangeTests
{
    private const string NewTable = "3c000000000a000001000000d9760000010000020c000100636f6e6e6d677200"
        + "08000300000000000c00040000000000000000010800020000000000";
    private const string DeletedTable = "34000000020a0000010000006d7800000100000c0c000100636f6e6e6d677200"
        + "08000300000000000c0004000000000000000001";
    private const string NewChain =
        "70000000030a0004010000004a7800000100000b0c000100636f6e6e6d6772000a000300696e7075740000000c000200"
        + "0000000000000006140004000800010000000001080002000000000008000500000000000b00070066696c74657200000"
        + "8000a00000000010800060000000000";
    private const string NewRule =
        "70000000060a000c010000001d7800000100000a0c000100636f6e6e6d6772001000020061646465645f696e70757400"
        + "0c000300000000000000000534000400300001000e000100696d6d6564696174650000001c00020008000100000000001"
        + "00002000c0002000800010000000001";
    private const string DeletedSet =
        "380000000b0a0000010000006d7800000100000c0c000100636f6e6e6d6772000b000200616665726f340000"
        + "0c0010000000000000000001";
    private const string NewElement = "580000000c0a0004000000006177000001000006"
        + "0c000100636f6e6e6d6772000b000200616665726f340000"
        + "2c000300280001000c00010008000100c61207010c000400000000000036ee800c000500000000000036ee80";
    private const string DeletedElement =
        "580000000e0a000000000000d2770000010000080c000100636f6e6e6d6772000b000200616665726f340000"
        + "2c000300280001000c00010008000100c61207010c000400000000000036ee800c000500000000000036ea70";
    private const string Generation =
        "2c0000000f0a0000010000006d7800000000000c080001000000000c080002000000786d080003006e667400";

    [Theory]
    [InlineData(NewTable, "Frame")]
    [InlineData(DeletedTable, "TableDeleted")]
    [InlineData(NewChain, "Frame")]
    [InlineData(NewRule, "UserRule")]
    [InlineData(DeletedSet, "Frame")]
    [InlineData(NewElement, "None")]
    [InlineData(DeletedElement, "ElementsDeleted")]
    [InlineData(Generation, "End")]
    public void Each_event_is_what_it_is_to_the_lockdown(string hex, string expected) =>
        Assert.Equal(expected, Of(Convert.FromHexString(hex)));

    [Fact]
    public void The_daemons_own_is_nothing()
    {
        byte[] own = Convert.FromHexString(DeletedTable);
        Assert.Equal("None", Of(own, 1, BinaryPrimitives.ReadUInt32LittleEndian(own.AsSpan(12))));
    }

    [Fact]
    public void Another_family_table_or_subsystem_is_nothing()
    {
        foreach ((int at, byte value) in new (int, byte)[] { (16, 2), (16, 10), (24, (byte)'d'),
            (31, (byte)'x'), (5, 6) })
        {
            byte[] other = Convert.FromHexString(DeletedTable);
            other[at] = value;
            Assert.Equal("None", Of(other));
        }
        byte[] bridge = Convert.FromHexString(DeletedTable);
        bridge[16] = 7;
        Assert.Equal("TableDeleted", Of(bridge));
        byte[] chain = Convert.FromHexString(NewRule);
        chain[36] = (byte)'A'; // not one of the user's chains
        Assert.Equal("Frame", Of(chain));
        byte[] set = Convert.FromHexString(DeletedElement);
        set[36] = (byte)'x'; // not one of the daemon's sets
        Assert.Equal("Frame", Of(set));
    }

    [Theory]
    [InlineData(NewTable, 2)]
    [InlineData(NewRule, 10)]
    [InlineData(DeletedTable, 12)]
    [InlineData(DeletedSet, 12)]
    [InlineData(Generation, 12)]
    public void Every_event_of_a_transaction_has_its_number(string hex, int number)
    {
        NetlinkReader reader = new(Convert.FromHexString(hex));
        reader.TryRead(out NetlinkMessage message);
        Assert.Equal(number, NftChange.TransactionOf(message));
    }

    [Fact]
    public void A_snapshot_is_restored_again_and_again_with_other_numbers()
    {
        NftSnapshot snapshot = new();
        foreach (string hex in new[] { NewTable, NewChain, NewRule })
        {
            NetlinkReader reader = new(Convert.FromHexString(hex));
            Assert.True(reader.TryRead(out NetlinkMessage message));
            snapshot.Add(message);
        }
        byte[] first = snapshot.Restoring(7).ToArray();
        foreach (uint begin in new uint[] { 7, 4711, uint.MaxValue - 2 })
        {
            NetlinkReader sent = new(snapshot.Restoring(begin));
            NetlinkReader before = new(first);
            uint count = 0;
            for (; sent.TryRead(out NetlinkMessage message); count++)
            {
                Assert.Equal(begin + count, message.Sequence);
                Assert.True(before.TryRead(out NetlinkMessage earlier));
                Assert.Equal(Convert.ToHexString(earlier.Payload), Convert.ToHexString(message.Payload));
            }
            Assert.Equal((uint)snapshot.Count + 2, count);
        }
    }

    /// <summary>Only what may drop packets concerns the links: not sets and their elements.</summary>
    [Theory]
    [InlineData(NewChain, true)]
    [InlineData(NewRule, true)]
    [InlineData(NewTable, false)]
    [InlineData(NewElement, false)]
    [InlineData(Generation, false)]
    public void Chains_and_rules_of_other_tables_may_drop(string hex, bool may)
    {
        Assert.False(IsOfOthers(hex));
        Assert.Equal(may, IsOfOthers(OfAnother(hex)));
    }

    [Fact]
    public void A_base_chain_of_another_table_is_described()
    {
        NetlinkReader reader = new(Convert.FromHexString(OfAnother(NewChain)));
        Assert.True(reader.TryRead(out NetlinkMessage message));
        Assert.Equal("inet foreign input (policy drop)", NftBaseChain.Read(message, out uint hook));
        Assert.Equal(1u, hook);
    }

    [Theory]
    [InlineData("666f726569676e00", "636f6e6e6d677200")] // the lockdown's own table
    [InlineData("0800010000000001", "0800010000000009")] // no hook of IP
    [InlineData("66696c74657200", "6e617400000000")] // NAT
    public void Other_chains_are_none_on_the_way(string old, string changed)
    {
        string hex = OfAnother(NewChain);
        Assert.Contains(old, hex, StringComparison.Ordinal);
        hex = hex.Replace(old, changed, StringComparison.Ordinal);
        NetlinkReader reader = new(Convert.FromHexString(hex));
        Assert.True(reader.TryRead(out NetlinkMessage message));
        Assert.Null(NftBaseChain.Read(message, out _));
    }

    [Fact]
    public void A_chain_of_the_bridge_is_none_on_the_way()
    {
        byte[] bytes = Convert.FromHexString(OfAnother(NewChain));
        bytes[16] = 7;
        NetlinkReader reader = new(bytes);
        Assert.True(reader.TryRead(out NetlinkMessage message));
        Assert.Null(NftBaseChain.Read(message, out _));
    }

    private static string OfAnother(string hex) =>
        hex.Replace("636f6e6e6d677200", "666f726569676e00", StringComparison.Ordinal);

    private static bool IsOfOthers(string hex)
    {
        NetlinkReader reader = new(Convert.FromHexString(hex));
        Assert.True(reader.TryRead(out NetlinkMessage message));
        return NftChange.IsOfOthers(message);
    }

    [Fact]
    public void The_program_is_named()
    {
        NetlinkReader reader = new(Convert.FromHexString(Generation));
        reader.TryRead(out NetlinkMessage message);
        Assert.Equal("nft (process 30829)", NftChange.ProgramOf(message));
        reader = new(Convert.FromHexString(DeletedTable));
        reader.TryRead(out message);
        Assert.Equal("another program", NftChange.ProgramOf(message));
    }

    /// <summary>A program gives itself any name; a line of the log has to stay one.</summary>
    [Theory]
    [InlineData("6e0a74", "n?t (process 30829)")]
    [InlineData("1b5b6d", "?[m (process 30829)")]
    [InlineData("8520ff", "? ? (process 30829)")]
    [InlineData("000000", "another program")]
    public void The_name_of_a_program_is_safe_in_a_log(string name, string expected)
    {
        NetlinkReader reader = new(Convert.FromHexString(Generation[..^8] + name + "00"));
        Assert.True(reader.TryRead(out NetlinkMessage message));
        Assert.Equal(expected, NftChange.ProgramOf(message));
    }

    [Fact]
    public void A_message_that_is_cut_or_changed_is_survived()
    {
        foreach (string hex in new[] { NewTable, NewChain, NewRule, DeletedSet, DeletedElement, Generation })
        {
            byte[] message = Convert.FromHexString(hex);
            for (int i = 0; i < message.Length; i++)
            {
                Of(message[..i]);
                foreach (byte flip in new byte[] { 1, 0x80, 0xff })
                {
                    byte[] changed = [.. message];
                    changed[i] ^= flip;
                    Of(changed);
                    NftSnapshot snapshot = new();
                    NetlinkReader reader = new(changed);
                    while (reader.TryRead(out NetlinkMessage read))
                    {
                        snapshot.Add(read);
                        Assert.NotNull(NftChange.ProgramOf(read));
                    }
                    Assert.InRange(snapshot.Restoring(1).Length, 40, 1000);
                }
            }
        }
    }

    private static string Of(byte[] datagram, params uint[] ownPorts)
    {
        NetlinkReader reader = new(datagram);
        return reader.TryRead(out NetlinkMessage message) ? NftChange.Of(message, ownPorts).ToString() : "";
    }
}
