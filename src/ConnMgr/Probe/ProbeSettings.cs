using System.Net;

namespace ConnMgr.Probe;

/// <summary>What every probe of the daemon asks.</summary>
/// <param name="Services">Any right answer counts.</param>
/// <param name="PingTargets">The second opinions; of each family the first is used.</param>
/// <param name="Proven">The URLs of the services that have answered rightly over any link. It grows while the daemon
/// runs.</param>
internal sealed record ProbeSettings(
    IReadOnlyList<ProbeUrl> Services, IReadOnlyList<IPAddress> PingTargets, IReadOnlySet<string> Proven);
