using System.Net;
using System.Text;
using ConnMgr.Control;
using ConnMgr.Dns;
using ConnMgr.Firewall;
using ConnMgr.Logging;
using ConnMgr.Net;
using ConnMgr.Netlink;
using ConnMgr.Status;

namespace ConnMgr.Tests.Firewall;

/// <summary>
/// What the audit counts, which name it gives to it, and whether the lockdown would admit it.
/// </summary>
public sealed class AuditTests
{
    private static readonly IpNumber Cloud = Number("198.18.5.1");

    [Fact]
    public void Connections_of_the_same_kind_are_one_entry()
    {
        AuditTable table = new();
        byte[] name = Wire("www.example");
        table.Add(AuditSource.Device, 0, default, name, Cloud, 6, 80);
        table.Add(AuditSource.Device, 0, default, name, Number("198.18.5.2"), 6, 80);
        table.Add(AuditSource.Device, 1, default, name, Cloud, 6, 80);
        table.Add(AuditSource.Device, 0, default, name, Cloud, 17, 80);
        table.Add(AuditSource.Device, 0, default, name, Cloud, 6, 81);
        table.Add(AuditSource.Host, 0, Number("198.18.50.2"), name, Cloud, 6, 80);
        table.Add(AuditSource.Host, 0, Number("198.18.50.3"), name, Cloud, 6, 80);
        table.Add(AuditSource.Device, 0, default, null, Cloud, 6, 80);
        table.Add(AuditSource.Device, 0, default, null, Number("198.18.5.2"), 6, 80);
        Assert.Equal(8, table.Entries.Count);
        Assert.Equal((2, 9), (table.Entries[0].Count, table.Count));
        Assert.Equal(Number("198.18.5.2"), table.Entries[0].Address);
    }

    [Theory]
    [InlineData(500, false)]
    [InlineData(900, true)]
    [InlineData(1024, true)]
    public void Lines_for_the_whitelist_that_have_no_room_are_counted(int kinds, bool isCut)
    {
        AuditTable table = new();
        string label = new('a', 50);
        for (int i = 0; i < kinds; i++)
        {
            byte[] name = Wire($"{i:0000}.{label}.{label}.{label}.{label}.example");
            table.Add(AuditSource.Device, 0, default, name, Cloud, 6, 443);
        }
        Utf8Text text = new(ControlSocket.MaxReply);
        Assert.Equal(!isCut, AuditText.WriteLines([.. table.Entries], text));
        string[] lines = Encoding.UTF8.GetString(text.Bytes).TrimEnd().Split('\n');
        int named = lines.Count(line => line[0] != '#');
        string end = isCut ? $"# CUT: no room for {kinds - named} more: " : "0";
        Assert.StartsWith(end, lines[^1], StringComparison.Ordinal);
        Assert.True(text.Length <= ControlSocket.MaxReply);
        Assert.Equal(isCut, named < kinds);
    }

    [Fact]
    public void A_scan_does_not_take_the_room_of_names()
    {
        AuditTable table = new();
        for (int i = 0; i < 5000; i++)
        {
            table.Add(AuditSource.Device, 0, default, null, new IpNumber(Cloud.Value + (uint)i), 6, 80);
            table.Add(AuditSource.Inward, 0, default, null, Cloud, 6, (ushort)i);
        }
        Assert.Equal(AuditTable.MaxNameless, table.Entries.Count);
        Assert.Equal(
            AuditTable.MaxInward, table.Entries.Count(entry => entry.Source == AuditSource.Inward));
        Assert.Equal(10000 - AuditTable.MaxNameless, table.UnlistedCount);
        for (int i = 0; i < 600; i++)
        {
            table.Add(AuditSource.Device, 0, default, Wire($"n{i}.example"), Cloud, 6, 80);
        }
        Assert.Equal(AuditTable.MaxEntries, table.Entries.Count);
        table.Add(AuditSource.Device, 0, default, Wire("n1.example"), Cloud, 6, 80);
        byte[] again = Wire("n1.example");
        Assert.Equal(
            2, table.Entries.Single(entry => entry.Name is { } name && name.SequenceEqual(again)).Count);
    }

    [Fact]
    public void An_address_has_the_name_that_was_asked_last_by_its_side()
    {
        AuditNames names = new();
        Learn(names, "first.example", isOfDevice: true);
        Learn(names, "second.example", isOfDevice: true);
        Assert.Equal("second.example", NameOf(names, isOfDevice: true));
        Assert.Equal("second.example", NameOf(names, isOfDevice: false));
        Learn(names, "third.example", isOfDevice: false);
        Assert.Equal("second.example", NameOf(names, isOfDevice: true));
        Assert.Equal("third.example", NameOf(names, isOfDevice: false));
        Assert.Null(names.NameOf(Number("198.18.5.2"), isOfDevice: true));
    }

    [Fact]
    public void A_chain_of_aliases_counts_as_the_name_that_was_asked_even_in_pieces()
    {
        AuditNames names = new();
        Learn(names, "www.example", true, "", "mid.cdn.test");
        Learn(names, "mid.cdn.test", true, "", "edge.cdn.test");
        Learn(names, "edge.cdn.test", true);
        Assert.Equal("www.example", NameOf(names, isOfDevice: true));
    }

    [Fact]
    public void A_circle_of_aliases_ends()
    {
        AuditNames names = new();
        Learn(names, "a.example", true, "", "b.example");
        Learn(names, "b.example", true, "", "a.example");
        Learn(names, "a.example", true);
        Assert.NotNull(NameOf(names, isOfDevice: true));
    }

    [Fact]
    public void The_memory_for_names_is_bounded_and_the_latest_are_kept()
    {
        AuditNames names = new();
        for (int i = 0; i < 10 * AuditNames.MaxKeys; i++)
        {
            Learn(names, $"n{i}.example", true, $"198.18.{i / 250 % 250}.{i % 250}");
        }
        int last = (10 * AuditNames.MaxKeys) - 1;
        IpNumber latest = Number($"198.18.{last / 250 % 250}.{last % 250}");
        Assert.Equal(Wire($"n{last}.example"), names.NameOf(latest, true));
        Assert.Null(names.NameOf(Number("198.18.0.1"), true));
    }

    [Theory]
    [InlineData("198.18.1.2", "198.18.5.1", AuditSource.Device)]
    [InlineData("198.18.50.2", "198.18.5.1", AuditSource.Host)]
    [InlineData("198.18.50.2", "198.18.50.1", AuditSource.HostInward)]
    [InlineData("198.18.5.1", "198.18.1.2", AuditSource.Inward)]
    [InlineData("198.18.5.1", "198.18.50.2", AuditSource.Inward)]
    [InlineData("198.18.1.2", "198.18.50.2", AuditSource.Device)]
    [InlineData("198.18.1.2", "198.18.50.1", null)]
    [InlineData("127.0.0.1", "127.0.0.53", null)]
    [InlineData("198.18.50.2", "198.18.50.3", null)]
    public void The_addresses_tell_who_began(string source, string destination, object? expected)
    {
        AuditPlace place = new();
        place.Add(new DeviceAddress(
            2, IPAddress.Parse("198.18.1.2"), IPNetwork.Parse("198.18.1.0/24"), 0, 0), isBridge: false);
        place.Add(new DeviceAddress(
            5, IPAddress.Parse("198.18.50.1"), IPNetwork.Parse("198.18.50.0/24"), 0, 0), isBridge: true);
        bool isSeen = place.TryFind(Number(source), Number(destination), out AuditSource found);
        Assert.Equal(expected, isSeen ? found : null);
    }

    [Theory]
    [InlineData("Device known.example 6 443", "Whitelist")]
    [InlineData("Device a.wild.example 17 443", "Whitelist")]
    [InlineData("Device - 6 443 198.18.7.1", "Whitelist")]
    [InlineData("Device - 6 443", "None")]
    [InlineData("Host other.example 6 80", "None")]
    [InlineData("Host - 17 123", "Service")]
    [InlineData("Host - 17 53", "Service")]
    [InlineData("Host - 6 53", "None")]
    [InlineData("Host - 17 53 2001:db8:100::8", "None")]
    [InlineData("Device - 1 0", "Service")]
    [InlineData("Device - 6 53", "None")]
    [InlineData("Device - 6 53 198.18.100.53", "Service")]
    [InlineData("HostInward - 17 53", "Service")]
    [InlineData("HostInward - 17 68", "Service")]
    [InlineData("HostInward - 6 22", "None")]
    [InlineData("Inward - 17 68", "Service")]
    [InlineData("Inward - 6 443 198.18.7.1", "None")]
    public void The_cover_is_what_the_lockdown_admits(string use, string cover)
    {
        string[] words = use.Split(' ');
        AuditEntry entry = new()
        {
            Source = Enum.Parse<AuditSource>(words[0]),
            User = 0,
            Host = default,
            Name = words[1] == "-" ? null : Wire(words[1]),
            Protocol = byte.Parse(words[2]),
            Port = ushort.Parse(words[3]),
            Address = words.Length > 4 ? Number(words[4]) : Cloud,
        };
        Whitelist whitelist = StoreRig.Read("known.example\n*.wild.example\n198.18.7.0/24");
        Assert.Equal(cover, AuditCovers.Of(
            entry, whitelist, mayAsk: entry.Address == Number("198.18.100.53")).ToString());
    }

    private static IpNumber Number(string text) => IpNumber.Of(IPAddress.Parse(text));

    private static byte[] Wire(string text)
    {
        Assert.True(DnsName.TryParse(text, out DnsName name));
        return name.Wire.ToArray();
    }

    private static string? NameOf(AuditNames names, bool isOfDevice) =>
        names.NameOf(Cloud, isOfDevice) is { } wire ? AuditCovers.NameOf(wire).ToString() : null;

    /// <param name="names">Learns.</param>
    /// <param name="name">The name of the question.</param>
    /// <param name="isOfDevice">The side that asked.</param>
    /// <param name="address">The address in the answer; empty for none.</param>
    /// <param name="alias">The target of its alias; null for none.</param>
    private static void Learn(
        AuditNames names, string name, bool isOfDevice, string address = "198.18.5.1", string? alias = null)
    {
        Assert.True(DnsName.TryParse(name, out DnsName asked));
        DnsAddress[] addresses = address.Length == 0
            ? []
            : [new DnsAddress(IPAddress.Parse(address).GetAddressBytes(), 60)];
        DnsAlias[] aliases = [];
        if (alias is not null)
        {
            Assert.True(DnsName.TryParse(alias, out DnsName target));
            aliases = [new DnsAlias(asked, target, 60)];
        }
        names.Learn(new DnsAnswer(new DnsQuestion(asked, 1), addresses, aliases, default, isOfDevice));
    }
}
