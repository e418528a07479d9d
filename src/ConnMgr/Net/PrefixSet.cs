namespace ConnMgr.Net;

/// <summary>
/// A set of addresses and prefixes. A look-up takes one hash per prefix length in the set (at most 33 + 129),
/// however many members the set has.
/// </summary>
internal sealed class PrefixSet
{
    private readonly HashSet<IpPrefix> _prefixes = [];
    private readonly List<(bool IsIpv4, byte Length)> _lengths = [];

    public int Count => _prefixes.Count;

    /// <summary>Adds a prefix. Adding one that is already in the set has no effect.</summary>
    public void Add(IpPrefix prefix)
    {
        (bool, byte) length = (prefix.First.IsIpv4, prefix.Length);
        if (_prefixes.Add(prefix) && !_lengths.Contains(length))
        {
            _lengths.Add(length);
        }
    }

    /// <summary>True if a member contains the address.</summary>
    public bool Contains(IpNumber address)
    {
        foreach ((bool isIpv4, byte length) in _lengths)
        {
            if (isIpv4 == address.IsIpv4
                && _prefixes.Contains(new IpPrefix(IpPrefix.Masked(address, length), length)))
            {
                return true;
            }
        }
        return false;
    }

    /// <summary>Moves all members to a new set and returns it; this set is then empty.</summary>
    public PrefixSet Take()
    {
        PrefixSet taken = new();
        foreach (IpPrefix prefix in _prefixes)
        {
            taken.Add(prefix);
        }
        _prefixes.Clear();
        _lengths.Clear();
        return taken;
    }
}
