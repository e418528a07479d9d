using System.Buffers.Binary;
using System.Text;
using ConnMgr.Firewall;
using ConnMgr.Netlink;
using CsCheck;

namespace ConnMgr.Tests.Firewall;

public class RulesetMessageTests
{
    [Theory]
    [InlineData(6, 2, "filter", true)] // NFT_MSG_NEWRULE, AF_INET
    [InlineData(8, 10, "filter", true)] // NFT_MSG_DELRULE, AF_INET6
    [InlineData(2, 2, "filter", true)] // NFT_MSG_DELTABLE
    [InlineData(3, 2, "filter", true)] // NFT_MSG_NEWCHAIN: a policy
    [InlineData(6, 2, "nat", false)]
    [InlineData(6, 2, "filter2", false)]
    [InlineData(6, 1, "filter", false)] // inet: fw4's
    [InlineData(12, 2, "filter", false)] // NFT_MSG_NEWSETELEM
    public void Only_the_filter_tables_count(byte type, byte family, string table, bool concerns)
    {
        byte[] message = Event(type, family, table);
        NetlinkReader reader = new(message);
        Assert.True(reader.TryRead(out NetlinkMessage read));
        Assert.Equal(concerns, NftEvent.ConcernsFilter(read));
    }

    [Fact]
    public void Any_event_is_read() => Gen.Byte.Array[0, 60].Sample(bytes =>
    {
        byte[] message = [0, 0, 0, 0, 6, 10, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, .. bytes];
        BitConverter.TryWriteBytes(message, message.Length);
        NetlinkReader reader = new(message);
        if (reader.TryRead(out NetlinkMessage read))
        {
            NftEvent.ConcernsFilter(read);
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
    });

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

    private static byte[] Event(byte type, byte family, string table)
    {
        byte[] name = Encoding.ASCII.GetBytes(table + "\0");
        byte[] padded = new byte[(name.Length + 3) & ~3];
        name.CopyTo(padded, 0);
        byte[] message =
        [
            0, 0, 0, 0, type, 10, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, family, 0, 0, 1, (byte)(4 + name.Length), 0, 1, 0, .. padded,
        ];
        BinaryPrimitives.WriteInt32LittleEndian(message, message.Length);
        return message;
    }
}
