using System.Net;

namespace ConnMgr.Probe;

/// <summary>The settings that all probes of the daemon share.</summary>
/// <param name="Services">The services; a correct answer of any one suffices.</param>
/// <param name="PingTargets">The addresses to ping if no service answers; the first of each family is
/// used.</param>
/// <param name="Proven">The URLs of the services that have answered correctly over any link. It grows while
/// the daemon runs.</param>
/// <param name="Connecting">Called with each address before a probe sends to it; null if it is not
/// needed.</param>
internal sealed record ProbeSettings(
    IReadOnlyList<ProbeUrl> Services, IReadOnlyList<IPAddress> PingTargets, IReadOnlySet<string> Proven,
    Action<IPAddress>? Connecting = null);
