using ConnMgr.Net;

namespace ConnMgr.Firewall;

/// <summary>
/// Puts addresses and prefixes into the kernel's packet filter, and takes them out. One class per mechanism; a static
/// `Open` of each returns null, and why, where the kernel or the tools lack it. The rules that match the elements are
/// made by init_firewall.sh.
/// </summary>
internal interface IAddressBackend : IDisposable
{
    /// <summary>As `status` shows it: `nft`, `sets`, `rules`.</summary>
    string Name { get; }

    /// <summary>Why a better backend is not in use; empty for the best, and for one that was asked for.</summary>
    string Reason { get; }

    /// <summary>The kernel's elements end by themselves after <see cref="HoleEffect.Timeout"/>.</summary>
    bool HasTimeouts { get; }

    /// <summary>
    /// What <see cref="Apply"/> was told is in the kernel when it returns. If not, <see cref="IsOpening"/> tells what
    /// is still under way.
    /// </summary>
    bool IsImmediate { get; }

    /// <summary>A script runs that has to be seen to its end before the daemon exits.</summary>
    bool IsBusy { get; }

    /// <summary>Carries out changes in their order.</summary>
    /// <param name="effects">The changes.</param>
    /// <param name="isUrgent">A DNS reply waits for them: they come before what nobody waits for.</param>
    /// <param name="failed">Receives each prefix that could not be opened, and the reason. It is to be tried again.</param>
    void Apply(ReadOnlySpan<HoleEffect> effects, bool isUrgent, List<(IpPrefix Prefix, string Reason)> failed);

    /// <summary>
    /// Makes the kernel have all of these: after init_firewall.sh has run, and after a foreign change. May remove
    /// other elements that the backend itself put there.
    /// </summary>
    /// <param name="all">An <see cref="HoleAction.Open"/> for every literal and every hole.</param>
    /// <param name="failed">As of <see cref="Apply"/>.</param>
    void Fill(ReadOnlySpan<HoleEffect> all, List<(IpPrefix Prefix, string Reason)> failed);

    /// <summary>The element was applied, and is not in the kernel yet. Never true if <see cref="IsImmediate"/>.</summary>
    bool IsOpening(IpPrefix prefix);

    /// <summary>False only if the kernel says that the element is missing.</summary>
    bool Has(IpPrefix prefix);

    /// <summary>All elements with the seconds each has left (0: no time-out); null if the kernel cannot list them.</summary>
    List<(IpPrefix Prefix, uint Timeout)>? List();
}
