using ConnMgr.Config;
using ConnMgr.EventLoop;
using ConnMgr.Links;
using ConnMgr.Logging;
using ConnMgr.Netlink;
using ConnMgr.Probe;
using static ConnMgr.Tests.Capture.NetworkNamespace;

namespace ConnMgr.Tests.Links;

/// <summary>
/// A <see cref="LinkDriver"/> over the real kernel, in the namespace of the calling thread: eth0 and wlan0
/// with a default route each, whose gateways answer nothing.
/// </summary>
internal sealed class LinkRig : IDisposable
{
    public LinkRig(Func<Options, Options>? change = null, string names = "", TimeProvider? time = null)
    {
        AddLinks();
        Options = OptionsIn(Directory);
        Options = change?.Invoke(Options) ?? Options;
        Loop = new Loop(time);
        Routes = new RouteMonitor(Loop, State);
        Driver = new LinkDriver(
            Loop, Log, Options, Names(names), State, Routes, new NameServers([]), Environment, Loop.Now);
    }

    /// <summary>The options of a daemon without lockdown, all of whose files are in one directory.</summary>
    public static Options OptionsIn(string directory) => new()
    {
        ConfigDirectory = directory,
        ScriptDirectory = directory,
        RunDirectory = directory,
        HookDirectory = directory,
        IsFirewallDisabled = true,
        Services = [],
        Ping = [],
        Resolvers = [],
        DnsServers = [],
        Switch = SwitchMode.Netlink,
    };

    /// <summary>Makes eth0 and wlan0 in the namespace of the calling thread.</summary>
    public static void AddLinks()
    {
        RunIp("link set lo up");
        foreach ((string name, int subnet, int metric) in (ReadOnlySpan<(string, int, int)>)
            [("eth0", 2, 20), ("wlan0", 3, 10)])
        {
            RunIp($"link add {name} type veth peer name {name}-peer");
            RunIp($"link set {name}-peer up");
            RunIp($"address add 198.18.{subnet}.2/24 dev {name}");
            RunIp($"link set {name} up");
            RunIp($"route add default via 198.18.{subnet}.1 dev {name} metric {metric}");
        }
    }

    public string Directory { get; } =
        System.IO.Directory.CreateTempSubdirectory("connmgr-test-").FullName;

    public Loop Loop { get; }

    public Log Log { get; } = new(LogTarget.Stderr, LogLevel.Error);

    public KernelState State { get; } = new();

    public List<string> Environment { get; } = ["NAMES=", "PATH=/usr/sbin:/usr/bin:/sbin:/bin"];

    public Options Options { get; }

    public RouteMonitor Routes { get; }

    public LinkDriver Driver { get; }

    public ConnectionView View => Driver.View;

    /// <summary>Parses lines of netif_names.</summary>
    public static NetifNames Names(string text) =>
        NetifNames.TryParse(text, out NetifNames names, [], []) ? names : throw new ArgumentException(text);

    /// <summary>Runs the loop until the condition holds; a tick every 0.1 s.</summary>
    public void Until(Func<bool> isDone)
    {
        TimeSpan next = Loop.Now;
        LoopRun.Until(Loop, () =>
        {
            if (Loop.Now >= next)
            {
                next = Loop.Now + TimeSpan.FromMilliseconds(100);
                Driver.Tick();
            }
            if (Routes.IsSettled)
            {
                Driver.Settle();
            }
            return isDone();
        });
    }

    /// <summary>The logged lines that begin so.</summary>
    public string[] Said(string start) => LogLines.Beginning(Log, start);

    /// <summary>The device of the kernel's preferred IPv4 default route.</summary>
    public static string Front() => IpSays("route get 198.19.0.1").Split("dev ")[1].Split(' ')[0];

    public void Dispose()
    {
        Driver.Dispose();
        Routes.Dispose();
        Log.Dispose();
        Loop.Dispose();
        System.IO.Directory.Delete(Directory, recursive: true);
    }
}
