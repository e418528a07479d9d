using System.Runtime.InteropServices;
using ConnMgr.Dns;
using ConnMgr.EventLoop;
using ConnMgr.Logging;
using ConnMgr.Native;
using ConnMgr.Net;

namespace ConnMgr.Firewall;

/// <summary>
/// The open addresses: decides by <see cref="Holes"/>, applies the changes to an <see
/// cref="IAddressBackend"/>, and saves them in a file across a restart of the daemon.
/// </summary>
/// <param name="loop">The clock.</param>
/// <param name="log">The log.</param>
/// <param name="holes">The open addresses, and the reasons.</param>
/// <param name="backend">The kernel's elements.</param>
/// <param name="file">The path of the file.</param>
/// <param name="boot">The kernel's boot id: a file of another boot is ignored.</param>
internal sealed class HoleStore(
    Loop loop, Log log, Holes holes, IAddressBackend backend, string file, string boot) : IDisposable
{
    private const int MaxLogged = 32; // addresses of one answer that get their own log line

    /// <summary>
    /// The number of literals and holes that one step of a fill opens. The loop handles other events between
    /// two steps: with all 65,536 at once it would stand still for seconds.
    /// </summary>
    private const int FillStep = 512;

    private readonly List<(IpPrefix Prefix, string Reason)> _failed = [];
    private readonly List<DnsName> _owners = [];
    private List<HoleEffect> _effects = [];
    private List<HoleEffect> _ordered = [];
    private TimeSpan _nextSave;
    private int _checked;
    private int _toFill; // the literals and holes with smaller indices must still be opened again

    /// <summary>
    /// Closings that wait for the end of the fill, which may still open the same addresses.
    /// </summary>
    private readonly List<HoleEffect> _closings = [];

    /// <summary>The open addresses, and the reasons. Change them only through this class.</summary>
    public Holes Holes => holes;

    public Whitelist Whitelist => holes.Whitelist;

    /// <summary>Names whose addresses are wanted because a whitelisted name is an alias of them.</summary>
    public AliasTable Aliases { get; } = new();

    public IAddressBackend Backend { get; private set; } = backend;

    /// <summary>
    /// Prefixes that the whitelist no longer wants, and whose connections must still be ended.
    /// </summary>
    public PrefixSet Revoked { get; } = new();

    /// <summary>
    /// The number of refused addresses of whitelisted names: loopback and similar ones, or private ones.
    /// </summary>
    public long BadAddressCount { get; private set; }

    /// <summary>When <see cref="Advance"/> has work.</summary>
    public TimeSpan NextDeadline => _toFill > 0 ? loop.Now
        : holes.NextDeadline < SaveAt ? holes.NextDeadline : SaveAt;

    private TimeSpan SaveAt => holes.NextSave > _nextSave ? holes.NextSave : _nextSave;

    /// <summary>
    /// Opens the addresses that were open when the daemon ended, if that was in the same boot.
    /// </summary>
    public void Restore()
    {
        TimeSpan now = loop.Now;
        holes.HasTimeouts = Backend.HasTimeouts;
        if (SmallFile.ReadBytes(file, HoleFile.MaxSize, out int length, out _, out int errno) is { } bytes)
        {
            (int taken, int skipped) = HoleFile.Read(bytes.AsSpan(0, length), boot, now, holes, _effects);
            if (taken > 0 || skipped > 0)
            {
                log.Event(
                    EventKind.Hole,
                    $"{TextLayout.Count(taken, "name", "names")} of open addresses kept from the last run, "
                    + $"{skipped} dropped");
            }
        }
        else if (errno != Errno.ENOENT)
        {
            Errno.ThrowIfShortage(errno, file); // forgotten addresses would be closed
            log.Warn($"{file}: {Errno.Text(errno)}, so the addresses of the last run are forgotten");
        }
        ApplyByFill(now);
        CloseForgotten();
    }

    /// <summary>
    /// Switches to another backend. The caller fills it (<see cref="Fill"/>) once its rules are in force.
    /// </summary>
    public void Use(IAddressBackend another)
    {
        Backend.Dispose();
        Backend = another;
        holes.HasTimeouts = another.HasTimeouts;
        _toFill = 0;
        Close();
    }

    /// <summary>
    /// Puts all addresses that must be open into the kernel: after init_firewall.sh, and after a foreign
    /// change. If there are many, <see cref="Advance"/> continues in further steps.
    /// </summary>
    public void Fill()
    {
        if (Backend.HasTimeouts)
        {
            BeginFilling(loop.Now);
        }
        else
        {
            Backend.Sync();
        }
    }

    private void BeginFilling(TimeSpan now)
    {
        holes.ForgetKernel();
        _toFill = holes.OpenCount;
        GoOnFilling(now);
    }

    private void GoOnFilling(TimeSpan now)
    {
        _toFill = Math.Min(_toFill, holes.OpenCount);
        for (int i = 0; i < FillStep && _toFill > 0; i++)
        {
            holes.OpenAgain(--_toFill, now, _effects);
        }
        Apply(isUrgent: false);
        if (_toFill == 0)
        {
            Close();
        }
    }

    /// <summary>Applies the closings that waited, except of what has been opened meanwhile.</summary>
    private void Close()
    {
        foreach (HoleEffect closing in _closings)
        {
            if (!holes.IsOpen(closing.Prefix))
            {
                _effects.Add(closing);
            }
        }
        _closings.Clear();
        Apply(isUrgent: false);
    }

    /// <summary>Applies the pending changes: the openings by a fill, and then the closings.</summary>
    private void ApplyByFill(TimeSpan now)
    {
        if (!Backend.HasTimeouts)
        {
            Apply(isUrgent: false);
            return;
        }
        _closings.AddRange(_effects.Where(effect => effect.Action != HoleAction.Open));
        _effects.Clear();
        BeginFilling(now);
    }

    /// <summary>
    /// Puts an address back that another program has deleted from the kernel, if it must be open.
    /// </summary>
    public void Reopen(IpNumber address)
    {
        holes.Reopen(address, loop.Now, _effects);
        Apply(isUrgent: false);
    }

    /// <summary>
    /// Refills the sets if another program has emptied them. Checks one element per call, in turn, but none
    /// during a fill.
    /// </summary>
    public void CheckElements()
    {
        int literals = Whitelist.LiteralCount;
        int count = literals + holes.Count;
        if (count == 0 || _toFill > 0)
        {
            return;
        }
        _checked = (_checked + 1) % count;
        bool isThere;
        if (_checked < literals)
        {
            isThere = Backend.Has(Whitelist.LiteralOf(_checked));
        }
        else
        {
            Hole hole = holes[_checked - literals];
            isThere = hole.KernelUntil <= loop.Now + TimeSpan.FromSeconds(2) || Whitelist.Covers(hole.Address)
                || Backend.Has(IpPrefix.Of(hole.Address));
        }
        if (!isThere)
        {
            log.Event(
                EventKind.Firewall, "another program emptied the address sets, filling them again",
                LogLevel.Warn);
            Fill();
        }
    }

    /// <summary>
    /// Processes an accepted answer: its aliases, and its addresses for the name and for the whitelisted
    /// names that it stands for. The answer to any other name is ignored.
    /// </summary>
    /// <param name="name">The name of the question.</param>
    /// <param name="addresses">The addresses at the end of the chain.</param>
    /// <param name="aliases">The steps of the chain.</param>
    /// <param name="isUrgent">A reply is held until the addresses are open.</param>
    /// <param name="learned">Receives what was new in the answer.</param>
    /// <returns>False if no whitelist entry wants the name.</returns>
    public bool LearnAnswer(
        in DnsName name, ReadOnlySpan<DnsAddress> addresses, ReadOnlySpan<DnsAlias> aliases, bool isUrgent,
        out Learned learned)
    {
        _owners.Clear();
        Aliases.FindOwners(name, Whitelist, loop.Now, _owners);
        learned = default;
        if (_owners.Count == 0)
        {
            return false;
        }
        foreach (DnsName owner in _owners)
        {
            learned.HasChanges |= Learn(owner, addresses, isUrgent);
        }
        foreach (ref readonly DnsAlias alias in aliases)
        {
            learned.HasAliases |= Aliases.Learn(alias.Owner, alias.Target, alias.Ttl, loop.Now);
        }
        return true;
    }

    /// <summary>
    /// Opens the addresses of a name. With an immediate backend, the kernel has them when it returns.
    /// </summary>
    /// <param name="name">A whitelisted name; the answer to any other is ignored.</param>
    /// <param name="addresses">Its addresses.</param>
    /// <param name="isUrgent">A reply is held until the addresses are open.</param>
    /// <returns>True if the kernel's elements had to change.</returns>
    public bool Learn(in DnsName name, ReadOnlySpan<DnsAddress> addresses, bool isUrgent)
    {
        if (!Whitelist.IsWanted(name, out int entry))
        {
            return false;
        }
        TimeSpan now = loop.Now;
        int added = 0;
        foreach (ref readonly DnsAddress address in addresses)
        {
            if (IpNumber.TryRead(address.Bytes, out IpNumber number)
                && Learn(name, entry, number, address.Ttl, now, isLogged: added < MaxLogged))
            {
                added++;
            }
        }
        if (added > MaxLogged)
        {
            log.Event(EventKind.Hole, $"opened {added - MaxLogged} more addresses: {name}", LogLevel.Debug);
        }
        bool hasChanges = _effects.Count > 0;
        CloseFirst();
        Apply(isUrgent);
        return hasChanges;
    }

    /// <summary>Renews the hole of this peer, because a connection to it is open.</summary>
    public void SeeOpen(IpNumber peer, TimeSpan now) => holes.SeeOpen(peer, now, _effects);

    /// <summary>Ends a look at the connections: all open ones have been reported.</summary>
    /// <param name="begun">When the look began.</param>
    public void OnLookEnded(TimeSpan begun)
    {
        Apply(isUrgent: false);
        holes.OnLookEnded(begun);
    }

    /// <summary>Applies another whitelist.</summary>
    /// <returns>The number of addresses and prefixes opened, and closed.</returns>
    public (int Opened, int Closed) Change(Whitelist whitelist)
    {
        holes.Change(whitelist, loop.Now, _effects);
        int opened = _effects.Where(effect => effect.Action == HoleAction.Open).Count();
        int closed = _effects.Count - opened;
        if (opened > FillStep || _toFill > 0)
        {
            ApplyByFill(loop.Now);
        }
        else
        {
            Apply(isUrgent: false);
        }
        return (opened, closed);
    }

    /// <summary>Ends the holes that are due, sends extended time-outs to the kernel, and saves.</summary>
    public void Advance(TimeSpan now)
    {
        if (_toFill > 0)
        {
            GoOnFilling(now); // Tick would open all that is left at once
        }
        else
        {
            holes.Tick(now, _effects);
            Apply(isUrgent: false);
        }
        if (now >= SaveAt)
        {
            Save(now);
        }
    }

    /// <summary>Writes the file.</summary>
    public void Save(TimeSpan now)
    {
        int errno = SmallFile.Replace(file, HoleFile.Write(holes, boot, now));
        if (errno == 0)
        {
            log.Over("holes not saved");
        }
        else
        {
            log.Once(
                "holes not saved", EventKind.Hole,
                $"{file}: {Errno.Text(errno)}, so a restart will forget which addresses are open");
        }
        holes.Saved();
        // Writing many holes takes longer, so save less often. What a killed daemon did not save stays open
        // in the kernel, but only until the next daemon has to fill the sets anew.
        _nextSave = now + TimeSpan.FromMilliseconds(50 + holes.Count);
    }

    /// <summary>Adds every prefix that must be open.</summary>
    public void ListOpen(List<IpPrefix> prefixes)
    {
        for (int i = 0; i < Whitelist.LiteralCount; i++)
        {
            prefixes.Add(Whitelist.LiteralOf(i));
        }
        for (int i = 0; i < holes.Count; i++)
        {
            IpPrefix prefix = IpPrefix.Of(holes[i].Address);
            if (!Whitelist.HasLiteral(prefix))
            {
                prefixes.Add(prefix);
            }
        }
    }

    /// <summary>
    /// Revokes elements without a time-out that are not on the whitelist: literals of an earlier run.
    /// Elements with a time-out may be the last ones of a daemon that was killed, and expire by themselves.
    /// </summary>
    private void CloseForgotten()
    {
        foreach ((IpPrefix prefix, uint timeout) in Backend.List() ?? [])
        {
            if (timeout == 0 && !Whitelist.HasLiteral(prefix))
            {
                _effects.Add(new HoleEffect(HoleAction.Revoke, prefix, 0));
            }
        }
        Apply(isUrgent: false);
    }

    /// <summary>Processes one address. True if it is new.</summary>
    private bool Learn(in DnsName name, int entry, IpNumber address, uint ttl, TimeSpan now, bool isLogged)
    {
        HoleOutcome outcome = holes.Learn(name, address, ttl, now, _effects);
        switch (outcome)
        {
            case HoleOutcome.BadAddress:
                BadAddressCount++;
                bool isPrivate = AddressScopes.Of(address) == AddressScope.Private;
                log.Once(
                    "bad address", EventKind.Hole,
                    $"{name} has the address {address}, which no name may open"
                    + (isPrivate ? " (--allow-private-answers)" : ""));
                break;
            case HoleOutcome.Added when isLogged:
                log.Event(
                    EventFacts.Opened($"{address}", $"{name}", Whitelist.TextOf(entry)), LogLevel.Debug);
                break;
            case HoleOutcome.Full:
                log.Once(
                    "no room for a hole", EventKind.Hole,
                    $"no room for {address} of {name}: {holes.Count} addresses are open");
                break;
            case HoleOutcome.Added:
                log.Over("no room for a hole");
                break;
        }
        return outcome == HoleOutcome.Added;
    }

    /// <summary>
    /// Sorts the closings before the openings, because they make room, and consecutive changes of the same
    /// kind share a message to the kernel. An answer never closes what it opens.
    /// </summary>
    private void CloseFirst()
    {
        foreach (HoleEffect effect in _effects)
        {
            if (effect.Action != HoleAction.Open)
            {
                _ordered.Add(effect);
            }
        }
        if (_ordered.Count == 0)
        {
            return;
        }
        foreach (HoleEffect effect in _effects)
        {
            if (effect.Action == HoleAction.Open)
            {
                _ordered.Add(effect);
            }
        }
        (_effects, _ordered) = (_ordered, _effects);
        _ordered.Clear();
    }

    private void Apply(bool isUrgent)
    {
        if (_effects.Count > 0)
        {
            Backend.Apply(CollectionsMarshal.AsSpan(_effects), isUrgent, _failed);
            Finish();
        }
    }

    private void Finish()
    {
        bool hasOpened = false;
        foreach (HoleEffect effect in _effects)
        {
            hasOpened |= effect.Action == HoleAction.Open;
            if (effect.Action == HoleAction.Revoke)
            {
                Revoked.Add(effect.Prefix);
            }
        }
        _effects.Clear();
        foreach ((IpPrefix prefix, string reason) in _failed)
        {
            log.Once("address not opened", EventKind.Hole, $"cannot open {prefix}: {reason}, retrying");
            if (prefix.IsAddress)
            {
                holes.NotOpened(prefix.First, loop.Now);
            }
        }
        if (hasOpened && _failed.Count == 0)
        {
            log.Over("address not opened");
        }
        _failed.Clear();
    }

    public void Dispose() => Backend.Dispose();
}

/// <summary>What was new in an answer.</summary>
internal struct Learned
{
    /// <summary>The kernel's elements had to change.</summary>
    public bool HasChanges { get; set; }

    /// <summary>An alias was not known before.</summary>
    public bool HasAliases { get; set; }
}
