using ConnMgr.Net;

namespace ConnMgr.Firewall;

/// <summary>
/// The wanted prefixes, and those of them that are in the kernel. A set of intervals accepts no overlap, so a
/// prefix within another wanted one is left out. Pure.
/// </summary>
internal sealed class PrefixCover
{
    private readonly SortedSet<IpPrefix> _wanted = new(Comparer<IpPrefix>.Create(Compare));

    /// <summary>All wanted prefixes, including those left out, in the order of their addresses.</summary>
    public IEnumerable<IpPrefix> Wanted => _wanted;

    /// <summary>
    /// Adds a wanted prefix. If it was wanted before, it is sent to the kernel again, unless a wider wanted
    /// prefix covers it.
    /// </summary>
    /// <param name="prefix">A prefix of more than one address.</param>
    /// <param name="changes">Receives the prefixes to add to the kernel (true) or to delete from it, in
    /// order.</param>
    /// <returns>False if it was wanted before.</returns>
    public bool Add(IpPrefix prefix, List<(bool IsAdd, IpPrefix Prefix)> changes)
    {
        bool isNew = _wanted.Add(prefix);
        if (IsCovered(prefix))
        {
            return isNew;
        }
        if (isNew)
        {
            NoteOutermostWithin(prefix, isAdd: false, changes);
        }
        changes.Add((true, prefix));
        return isNew;
    }

    /// <summary>Removes a prefix; wanted ones within it stay.</summary>
    /// <returns>False if it was not wanted before. The deletion is sent all the same, unless a wider wanted
    /// prefix covers it.</returns>
    public bool Remove(IpPrefix prefix, List<(bool IsAdd, IpPrefix Prefix)> changes)
    {
        bool wasWanted = _wanted.Remove(prefix);
        if (IsCovered(prefix))
        {
            return wasWanted;
        }
        changes.Add((false, prefix));
        NoteOutermostWithin(prefix, isAdd: true, changes);
        return wasWanted;
    }

    /// <summary>
    /// Reverts <see cref="Add"/> or <see cref="Remove"/>, because the kernel refused the change.
    /// </summary>
    public void Undo(IpPrefix prefix, bool wasAdded) =>
        _ = wasAdded ? _wanted.Remove(prefix) : _wanted.Add(prefix);

    /// <summary>True if another wanted prefix contains it.</summary>
    private bool IsCovered(IpPrefix prefix)
    {
        for (int length = prefix.Length - 1; length >= 0; length--)
        {
            if (_wanted.Contains(new IpPrefix(IpPrefix.Masked(prefix.First, (byte)length), (byte)length)))
            {
                return true;
            }
        }
        return false;
    }

    private void NoteOutermostWithin(IpPrefix outer, bool isAdd, List<(bool IsAdd, IpPrefix Prefix)> changes)
    {
        int hostBits = (outer.First.IsIpv4 ? 32 : 128) - outer.Length;
        UInt128 last = hostBits == 128
            ? UInt128.MaxValue
            : outer.First.Value + ((UInt128.One << hostBits) - 1);
        IpPrefix? previous = null;
        IpPrefix end = new(new IpNumber(last), 128);
        foreach (IpPrefix inner in _wanted.GetViewBetween(new IpPrefix(outer.First, 0), end))
        {
            if (inner != outer && outer.Contains(inner.First) && previous?.Contains(inner.First) != true)
            {
                changes.Add((isAdd, inner));
                previous = inner;
            }
        }
    }

    private static int Compare(IpPrefix one, IpPrefix other)
    {
        int order = one.First.Value.CompareTo(other.First.Value);
        return order != 0 ? order : one.Length.CompareTo(other.Length);
    }
}
