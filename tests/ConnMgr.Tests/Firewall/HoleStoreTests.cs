using ConnMgr.Firewall;
using ConnMgr.Net;

namespace ConnMgr.Tests.Firewall;

public sealed class HoleStoreTests : IDisposable
{
    private readonly StoreRig _rig = new();

    public void Dispose() => _rig.Dispose();

    [Fact]
    public void An_answer_is_in_the_kernel_when_it_has_been_learned()
    {
        Assert.True(_rig.Learn("a.example", "198.18.5.1", "2001:db8::1"));
        Assert.Equal(["Open 198.18.5.1 urgent", "Open 2001:db8::1 urgent"], _rig.Backend.Applied);
        Assert.False(_rig.Learn("a.example", "198.18.5.1"));
        Assert.False(_rig.Learn("b.example", "198.18.5.2"));
        Assert.Equal(2, _rig.Backend.Elements.Count);
    }

    [Fact]
    public void What_the_kernel_refuses_is_said_once_whatever_the_address_and_again_after_a_success()
    {
        for (int i = 1; i <= 9; i++)
        {
            _rig.Backend.Refused.Add(StoreRig.Prefix($"198.18.5.{i}"));
            _rig.Learn("a.example", $"198.18.5.{i}");
        }
        Assert.Equal(["cannot open 198.18.5.1: the set is full, retrying"], _rig.Said());
        _rig.Learn("a.example", "198.18.6.1");
        _rig.Learn("a.example", "198.18.5.9");
        Assert.Equal(2, _rig.Said().Length);
    }

    [Fact]
    public void Addresses_that_no_name_may_have_are_counted_each_and_said_once()
    {
        _rig.Learn("a.example", "127.0.0.1", "198.18.5.1", "::1", "192.168.1.1");
        Assert.Equal(3, _rig.Store.BadAddressCount);
        Assert.Equal(["a.example has the address 127.0.0.1, which no name may open"], _rig.Said());
        Assert.Equal(["Open 198.18.5.1 urgent"], _rig.Backend.Applied);
    }

    [Fact]
    public void What_a_reload_closes_is_revoked_after_what_it_opens()
    {
        _rig.Learn("a.example", "198.18.5.1");
        _rig.Learn("x.wild.example", "198.18.5.2");
        _rig.Backend.Applied.Clear();
        Assert.Equal((1, 2), _rig.Store.Change(StoreRig.Read("*.wild.example\n198.18.8.0/24")));
        Assert.Equal(
            ["Open 198.18.8.0/24", "Revoke 198.18.5.1", "Revoke 198.18.9.0/24"], _rig.Backend.Applied);
        PrefixSet revoked = _rig.Store.Revoked.Take();
        Assert.True(revoked.Contains(StoreRig.Prefix("198.18.9.77").First));
        Assert.False(revoked.Contains(StoreRig.Prefix("198.18.5.2").First));
        Assert.Equal(0, _rig.Store.Revoked.Count);
    }

    [Fact]
    public void Elements_that_another_program_has_removed_are_put_back()
    {
        _rig.Learn("a.example", "198.18.5.1");
        _rig.Store.Fill();
        _rig.Backend.Applied.Clear();
        for (int i = 0; i < 4; i++)
        {
            _rig.Store.CheckElements();
        }
        Assert.Empty(_rig.Backend.Applied);
        _rig.Backend.Elements.Clear();
        _rig.Store.CheckElements();
        _rig.Store.CheckElements(); // each call asks about one of the two
        Assert.Equal(2, _rig.Backend.Applied.Count);
        Assert.Equal(2, _rig.Backend.Elements.Count);
        Assert.Equal(["another program emptied the address sets, filling them again"], _rig.Said());
    }

    [Fact]
    public void A_restart_opens_what_was_open_and_revokes_literals_that_are_no_longer_wanted()
    {
        _rig.Learn("a.example", "198.18.5.1");
        FakeBackend kernel = new();
        kernel.Elements[StoreRig.Prefix("198.18.9.0/24")] = 0;
        kernel.Elements[StoreRig.Prefix("198.18.7.7")] = 300; // ends by itself
        _rig.Restart("a.example", kernel);
        Assert.Equal(["Open 198.18.5.1", "Revoke 198.18.9.0/24"], kernel.Applied.Distinct());
        Assert.Equal(["1 name of open addresses kept from the last run, 0 dropped"], _rig.Said());
    }

    [Fact]
    public void A_file_that_cannot_be_written_is_said_once()
    {
        Directory.CreateDirectory($"{_rig.File}.new");
        _rig.Store.Save(_rig.Loop.Now);
        _rig.Store.Save(_rig.Loop.Now);
        Assert.Single(_rig.Said());
        Directory.Delete($"{_rig.File}.new");
        _rig.Store.Save(_rig.Loop.Now);
        Assert.StartsWith("connmgr-holes-1 boot-1", File.ReadAllText(_rig.File), StringComparison.Ordinal);
    }

    [Fact]
    public void Another_backend_without_timeouts_is_filled_from_the_list_of_what_is_open()
    {
        _rig.Learn("a.example", "198.18.5.1", "198.18.9.9");
        FakeBackend rules = new() { HasTimeouts = false, IsImmediate = false };
        _rig.Store.Use(rules);
        _rig.Store.Fill();
        Assert.Equal((1, 0), (rules.Syncs, rules.Applied.Count));
        List<IpPrefix> open = [];
        _rig.Store.ListOpen(open);
        Assert.Equal(["198.18.9.0/24", "198.18.5.1", "198.18.9.9"], open.Select(prefix => prefix.ToString()));
    }

    /// <summary>The loop handles other events between the steps.</summary>
    [Fact]
    public void Many_prefixes_are_opened_in_steps()
    {
        _rig.Restart("a.example\n" + Literals(0, 2000), new FakeBackend());
        _rig.Learn("a.example", "198.18.5.1");
        int steps = 0;
        int before = 0;
        while (_rig.Store.NextDeadline <= _rig.Loop.Now && steps < 100)
        {
            Assert.InRange(_rig.Backend.Applied.Count - before, 1, 600);
            before = _rig.Backend.Applied.Count;
            _rig.Store.Advance(_rig.Loop.Now);
            steps++;
        }
        Assert.InRange(steps, 3, 10);
        Assert.Equal(2001, _rig.Backend.Elements.Count);
    }

    [Fact]
    public void What_a_reload_closes_while_others_are_opened_stays_closed()
    {
        _rig.Restart(Literals(0, 2000), new FakeBackend());
        _rig.Store.Change(StoreRig.Read(Literals(0, 1000) + Literals(3000, 4000)));
        while (_rig.Store.NextDeadline <= _rig.Loop.Now)
        {
            _rig.Store.Advance(_rig.Loop.Now);
        }
        Assert.Equal(
            StoreRig.Read(Literals(0, 1000) + Literals(3000, 4000)).LiteralCount,
            _rig.Backend.Elements.Count);
        Assert.All(
            _rig.Backend.Elements.Keys, prefix => Assert.True(_rig.Store.Whitelist.HasLiteral(prefix)));
    }

    [Fact]
    public void A_reload_of_many_closes_nothing_before_all_is_open()
    {
        _rig.Restart(Literals(0, 2000), new FakeBackend());
        Finish();
        _rig.Backend.Applied.Clear();
        _rig.Store.Change(StoreRig.Read(Literals(1000, 3000)));
        Assert.DoesNotContain(_rig.Backend.Applied, IsRevocation);
        Finish();
        int first = _rig.Backend.Applied.FindIndex(applied => IsRevocation(applied));
        Assert.Equal(1000, _rig.Backend.Applied.Count - first);
        Assert.All(_rig.Backend.Applied.Skip(first), applied => Assert.True(IsRevocation(applied)));
        Assert.Equal(2000, _rig.Backend.Elements.Count);
    }

    [Fact]
    public void What_is_wanted_again_before_the_end_of_the_fill_stays_open()
    {
        _rig.Restart(Literals(0, 2000) + "198.18.5.1\na.example", new FakeBackend());
        Finish();
        _rig.Store.Change(StoreRig.Read(Literals(1000, 3000) + "a.example"));
        _rig.Learn("a.example", "198.18.5.1");
        Finish();
        Assert.Contains(StoreRig.Prefix("198.18.5.1"), _rig.Backend.Elements.Keys);
    }

    /// <summary>A held reply waits for its element.</summary>
    [Fact]
    public void During_a_fill_an_answer_opens_what_has_not_been_filled_yet()
    {
        _rig.Restart("*.s.example", new FakeBackend());
        for (int i = 0; i < 1000; i++)
        {
            _rig.Learn($"n{i}.s.example", $"198.19.{i / 250}.{(i % 250) + 1}");
        }
        _rig.Backend.Elements.Clear();
        _rig.Store.Fill();
        Assert.DoesNotContain(StoreRig.Prefix("198.19.0.1"), _rig.Backend.Elements.Keys);
        _rig.Learn("n0.s.example", "198.19.0.1");
        Assert.Contains(StoreRig.Prefix("198.19.0.1"), _rig.Backend.Elements.Keys);
    }

    [Fact]
    public void A_check_during_a_fill_finds_nothing_missing()
    {
        _rig.Restart(Literals(0, 2000), new FakeBackend());
        for (int i = 0; i < 2000; i++)
        {
            _rig.Store.CheckElements();
        }
        Assert.Empty(_rig.Said());
    }

    private static bool IsRevocation(string applied) =>
        applied.StartsWith("Revoke", StringComparison.Ordinal);

    private void Finish()
    {
        while (_rig.Store.NextDeadline <= _rig.Loop.Now)
        {
            _rig.Store.Advance(_rig.Loop.Now);
        }
    }

    private static string Literals(int from, int to) => string.Concat(
        Enumerable.Range(from, to - from).Select(i => $"2001:db8:{i:x}::/48\n"));

    /// <summary>
    /// A reload with the maximum number of addresses. It once took seconds, because each removal shifted a
    /// list.
    /// </summary>
    [Fact]
    public void A_reload_that_lengthens_and_revokes_tens_of_thousands_keeps_their_order()
    {
        using StoreRig rig = new("*.a.example\n*.b.example");
        for (int i = 0; i < Holes.MaxHoles; i++)
        {
            rig.Learn(i % 2 == 0 ? "x.a.example" : "x.b.example", $"198.18.{i / 250}.{i % 250}");
        }
        rig.Backend.Applied.Clear();
        Assert.Equal((1, Holes.MaxHoles / 2), rig.Store.Change(StoreRig.Read("*.a.example\n198.19.0.0/24")));
        Assert.Equal("Open 198.19.0.0/24", rig.Backend.Applied[0]);
        Assert.All(rig.Backend.Applied.Skip(1), text =>
            Assert.StartsWith("Revoke ", text, StringComparison.Ordinal));
    }
}
