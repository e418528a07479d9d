using ConnMgr.EventLoop;
using ConnMgr.Logging;
using ConnMgr.Native;
using ConnMgr.Netlink;
using ConnMgr.Probe;

namespace ConnMgr.Firewall;

/// <summary>
/// The audit (option --audit): counts what programs of the device and hosts behind the bridge use, while the
/// lockdown drops nothing. Connections come from conntrack, names from the DNS answers that are seen.
/// </summary>
/// <param name="loop">Where connections are reported.</param>
/// <param name="log">The log.</param>
/// <param name="readNames">Reads the DNS answers that wait: a name must be known before its first
/// connection is counted.</param>
internal sealed class Audit(Loop loop, Log log, Action readNames) : IDisposable
{
    /// <summary>What `status` says instead of "locked".</summary>
    public const string Warning = "AUDIT, NOT LOCKED: nothing is dropped";

    private const int WarnEvery = 1800; // ticks: an hour

    private const string EventsSetting = "/proc/sys/net/netfilter/nf_conntrack_events";

    private AuditPlace _place = new();
    private int _seenVersion = -1;
    private string _seenBridge = "";
    private AuditSocket? _socket;
    private bool _hasTried;
    private int _ticks;

    /// <summary>The uses that were counted.</summary>
    public AuditTable Table { get; } = new();

    /// <summary>The names of addresses.</summary>
    public AuditNames Names { get; } = new();

    /// <summary>The number of times that the kernel could not report connections.</summary>
    public long Losses => _socket?.Losses ?? 0;

    /// <summary>Why no connections are seen; empty if they are.</summary>
    public string Failure { get; private set; } = "not begun";

    /// <summary>
    /// Opens the sockets once the addresses of the device are known, and follows changes of the addresses.
    /// </summary>
    public void Settle(KernelState state, string bridge)
    {
        if (state.Addresses.Count == 0 || (state.Version == _seenVersion && bridge == _seenBridge))
        {
            return;
        }
        _seenVersion = state.Version;
        _seenBridge = bridge;
        int ifindex = state.Find(bridge)?.Ifindex ?? 0;
        _place = new AuditPlace();
        foreach (DeviceAddress address in state.Addresses)
        {
            _place.Add(address, isBridge: address.Ifindex == ifindex);
        }
        if (!_hasTried)
        {
            _hasTried = true;
            Failure = "";
            _socket = AuditSocket.Open(loop, See, Fail, out KernelError error);
            if (SmallFile.Read(EventsSetting, 16, out _, out _) is ['0', ..])
            {
                error = new KernelError(Errno.ENOENT, words: $"{EventsSetting} is 0");
            }
            if (!error.IsNone)
            {
                Fail(error);
            }
        }
    }

    private void Fail(KernelError error)
    {
        Failure = error.ToString();
        log.Event(EventKind.Firewall, $"the audit sees no connections: {error.ToString()}", LogLevel.Error);
    }

    /// <summary>Call it every 2 s.</summary>
    public void Tick()
    {
        if (++_ticks % WarnEvery == 0)
        {
            log.Event(EventKind.Firewall, Warning, LogLevel.Warn);
        }
    }

    private void See(in ConntrackMessage entry)
    {
        ConntrackMessage.Tuple flow = entry.Original;
        if ((entry.Mark & LinkSocket.Mark) != 0
            || !_place.TryFind(flow.Source, flow.Destination, out AuditSource source))
        {
            return; // the daemon's own, or within the device
        }
        readNames();
        bool isDevice = source == AuditSource.Device;
        bool isInward = source is AuditSource.Inward or AuditSource.HostInward;
        Table.Add(
            source, (isDevice ? _socket?.UserOf(flow) : null) ?? AuditTable.UnknownUser,
            source is AuditSource.Host or AuditSource.HostInward ? flow.Source : default,
            isInward ? null : Names.NameOf(flow.Destination, isDevice),
            isInward ? flow.Source : flow.Destination, flow.Protocol, flow.DestinationPort);
    }

    public void Dispose() => _socket?.Dispose();
}
