using ConnMgr.Native;
using ConnMgr.Net;

namespace ConnMgr.Firewall;

/// <summary>Addresses as elements of the ipset sets afero4 and afero6, each with its own time-out.</summary>
internal sealed class SetBackend : IAddressBackend
{
    private readonly AddressSetSocket _sets;

    private SetBackend(AddressSetSocket sets, string reason) => (_sets, Reason) = (sets, reason);

    /// <summary>Creates both sets, or adopts those of an earlier run with their elements.</summary>
    /// <param name="reason">Why nf_tables is not in use; empty if the user selected iptables.</param>
    /// <param name="error">Why the kernel has no sets, if the result is null.</param>
    public static SetBackend? Open(string reason, out KernelError error) =>
        AddressSetSocket.Open(out error) is { } sets ? new SetBackend(sets, reason) : null;

    public string Name => "sets";

    public string Reason { get; }

    public bool HasTimeouts => true;

    public bool IsImmediate => true;

    public bool IsBusy => false;

    public void Apply(
        ReadOnlySpan<HoleEffect> effects, bool isUrgent, List<(IpPrefix Prefix, string Reason)> failed) =>
        _sets.Apply(effects, (prefix, error) => failed.Add((prefix, error.ToString())));

    public void Sync()
    {
        // The caller applies the openings.
    }

    public bool IsOpening(IpPrefix prefix) => false;

    public bool TryAdmit(ServiceSet service, ReadOnlySpan<IpNumber> addresses) =>
        _sets.TryReplace(service, addresses);

    public bool Has(IpPrefix prefix) => _sets.Has(prefix);

    public List<(IpPrefix Prefix, uint Timeout)>? List() => _sets.List();

    public void Dispose() => _sets.Dispose();
}
