using ConnMgr.Net;

namespace ConnMgr.Firewall;

/// <summary>
/// Adds addresses and prefixes to the kernel's packet filter, and removes them. One class per mechanism; the
/// static `Open` of each returns null and the reason if the kernel or the tools lack it. init_firewall.sh
/// creates the rules that match the elements.
/// </summary>
internal interface IAddressBackend : IDisposable
{
    /// <summary>The name in `status`: `nft`, `sets`, `rules`.</summary>
    string Name { get; }

    /// <summary>
    /// Why a better backend is not in use; empty for the best one, and for one that the user selected.
    /// </summary>
    string Reason { get; }

    /// <summary>
    /// True if the kernel's elements expire by themselves after <see cref="HoleEffect.Timeout"/>.
    /// </summary>
    bool HasTimeouts { get; }

    /// <summary>
    /// True if changes are in the kernel when <see cref="Apply"/> returns. If not, <see cref="IsOpening"/>
    /// tells which are still in progress.
    /// </summary>
    bool IsImmediate { get; }

    /// <summary>True while a script runs that must end before the daemon exits.</summary>
    bool IsBusy { get; }

    /// <summary>Applies changes in their order.</summary>
    /// <param name="effects">The changes.</param>
    /// <param name="isUrgent">A DNS reply waits for the changes: they overtake those that are not
    /// urgent.</param>
    /// <param name="failed">Receives each prefix that could not be opened, and the reason. The caller
    /// retries.</param>
    void Apply(
        ReadOnlySpan<HoleEffect> effects, bool isUrgent, List<(IpPrefix Prefix, string Reason)> failed);

    /// <summary>
    /// Without time-outs only: starts to put everything that must be open into the kernel, after
    /// init_firewall.sh has run and after a foreign change. The backend reads the list itself (<see
    /// cref="HoleStore.ListOpen"/>). With time-outs, apply the openings instead.
    /// </summary>
    void Sync();

    /// <summary>
    /// True if the element was applied but is not in the kernel yet. Never true if <see cref="IsImmediate"/>.
    /// </summary>
    bool IsOpening(IpPrefix prefix);

    /// <summary>
    /// Makes these the only addresses of a service, at once. False if there is no set for them:
    /// init_firewall.sh must then make rules of them.
    /// </summary>
    /// <param name="service">The service.</param>
    /// <param name="addresses">At most 64 addresses.</param>
    bool TryAdmit(ServiceSet service, ReadOnlySpan<IpNumber> addresses);

    /// <summary>False only if the kernel reports that the element is missing.</summary>
    bool Has(IpPrefix prefix);

    /// <summary>
    /// Lists all elements with the seconds each has left (0: no time-out); null if the kernel cannot list
    /// them.
    /// </summary>
    List<(IpPrefix Prefix, uint Timeout)>? List();
}
