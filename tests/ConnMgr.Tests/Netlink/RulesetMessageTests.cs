using System.Buffers.Binary;
using System.Text;
using ConnMgr.Netlink;
using CsCheck;

namespace ConnMgr.Tests.Netlink;

public class RulesetMessageTests
{
    [Theory]
    [InlineData(6, 2, "filter", "INPUT", "Frame")] // NFT_MSG_NEWRULE, AF_INET
    [InlineData(8, 10, "filter", "AFERO_ALLOW_SERVICE_INPUT", "Frame")] // NFT_MSG_DELRULE, AF_INET6
    [InlineData(8, 10, "filter", "AFERO_ALLOW_WHITELIST_INPUT", "Address")]
    [InlineData(6, 2, "filter", "AFERO_FORWARD_WHITELIST", "Address")]
    [InlineData(6, 2, "nat", "AFERO_FORWARD_WHITELIST", "None")]
    // NFT_MSG_DELCHAIN. Its second attribute is not the chain's name.
    [InlineData(5, 2, "filter", "AFERO_FORWARD_WHITELIST", "Frame")]
    [InlineData(6, 2, "filter", "", "Frame")]
    [InlineData(2, 2, "filter", "", "Frame")] // NFT_MSG_DELTABLE
    [InlineData(3, 2, "filter", "", "Frame")] // NFT_MSG_NEWCHAIN: a policy
    [InlineData(6, 2, "nat", "", "None")]
    [InlineData(6, 2, "filter2", "", "None")]
    [InlineData(6, 1, "filter", "INPUT", "None")] // inet: fw4's
    [InlineData(12, 2, "filter", "", "None")] // NFT_MSG_NEWSETELEM
    public void Only_the_filter_tables_count(
        byte type, byte family, string table, string chain, string change)
    {
        byte[] message = Event(type, family, table, chain);
        NetlinkReader reader = new(message);
        Assert.True(reader.TryRead(out NetlinkMessage read));
        Assert.Equal(change, NftEvent.ChangeOf(read).ToString());
    }

    [Fact]
    public void Any_event_is_read() => Gen.Byte.Array[0, 60].Sample(bytes =>
    {
        byte[] message = [0, 0, 0, 0, 6, 10, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, .. bytes];
        BitConverter.TryWriteBytes(message, message.Length);
        NetlinkReader reader = new(message);
        if (reader.TryRead(out NetlinkMessage read))
        {
            NftEvent.ChangeOf(read);
        }
    });

    [Theory]
    [InlineData(false)]
    [InlineData(true)]
    public void Counters_do_not_change_the_fingerprint_and_all_else_does(bool isIpv6)
    {
        int match = isIpv6 ? 136 : 84;
        int counters = isIpv6 ? 152 : 96;
        byte[] table = [.. Entry(isIpv6, 200), .. Entry(isIpv6, 240)];
        ulong before = LegacyTable.Fingerprint(table, isIpv6);
        for (int i = 0; i < 200; i++)
        {
            byte[] changed = [.. table];
            changed[i] ^= 0x10;
            bool isKernels = i >= match && i < counters + 16; // nfcache, offsets, comefrom, counters
            bool isLength = i - (match + 6) is 0 or 1;
            if (!isLength)
            {
                Assert.Equal(isKernels, before == LegacyTable.Fingerprint(changed, isIpv6));
            }
        }
        Assert.NotEqual(before, LegacyTable.Fingerprint(table.AsSpan(0, 200), isIpv6));
    }

    [Fact]
    public void Any_table_is_read() => Gen.Byte.Array[0, 1000].Sample(bytes =>
    {
        Assert.NotEqual(0ul, LegacyTable.Fingerprint(bytes, isIpv6: false));
        Assert.NotEqual(0ul, LegacyTable.Fingerprint(bytes, isIpv6: true));
        Assert.NotEqual(0ul, LegacyTable.FrameFingerprint(bytes, isIpv6: false));
        Assert.NotEqual(0ul, LegacyTable.FrameFingerprint(bytes, isIpv6: true));
    });

    /// <summary>
    /// INPUT jumps to the whitelist chain and to the chain after it, whose offset depends on the number of
    /// rules in the first.
    /// </summary>
    [Theory]
    [InlineData(false)]
    [InlineData(true)]
    public void Rules_of_addresses_are_no_part_of_the_frame_and_all_else_is(bool isIpv6)
    {
        ulong frame = LegacyTable.FrameFingerprint(Table(isIpv6, addresses: 1), isIpv6);
        ulong all = LegacyTable.Fingerprint(Table(isIpv6, addresses: 1), isIpv6);
        Assert.Equal(frame, LegacyTable.FrameFingerprint(Table(isIpv6, addresses: 0), isIpv6));
        Assert.Equal(frame, LegacyTable.FrameFingerprint(Table(isIpv6, addresses: 3), isIpv6));
        Assert.NotEqual(all, LegacyTable.Fingerprint(Table(isIpv6, addresses: 3), isIpv6));
        Assert.NotEqual(frame, LegacyTable.FrameFingerprint(Table(isIpv6, addresses: 1, policy: -2), isIpv6));
        Assert.NotEqual(
            frame, LegacyTable.FrameFingerprint(Table(isIpv6, addresses: 1, jumpsSwapped: true), isIpv6));
        Assert.NotEqual(frame, LegacyTable.FrameFingerprint(Table(isIpv6, addresses: 1, others: 2), isIpv6));
        Assert.NotEqual(
            frame, LegacyTable.FrameFingerprint(
                Table(isIpv6, addresses: 1, name: "AFERO_ALLOW_SERVICE_OUTPUT"), isIpv6));
    }

    private static byte[] Table(
        bool isIpv6, int addresses, int others = 1, int policy = -1, bool jumpsSwapped = false,
        string name = "AFERO_ALLOW_WHITELIST_OUTPUT")
    {
        byte[] Head(string chain) => Rule(isIpv6, "ERROR", Encoding.ASCII.GetBytes(chain.PadRight(32, '\0')));
        byte[] Verdict(int verdict) => Rule(isIpv6, "", BitConverter.GetBytes((long)(uint)verdict));
        int size = Verdict(0).Length;
        int head = Head("").Length;
        int first = (3 * size) + head;
        int second = first + ((addresses + 1) * size) + head;
        List<byte> table =
        [
            .. Verdict(jumpsSwapped ? second : first), .. Verdict(jumpsSwapped ? first : second),
            .. Verdict(policy),
            .. Head(name),
        ];
        for (int i = 0; i < addresses; i++)
        {
            byte[] rule = Verdict(-2);
            rule[0] = (byte)(i + 1);
            table.AddRange(rule);
        }
        table.AddRange([.. Verdict(-5), .. Head("AFERO_FORWARD_ACCEPT_SERVICE")]);
        for (int i = 0; i < others; i++)
        {
            table.AddRange(Verdict(-2));
        }
        return [.. table, .. Verdict(-5), .. Head("ERROR")];
    }

    private static byte[] Rule(bool isIpv6, string target, byte[] data)
    {
        int match = isIpv6 ? 136 : 84;
        int rest = isIpv6 ? 168 : 112;
        byte[] entry = new byte[rest + 32 + data.Length];
        BitConverter.TryWriteBytes(entry.AsSpan(match + 4), (ushort)rest);
        BitConverter.TryWriteBytes(entry.AsSpan(match + 6), (ushort)entry.Length);
        Encoding.ASCII.GetBytes(target).CopyTo(entry, rest + 2);
        data.CopyTo(entry, rest + 32);
        return entry;
    }

    private static byte[] Entry(bool isIpv6, int length)
    {
        byte[] entry = new byte[length];
        for (int i = 0; i < length; i++)
        {
            entry[i] = (byte)(i * 7);
        }
        BitConverter.TryWriteBytes(entry.AsSpan((isIpv6 ? 136 : 84) + 6), (ushort)length);
        return entry;
    }

    private static byte[] Event(byte type, byte family, string table, string chain = "")
    {
        byte[] message =
        [
            0, 0, 0, 0, type, 10, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, family, 0, 0, 1, .. Attribute(1, table),
            .. chain.Length > 0 ? Attribute(2, chain) : [],
        ];
        BinaryPrimitives.WriteInt32LittleEndian(message, message.Length);
        return message;
    }

    private static byte[] Attribute(byte type, string text)
    {
        byte[] attribute = new byte[(4 + text.Length + 1 + 3) & ~3];
        attribute[0] = (byte)(4 + text.Length + 1);
        attribute[2] = type;
        Encoding.ASCII.GetBytes(text).CopyTo(attribute, 4);
        return attribute;
    }
}
