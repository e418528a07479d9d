using ConnMgr.Native;
using ConnMgr.Net;
using ConnMgr.Netlink;

namespace ConnMgr.Routing;

/// <summary>
/// Carries out a <see cref="RoutePlan"/>, and records the own metrics of the links' defaults in the run
/// directory: one file `metric.4.eth0` or `metric.6.eth0` for each route that is at another metric.
/// </summary>
internal sealed class RouteWriteRunner : IDisposable
{
    private const int FileLimit = 64;

    private readonly RouteTableSocket _socket = new();
    private readonly string _directory;
    private readonly HashSet<string> _known = [];
    private readonly Dictionary<(bool IsIpv6, string Link), OwnMetric> _ownMetrics = [];

    /// <param name="directory">The run directory. Without it, or with a full disk, the usual metrics apply
    /// after a restart.</param>
    public RouteWriteRunner(string directory) => _directory = directory;

    /// <summary>Loads what is recorded about these links, unless that has been done.</summary>
    public void Know(IEnumerable<string> links)
    {
        foreach (string link in links.Where(_known.Add))
        {
            foreach (bool isIpv6 in (ReadOnlySpan<bool>)[false, true])
            {
                string? text = SmallFile.Read(PathOf(isIpv6, link), FileLimit, out _, out _);
                if (OwnMetric.TryParse(text, out OwnMetric metric))
                {
                    _ownMetrics[(isIpv6, link)] = metric;
                }
            }
        }
    }

    /// <summary>The netlink port id, which the kernel's notifications about our changes carry.</summary>
    public uint PortId => _socket.PortId;

    /// <summary>The metrics that earlier plans recorded.</summary>
    public IReadOnlyDictionary<(bool IsIpv6, string Link), OwnMetric> OwnMetrics => _ownMetrics;

    /// <summary>
    /// Reads the kernel's devices, addresses and default routes, and the routes to subnets that connmgr has
    /// added. False if they changed too often meanwhile.
    /// </summary>
    public bool TryRead(KernelState state, List<KernelRoute> routes, List<KernelRoute> subnets)
    {
        if (!_socket.TryRead(state) || !_socket.TryDump(routes, subnets))
        {
            return false;
        }
        _socket.ReadRouters(state, routes);
        return true;
    }

    /// <inheritdoc cref="RouteTableSocket.DeviceTo"/>
    public int DeviceTo(IpNumber peer) => _socket.DeviceTo(peer);

    /// <summary>Carries out the steps. Skips a step whose required step failed.</summary>
    /// <param name="steps">The steps of a plan.</param>
    /// <param name="done">Called for each step that the kernel has carried out.</param>
    /// <param name="failed">Called for each step that failed, with the reason.</param>
    /// <returns>True if no step failed.</returns>
    public bool Run(IReadOnlyList<RouteStep> steps, Action<RouteStep> done, Action<RouteStep, string> failed)
    {
        HashSet<RouteStep> undone = new(ReferenceEqualityComparer.Instance);
        foreach (RouteStep step in steps)
        {
            if (step.Needs is not null && undone.Contains(step.Needs))
            {
                undone.Add(step);
            }
            else if (step.Verb == RouteVerb.Remember)
            {
                Remember(step);
            }
            else if (Send(step, out string words) is not 0 and int error)
            {
                undone.Add(step);
                failed(step, words);
                if (step.Verb == RouteVerb.Add && !IsRefusal(error))
                {
                    return false; // a route that could not be copied now must not be replaced
                }
            }
            else
            {
                done(step);
            }
        }
        return undone.Count == 0;
    }

    /// <summary>
    /// Sends a step. The kernel keeps a route whose gateway has become unreachable, but refuses a copy of it:
    /// add the copy with RTNH_F_ONLINK, so that the route can be moved to or from the front and is not lost.
    /// Do not do so for a route that is restored: it may be obsolete, so the kernel must accept it unchanged.
    /// </summary>
    private int Send(RouteStep step, out string words)
    {
        int error = _socket.Send(step, out words);
        return error is Errno.EINVAL or Errno.ENETUNREACH or Errno.EHOSTUNREACH
            && step is
            {
                Verb: RouteVerb.Add or RouteVerb.Replace, IsRestoring: false,
                Route: { Gateway: not null, NexthopId: 0 } route,
            }
            && _socket.Send(step with { Route = route.AsOnLink() }, out _) == 0
            ? 0
            : error;
    }

    /// <summary>
    /// True if the kernel refuses the route because its link is down or its gateway is unreachable: a working
    /// link must not wait for it. Other errors are temporary.
    /// </summary>
    private static bool IsRefusal(int error) =>
        error is Errno.ENODEV or Errno.EINVAL or Errno.ENETDOWN or Errno.ENETUNREACH or Errno.EHOSTUNREACH;

    private void Remember(RouteStep step)
    {
        _ownMetrics[(step.IsIpv6, step.Link)] = step.Metric;
        _ = SmallFile.Replace(PathOf(step.IsIpv6, step.Link),
            System.Text.Encoding.ASCII.GetBytes($"{step.Metric}\n"));
    }

    private string PathOf(bool isIpv6, string link) =>
        Path.Combine(_directory, $"metric.{(isIpv6 ? 6 : 4)}.{link}");

    /// <inheritdoc/>
    public void Dispose() => _socket.Dispose();
}
