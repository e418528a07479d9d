using ConnMgr.Native;
using ConnMgr.Net;

namespace ConnMgr.Firewall;

/// <summary>
/// Addresses as elements of the nf_tables sets of the table `inet connmgr`, each with its own time-out. The
/// kernel reports foreign changes of them (<see cref="NftTableSocket"/>).
/// </summary>
internal sealed class NftBackend : IAddressBackend
{
    private readonly NftSetSocket _sets;

    private NftBackend(NftSetSocket sets) => _sets = sets;

    /// <summary>Creates the table and its sets, or adopts those of an earlier run.</summary>
    /// <param name="error">Why nf_tables cannot be used, if the result is null.</param>
    public static NftBackend? Open(out KernelError error) =>
        NftSetSocket.Open(out error) is { } sets ? new NftBackend(sets) : null;

    public string Name => "nft";

    public string Reason => "";

    public bool HasTimeouts => true;

    public bool IsImmediate => true;

    public bool IsBusy => false;

    /// <inheritdoc cref="NftSetSocket.BeforeEach"/>
    public Action BeforeEach
    {
        set => _sets.BeforeEach = value;
    }

    /// <summary>The netlink port id of the daemon's own changes.</summary>
    public uint PortId => _sets.PortId;

    public void Apply(
        ReadOnlySpan<HoleEffect> effects, bool isUrgent, List<(IpPrefix Prefix, string Reason)> failed) =>
        _sets.Apply(effects, (prefix, error) => failed.Add((prefix, error.ToString())));

    public void Sync()
    {
        // The caller applies the openings.
    }

    public bool IsOpening(IpPrefix prefix) => false;

    public bool TryAdmit(ServiceSet service, ReadOnlySpan<IpNumber> addresses) =>
        _sets.Replace(service, addresses).IsNone;

    public bool Has(IpPrefix prefix) => _sets.Has(prefix);

    public List<(IpPrefix Prefix, uint Timeout)>? List() => _sets.List();

    /// <summary>
    /// Deletes the table, because init_firewall.sh has locked the device by iptables instead.
    /// </summary>
    public void DeleteTable() => _sets.DeleteTable();

    public void Dispose() => _sets.Dispose();
}
