using System.Net.Sockets;
using ConnMgr.Config;
using ConnMgr.EventLoop;
using ConnMgr.Links;
using ConnMgr.Logging;
using ConnMgr.Native;
using ConnMgr.Netlink;
using ConnMgr.Scripts;

namespace ConnMgr.Attributes;

/// <summary>Keeps the values of the attributes up to date and publishes them to attrd.</summary>
internal sealed class AttributeReport : IDisposable
{
    private const int DevFileLimit = 65536;

    private readonly Loop _loop;
    private readonly Log _log;
    private readonly Gateway _gateway;
    private readonly AttributeClient _client;
    private readonly ScriptLane _capabilitiesLane;
    private readonly string _capabilitiesScript;
    private readonly List<MonitoredLink> _links;
    private int _present = -1;

    public AttributeReport(
        Loop loop, Log log, Options options, string attrdSocket,
        IReadOnlyList<string> scriptEnvironment, List<MonitoredLink> links)
    {
        _loop = loop;
        _log = log;
        _links = links;
        _gateway = new Gateway
        {
            Revision = BuildInfo.Revision,
            DebugLevel = log.IsDebug ? (sbyte)1 : (sbyte)0,
            DebugLevelSet = level => log.Level = level > 0 ? LogLevel.Debug : LogLevel.Info,
        };
        links.ForEach(Bind);
        _client = new AttributeClient(loop, log, attrdSocket, new AttributeTable(_gateway));
        _capabilitiesLane = new ScriptLane(loop, scriptEnvironment);
        _capabilitiesScript = Path.Combine(options.ScriptDirectory, "net_capabilities");
    }

    public bool IsConnected => _client.IsOpen;

    /// <summary>The state of the connection in words, e.g. `connected`.</summary>
    public string Words => _client.Words;

    /// <summary>Reports this link from now on; it may replace another link of its kind.</summary>
    public void Bind(MonitoredLink link)
    {
        NetworkInterface told = ToldOf(link.Link);
        told.UpTime = () => link.UpSince is { } since ? (ulong)(_loop.Now - since).TotalSeconds : 0;
        told.Counters = () => InterfaceCounters.Find(
            SmallFile.Read("/proc/net/dev", DevFileLimit, out _, out _), link.Link.Name);
    }

    /// <summary>Runs net_capabilities, at the start and whenever a device appears or disappears.</summary>
    private void AskCapabilities() => _capabilitiesLane.Run([_capabilitiesScript], exit =>
    {
        if (exit.Code is >= 0 and <= 7)
        {
            _gateway.Capabilities = (sbyte)exit.Code;
        }
        else
        {
            _log.Event(EventKind.Attrd, $"net_capabilities: {exit.Failure}, ignoring", LogLevel.Warn);
        }
    });

    /// <summary>Takes the addresses of a new snapshot of the kernel.</summary>
    public void Refresh(KernelState table)
    {
        int present = 0;
        foreach (MonitoredLink link in _links)
        {
            NetworkInterface told = ToldOf(link.Link);
            int ifindex = link.Link.Facts.Ifindex;
            present |= (ifindex != 0 ? 1 : 0) << (int)link.Link.Kind;
            DeviceAddress? address = table.Addresses.FirstOrDefault(address => address.Ifindex == ifindex
                && address.IsUsable && address.Address.AddressFamily == AddressFamily.InterNetwork);
            told.Address = address?.Address.GetAddressBytes() ?? new byte[4];
            told.MacAddress = table.Find(link.Link.Name)?.MacAddress() ?? new byte[6];
        }
        if (present != _present)
        {
            _present = present;
            AskCapabilities();
        }
    }

    /// <summary>Takes the states of the links and sends what has changed.</summary>
    public void Update(Link? inUse)
    {
        _gateway.NetworkType = inUse is null ? (sbyte)-1 : (sbyte)inUse.Kind;
        foreach (MonitoredLink link in _links)
        {
            ToldOf(link.Link).State = link.Link.State switch
            {
                LinkState.Confirmed => 2,
                LinkState.Unconfirmed or LinkState.Failed => 1,
                _ => 0,
            };
        }
        _client.Publish();
    }

    private NetworkInterface ToldOf(Link link) => link.Kind switch
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
