using System.Net;

namespace ConnMgr.Probe;

/// <summary>What every probe of the daemon asks.</summary>
/// <param name="Services">The echo services; any right answer counts.</param>
/// <param name="PingTargets">The second opinions; of each family the first is used.</param>
internal sealed record ProbeSettings(IReadOnlyList<EchoService> Services, IReadOnlyList<IPAddress> PingTargets);
