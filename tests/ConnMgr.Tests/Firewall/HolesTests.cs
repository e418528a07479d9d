using System.Text;
using ConnMgr.Dns;
using ConnMgr.Firewall;
using ConnMgr.Net;

namespace ConnMgr.Tests.Firewall;

/// <summary>
/// The effects on the kernel, second by second. `at` is the time; each call returns all its effects as text.
/// </summary>
public class HolesTests
{
    private readonly List<HoleEffect> _effects = [];
    private Holes _holes = new(Read("a.example\nb.example\n*.wild.example"));
    private HoleOutcome _outcome;

    [Theory]
    [InlineData(0, 3900)]
    [InlineData(300, 3900)]
    [InlineData(301, 3901)]
    [InlineData(86400, 90000)]
    [InlineData(601200, 604800)]
    [InlineData(601201, 604800)]
    [InlineData(int.MaxValue, 604800)]
    [InlineData(uint.MaxValue, 604800)]
    public void A_hole_lasts_an_hour_beyond_its_ttl_and_at_most_a_week(uint ttl, int expected)
    {
        Assert.Equal(expected, Holes.LifetimeOf(ttl));
        Assert.Equal($"open 198.18.5.1 {expected}", Learn(7, "a.example", "198.18.5.1", ttl));
        Assert.Equal(HoleOutcome.Added, _outcome);
    }

    [Fact]
    public void A_name_that_nobody_wants_opens_nothing()
    {
        Assert.Equal("", Learn(0, "c.example", "198.18.5.1"));
        Assert.Equal((HoleOutcome.NotWanted, 0), (_outcome, _holes.Count));
        Assert.Equal("", Learn(0, "wild.example", "198.18.5.1"));
        Assert.False(_holes.IsAllowed(Address("198.18.5.1")));
    }

    [Fact]
    public void An_answer_renews_and_one_that_comes_at_once_again_costs_nothing()
    {
        Assert.Equal("open 198.18.5.1 3900", Learn(0, "a.example", "198.18.5.1"));
        Assert.Equal("", Learn(1, "a.example", "198.18.5.1"));
        Assert.Equal("", Learn(5, "a.example", "198.18.5.1"));
        Assert.Equal("open 198.18.5.1 3900", Learn(6, "a.example", "198.18.5.1"));
        Assert.Equal("open 198.18.5.1 7600", Learn(7, "a.example", "198.18.5.1", 4000));
        Assert.Equal(HoleOutcome.Renewed, _outcome);
        Assert.Equal("", Learn(8, "b.example", "198.18.5.1", 60)); // never shortens
        Assert.Equal("open 2001:db8::1 3900", Learn(9, "b.example", "2001:db8::1"));
    }

    [Fact]
    public void The_kernel_gets_to_the_second_what_was_promised()
    {
        Learn(0, "a.example", "198.18.5.1");
        Learn(4, "a.example", "198.18.5.1"); // adds less than 5 s: no message yet
        Assert.Equal("", Tick(3839));
        Assert.Equal(Seconds(3840), _holes.NextDeadline);
        Assert.Equal("open 198.18.5.1 64", Tick(3840));
        Assert.Equal("", Tick(3841));
    }

    [Fact]
    public void A_hole_ends_after_a_look_at_the_connections()
    {
        Learn(0, "a.example", "198.18.5.1");
        Assert.Equal(Seconds(300), _holes.NextLook);
        Look(10);
        Tick(10);
        Assert.Equal(Seconds(310), _holes.NextLook);
        Look(3700);
        Tick(3700);
        Assert.Equal(Seconds(3840), _holes.NextLook);
        Look(3840);
        Tick(3840);
        Assert.Equal(Seconds(3900), _holes.NextLook);
        Assert.Equal("", Tick(3900)); // a hole is not closed before the look
        Look(3900);
        Assert.Equal("close 198.18.5.1", Tick(3900));
        Assert.Equal((0, false), (_holes.Count, _holes.IsAllowed(Address("198.18.5.1"))));
        Assert.Equal(TimeSpan.MaxValue, _holes.NextDeadline);
        Assert.Equal(TimeSpan.MaxValue, _holes.NextLook);
    }

    [Fact]
    public void A_hole_ends_without_a_look_half_a_minute_later()
    {
        Learn(0, "a.example", "198.18.5.1");
        Assert.Equal("", Tick(3929));
        Assert.Equal("close 198.18.5.1", Tick(3930));
    }

    [Fact]
    public void An_open_connection_renews_by_the_lifetime_of_the_last_answer()
    {
        Learn(0, "a.example", "198.18.5.1", 1000);
        Assert.Equal("open 198.18.5.1 4600", Look(4540, "198.18.5.1", "198.18.9.9"));
        Assert.Equal("", Tick(9139));
        // The connection is seen at the very end, when the element is gone.
        Assert.Equal("open 198.18.5.1 4600", Look(9140, "198.18.5.1"));
        Assert.Equal("", Tick(9141));
        Assert.True(_holes.IsAllowed(Address("198.18.5.1")));
        Look(13740);
        Assert.Equal("close 198.18.5.1", Tick(13741));
    }

    [Fact]
    public void Without_time_outs_of_the_kernel_each_is_opened_once_and_closed_once()
    {
        _holes = new Holes(_holes.Whitelist) { HasTimeouts = false };
        Assert.Equal("open 198.18.5.1 3900", Learn(0, "a.example", "198.18.5.1"));
        Assert.Equal("", Learn(1000, "a.example", "198.18.5.1"));
        Assert.Equal("", Tick(4899));
        Assert.Equal("close 198.18.5.1", Tick(4930));
    }

    [Fact]
    public void An_address_that_the_kernel_did_not_take_is_tried_again()
    {
        Learn(0, "a.example", "198.18.5.1");
        _holes.NotOpened(Address("198.18.5.1"), Seconds(1));
        Assert.Equal("", Tick(2));
        Assert.Equal("open 198.18.5.1 3894", Tick(6));
        _holes.NotOpened(Address("198.18.5.1"), Seconds(7));
        Assert.Equal("open 198.18.5.1 3900", Learn(7, "a.example", "198.18.5.1"));
    }

    [Fact]
    public void After_a_flush_everything_is_opened_again_with_the_time_that_is_left()
    {
        _holes = new Holes(Read("a.example\n198.18.6.0/24\n2001:db8:6::1"));
        Assert.Equal("open 198.18.6.0/24 0, open 2001:db8:6::1 0", OpenAll(0));
        Learn(0, "a.example", "198.18.5.1");
        Learn(0, "a.example", "198.18.6.1");
        Learn(100, "a.example", "2001:db8::1");
        Assert.Equal(
            "open 198.18.6.0/24 0, open 2001:db8:6::1 0, open 198.18.5.1 2900, open 198.18.6.1 2900, open "
                + "2001:db8::1 3000", OpenAll(1000));
    }

    [Fact]
    public void A_literal_entry_is_never_given_a_time_out()
    {
        _holes = new Holes(Read("a.example\n198.18.6.0/24\n198.18.7.1"));
        Assert.Equal("", Learn(0, "a.example", "198.18.7.1"));
        Assert.Equal(HoleOutcome.Literal, _outcome);
        Assert.Equal("", Look(3000, "198.18.7.1"));
        Assert.Equal("", Tick(10000));
        Assert.Equal(0, _holes.Count);
        Assert.True(_holes.IsAllowed(Address("198.18.7.1")));
    }

    [Fact]
    public void What_is_not_wanted_any_more_is_revoked_and_the_rest_is_not_touched()
    {
        Learn(0, "a.example", "198.18.5.1");
        Learn(0, "b.example", "198.18.5.2");
        Learn(0, "a.example", "198.18.5.3");
        Learn(0, "b.example", "198.18.5.3");
        Learn(0, "x.wild.example", "198.18.5.4");
        Assert.Equal("revoke 198.18.5.1, revoke 198.18.5.4", Change(10, "b.example"));
        Assert.False(_holes.IsAllowed(Address("198.18.5.1")));
        Assert.True(_holes.IsAllowed(Address("198.18.5.3")));
        Assert.Equal("", Learn(10, "a.example", "198.18.5.1"));
        Assert.Equal("", Change(20, "*.example.net\nb.example # again"));
        Assert.Equal("revoke 198.18.5.3, revoke 198.18.5.2", Change(30, ""));
    }

    [Fact]
    public void A_name_may_come_to_be_wanted_by_another_entry()
    {
        Learn(0, "x.wild.example", "198.18.5.4");
        Assert.Equal("", Change(10, "x.wild.example"));
        Assert.True(_holes[0].IsExact);
        Assert.Equal("", Change(10, "*.wild.example"));
        Assert.False(_holes[0].IsExact);
    }

    [Fact]
    public void An_address_that_was_promised_more_by_a_name_that_went_gets_less()
    {
        Learn(0, "a.example", "198.18.5.1", 86400);
        Learn(0, "b.example", "198.18.5.1", 60);
        Assert.Equal("open 198.18.5.1 3800", Change(100, "b.example"));
    }

    [Fact]
    public void Literal_entries_come_and_go_without_a_gap_for_what_names_want()
    {
        _holes = new Holes(Read("a.example\n198.18.6.0/24\n198.18.7.1\n198.18.8.1"));
        Learn(0, "a.example", "198.18.6.9");
        Learn(0, "a.example", "198.18.7.1");
        Assert.Equal(
            "open 2001:db8::/32 0, open 198.18.7.1 3890, revoke 198.18.6.0/24, revoke 198.18.8.1",
            Change(10, "a.example\n2001:db8::/32"));
        Assert.Equal("open 198.18.7.1 0, revoke 198.18.6.9, revoke 2001:db8::/32", Change(20, "198.18.7.1"));
        Assert.Equal("open 198.18.0.0/16 0, revoke 198.18.7.1", Change(30, "198.18.0.0/16"));
        Assert.True(_holes.IsAllowed(Address("198.18.7.1"))); // so its connections do not end
    }

    [Fact]
    public void When_there_is_no_room_the_one_that_can_best_be_spared_goes()
    {
        for (int i = 0; i < Holes.MaxHoles; i++)
        {
            // Hole 0 ends first but is exact, hole 1 is in use, so hole 2 has to go.
            Learn(
                i == 3 ? 900 : 0, i == 0 ? "a.example" : "x.wild.example", $"2001:db8::{i:x}",
                i < 3 ? 0u : 5000);
        }
        Assert.Equal("", Learn(1000, "b.example", "198.18.5.1"));
        Assert.Equal((HoleOutcome.Full, 1, Seconds(1000)), (_outcome, _holes.Refused, _holes.NextLook));
        Look(1001, "2001:db8::1");
        Assert.Equal("close 2001:db8::2, open 198.18.5.1 3900", Learn(1001, "b.example", "198.18.5.1"));
        Assert.Equal((HoleOutcome.Added, Holes.MaxHoles, 1), (_outcome, _holes.Count, _holes.Evicted));
        Assert.Equal("", Learn(1002, "x.wild.example", "2001:db8::1"));
    }

    [Fact]
    public void What_is_in_use_or_has_just_been_learned_is_never_thrown_out()
    {
        for (int i = 0; i < Holes.MaxHoles; i++)
        {
            Learn(i % 2 == 0 ? 0 : 1000, "x.wild.example", $"2001:db8::{i:x}");
        }
        Look(1000, [.. Enumerable.Range(0, Holes.MaxHoles / 2).Select(i => $"2001:db8::{2 * i:x}")]);
        Assert.Equal("", Learn(1001, "a.example", "198.18.5.1"));
        Assert.Equal((HoleOutcome.Full, Holes.MaxHoles), (_outcome, _holes.Count));
    }

    /// <summary>
    /// The largest answer while the table is full: each of its addresses replaces the hole that can best be
    /// spared.
    /// </summary>
    [Fact]
    public void Room_for_thousands_of_addresses_is_found_at_once()
    {
        const int Many = 4096;
        for (int i = 0; i < Holes.MaxHoles; i++)
        {
            Learn(
                0, i % 2 == 0 ? "a.example" : "x.wild.example", $"2001:db8::{i:x}",
                (uint)(400 + (i * 7919 % 32768)));
        }
        Look(1000, "2001:db8::1");
        List<(bool, TimeSpan, string)> order = [];
        for (int i = 0; i < _holes.Count; i++)
        {
            order.Add((_holes[i].IsExact, _holes[i].Until, _holes[i].Address.ToString()!));
        }
        order.Sort();
        IEnumerable<string> expected =
            order.Where(hole => hole.Item3 != "2001:db8::1").Take(Many).Select(hole => hole.Item3);

        List<string> closed = [];
        for (int i = 0; i < Many; i++)
        {
            string effects = Learn(1001, "x.wild.example", $"198.18.{i / 256}.{i % 256}");
            closed.Add(effects.Split(',')[0]["close ".Length..]);
        }
        Assert.Equal(expected, closed);
        // One pass over all holes, and 15 steps for each address.
        Assert.InRange(_holes.WorkForRoom, Holes.MaxHoles, (2 * Holes.MaxHoles) + (Many * 15));
        Assert.Equal((Holes.MaxHoles, Many), (_holes.Count, _holes.Evicted));
    }

    /// <summary>Addresses that find no room do not cost a pass over all holes each.</summary>
    [Fact]
    public void That_nothing_can_go_is_found_out_once()
    {
        for (int i = 0; i < Holes.MaxHoles; i++)
        {
            Learn(1000, "x.wild.example", $"2001:db8::{i:x}");
        }
        Look(1000);
        for (int i = 0; i < 4096; i++)
        {
            Assert.Equal("", Learn(1001, "a.example", $"198.18.{i / 256}.{i % 256}"));
        }
        Assert.Equal((Holes.MaxHoles, 4096), (_holes.WorkForRoom, _holes.Refused));
    }

    [Fact]
    public void An_address_of_thousands_of_names_remembers_the_exact_ones()
    {
        Learn(0, "a.example", "198.18.5.1");
        for (int i = 0; i < 1000; i++)
        {
            Assert.Equal("", Learn(1, $"n{i}.wild.example", "198.18.5.1"));
        }
        Assert.Equal(Hole.MaxNames, _holes[0].Names.Length);
        Assert.Equal("", Change(2, "a.example"));
        Assert.Equal(1, _holes[0].Names.Length);
    }

    [Fact]
    public void They_are_saved_soon_if_new_and_later_if_only_renewed()
    {
        Assert.Equal(TimeSpan.MaxValue, _holes.NextSave);
        Learn(10, "a.example", "198.18.5.1");
        Assert.Equal(Seconds(10), _holes.NextSave);
        _holes.Saved();
        Assert.Equal(TimeSpan.MaxValue, _holes.NextSave);
        Learn(20, "a.example", "198.18.5.1");
        Learn(30, "a.example", "198.18.5.1");
        Assert.Equal(Seconds(80), _holes.NextSave);
        Change(40, "a.example");
        Assert.Equal(Seconds(40), _holes.NextSave);
    }

    // The file.

    [Fact]
    public void A_restart_keeps_them_with_the_time_that_is_left()
    {
        Learn(1000, "a.example", "198.18.5.1");
        Learn(1010, "b.example", "198.18.5.1", 6400);
        Learn(1000, "x.wild.example", "2001:db8::1");
        byte[] text = HoleFile.Write(_holes, "boot-1", Seconds(1100)).ToArray();
        Assert.Equal(
            "connmgr-holes-1 boot-1 1100\n198.18.5.1 100 3800 3900 a.example\n198.18.5.1 100 9910 10000 "
                + "b.example\n"
            + "2001:db8::1 100 3800 3900 x.wild.example\n",
            Encoding.ASCII.GetString(text));

        _holes = new Holes(_holes.Whitelist);
        Assert.Equal(
            "open 198.18.5.1 3700, open 198.18.5.1 9810, open 2001:db8::1 3700", Load(text, "boot-1", 1200));
        Assert.Equal((Seconds(1000), Seconds(11010)), (_holes[0].Since, _holes[0].Until));
        Assert.Equal(text, HoleFile.Write(_holes, "boot-1", Seconds(1100)).ToArray());
    }

    [Fact]
    public void Of_another_boot_nothing_is_kept()
    {
        Learn(1000, "a.example", "198.18.5.1");
        byte[] text = HoleFile.Write(_holes, "boot-1", Seconds(1100)).ToArray();
        _holes = new Holes(_holes.Whitelist);
        Assert.Equal("", Load(text, "boot-2", 1200));
        // Within one boot the clock does not go back: the file is ignored.
        Assert.Equal("", Load(text, "boot-1", 1099));
        Assert.Equal(0, _holes.Count);
    }

    [Fact]
    public void What_is_over_or_not_wanted_any_more_is_not_kept()
    {
        Learn(1000, "a.example", "198.18.5.1");
        Learn(1000, "b.example", "198.18.5.2");
        byte[] text = HoleFile.Write(_holes, "boot-1", Seconds(1100)).ToArray();
        _holes = new Holes(Read("a.example"));
        Assert.Equal("open 198.18.5.1 1, revoke 198.18.5.2", Load(text, "boot-1", 4899));
        _holes = new Holes(Read("a.example"));
        Assert.Equal("revoke 198.18.5.1, revoke 198.18.5.2", Load(text, "boot-1", 4900));
    }

    /// <summary>A file from a daemon with a higher limit, or one that another program wrote.</summary>
    [Theory]
    [InlineData("127.0.0.9", false, "revoke 127.0.0.9")]
    [InlineData("127.0.0.9", true, "revoke 127.0.0.9")]
    [InlineData("::ffff:127.0.0.9", true, "revoke 127.0.0.9")]
    [InlineData("64:ff9b::7f00:1", true, "revoke 64:ff9b::7f00:1")]
    [InlineData("0.0.0.0", true, "revoke 0.0.0.0")]
    [InlineData("224.0.0.1", true, "revoke 224.0.0.1")]
    [InlineData("255.255.255.255", true, "revoke 255.255.255.255")]
    [InlineData("::1", true, "revoke ::1")]
    [InlineData("10.1.2.3", false, "revoke 10.1.2.3")]
    [InlineData("10.1.2.3", true, "open 10.1.2.3 3800")]
    [InlineData("fe80::1", false, "revoke fe80::1")]
    [InlineData("fd00::1", true, "open fd00::1 3800")]
    [InlineData("10.1.2.3", false, "", "10.1.0.0/16")]
    public void An_address_that_no_name_may_open_is_not_opened_by_the_file_either(
        string address, bool allowsPrivate, string expected, string literal = "")
    {
        _holes = new Holes(Read("a.example\n" + literal)) { AllowsPrivate = allowsPrivate };
        string text = $"connmgr-holes-1 boot-1 1100\n{address} 100 3800 3900 a.example";
        Assert.Equal(expected, Load(Encoding.ASCII.GetBytes(text), "boot-1", 1100));
    }

    [Theory]
    [InlineData("127.0.0.9", true, nameof(HoleOutcome.BadAddress))]
    [InlineData("192.168.1.1", false, nameof(HoleOutcome.BadAddress))]
    [InlineData("192.168.1.1", true, nameof(HoleOutcome.Added))]
    public void Nor_by_an_answer(string address, bool allowsPrivate, string outcome)
    {
        _holes = new Holes(Read("a.example")) { AllowsPrivate = allowsPrivate };
        Learn(1, "a.example", address);
        Assert.Equal(outcome, _outcome.ToString());
    }

    [Theory]
    [InlineData("198.18.5.1 100 3800 3900 a.example", "open 198.18.5.1 3800")]
    [InlineData("198.18.5.1 100 604800 604800 a.example", "open 198.18.5.1 604800")]
    [InlineData("198.18.5.1 100 604801 604800 a.example", "")]
    [InlineData("198.18.5.1 1100 3800 3900 a.example", "open 198.18.5.1 3800")] // since the boot
    [InlineData("198.18.5.1 1101 3800 3900 a.example", "")]
    [InlineData("198.18.5.1 100 3800 604801 a.example", "")]
    [InlineData("198.18.5.1 100 3800 3899 a.example", "")]
    [InlineData("198.18.5.1 100 0 3900 a.example", "revoke 198.18.5.1")]
    [InlineData("198.18.5.1 100 -5 3900 a.example", "")]
    [InlineData("198.18.5.1 100 99999999999999999999 3900 a.example", "")]
    [InlineData("198.18.5.1 100 3800 3900 c.example", "revoke 198.18.5.1")]
    [InlineData("198.18.5.1 100 3800 3900 a;b.wild.example", "")]
    [InlineData("198.18.5.1 100 3800 3900", "")]
    [InlineData("198.18.5.1 100 3800 3900 a.example x", "")]
    [InlineData("198.18.5 100 3800 3900 a.example", "")]
    [InlineData("198.18.5.1/24 100 3800 3900 a.example", "")]
    [InlineData("", "")]
    public void A_line_of_the_file_is_checked(string line, string expected)
    {
        string text = $"connmgr-holes-1 boot-1 1100\n{line}\n198.18.9.9 0 3900 3900 a.example";
        Assert.Equal(
            expected.Length > 0 ? expected + ", open 198.18.9.9 3900" : "open 198.18.9.9 3900",
            Load(Encoding.ASCII.GetBytes(text), "boot-1", 1100));
    }

    [Fact]
    public void As_many_as_there_can_be_are_written_and_read_again()
    {
        for (int i = 0; i < Holes.MaxHoles; i++)
        {
            Learn(0, $"service-number-{i}.wild.example", $"2001:db8:1234:5678:9abc:def0:{i:x}:1");
        }
        byte[] text = HoleFile.Write(_holes, new string('b', 36), Seconds(1)).ToArray();
        Assert.True(text.Length < HoleFile.MaxSize);
        _holes = new Holes(_holes.Whitelist);
        Assert.Equal((Holes.MaxHoles, 0), HoleFile.Read(text, new string('b', 36), Seconds(2), _holes, []));
    }

    private string Learn(int at, string name, string address, uint ttl = 60)
    {
        Assert.True(DnsName.TryParse(name, out DnsName parsed));
        _outcome = _holes.Learn(parsed, Address(address), ttl, Seconds(at), _effects);
        return Effects();
    }

    private string Tick(int at)
    {
        _holes.Tick(Seconds(at), _effects);
        return Effects();
    }

    private string Look(int at, params string[] peers)
    {
        foreach (string peer in peers)
        {
            _holes.SeeOpen(Address(peer), Seconds(at), _effects);
        }
        _holes.OnLookEnded(Seconds(at));
        return Effects();
    }

    private string OpenAll(int at)
    {
        for (int i = 0; i < _holes.OpenCount; i++)
        {
            _holes.OpenAgain(i, Seconds(at), _effects);
        }
        return Effects();
    }

    private string Change(int at, string whitelist)
    {
        _holes.Change(Read(whitelist), Seconds(at), _effects);
        return Effects();
    }

    private string Load(byte[] text, string boot, int at)
    {
        HoleFile.Read(text, boot, Seconds(at), _holes, _effects);
        return Effects();
    }

    private string Effects()
    {
        string text = string.Join(", ", _effects.Select(effect => effect.Action switch
        {
            HoleAction.Open => $"open {effect.Prefix} {effect.Timeout}",
            HoleAction.Close => $"close {effect.Prefix}",
            _ => $"revoke {effect.Prefix}",
        }));
        _effects.Clear();
        return text;
    }

    private static Whitelist Read(string text) => WhitelistReader.Read(Encoding.ASCII.GetBytes(text), [], []);

    private static TimeSpan Seconds(int seconds) => TimeSpan.FromSeconds(seconds);

    private static IpNumber Address(string text) => IpNumber.Of(System.Net.IPAddress.Parse(text));
}
