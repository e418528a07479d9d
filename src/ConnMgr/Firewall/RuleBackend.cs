using ConnMgr.Net;

namespace ConnMgr.Firewall;

/// <summary>
/// Addresses as iptables rules of their own, made by fwcfg.sh, for kernels without sets. It is slow, so a
/// change reaches the kernel some time after it was applied.
/// </summary>
/// <param name="rules">Runs fwcfg.sh.</param>
/// <param name="reason">Why no better backend is in use.</param>
internal sealed class RuleBackend(AddressRuleRunner rules, string reason) : IAddressBackend
{
    /// <summary>
    /// Before the first <see cref="Sync"/> the chains do not exist; it then includes earlier changes.
    /// </summary>
    private bool _isReady;

    public string Name => "rules";

    public string Reason => reason;

    public bool HasTimeouts => false;

    public bool IsImmediate => false;

    public bool IsBusy => rules.Count > 0;

    public void Apply(
        ReadOnlySpan<HoleEffect> effects, bool isUrgent, List<(IpPrefix Prefix, string Reason)> failed)
    {
        if (!_isReady)
        {
            return;
        }
        foreach (ref readonly HoleEffect effect in effects)
        {
            if (effect.Action != HoleAction.Open)
            {
                rules.Delete(effect.Prefix);
            }
            else if (!rules.Add(effect.Prefix, isUrgent))
            {
                failed.Add((effect.Prefix, "too many addresses wait for fwcfg.sh"));
            }
        }
    }

    /// <summary>
    /// Starts a sync. The runner asks the holes itself when its script starts, which may be later.
    /// </summary>
    public void Sync()
    {
        _isReady = true;
        rules.Sync();
    }

    public bool TryAdmit(ServiceSet service, ReadOnlySpan<IpNumber> addresses) => false;

    public bool IsOpening(IpPrefix prefix) => rules.IsAdding(prefix);

    /// <summary>Always true, because <see cref="FirewallRunner"/> detects foreign changes of rules.</summary>
    public bool Has(IpPrefix prefix) => true;

    public List<(IpPrefix Prefix, uint Timeout)>? List() => null;

    public void Dispose() => rules.Dispose();
}
