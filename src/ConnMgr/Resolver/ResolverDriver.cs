using ConnMgr.Config;
using ConnMgr.EventLoop;
using ConnMgr.Links;
using ConnMgr.Logging;
using ConnMgr.Net;
using ConnMgr.Netlink;
using ConnMgr.Probe;

namespace ConnMgr.Resolver;

/// <summary>
/// Warns if the name servers of the device's resolver are not reached over the link in use. With
/// --resolv-conf, makes the resolver ask the name servers of that link.
/// </summary>
internal sealed class ResolverDriver : IDisposable
{
    private readonly NameServers _servers;
    private readonly ResolverMonitor _monitor;
    private readonly ResolverRunner? _runner; // null: --resolv-conf is off, and there is nothing to restore
    private readonly bool _isOff;

    /// <param name="loop">The event loop.</param>
    /// <param name="log">The log.</param>
    /// <param name="options">What --resolv-conf says.</param>
    /// <param name="environment">The environment of resolv_conf.sh.</param>
    /// <param name="state">The kernel's state.</param>
    /// <param name="servers">The name servers.</param>
    /// <param name="deviceTo">Asks the kernel for the device to an address.</param>
    public ResolverDriver(
        Loop loop, Log log, Options options, IReadOnlyList<string> environment, KernelState state,
        NameServers servers, Func<IpNumber, int> deviceTo)
    {
        _servers = servers;
        _monitor = new ResolverMonitor(log, state, servers, deviceTo);
        _isOff = options.ResolvConf is null;
        if (!_isOff || ResolverRunner.HasTraces(options.RunDirectory))
        {
            _runner = new ResolverRunner(loop, log, options, environment, state, servers);
        }
        if (_isOff)
        {
            _runner?.Stop();
        }
    }

    /// <summary>
    /// Describes the resolver's name servers that are not reached over the link in use; empty if all are.
    /// </summary>
    public string Warning(ConnectionView view) => _monitor.Words(view);

    /// <summary>The name servers that the resolver asks, as text.</summary>
    public List<string> Servers => [.. _servers.OfResolver().Select(server => server.Address.ToString())];

    /// <summary>What --resolv-conf has done, as a phrase; null if it is off.</summary>
    public string? Words => _isOff ? null : _runner?.Words;

    /// <summary>
    /// True while a script runs. The daemon waits for the script's end before it exits, because after the
    /// exit nothing would kill a script that hangs.
    /// </summary>
    public bool IsBusy => _runner is { IsBusy: true };

    /// <summary>Follows the link in use. Call it after each decision.</summary>
    public void Settle(ConnectionView view) => _runner?.Settle(view);

    /// <summary>Follows a reload that has changed the links.</summary>
    public void Reload() => _runner?.RunAtNextTick();

    /// <summary>Checks for changes that the kernel does not report. Call it every tick.</summary>
    public void Tick(ConnectionView view)
    {
        _monitor.Tick(view);
        if (!_isOff)
        {
            _runner?.Tick(view);
        }
    }

    /// <summary>
    /// Restores the name servers that the resolver asked before. Call it when the daemon ends.
    /// </summary>
    public void Stop() => _runner?.Stop();

    /// <inheritdoc/>
    public void Dispose() => _runner?.Dispose();
}
