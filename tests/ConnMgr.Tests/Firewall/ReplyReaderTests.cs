using ConnMgr.Dns;
using ConnMgr.Firewall;
using ConnMgr.Tests.Dns;

namespace ConnMgr.Tests.Firewall;

public sealed class ReplyReaderTests : IDisposable
{
    private static readonly TimeSpan Now = TimeSpan.FromHours(1);

    private readonly WatchRig _asked = new();
    private StoreRig _rig = new("echo.afero.io");

    public void Dispose() => _rig.Dispose();

    [Fact]
    public void The_addresses_of_a_wanted_answer_are_open_when_the_reply_has_been_read()
    {
        ReplyReader reader = new(_asked.Watch, _rig.Store);
        _asked.Ask();
        Assert.True(reader.Read(Reply, DnsSide.Device, null, isHeld: true, Now));
        Assert.Equal(["Open 198.51.100.1 urgent", "Open 198.51.100.2 urgent"], _rig.Backend.Applied);
        Assert.Empty(reader.Opening);
        // The question was answered before.
        Assert.False(reader.Read(Reply, DnsSide.Device, null, isHeld: true, Now));
    }

    [Fact]
    public void Nobody_asked_or_nobody_wants_it()
    {
        ReplyReader reader = new(_asked.Watch, _rig.Store);
        Assert.False(reader.Read(Reply, DnsSide.Device, null, isHeld: true, Now));
        _rig.Store.Change(StoreRig.Read("b.example"));
        _asked.Ask();
        Assert.False(reader.Read(Reply, DnsSide.Device, null, isHeld: true, Now));
        Assert.Empty(_rig.Backend.Applied);
    }

    [Fact]
    public void A_slow_backend_has_the_reply_wait_for_what_is_not_open_yet()
    {
        _rig.Dispose();
        _rig = new StoreRig("echo.afero.io", new FakeBackend { IsImmediate = false, HasTimeouts = false });
        ReplyReader reader = new(_asked.Watch, _rig.Store);
        _asked.Ask();
        Assert.True(reader.Read(Reply, DnsSide.Device, null, isHeld: true, Now));
        Assert.Equal(["198.51.100.1", "198.51.100.2"], reader.Opening.Select(prefix => prefix.ToString()));
        _rig.Backend.Opening.Remove(StoreRig.Prefix("198.51.100.1"));
        _asked.Ask();
        Assert.False(reader.Read(Reply, DnsSide.Device, null, isHeld: true, Now));
        Assert.Equal(["198.51.100.2"], reader.Opening.Select(prefix => prefix.ToString()));
        _asked.Ask();
        reader.Read(Reply, DnsSide.Device, null, isHeld: false, Now);
        Assert.Empty(reader.Opening);
    }

    private static byte[] Reply => PacketBuilder.Udp(WatchRig.Server, WatchRig.Device, GoldenMessages.Chain);
}
