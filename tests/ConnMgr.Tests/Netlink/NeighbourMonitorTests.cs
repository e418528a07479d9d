using ConnMgr.EventLoop;
using ConnMgr.Netlink;
using ConnMgr.Tests.Routing;
using static ConnMgr.Tests.Capture.NetworkNamespace;

namespace ConnMgr.Tests.Netlink;

/// <summary>
/// Which of a device's advertised routers is reachable, by the real kernel's neighbour entries. The routes
/// that name the routers are made up.
/// </summary>
public sealed class NeighbourMonitorTests
{
    [Fact]
    public void Entries_are_read_when_there_are_rival_routers_and_followed_from_then_on() => Run(() =>
    {
        using Rig rig = new();
        Neighbour("fe80::1", "failed"); // before the socket is open
        rig.Follow("fe80::1", "fe80::2");
        Assert.Equal("fe80::1", rig.Dead());
        Neighbour("fe80::2", "failed");
        Neighbour("fe80::1", "reachable");
        rig.Until("fe80::2");
    });

    [Fact]
    public void Entries_of_a_router_that_joins_are_read_too() => Run(() =>
    {
        using Rig rig = new();
        Neighbour("fe80::3", "failed");
        rig.Follow("fe80::1", "fe80::2");
        Assert.Equal("", rig.Dead());
        rig.Follow("fe80::1", "fe80::2", "fe80::3");
        Assert.Equal("fe80::3", rig.Dead());
    });

    [Fact]
    public void Without_rivals_nothing_is_followed() => Run(() =>
    {
        using Rig rig = new();
        using Rig witness = new();
        witness.Follow("fe80::1", "fe80::2");
        rig.Follow("fe80::1", "fe80::2");
        rig.Follow("fe80::1"); // closes the socket
        rig.Rivals("fe80::1", "fe80::2");
        foreach (string router in (ReadOnlySpan<string>)["fe80::1", "fe80::2"])
        {
            Neighbour(router, "failed");
            witness.Until(router);
            rig.RunOnce();
            Assert.Equal("", rig.Dead());
            Neighbour(router, "reachable");
        }
        Neighbour("fe80::1", "failed");
        rig.Follow("fe80::1", "fe80::2"); // opens it again
        Assert.Equal("fe80::1", rig.Dead());
    });

    /// <summary>A host in the LAN can make the kernel report entries as fast as it can send.</summary>
    [Fact]
    public void After_a_loss_the_entries_are_read_again() => Run(() =>
    {
        using Rig rig = new();
        rig.Follow("fe80::1", "fe80::2");
        string file = Path.GetTempFileName();
        File.WriteAllLines(file, Enumerable.Range(0, 6000).Select(i =>
            $"neigh replace 2001:db8::{i % 100:x} lladdr 02:00:00:00:{i / 256:x2}:{i % 256:x2} dev lan"));
        RunIp($"-batch {file}");
        File.Delete(file);
        Neighbour("fe80::2", "failed"); // the kernel has no room for this event
        rig.Time.Stop();
        for (int i = 0; i < 5; i++)
        {
            rig.RunOnce();
        }
        Assert.Equal("", rig.Dead()); // all events have been read
        rig.Time.Skew += TimeSpan.FromSeconds(1);
        rig.Until("fe80::2");
    });

    private static void Neighbour(string address, string state)
    {
        // The kernel reports the failure of an entry only if it was valid.
        foreach (string each in state == "failed" ? (string[])["reachable", "failed"] : [state])
        {
            // The kernel collects failed entries, those of other namespaces too, but not learned ones.
            RunIp($"neigh replace {address} lladdr 02:00:00:00:00:01 dev lan nud {each} extern_learn");
        }
    }

    private sealed class Rig : IDisposable
    {
        private readonly Loop _loop;
        private readonly KernelState _state = new();
        private readonly NeighbourMonitor _monitor;
        private string[] _routers = [];

        public Rig()
        {
            _loop = new Loop(Time);
            if (!IpSays("link").Contains(" lan@", StringComparison.Ordinal))
            {
                RunIp("link add lan type veth peer name peer");
                RunIp("link set peer up");
                RunIp("link set lan up");
            }
            _monitor = new NeighbourMonitor(_loop, _state);
        }

        public SkewedTime Time { get; } = new();

        public void Rivals(params string[] routers)
        {
            _routers = routers;
            _state.Routers.Update([.. routers.Select(Route)]);
        }

        public void Follow(params string[] routers)
        {
            Rivals(routers);
            _monitor.Follow();
        }

        /// <summary>The routers that are known to be unreachable.</summary>
        public string Dead() =>
            string.Join(' ', _routers.Where(router => _state.Routers.IsDead(Route(router))));

        public void Until(string dead) => LoopRun.Until(_loop, () => Dead() == dead);

        public void RunOnce() => LoopRun.Rounds(_loop);

        private static KernelRoute Route(string router) =>
            new RouteBuilder(isIpv6: true) { Protocol = 9, Metric = 1024 } // RTPROT_RA
                .Via(router).Device(Index("lan")).Expires(1800).Build();

        public void Dispose()
        {
            _monitor.Dispose();
            _loop.Dispose();
        }
    }
}
