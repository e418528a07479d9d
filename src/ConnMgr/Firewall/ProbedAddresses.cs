using ConnMgr.Net;

namespace ConnMgr.Firewall;

/// <summary>
/// The addresses that the daemon has probed lately. They are open to the device at the ports of the probes:
/// another program's rules may overwrite the mark by which the firewall recognizes the daemon's packets.
/// Pure.
/// </summary>
internal sealed class ProbedAddresses
{
    /// <summary>The largest number; a further one replaces the one that was probed longest ago.</summary>
    public const int MaxAddresses = 64;

    /// <summary>An address is closed this long after its last probe.</summary>
    public static readonly TimeSpan Lifetime = TimeSpan.FromHours(1);

    private readonly List<IpNumber> _addresses = []; // the one probed longest ago first
    private readonly List<TimeSpan> _until = [];

    public IReadOnlyList<IpNumber> Addresses => _addresses;

    /// <summary>When <see cref="Expire"/> has work.</summary>
    public TimeSpan NextDeadline => _until.Count > 0 ? _until[0] : TimeSpan.MaxValue;

    /// <summary>Adds an address, or renews it. True if it was not there.</summary>
    public bool Add(IpNumber address, TimeSpan now)
    {
        int at = _addresses.IndexOf(address);
        bool isNew = at < 0;
        if (!isNew || _addresses.Count == MaxAddresses)
        {
            _addresses.RemoveAt(Math.Max(at, 0));
            _until.RemoveAt(Math.Max(at, 0));
        }
        _addresses.Add(address);
        _until.Add(now + Lifetime);
        return isNew;
    }

    /// <summary>Removes the addresses that have ended. True if there was one.</summary>
    public bool Expire(TimeSpan now)
    {
        int count = 0;
        while (count < _until.Count && _until[count] <= now)
        {
            count++;
        }
        _addresses.RemoveRange(0, count);
        _until.RemoveRange(0, count);
        return count > 0;
    }
}
