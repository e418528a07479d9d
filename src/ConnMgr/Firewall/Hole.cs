using ConnMgr.Dns;
using ConnMgr.Net;

namespace ConnMgr.Firewall;

/// <summary>
/// One open address and the names that have it. Only <see cref="Holes"/> changes it. Times are monotonic.
/// </summary>
internal sealed class Hole(IpNumber address, TimeSpan since)
{
    /// <summary>
    /// The largest number of names per address; a content network has thousands. A further name replaces the
    /// one that ends first, wildcard names before exact ones. The names decide whether the hole survives a
    /// change of the whitelist.
    /// </summary>
    public const int MaxNames = 16;

    /// <summary>A time before all others.</summary>
    public static readonly TimeSpan Never = TimeSpan.FromDays(-100_000);

    private HoleName[] _names = new HoleName[1];
    private int _count;
    private Hole? _next;

    public IpNumber Address { get; } = address;

    /// <summary>When the address was first opened.</summary>
    public TimeSpan Since { get; } = since;

    /// <summary>When the hole ends unless it is renewed.</summary>
    public TimeSpan Until { get; private set; } = Never;

    /// <summary>When an answer with this address was last seen.</summary>
    public TimeSpan LearnedAt { get; private set; } = Never;

    /// <summary>When the kernel's element ends; <see cref="Never"/> if there is none.</summary>
    public TimeSpan KernelUntil { get; set; } = Never;

    /// <summary>When a connection to the address was last seen open.</summary>
    public TimeSpan SeenOpen { get; private set; } = Never;

    /// <summary>True if one of its names is an exact entry of the whitelist.</summary>
    public bool IsExact { get; private set; }

    /// <summary>The index in <see cref="HoleTable"/>; -1 if it was removed.</summary>
    public int Index { get; set; } = -1;

    /// <summary>The next hole in the same bucket of <see cref="HoleTable"/>.</summary>
    public ref Hole? Next => ref _next;

    public ReadOnlySpan<HoleName> Names => _names.AsSpan(0, _count);

    /// <summary>Stores that an answer gives this address for the name.</summary>
    public void Learn(ReadOnlySpan<byte> wire, bool isExact, int lifetime, TimeSpan now)
    {
        LearnedAt = now;
        Promise(wire, isExact, lifetime, now + TimeSpan.FromSeconds(lifetime));
    }

    /// <summary>
    /// Keeps the address open for the name until the given time, or longer if that was promised before.
    /// </summary>
    public void Promise(ReadOnlySpan<byte> wire, bool isExact, int lifetime, TimeSpan until)
    {
        int at = 0;
        while (at < _count && !_names[at].Wire.AsSpan().SequenceEqual(wire))
        {
            at++;
        }
        byte[]? bytes = null;
        if (at < _count)
        {
            bytes = _names[at].Wire;
            until = until > _names[at].Until ? until : _names[at].Until;
        }
        else if (_count < MaxNames)
        {
            _count++;
            if (at == _names.Length)
            {
                Array.Resize(ref _names, 2 * at);
            }
        }
        else
        {
            at = Expendable();
        }
        IsExact |= isExact; // stays true: a wildcard name is always replaced before an exact one
        _names[at] = new HoleName(bytes ?? wire.ToArray(), isExact, lifetime, until);
        Until = until > Until ? until : Until;
    }

    /// <summary>
    /// Renews the names that have not ended by their lifetimes, because a connection is open.
    /// </summary>
    public void Renew(TimeSpan now)
    {
        SeenOpen = now;
        TimeSpan limit = now < Until ? now : Until; // if all have ended, renew those that ended last
        for (int i = 0; i < _count; i++)
        {
            HoleName name = _names[i];
            if (name.Until >= limit)
            {
                Promise(name.Wire, name.IsExact, name.Lifetime, now + TimeSpan.FromSeconds(name.Lifetime));
            }
        }
    }

    /// <summary>Keeps the names that this whitelist wants. False if no name is left.</summary>
    public bool Keep(Whitelist whitelist)
    {
        int kept = 0;
        Until = Never;
        IsExact = false;
        for (int i = 0; i < _count; i++)
        {
            HoleName name = _names[i];
            if (whitelist.IsWanted(name.Name, out int entry))
            {
                _names[kept++] = name with { IsExact = whitelist.IsExact(entry) };
                IsExact |= whitelist.IsExact(entry);
                Until = name.Until > Until ? name.Until : Until;
            }
        }
        _count = kept;
        return kept > 0;
    }

    private int Expendable()
    {
        int found = 0;
        for (int i = 1; i < _count; i++)
        {
            bool isBetter = _names[i].IsExact == _names[found].IsExact
                ? _names[i].Until < _names[found].Until
                : !_names[i].IsExact;
            found = isBetter ? i : found;
        }
        return found;
    }
}

/// <summary>One of the names of an address.</summary>
/// <param name="Wire">The name in wire format, in lower case.</param>
/// <param name="IsExact">True if an exact entry of the whitelist wants it, not only a wildcard.</param>
/// <param name="Lifetime">Seconds by which an open connection renews it: the lifetime of the last
/// answer.</param>
/// <param name="Until">When the name ends.</param>
internal readonly record struct HoleName(byte[] Wire, bool IsExact, int Lifetime, TimeSpan Until)
{
    /// <summary>The name, parsed from <see cref="Wire"/>.</summary>
    public DnsName Name
    {
        get
        {
            DnsReader reader = new(Wire);
            _ = DnsName.TryRead(ref reader, out DnsName name);
            return name;
        }
    }
}
