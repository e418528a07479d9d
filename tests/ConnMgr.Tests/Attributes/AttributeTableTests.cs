using ConnMgr.Attributes;
using ConnMgr.Net;
using Attribute = ConnMgr.Attributes.Attribute;

namespace ConnMgr.Tests.Attributes;

public class AttributeTableTests
{
    [Fact]
    public void Every_attribute_of_the_contract_is_there_with_its_type_and_access()
    {
        Gateway gateway = new() { NetworkType = 1, Capabilities = 7, DebugLevel = 3, Revision = "1.2" };
        Fill(gateway.WiFi, 1);
        Fill(gateway.Wan, 2);
        Fill(gateway.Ethernet, 0);
        AttributeTable table = new(gateway);
        uint[] ids = [51616, 51620, .. Enumerable.Range(65000, 100).Select(id => (uint)id)];
        string all = string.Join(
            '\n', ids.Where(id => table.Find(id) is not null).Select(id => Describe(table.Find(id)!)));
        Assert.Equal(
            """
            51616 03 get set
            51620 312E3200 get
            65008 01 get notify
            65022 07 get notify
            65024 01 get notify
            65025 C6120102 get
            65026 0B000000 get
            65027 01000000 get
            65028 02000000 get
            65029 020000000001 get
            65037 02 get notify
            65038 C6120202 get
            65039 0C000000 get
            65040 02000000 get
            65041 03000000 get
            65059 00 get notify
            65060 C6120002 get
            65061 0A000000 get
            65062 00000000 get
            65063 01000000 get
            65064 020000000000 get
            """,
            all);
    }

    [Theory]
    [InlineData(new byte[] { 2 }, true, 2)]
    [InlineData(new byte[] { 0xff }, true, 0)]
    [InlineData(new byte[] { }, false, 1)]
    [InlineData(new byte[] { 2, 0 }, false, 1)]
    public void The_debug_level_is_set_and_below_0_is_0(byte[] value, bool isAccepted, int level)
    {
        List<sbyte> told = [];
        Gateway gateway = new() { DebugLevel = 1, DebugLevelSet = told.Add };
        Assert.Equal(isAccepted, new AttributeTable(gateway).Find(51616)!.Write!(value));
        Assert.Equal(level, gateway.DebugLevel);
        Assert.Equal(isAccepted ? [(sbyte)level] : [], told);
    }

    [Fact]
    public void The_capabilities_are_not_known_at_first()
    {
        bool isWanted = false;
        Gateway gateway = new() { CapabilitiesWanted = () => isWanted = true };
        Attribute capabilities = new AttributeTable(gateway).Find(65022)!;
        Assert.Equal(Attribute.Unknown, capabilities.Read(new byte[1]));
        capabilities.Wanted!();
        Assert.True(isWanted);
        gateway.Capabilities = 0;
        Assert.Equal(1, capabilities.Read(new byte[1]));
    }

    /// <summary>The example in docs/reference.md.</summary>
    [Fact]
    public void An_implementer_adds_an_attribute_by_one_entry()
    {
        sbyte temperature = -5;
        AttributeTable table = new(
            new Gateway(), [Attribute.Int8(65100, "modem temperature", () => temperature, isNotify: true)]);
        Assert.Equal("65100 FB get notify", Describe(table.Find(65100)!));
        Assert.Contains(table.Notifying, attribute => attribute.Id == 65100);
    }

    [Theory]
    [InlineData("eth0", 1234UL, 18446744073709551615UL)]
    [InlineData("wlan0", 5UL, 6UL)]
    [InlineData("eth0:1", 7UL, 8UL)]
    [InlineData("eth", 0UL, 0UL)]
    public void Counters_are_those_of_the_kernel(string name, ulong received, ulong sent)
    {
        const string Text =
            "Inter-|   Receive                                                |  Transmit\n"
            + " face |bytes    packets errs drop fifo frame compressed multicast"
            + "|bytes    packets errs drop fifo colls carrier compressed\n"
            + "    lo:       0       0    0    0    0     0          0         0"
            + "        0       0    0    0    0     0       0          0\n"
            + "  eth0:    1234       9    0    0    0     0          0         0"
            + " 18446744073709551615       0    0    0    0     0       0          0\n"
            + " wlan0:5 0 0 0 0 0 0 0 6 0 0 0 0 0 0 0\n"
            + "eth0:1:7 0 0 0 0 0 0 0 8 0 0 0 0 0 0 0\n";
        Assert.Equal((received, sent), InterfaceCounters.Find(Text, name));
    }

    [Theory]
    [InlineData("")]
    [InlineData("eth0:")]
    [InlineData("eth0: 1 2")]
    [InlineData("eth0: x y z a b c d e f")]
    [InlineData("eth0: 99999999999999999999999 0 0 0 0 0 0 0 -1")]
    public void Counters_of_nonsense_are_zero(string text) =>
        Assert.Equal(0UL, InterfaceCounters.Find(text, "eth0").Sent);

    private static void Fill(NetworkInterface told, byte number)
    {
        told.State = (sbyte)number;
        told.Address = [198, 18, number, 2];
        told.MacAddress = [2, 0, 0, 0, 0, number];
        told.UpTime = () => 10UL + number;
        told.Counters = () => (number + (1UL << 32), number + 1UL);
    }

    private static string Describe(Attribute attribute)
    {
        Span<byte> value = stackalloc byte[64];
        int length = attribute.Read(value);
        return $"{attribute.Id} {Convert.ToHexString(value[..length])} get"
            + (attribute.Write is null ? "" : " set") + (attribute.IsNotify ? " notify" : "");
    }
}
