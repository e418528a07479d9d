using ConnMgr.Dns;
using ConnMgr.Net;

namespace ConnMgr.Firewall;

/// <summary>
/// Permission for one address, and the names that it belongs to. <see cref="Holes"/> alone changes it. Times are
/// monotonic.
/// </summary>
internal sealed class Hole(IpNumber address, TimeSpan since)
{
    /// <summary>
    /// Beyond it a new name takes the place of the one that ends first, exact names last: names matter when the
    /// whitelist changes, and a content network has thousands for one address.
    /// </summary>
    public const int MaxNames = 16;

    /// <summary>Before all times.</summary>
    public static readonly TimeSpan Never = TimeSpan.FromDays(-100_000);

    private HoleName[] _names = new HoleName[1];
    private int _count;
    private Hole? _next;

    public IpNumber Address { get; } = address;

    public TimeSpan Since { get; } = since;

    /// <summary>When it ends, unless it is renewed.</summary>
    public TimeSpan Until { get; private set; } = Never;

    /// <summary>When an answer was last seen.</summary>
    public TimeSpan LearnedAt { get; private set; } = Never;

    /// <summary>When the kernel's element ends; <see cref="Never"/>: it has none.</summary>
    public TimeSpan KernelUntil { get; set; } = Never;

    /// <summary>When a connection through it was last seen open.</summary>
    public TimeSpan SeenOpen { get; private set; } = Never;

    /// <summary>Whether one of its names is an exact entry of the whitelist.</summary>
    public bool IsExact { get; private set; }

    /// <summary>Its number in <see cref="HoleTable"/>; -1: it is not there.</summary>
    public int Index { get; set; } = -1;

    /// <summary>The next one of its bucket of <see cref="HoleTable"/>.</summary>
    public ref Hole? Next => ref _next;

    public ReadOnlySpan<HoleName> Names => _names.AsSpan(0, _count);

    /// <summary>An answer says that the name has the address.</summary>
    public void Learn(ReadOnlySpan<byte> wire, bool isExact, int lifetime, TimeSpan now)
    {
        LearnedAt = now;
        Promise(wire, isExact, lifetime, now + TimeSpan.FromSeconds(lifetime));
    }

    /// <summary>The name has the address until then, or for as long as was promised before.</summary>
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
        IsExact |= isExact; // no exact name is replaced while there is another kind: so one stays
        _names[at] = new HoleName(bytes ?? wire.ToArray(), isExact, lifetime, until);
        Until = until > Until ? until : Until;
    }

    /// <summary>A connection through it is open: the names that have not ended are as good as learned now.</summary>
    public void Renew(TimeSpan now)
    {
        SeenOpen = now;
        TimeSpan limit = now < Until ? now : Until; // it may be that all have ended, a moment ago
        for (int i = 0; i < _count; i++)
        {
            HoleName name = _names[i];
            if (name.Until >= limit)
            {
                Promise(name.Wire, name.IsExact, name.Lifetime, now + TimeSpan.FromSeconds(name.Lifetime));
            }
        }
    }

    /// <summary>Keeps the names that this whitelist wants. False if none is left.</summary>
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

/// <summary>A name that an address has.</summary>
/// <param name="Wire">The name in wire format and lower case.</param>
/// <param name="IsExact">An exact entry of the whitelist wants it, not only a wildcard.</param>
/// <param name="Lifetime">Of its last answer, in seconds: what renewals are worth.</param>
/// <param name="Until">When it ends.</param>
internal readonly record struct HoleName(byte[] Wire, bool IsExact, int Lifetime, TimeSpan Until)
{
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
