using ConnMgr.Dns;

namespace ConnMgr.Firewall;

/// <summary>
/// The aliases of whitelisted names. While an accepted answer says that `www.fresh.example` is an alias of
/// `edge.cdn.test`, the addresses of the latter are wanted too. A recursive resolver asks for the target in a
/// separate question, and a forwarder does so when the target's TTL ends before the alias's. Pure; times are
/// monotonic.
/// </summary>
/// <remarks>
/// An alias is valid for <see cref="Holes.LifetimeOf"/> its TTL, like an address, and each answer renews it.
/// In a chain, every alias must be valid. At most <see cref="MaxAliases"/> aliases are stored; a further one
/// replaces the one that ends first. Names are looked up by hash, so the cost does not grow with their
/// number.
/// </remarks>
internal sealed class AliasTable
{
    /// <summary>The largest number of aliases, of about 1,100 bytes each: 1.1 MB in all.</summary>
    public const int MaxAliases = 1024;

    /// <summary>
    /// The largest number of steps from a whitelisted name to a target; resolvers follow 8 to 16.
    /// </summary>
    public const int MaxSteps = 16;

    /// <summary>
    /// The largest number of whitelisted names that an answer for one target counts for, and of aliases of
    /// one target.
    /// </summary>
    public const int MaxOwners = 8;

    private readonly Dictionary<DnsName, Alias> _targets = []; // the first alias of each target
    private readonly PriorityQueue<Alias, TimeSpan> _ends = new(); // by the value of Until when it was queued

    /// <summary>The number of aliases that are valid, or ended a moment ago.</summary>
    public int Count { get; private set; }

    /// <summary>Stores that the owner is an alias of the target, as an accepted answer says.</summary>
    /// <param name="owner">The whitelisted name, or the target of another alias.</param>
    /// <param name="target">The canonical name.</param>
    /// <param name="ttl">The TTL of the CNAME record, in seconds.</param>
    /// <param name="now">The loop's time.</param>
    /// <returns>True if the alias was not valid before.</returns>
    public bool Learn(in DnsName owner, in DnsName target, uint ttl, TimeSpan now)
    {
        TimeSpan until = now + TimeSpan.FromSeconds(Holes.LifetimeOf(ttl));
        _targets.TryGetValue(target, out Alias? first);
        int owners = 0;
        for (Alias? alias = first; alias is not null; alias = alias.Next)
        {
            if (alias.Owner.Equals(owner))
            {
                bool isNew = alias.Until <= now;
                alias.Until = until > alias.Until ? until : alias.Until;
                return isNew;
            }
            owners++;
        }
        Expire(now);
        if (owners >= MaxOwners)
        {
            Remove(EarliestOf(target));
        }
        if (Count >= MaxAliases)
        {
            RemoveEarliest();
        }
        _targets.TryGetValue(target, out first);
        Alias added = new(owner, target) { Until = until, Next = first };
        _targets[target] = added;
        _ends.Enqueue(added, until);
        Count++;
        return true;
    }

    /// <summary>
    /// Adds the whitelisted names that the name stands for: the name itself, and those that lead to it by
    /// valid aliases.
    /// </summary>
    /// <param name="name">The name of an answer.</param>
    /// <param name="whitelist">The whitelist in force.</param>
    /// <param name="now">The loop's time.</param>
    /// <param name="owners">Receives at most <see cref="MaxOwners"/> names, each once.</param>
    public void FindOwners(in DnsName name, Whitelist whitelist, TimeSpan now, List<DnsName> owners)
    {
        if (whitelist.IsWanted(name, out _))
        {
            owners.Add(name);
        }
        if (Count > 0)
        {
            int visits = MaxSteps * MaxOwners;
            Follow(name, whitelist, now, owners, MaxSteps, ref visits);
        }
    }

    /// <summary>Lists the valid aliases, the latest first, at most <paramref name="most"/>.</summary>
    public List<(DnsName Owner, DnsName Target, TimeSpan Until)> List(TimeSpan now, int most)
    {
        List<(DnsName Owner, DnsName Target, TimeSpan Until)> all = [];
        foreach (Alias first in _targets.Values)
        {
            for (Alias? alias = first; alias is not null; alias = alias.Next)
            {
                if (alias.Until > now)
                {
                    all.Add((alias.Owner, alias.Target, alias.Until));
                }
            }
        }
        all.Sort((one, other) => other.Until.CompareTo(one.Until));
        return all.Count > most ? all[..most] : all;
    }

    /// <summary>
    /// Follows aliases back to their owners. Limits steps and visits: aliases may form loops, and a name may
    /// have several owners.
    /// </summary>
    private void Follow(
        in DnsName name, Whitelist whitelist, TimeSpan now, List<DnsName> owners, int steps, ref int visits)
    {
        if (steps == 0 || !_targets.TryGetValue(name, out Alias? alias))
        {
            return;
        }
        for (; alias is not null && owners.Count < MaxOwners && visits-- > 0; alias = alias.Next)
        {
            if (alias.Until <= now)
            {
                continue;
            }
            if (whitelist.IsWanted(alias.Owner, out _) && !owners.Contains(alias.Owner))
            {
                owners.Add(alias.Owner);
            }
            Follow(alias.Owner, whitelist, now, owners, steps - 1, ref visits);
        }
    }

    private void Expire(TimeSpan now)
    {
        while (_ends.TryPeek(out Alias? alias, out TimeSpan until) && until <= now)
        {
            _ends.Dequeue();
            if (alias.IsRemoved)
            {
                continue;
            }
            if (alias.Until <= now)
            {
                Remove(alias);
            }
            else
            {
                _ends.Enqueue(alias, alias.Until); // it was renewed
            }
        }
    }

    private void RemoveEarliest()
    {
        while (_ends.TryDequeue(out Alias? alias, out TimeSpan until))
        {
            if (alias.IsRemoved)
            {
                continue;
            }
            if (alias.Until == until)
            {
                Remove(alias);
                return;
            }
            _ends.Enqueue(alias, alias.Until);
        }
    }

    private Alias EarliestOf(in DnsName target)
    {
        Alias earliest = _targets[target];
        for (Alias? alias = earliest.Next; alias is not null; alias = alias.Next)
        {
            earliest = alias.Until < earliest.Until ? alias : earliest;
        }
        return earliest;
    }

    private void Remove(Alias alias)
    {
        alias.IsRemoved = true;
        Count--;
        Alias first = _targets[alias.Target];
        if (first == alias && alias.Next is null)
        {
            _targets.Remove(alias.Target);
            return;
        }
        if (first == alias)
        {
            _targets[alias.Target] = alias.Next!;
            return;
        }
        while (first.Next != alias)
        {
            first = first.Next!;
        }
        first.Next = alias.Next;
    }

    /// <summary>One CNAME record.</summary>
    private sealed class Alias(in DnsName owner, in DnsName target)
    {
        public readonly DnsName Owner = owner;
        public readonly DnsName Target = target;

        public TimeSpan Until { get; set; }

        public bool IsRemoved { get; set; } // may still be queued

        public Alias? Next { get; set; } // alias of the same target
    }
}
