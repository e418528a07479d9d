using System.Runtime.InteropServices;
using ConnMgr.Dns;
using ConnMgr.EventLoop;
using ConnMgr.Logging;
using ConnMgr.Native;
using ConnMgr.Net;

namespace ConnMgr.Firewall;

/// <summary>
/// The open addresses: decides by <see cref="Holes"/>, carries the changes out with an <see cref="IAddressBackend"/>,
/// and keeps them in a file over a restart of the daemon.
/// </summary>
/// <param name="loop">The clock.</param>
/// <param name="log">The log.</param>
/// <param name="holes">What is open, and why.</param>
/// <param name="backend">The kernel's elements.</param>
/// <param name="file">The path of the file.</param>
/// <param name="boot">The kernel's boot id: a file of another boot is ignored.</param>
internal sealed class HoleStore(
    Loop loop, Log log, Holes holes, IAddressBackend backend, string file, string boot) : IDisposable
{
    private const int MaxLogged = 32; // addresses of one answer that get a log line of their own

    private readonly List<(IpPrefix Prefix, string Reason)> _failed = [];
    private readonly List<DnsName> _owners = [];
    private List<HoleEffect> _effects = [];
    private List<HoleEffect> _ordered = [];
    private TimeSpan _nextSave;
    private int _checked;

    /// <summary>What is open, and why. Change it through this class only.</summary>
    public Holes Holes => holes;

    public Whitelist Whitelist => holes.Whitelist;

    /// <summary>Names whose addresses are wanted because a whitelisted name is an alias of them.</summary>
    public AliasTable Aliases { get; } = new();

    public IAddressBackend Backend { get; private set; } = backend;

    /// <summary>Prefixes that the whitelist no longer wants, and whose connections are still to be ended.</summary>
    public PrefixSet Revoked { get; } = new();

    /// <summary>Addresses of whitelisted names that no name may open: loopback and the like, or private ones.</summary>
    public long BadAddressCount { get; private set; }

    /// <summary>When <see cref="Advance"/> has something to do.</summary>
    public TimeSpan NextDeadline => holes.NextDeadline < SaveAt ? holes.NextDeadline : SaveAt;

    private TimeSpan SaveAt => holes.NextSave > _nextSave ? holes.NextSave : _nextSave;

    /// <summary>Opens what was open when the daemon ended, if that was in the same boot.</summary>
    public void Restore()
    {
        TimeSpan now = loop.Now;
        holes.HasTimeouts = Backend.HasTimeouts;
        if (SmallFile.ReadBytes(file, HoleFile.MaxSize, out int length, out _, out int errno) is { } bytes)
        {
            (int taken, int skipped) = HoleFile.Read(bytes.AsSpan(0, length), boot, now, holes, _effects);
            if (taken > 0 || skipped > 0)
            {
                log.Event(EventKind.Hole, $"{taken} names of open addresses kept from the last run, {skipped} dropped");
            }
        }
        else if (errno != Errno.ENOENT)
        {
            log.Warn($"{file}: {Errno.Text(errno)}, so the addresses of the last run are forgotten");
        }
        if (Backend.HasTimeouts)
        {
            holes.OpenAll(now, _effects);
        }
        Apply(isUrgent: false);
        CloseForgotten();
    }

    /// <summary>Uses another backend from now on. The caller fills it (<see cref="Fill"/>) once its rules are in force.</summary>
    public void Use(IAddressBackend another)
    {
        Backend.Dispose();
        Backend = another;
        holes.HasTimeouts = another.HasTimeouts;
    }

    /// <summary>Makes the kernel have all that is to be open: after init_firewall.sh, and after a foreign change.</summary>
    public void Fill()
    {
        _effects.Clear();
        if (Backend.HasTimeouts)
        {
            holes.OpenAll(loop.Now, _effects);
        }
        Backend.Fill(CollectionsMarshal.AsSpan(_effects), _failed);
        Finish();
    }

    /// <summary>Another program has taken an address out of the kernel: puts it back, if it is to be open.</summary>
    public void Reopen(IpNumber address)
    {
        holes.Reopen(address, loop.Now, _effects);
        Apply(isUrgent: false);
    }

    /// <summary>Fills the sets again if another program has emptied them. Asks for one element each time, in turn.</summary>
    public void CheckElements()
    {
        int literals = Whitelist.LiteralCount;
        int count = literals + holes.Count;
        if (count == 0)
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
                EventKind.Firewall, "another program emptied the address sets, filling them again", LogLevel.Warn);
            Fill();
        }
    }

    /// <summary>
    /// Learns an accepted answer: its addresses for the name and for the whitelisted names that it stands for, and its
    /// aliases. The answer to any other name is ignored.
    /// </summary>
    /// <param name="name">The name that was asked for.</param>
    /// <param name="addresses">The addresses at the end of the chain.</param>
    /// <param name="aliases">The steps of the chain.</param>
    /// <param name="isUrgent">A reply is held until the addresses are open.</param>
    /// <param name="learned">What was new in it.</param>
    /// <returns>False: nothing wants the name.</returns>
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

    /// <summary>Learns the addresses of a name. When it returns, an immediate backend has them in the kernel.</summary>
    /// <param name="name">A whitelisted name; the answer to any other is ignored.</param>
    /// <param name="addresses">Its addresses.</param>
    /// <param name="isUrgent">A reply is held until the addresses are open.</param>
    /// <returns>True if there was something to change in the kernel.</returns>
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

    /// <summary>A connection with this peer is open: renews its hole.</summary>
    public void SeeOpen(IpNumber peer, TimeSpan now) => holes.SeeOpen(peer, now, _effects);

    /// <summary>All open connections have been seen.</summary>
    /// <param name="begun">When the look began.</param>
    public void EndLook(TimeSpan begun)
    {
        Apply(isUrgent: false);
        holes.EndLook(begun);
    }

    /// <summary>Another whitelist holds from now on.</summary>
    /// <returns>How many addresses and prefixes were opened, and how many closed.</returns>
    public (int Opened, int Closed) Change(Whitelist whitelist)
    {
        holes.Change(whitelist, loop.Now, _effects);
        int opened = _effects.Count(effect => effect.Action == HoleAction.Open);
        int closed = _effects.Count - opened;
        Apply(isUrgent: false);
        return (opened, closed);
    }

    /// <summary>Ends the holes whose time has come, gives the kernel what was promised since, and saves.</summary>
    public void Advance(TimeSpan now)
    {
        holes.Tick(now, _effects);
        Apply(isUrgent: false);
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
        // Many holes take longer to write. What a killed daemon has not written is still open in the kernel.
        _nextSave = now + TimeSpan.FromSeconds(1 + (holes.Count / 1000));
    }

    /// <summary>Adds every prefix that is to be open.</summary>
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
    /// Revokes elements without a time-out that are not on the whitelist: literals of an earlier run. Elements with a
    /// time-out may be from the last moments of a daemon that was killed, and end by themselves.
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

    /// <summary>Learns one address. True if it is new.</summary>
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
                    EventKind.Hole, $"opened {address}: {name} ({Whitelist.TextOf(entry)})", LogLevel.Debug);
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
    /// Puts the closings before the openings: they make room, and equal neighbours share a message to the kernel. An
    /// answer never closes what it opens.
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
    /// <summary>There was something to change in the kernel.</summary>
    public bool HasChanges { get; set; }

    /// <summary>An alias was not known before.</summary>
    public bool HasAliases { get; set; }
}
