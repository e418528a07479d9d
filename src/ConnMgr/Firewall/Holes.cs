using ConnMgr.Dns;
using ConnMgr.Net;

namespace ConnMgr.Firewall;

/// <summary>
/// The addresses of whitelisted names, and how long each stays open. Returns the changes for the kernel as
/// effects. Pure; times are monotonic, from any origin.
/// </summary>
/// <param name="whitelist">The whitelist in force.</param>
internal sealed class Holes(Whitelist whitelist)
{
    /// <summary>
    /// The largest number of addresses: half the capacity of a kernel set. A further one replaces the hole
    /// that ends first, holes of wildcards before those of exact names, but never one with an open connection
    /// or learned within a minute.
    /// </summary>
    public const int MaxHoles = 32768;

    /// <summary>
    /// In seconds. With a TTL of 0, the address must not close before the program connects.
    /// </summary>
    private const int LeastTtl = 300;

    /// <summary>
    /// In seconds beyond the TTL, because programs use addresses for longer than the TTL allows.
    /// </summary>
    private const int BeyondTtl = 3600;

    /// <summary>In seconds: seven days.</summary>
    private const int LongestLifetime = 7 * 24 * 3600;

    /// <summary>
    /// A hole is not replaced for this long after an answer, because a program is about to connect.
    /// </summary>
    private static readonly TimeSpan Moment = TimeSpan.FromSeconds(60);

    /// <summary>
    /// Send a new time-out to the kernel only if it grows by more than this; the rest follows before the
    /// element ends.
    /// </summary>
    private static readonly TimeSpan Margin = TimeSpan.FromSeconds(5);

    /// <summary>Send the whole promised time to the kernel this long before its element ends.</summary>
    private static readonly TimeSpan TopUp = TimeSpan.FromSeconds(60);

    /// <summary>
    /// Look at the connections this long before a hole ends, and at its end: an open one renews the hole.
    /// </summary>
    private static readonly TimeSpan EarlyLook = TimeSpan.FromSeconds(60);

    private static readonly TimeSpan LookInterval = TimeSpan.FromMinutes(5);

    private static readonly TimeSpan LeastLookInterval = TimeSpan.FromSeconds(10);

    /// <summary>
    /// A hole that is due waits this long for a look at the connections, then ends without one.
    /// </summary>
    private static readonly TimeSpan Patience = TimeSpan.FromSeconds(30);

    /// <summary>Renewals are saved after this time, new holes at once.</summary>
    private static readonly TimeSpan LazySave = TimeSpan.FromSeconds(60);

    /// <summary>The list of replaceable holes is reused for this long.</summary>
    private static readonly TimeSpan SparesFor = TimeSpan.FromSeconds(1);

    private readonly HoleTable _holes = new();
    private readonly SpareHoles _spares = new();

    private TimeSpan _lookedAt = Hole.Never;

    public Whitelist Whitelist { get; private set; } = whitelist;

    /// <summary>
    /// True if the backend's elements expire by themselves (<see cref="IAddressBackend.HasTimeouts"/>). If
    /// not, each is sent once.
    /// </summary>
    public bool HasTimeouts { get; set; } = true;

    /// <summary>True if names may open private addresses (<see cref="AddressScope.Private"/>).</summary>
    public bool AllowsPrivate { get; init; }

    public int Count => _holes.Count;

    /// <summary>The number of holes replaced before their end.</summary>
    public int Evicted { get; private set; }

    /// <summary>The number of holes visited or compared to make room.</summary>
    public long WorkForRoom => _spares.Work;

    /// <summary>The number of addresses refused because no hole could be replaced.</summary>
    public int Refused { get; private set; }

    /// <summary>When <see cref="Tick"/> has work.</summary>
    public TimeSpan NextDeadline { get; private set; } = TimeSpan.MaxValue;

    /// <summary>
    /// When to look at the open connections: call <see cref="SeeOpen"/> for each, then
    /// <see cref="OnLookEnded"/>.
    /// </summary>
    public TimeSpan NextLook { get; private set; } = TimeSpan.MaxValue;

    /// <summary>When to save the holes (<see cref="HoleFile"/>); then call <see cref="Saved"/>.</summary>
    public TimeSpan NextSave { get; private set; } = TimeSpan.MaxValue;

    public Hole this[int index] => _holes[index];

    /// <summary>How long an address from an answer with this TTL stays open, in seconds.</summary>
    public static int LifetimeOf(uint ttl) =>
        (int)Math.Min(Math.Max((long)ttl, LeastTtl) + BeyondTtl, LongestLifetime);

    /// <summary>True if a name or a literal entry allows the address.</summary>
    public bool IsAllowed(IpNumber address) => _holes.Find(address) is not null || Whitelist.Covers(address);

    /// <summary>True if a connection to the address was open at one of the last two looks.</summary>
    public static bool IsInUse(Hole hole, TimeSpan now) => hole.SeenOpen > now - (LookInterval * 2);

    /// <summary>True if the hole may be replaced.</summary>
    public static bool CanGo(Hole hole, TimeSpan now) =>
        !IsInUse(hole, now) && hole.LearnedAt < now - Moment;

    /// <summary>Opens or renews an address of a name from an answer.</summary>
    /// <param name="name">The name of the question.</param>
    /// <param name="address">One of its addresses.</param>
    /// <param name="ttl">The smallest TTL of the CNAME chain, in seconds.</param>
    /// <param name="now">The loop's time.</param>
    /// <param name="effects">Receives the changes to apply before the answer is released.</param>
    public HoleOutcome Learn(
        in DnsName name, IpNumber address, uint ttl, TimeSpan now, List<HoleEffect> effects)
    {
        if (!Whitelist.IsWanted(name, out int entry))
        {
            return HoleOutcome.NotWanted;
        }
        if (!MayOpen(address))
        {
            return HoleOutcome.BadAddress;
        }
        if (HoleFor(address, now, now, effects, out bool isNew) is not { } hole)
        {
            return HoleOutcome.Full;
        }
        hole.Learn(name.Wire, Whitelist.IsExact(entry), LifetimeOf(ttl), now);
        NextSave = Earlier(NextSave, now + (isNew ? TimeSpan.Zero : LazySave));
        return Renewed(hole, now, effects)
            ? (isNew ? HoleOutcome.Added : HoleOutcome.Renewed)
            : HoleOutcome.Literal;
    }

    /// <summary>
    /// Restores a hole of an earlier run. False if it has ended or is no longer wanted; it is then revoked,
    /// unless another name of the address follows.
    /// </summary>
    /// <param name="name">One of its names.</param>
    /// <param name="address">The address.</param>
    /// <param name="since">When it was first opened.</param>
    /// <param name="until">When it ends.</param>
    /// <param name="lifetime">The number of seconds by which an open connection renews it.</param>
    /// <param name="now">The loop's time.</param>
    /// <param name="effects">Receives the changes.</param>
    public bool Restore(
        in DnsName name, IpNumber address, TimeSpan since, TimeSpan until, int lifetime, TimeSpan now,
        List<HoleEffect> effects)
    {
        TimeSpan left = until - now;
        bool isWanted = Whitelist.IsWanted(name, out int entry) && MayOpen(address);
        if (left <= TimeSpan.Zero || left.TotalSeconds > LongestLifetime || since > now
            || lifetime is < LeastTtl + BeyondTtl or > LongestLifetime || !isWanted
            || HoleFor(address, since, now, effects, out _) is not { } hole)
        {
            if ((left <= TimeSpan.Zero || !isWanted) && !IsAllowed(address))
            {
                effects.Add(new HoleEffect(HoleAction.Revoke, IpPrefix.Of(address), 0));
            }
            return false;
        }
        hole.Promise(name.Wire, Whitelist.IsExact(entry), lifetime, until);
        Renewed(hole, now, effects);
        return true;
    }

    /// <summary>Renews the hole of this peer, because a connection to it is open.</summary>
    public void SeeOpen(IpNumber peer, TimeSpan now, List<HoleEffect> effects)
    {
        if (_holes.Find(peer) is not { } hole)
        {
            return;
        }
        hole.Renew(now);
        NextSave = Earlier(NextSave, now + LazySave);
        Renewed(hole, now, effects);
    }

    /// <summary>Ends a look at the connections: all open ones have been reported.</summary>
    /// <param name="begun">When the look began; it tells nothing about later connections.</param>
    public void OnLookEnded(TimeSpan begun)
    {
        _lookedAt = begun;
        NextDeadline = begun; // Tick then ends holes and schedules the next look
        NextLook = TimeSpan.MaxValue;
    }

    /// <summary>Ends the holes that are due, and renews the kernel's time-outs.</summary>
    public void Tick(TimeSpan now, List<HoleEffect> effects)
    {
        if (now < NextDeadline)
        {
            return;
        }
        NextDeadline = TimeSpan.MaxValue;
        NextLook = TimeSpan.MaxValue;
        for (int i = 0; i < _holes.Count;)
        {
            Hole hole = _holes[i];
            bool isLiteral = Whitelist.HasLiteral(IpPrefix.Of(hole.Address));
            if (now >= hole.Until && (_lookedAt >= hole.Until || now >= hole.Until + Patience))
            {
                if (!isLiteral)
                {
                    effects.Add(Closing(hole));
                }
                NextSave = Earlier(NextSave, now + LazySave);
                _holes.Remove(hole); // the last hole now has the index i
                continue;
            }
            i++;
            if (!isLiteral && now < hole.Until && hole.KernelUntil < hole.Until
                && hole.KernelUntil <= now + TopUp)
            {
                Open(hole, now, effects);
            }
            Schedule(hole, isLiteral, now);
        }
    }

    /// <summary>True if the prefix is a literal entry, or the address of a hole.</summary>
    public bool IsOpen(IpPrefix prefix) => Whitelist.HasLiteral(prefix)
        || (prefix.IsAddress && _holes.Find(prefix.First) is not null);

    /// <summary>
    /// Records that the kernel may have none of the holes: until <see cref="OpenAgain"/> has opened it, an
    /// answer with its address opens it.
    /// </summary>
    public void ForgetKernel()
    {
        for (int i = 0; i < _holes.Count; i++)
        {
            _holes[i].KernelUntil = Hole.Never;
        }
    }

    /// <summary>The number of literals and holes together.</summary>
    public int OpenCount => Whitelist.LiteralCount + _holes.Count;

    /// <summary>Adds the opening of a literal or hole, for a backend that may have lost it.</summary>
    /// <param name="index">0 to <see cref="OpenCount"/> - 1. Go from the last to the first to miss none if
    /// holes end meanwhile: the last hole takes the index of one that has ended.</param>
    /// <param name="now">The loop's time.</param>
    /// <param name="effects">Receives the opening.</param>
    public void OpenAgain(int index, TimeSpan now, List<HoleEffect> effects)
    {
        if (index < Whitelist.LiteralCount)
        {
            effects.Add(new HoleEffect(HoleAction.Open, Whitelist.LiteralOf(index), 0));
            return;
        }
        Hole hole = _holes[index - Whitelist.LiteralCount];
        if (now < hole.Until && !Whitelist.HasLiteral(IpPrefix.Of(hole.Address)))
        {
            Open(hole, now, effects);
        }
    }

    /// <summary>
    /// Adds the openings that restore an address that another program has deleted from the kernel.
    /// </summary>
    public void Reopen(IpNumber address, TimeSpan now, List<HoleEffect> effects)
    {
        IpPrefix prefix = IpPrefix.Of(address);
        if (Whitelist.HasLiteral(prefix))
        {
            effects.Add(new HoleEffect(HoleAction.Open, prefix, 0));
        }
        else if (_holes.Find(address) is { } hole && now < hole.Until)
        {
            Open(hole, now, effects);
        }
    }

    /// <summary>
    /// Records that the kernel refused an address. <see cref="Tick"/> and the next answer try again.
    /// </summary>
    public void NotOpened(IpNumber address, TimeSpan now)
    {
        if (_holes.Find(address) is { } hole)
        {
            hole.KernelUntil = Hole.Never;
            NextDeadline = Earlier(NextDeadline, now + Margin);
        }
    }

    /// <summary>
    /// Applies another whitelist. Addresses that both want stay open without a gap. Addresses that only the
    /// old one wanted are revoked: end their connections unless <see cref="IsAllowed"/> is still true for the
    /// peer.
    /// </summary>
    public void Change(Whitelist whitelist, TimeSpan now, List<HoleEffect> effects)
    {
        Whitelist old = Whitelist;
        Whitelist = whitelist;
        NextSave = now;
        NextDeadline = now;
        _spares.Clear();
        for (int i = 0; i < whitelist.LiteralCount; i++)
        {
            if (!old.HasLiteral(whitelist.LiteralOf(i)))
            {
                effects.Add(new HoleEffect(HoleAction.Open, whitelist.LiteralOf(i), 0));
            }
        }

        List<HoleEffect> revoked = []; // appended after all openings
        for (int i = 0; i < _holes.Count;)
        {
            Hole hole = _holes[i];
            bool isLiteral = whitelist.HasLiteral(IpPrefix.Of(hole.Address));
            if (!hole.Keep(whitelist))
            {
                if (!isLiteral)
                {
                    revoked.Add(Closing(hole) with { Action = HoleAction.Revoke });
                }
                _holes.Remove(hole); // the last hole now has the index i
                continue;
            }
            i++;
            // Also shorten a hole whose time was promised for a name that is no longer wanted.
            if (!isLiteral && (old.HasLiteral(IpPrefix.Of(hole.Address)) || hole.KernelUntil > hole.Until))
            {
                effects.Add(hole.Until > now ? Opening(hole, now) : Closing(hole));
            }
        }
        effects.AddRange(revoked);

        for (int i = 0; i < old.LiteralCount; i++)
        {
            IpPrefix literal = old.LiteralOf(i);
            if (!IsOpen(literal))
            {
                effects.Add(new HoleEffect(HoleAction.Revoke, literal, 0));
            }
        }
    }

    /// <summary>Call it when the holes have been saved.</summary>
    public void Saved() => NextSave = TimeSpan.MaxValue;

    private bool MayOpen(IpNumber address) => AddressScopes.Of(address) switch
    {
        AddressScope.Public => true,
        AddressScope.Private => AllowsPrivate,
        _ => false,
    };

    private static TimeSpan Earlier(TimeSpan one, TimeSpan other) => one < other ? one : other;

    private Hole? HoleFor(
        IpNumber address, TimeSpan since, TimeSpan now, List<HoleEffect> effects, out bool isNew)
    {
        Hole? hole = _holes.Find(address);
        isNew = hole is null;
        if (hole is null)
        {
            if (_holes.Count >= MaxHoles && !TryMakeRoom(now, effects))
            {
                Refused++;
                return null;
            }
            hole = new Hole(address, since);
            _holes.Add(hole);
        }
        return hole;
    }

    /// <summary>
    /// Removes the most dispensable hole. Needs a recent look at the connections, and requests one otherwise.
    /// The list of candidates is rebuilt at most once a second, because one answer may have thousands of
    /// addresses.
    /// </summary>
    private bool TryMakeRoom(TimeSpan now, List<HoleEffect> effects)
    {
        if (_lookedAt < now - LeastLookInterval)
        {
            NextLook = now;
            return false;
        }
        if (now - _spares.FilledAt >= SparesFor)
        {
            _spares.Fill(_holes, now);
        }
        if (_spares.Take(now) is not { } hole)
        {
            return false;
        }
        if (!Whitelist.HasLiteral(IpPrefix.Of(hole.Address)))
        {
            effects.Add(Closing(hole));
        }
        _holes.Remove(hole);
        Evicted++;
        return true;
    }

    /// <summary>
    /// Sends a longer time-out to the kernel if needed. False if the address is a literal entry: it stays
    /// open without a time-out, and must not get one.
    /// </summary>
    private bool Renewed(Hole hole, TimeSpan now, List<HoleEffect> effects)
    {
        bool isLiteral = Whitelist.HasLiteral(IpPrefix.Of(hole.Address));
        if (!isLiteral && hole.KernelUntil < hole.Until - Margin)
        {
            Open(hole, now, effects);
        }
        Schedule(hole, isLiteral, now);
        return !isLiteral;
    }

    private void Open(Hole hole, TimeSpan now, List<HoleEffect> effects) => effects.Add(Opening(hole, now));

    private HoleEffect Opening(Hole hole, TimeSpan now)
    {
        hole.KernelUntil = HasTimeouts ? hole.Until : TimeSpan.MaxValue;
        int timeout = Math.Max(1, (int)Math.Ceiling((hole.Until - now).TotalSeconds));
        return new HoleEffect(HoleAction.Open, IpPrefix.Of(hole.Address), timeout);
    }

    private static HoleEffect Closing(Hole hole)
    {
        hole.KernelUntil = Hole.Never;
        return new HoleEffect(HoleAction.Close, IpPrefix.Of(hole.Address), 0);
    }

    private void Schedule(Hole hole, bool isLiteral, TimeSpan now)
    {
        TimeSpan deadline = hole.Until > now ? hole.Until : hole.Until + Patience;
        if (hole.Until > now && hole.KernelUntil < hole.Until && !isLiteral)
        {
            deadline = Earlier(deadline, hole.KernelUntil - TopUp);
        }
        NextDeadline = Earlier(NextDeadline, deadline);

        TimeSpan look = hole.Until;
        if (_lookedAt < hole.Until - EarlyLook)
        {
            TimeSpan soonest = _lookedAt + LeastLookInterval;
            look = Earlier(look, soonest > hole.Until - EarlyLook ? soonest : hole.Until - EarlyLook);
        }
        NextLook = Earlier(NextLook,
            Earlier(look, (_lookedAt == Hole.Never ? now : _lookedAt) + LookInterval));
    }
}
