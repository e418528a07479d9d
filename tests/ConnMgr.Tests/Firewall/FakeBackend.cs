using ConnMgr.Firewall;
using ConnMgr.Net;

namespace ConnMgr.Tests.Firewall;

/// <summary>A simulated kernel: the applied effects in order, and the resulting elements.</summary>
internal sealed class FakeBackend : IAddressBackend
{
    public List<string> Applied { get; } = [];

    public Dictionary<IpPrefix, uint> Elements { get; } = [];

    /// <summary>Prefixes that the kernel refuses.</summary>
    public HashSet<IpPrefix> Refused { get; } = [];

    /// <summary>
    /// Prefixes that were applied but are not in the kernel yet; only for a backend that is not immediate.
    /// </summary>
    public HashSet<IpPrefix> Opening { get; } = [];

    public int Syncs { get; private set; }

    public string Name => "fake";

    public string Reason => "it is a test";

    public bool HasTimeouts { get; init; } = true;

    public bool IsImmediate { get; init; } = true;

    public bool IsBusy => false;

    public void Apply(
        ReadOnlySpan<HoleEffect> effects, bool isUrgent, List<(IpPrefix Prefix, string Reason)> failed)
    {
        foreach (HoleEffect effect in effects)
        {
            Applied.Add($"{effect.Action} {effect.Prefix}{(isUrgent ? " urgent" : "")}");
            if (effect.Action != HoleAction.Open)
            {
                Elements.Remove(effect.Prefix);
            }
            else if (Refused.Contains(effect.Prefix))
            {
                failed.Add((effect.Prefix, "the set is full"));
            }
            else
            {
                Elements[effect.Prefix] = (uint)effect.Timeout;
                _ = !IsImmediate && Opening.Add(effect.Prefix);
            }
        }
    }

    public bool TryAdmit(ServiceSet service, ReadOnlySpan<IpNumber> addresses) => true;

    public void Sync() => Syncs++;

    public bool IsOpening(IpPrefix prefix) => Opening.Contains(prefix);

    public bool Has(IpPrefix prefix) => Elements.ContainsKey(prefix);

    public List<(IpPrefix Prefix, uint Timeout)>? List() =>
        [.. Elements.Select(pair => (pair.Key, pair.Value))];

    public void Dispose()
    {
    }
}
