using ConnMgr.EventLoop;
using ConnMgr.Firewall;
using ConnMgr.Tests.Capture;

namespace ConnMgr.Tests.Firewall;

/// <summary>The killer with the kernel's real connection tracking, in a namespace.</summary>
public sealed class ConnectionKillerTests
{
    [Fact]
    public void Connections_to_what_was_revoked_end_and_no_others() => NetworkNamespace.Run(() =>
    {
        using Rig rig = new("a.example\n198.18.9.0/24");
        rig.Store.Learn("a.example", "198.18.5.1", "198.18.5.2");
        Rig.Connect("198.18.5.1", "198.18.9.7", "198.18.6.6");
        rig.Store.Store.Change(StoreRig.Read("198.18.5.1"));
        rig.RunUntil(() => rig.Store.Said().Length > 0);
        Assert.Equal(["ended 1 connection to addresses no longer whitelisted"], rig.Store.Said());
        Assert.Equal(["198.18.5.1", "198.18.6.6"], Rig.Peers());
    });

    [Fact]
    public void The_first_run_ends_all_that_the_whitelist_does_not_allow() => NetworkNamespace.Run(() =>
    {
        using Rig rig = new("198.18.9.0/24");
        Rig.Connect("198.18.5.1", "198.18.9.7", "198.18.6.6");
        rig.Killer.EndForeign();
        rig.RunUntil(() => rig.Store.Said().Length > 0);
        Assert.Equal(["ended 2 connections from before the lockdown"], rig.Store.Said());
        Assert.Equal(["198.18.9.7"], Rig.Peers());
    });

    [Fact]
    public void An_open_connection_renews_its_hole() => NetworkNamespace.Run(() =>
    {
        using Rig rig = new("a.example");
        rig.Store.Learn("a.example", "198.18.5.1", "198.18.5.2");
        Rig.Connect("198.18.5.1");
        rig.Skew = TimeSpan.FromMinutes(6); // connections are looked at every five minutes
        rig.RunUntil(() => InUse().Length > 0);
        Assert.Equal(["198.18.5.1"], InUse());

        string[] InUse() =>
        [
            .. Enumerable.Range(0, 2).Select(i => rig.Store.Store.Holes[i])
                .Where(hole => Holes.IsInUse(hole, rig.Loop.Now + rig.Skew)).Select(
                    hole => hole.Address.ToString()),
        ];
    });

    private sealed class Rig : IDisposable
    {
        public Rig(string whitelist)
        {
            NetworkNamespace.RunIp("link set lo up");
            Store = new StoreRig(whitelist);
            Killer = new ConnectionKiller(Store.Log, Store.Store, new ConnectionRunner(Loop, Store.Log));
        }

        public StoreRig Store { get; }

        public Loop Loop => Store.Loop;

        public ConnectionKiller Killer { get; }

        public TimeSpan Skew { get; set; }

        public static void Connect(params string[] peers)
        {
            foreach (string peer in peers)
            {
                Conntrack.Run($"-I -p tcp -s 198.18.1.2 -d {peer} --sport 4000 --dport 443 -t 600 --state "
                    + "ESTABLISHED -u SEEN_REPLY");
            }
        }

        public static string[] Peers() =>
        [
            .. Conntrack.Run("-L").Split('\n').Where(line => line.Contains(" dst=", StringComparison.Ordinal))
                .Select(line => line.Split(" dst=")[1].Split(' ')[0]).Order(),
        ];

        public void RunUntil(Func<bool> isDone) => LoopRun.Until(Loop, () =>
        {
            Killer.Advance(Loop.Now + Skew);
            return isDone();
        });

        public void Dispose()
        {
            Killer.Dispose();
            Store.Dispose();
        }
    }
}
