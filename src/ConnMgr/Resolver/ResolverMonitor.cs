using ConnMgr.Links;
using ConnMgr.Logging;
using ConnMgr.Net;
using ConnMgr.Netlink;
using ConnMgr.Probe;

namespace ConnMgr.Resolver;

/// <summary>
/// Asks the kernel over which link it reaches the name servers of the device's resolver. Warns if that is not
/// the link in use: name resolution would then fail with the other link, or questions would cost money.
/// </summary>
/// <param name="log">Receives the warning, and its end.</param>
/// <param name="state">The kernel's devices.</param>
/// <param name="servers">The name servers.</param>
/// <param name="deviceTo">Asks the kernel: <see cref="Routing.RouteTableSocket.DeviceTo"/>.</param>
internal sealed class ResolverMonitor(
    Log log, KernelState state, NameServers servers, Func<IpNumber, int> deviceTo)
{
    private const int MostTicks = 30; // check again: rules and other tables may change without an event
    private const string Condition = "resolver over another link";

    private List<ServerPath> _paths = []; // from the last check
    private int _seenState = -1;
    private int _seenServers = -1;
    private string? _seenInUse;
    private int _ticks;
    private string _found = ""; // in the last tick
    private string _told = ""; // in the log
    private string? _toldInUse;

    /// <summary>
    /// The warning as logged; empty if there is none, or if the link in use has changed since.
    /// </summary>
    public string Words(ConnectionView view) => view.InUse?.Name == _toldInUse ? _told : "";

    /// <summary>
    /// Checks the paths to the name servers; call it every tick. Logs a warning only if it is the same in two
    /// ticks, because a switch takes less time.
    /// </summary>
    public void Tick(ConnectionView view)
    {
        bool hasChanged = state.Version != _seenState || servers.Version != _seenServers
            || view.InUse?.Name != _seenInUse;
        if (!hasChanged && _found == _told && ++_ticks < MostTicks)
        {
            return;
        }
        (_seenState, _seenServers, _seenInUse, _ticks) =
            (state.Version, servers.Version, view.InUse?.Name, 0);
        string before = _found;
        _found = ResolverAdvice.Words(Paths(view), view);
        if (_found != before)
        {
            return;
        }
        _toldInUse = _seenInUse;
        if (_found != _told)
        {
            _told = _found;
            if (_told.Length > 0)
            {
                _ = log.Over(Condition);
                log.Once(Condition, EventKind.Route, $"{_told}: see --resolv-conf");
            }
            else if (log.Over(Condition))
            {
                log.Event(EventKind.Route, "the name servers are asked over the link in use again");
            }
        }
    }

    private List<ServerPath> Paths(ConnectionView view)
    {
        List<ServerPath> paths = [];
        foreach (ResolverServer server in servers.OfResolver())
        {
            int ifindex = server.Zone.Length == 0
                ? deviceTo(IpNumber.Of(server.Address))
                : state.Find(server.Zone)?.Ifindex ?? (int.TryParse(server.Zone, out int zone) ? zone : 0);
            string? name = ifindex == 0 ? "" : null;
            foreach (LinkView link in view.Links)
            {
                name = link.Facts.Ifindex == ifindex && ifindex != 0 ? link.Name : name;
            }
            paths.Add(new ServerPath(server.Address, name, NetworkOf(server, ifindex, view)));
        }
        _paths = paths;
        return paths;
    }

    // Returns the link whose network contains the server. When a link dies, it loses its address or its
    // routes; the default route then leads to its servers over another link, which hardly ever reaches them.
    // So remember the network.
    private string? NetworkOf(ResolverServer server, int ifindex, ConnectionView view)
    {
        string? network = null;
        foreach (ServerPath before in _paths)
        {
            network = before.Server.Equals(server.Address) ? before.Network : network;
        }
        foreach (DeviceAddress address in state.Addresses)
        {
            if (address.Prefix.PrefixLength == 0 || !address.Prefix.Contains(server.Address))
            {
                continue;
            }
            foreach (LinkView link in view.Links)
            {
                network = link.Facts.Ifindex == address.Ifindex ? link.Name : network;
            }
            if (address.Ifindex == ifindex)
            {
                break;
            }
        }
        return server.Zone.Length > 0 ? null : network;
    }
}
