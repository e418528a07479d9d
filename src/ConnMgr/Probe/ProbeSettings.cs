using System.Net;
using ConnMgr.Net;

namespace ConnMgr.Probe;

/// <summary>Called when a conversation has ended.</summary>
/// <param name="flow">The addresses and ports of the packets that were sent.</param>
/// <param name="startedAt">When it began, in the loop's time.</param>
internal delegate void ConversationEnded(in Flow flow, TimeSpan startedAt);

/// <summary>Judges a connection or a question that got no answer.</summary>
/// <param name="flow">The addresses and ports of the packets that were sent.</param>
/// <param name="isRefused">True if the kernel has refused to send.</param>
/// <returns>True if this device drops the packets, or the answers.</returns>
internal delegate bool Unanswered(in Flow flow, bool isRefused);

/// <summary>The settings that all probes of the daemon share.</summary>
/// <param name="Services">The services; a correct answer of any one suffices.</param>
/// <param name="PingTargets">The addresses to ping if no service answers; the first of each family is
/// used.</param>
/// <param name="Proven">The URLs of the services that have answered correctly over any link. It grows while
/// the daemon runs.</param>
/// <param name="Connecting">Called with each address before a probe sends to it; null if it is not
/// needed.</param>
/// <param name="Ended">Called with each conversation that has had an answer or a refusal; null if it is not
/// needed.</param>
/// <param name="Unanswered">Asked about each conversation and question without an answer; null if it is not
/// needed.</param>
internal sealed record ProbeSettings(
    IReadOnlyList<ProbeUrl> Services, IReadOnlyList<IPAddress> PingTargets, IReadOnlySet<string> Proven,
    Action<IPAddress>? Connecting = null, ConversationEnded? Ended = null,
    Unanswered? Unanswered = null);
