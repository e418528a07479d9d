using System.Net.Sockets;
using ConnMgr.Config;
using ConnMgr.EventLoop;
using ConnMgr.Links;
using ConnMgr.Logging;
using ConnMgr.Native;
using ConnMgr.Net;
using ConnMgr.Netlink;
using ConnMgr.Scripts;

namespace ConnMgr.Attributes;

/// <summary>Keeps the values of the attributes up to date and publishes them to attrd.</summary>
internal sealed class AttributeReport : IDisposable
{
    private readonly Log _log;
    private readonly Gateway _gateway;
    private readonly AttributeClient _client;
    private readonly ScriptLane _capabilitiesLane;
    private readonly string _capabilitiesScript;
    // The name of each kind's device in /proc/net/dev, which lists no alternative names.
    private readonly string[] _devices = ["", "", ""];
    private readonly LinkView?[] _told = new LinkView?[3]; // by kind: the link that the attributes describe
    private ConnectionView _view = new();
    private int _seenVersion = -1;
    private int _present = -1;

    /// <param name="loop">The event loop.</param>
    /// <param name="log">Receives the changes of the connection to attrd.</param>
    /// <param name="options">The options, with the script's path.</param>
    /// <param name="attrdSocket">The path of attrd's socket.</param>
    /// <param name="scriptEnvironment">The environment of net_capabilities.</param>
    public AttributeReport(
        Loop loop, Log log, Options options, string attrdSocket, IReadOnlyList<string> scriptEnvironment)
    {
        _log = log;
        _gateway = new Gateway
        {
            Revision = BuildInfo.Revision,
            DebugLevel = log.IsDebug ? (sbyte)1 : (sbyte)0,
            DebugLevelSet = level => log.Level = level > 0 ? LogLevel.Debug : LogLevel.Info,
            CapabilitiesWanted = AskCapabilitiesAgain,
        };
        foreach (LinkKind kind in (ReadOnlySpan<LinkKind>)[LinkKind.Ethernet, LinkKind.WiFi, LinkKind.Wan])
        {
            NetworkInterface told = ToldOf(kind);
            told.UpTime = () => _told[(int)kind]?.UpSince is { } since
                ? (ulong)(loop.Now - since).TotalSeconds
                : 0;
            told.Counters = () => InterfaceCounters.Find(CounterFile.Read(), _devices[(int)kind]);
        }
        _client = new AttributeClient(loop, log, attrdSocket, new AttributeTable(_gateway));
        _capabilitiesLane = new ScriptLane(loop, scriptEnvironment);
        _capabilitiesScript = Path.Combine(options.ScriptDirectory, "net_capabilities");
    }

    /// <summary>True while attrd accepts this client.</summary>
    public bool IsConnected => _client.IsOpen;

    /// <summary>The state of the connection as a phrase, e.g. `connected`.</summary>
    public string Words => _client.Words;

    /// <summary>Stores the states and addresses, and sends the values that have changed.</summary>
    public void Update(ConnectionView view, KernelState state)
    {
        _view = view;
        _gateway.NetworkType = view.InUse is { } inUse ? (sbyte)inUse.Kind : (sbyte)-1;
        bool isOther = false;
        for (LinkKind kind = LinkKind.Ethernet; kind <= LinkKind.Wan; kind++)
        {
            LinkView? link = BestOf(kind);
            isOther |= link?.Name != _told[(int)kind]?.Name;
            _told[(int)kind] = link;
            ToldOf(kind).State = link?.State switch
            {
                LinkState.Confirmed => link.Budget == LinkBudget.Blocked ? (sbyte)1 : (sbyte)2,
                LinkState.Unconfirmed or LinkState.Failed => 1,
                _ => 0,
            };
        }
        if (state.Version != _seenVersion || isOther)
        {
            _seenVersion = state.Version;
            TakeAddresses(state);
        }
        _client.Publish();
    }

    private void TakeAddresses(KernelState state)
    {
        int present = 0;
        foreach (LinkView link in _view.Links)
        {
            present |= (link.Facts.Ifindex != 0 ? 1 : 0) << (int)link.Kind;
        }
        for (LinkKind kind = LinkKind.Ethernet; kind <= LinkKind.Wan; kind++)
        {
            LinkView? link = _told[(int)kind];
            NetworkInterface told = ToldOf(kind);
            int ifindex = link?.Facts.Ifindex ?? 0;
            DeviceAddress? address = state.Addresses.FirstOrDefault(address => address.Ifindex == ifindex
                && address.IsUsable && address.Address.AddressFamily == AddressFamily.InterNetwork);
            told.Address = address?.Address.GetAddressBytes() ?? new byte[4];
            Device? device = state.Find(ifindex);
            told.MacAddress = device?.MacAddress() ?? new byte[6];
            _devices[(int)kind] = device?.Name ?? link?.Name ?? "";
        }
        if (present != _present)
        {
            _present = present;
            AskCapabilities();
        }
    }

    /// <summary>Runs net_capabilities: at the start, and when a device has appeared or disappeared.</summary>
    private void AskCapabilities() => _capabilitiesLane.Run([_capabilitiesScript], exit =>
    {
        if (exit.Code is >= 0 and <= 7)
        {
            _gateway.Capabilities = (sbyte)exit.Code;
        }
        else
        {
            _log.Event(
                EventFacts.Failed(EventKind.Attrd, "net_capabilities", $"{exit.Failure}, ignoring"),
                LogLevel.Warn);
        }
    });

    /// <summary>Runs net_capabilities again after a failure, because a get waits for the answer.</summary>
    private void AskCapabilitiesAgain()
    {
        if (!_capabilitiesLane.IsBusy)
        {
            AskCapabilities();
        }
    }

    /// <summary>
    /// Returns the link of a kind that its attributes describe: the one in use, else the one that the daemon
    /// would choose; null if there is no link of that kind.
    /// </summary>
    private LinkView? BestOf(LinkKind kind)
    {
        LinkView? best = null;
        foreach (LinkView link in _view.Links)
        {
            if (link.Kind != kind)
            {
                continue;
            }
            if (link == _view.InUse)
            {
                return link;
            }
            best = best is null || Order(link) < Order(best) ? link : best;
        }
        return best;

        // Order links by the classes of the selection. Of the links that are not up, prefer one that lacks
        // only an address or a default route, then one whose device exists.
        static int Order(LinkView link)
        {
            int order = (int)Selector.ClassOf(link.State, link.IsMetered, link.Budget);
            return order < (int)LinkClass.None || link.State.IsUp() ? order
                : link.State == LinkState.NoWayOut ? order + 1
                : order + (link.Facts.Ifindex != 0 ? 2 : 3);
        }
    }

    private NetworkInterface ToldOf(LinkKind kind) => kind switch
    {
        LinkKind.Ethernet => _gateway.Ethernet,
        LinkKind.WiFi => _gateway.WiFi,
        _ => _gateway.Wan,
    };

    public void Dispose()
    {
        _capabilitiesLane.Dispose();
        _client.Dispose();
    }
}
