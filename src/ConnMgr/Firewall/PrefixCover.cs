using ConnMgr.Net;

namespace ConnMgr.Firewall;

/// <summary>
/// The prefixes that are wanted, and of them those that are in the kernel: a set of intervals takes none that
/// overlap, so a prefix within another one that is wanted, too, is left out. Pure.
/// </summary>
internal sealed class PrefixCover
{
    private readonly SortedSet<IpPrefix> _wanted = new(Comparer<IpPrefix>.Create(Compare));

    /// <summary>All that are wanted, those left out included; in the order of their addresses.</summary>
    public IEnumerable<IpPrefix> Wanted => _wanted;

    /// <summary>
    /// A prefix is wanted from now on. One that was wanted before is put into the kernel once more.
    /// </summary>
    /// <param name="prefix">More than one address.</param>
    /// <param name="changes">
    /// Receives what is to be put in (true) or taken out of the kernel, in this order.
    /// </param>
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
            AddOutermostWithin(prefix, isAdd: false, changes);
        }
        changes.Add((true, prefix));
        return isNew;
    }

    /// <summary>A prefix is not wanted any more; those within it still are.</summary>
    /// <returns>False if it was not wanted before. It is taken out of the kernel in any case.</returns>
    public bool Remove(IpPrefix prefix, List<(bool IsAdd, IpPrefix Prefix)> changes)
    {
        bool wasWanted = _wanted.Remove(prefix);
        if (IsCovered(prefix))
        {
            return wasWanted;
        }
        changes.Add((false, prefix));
        AddOutermostWithin(prefix, isAdd: true, changes);
        return wasWanted;
    }

    /// <summary>The kernel did not do what <see cref="Add"/> or <see cref="Remove"/> wanted.</summary>
    public void Undo(IpPrefix prefix, bool wasAdded) =>
        _ = wasAdded ? _wanted.Remove(prefix) : _wanted.Add(prefix);

    /// <summary>Another one that is wanted contains it.</summary>
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

    private void AddOutermostWithin(IpPrefix outer, bool isAdd, List<(bool IsAdd, IpPrefix Prefix)> changes)
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
