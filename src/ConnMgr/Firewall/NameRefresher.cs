using System.Net;
using System.Runtime.InteropServices;
using ConnMgr.Dns;
using ConnMgr.EventLoop;
using ConnMgr.Probe;

namespace ConnMgr.Firewall;

/// <summary>
/// Resolves the exact names of the whitelist over the link in use, a few at a time, so that programs that
/// resolve a name only once keep working. <see cref="Resolutions"/> decides when.
/// </summary>
internal sealed class NameRefresher : IDisposable
{
    // A question without an answer takes 4 s, so at worst 8 names are resolved per second.
    private const int MaxAtOnce = 32;
    private static readonly TimeSpan Patience = TimeSpan.FromSeconds(4);

    /// <summary>
    /// How long to wait for the answer of one family after that of the other. Without an answer, the question
    /// is repeated later.
    /// </summary>
    private static readonly TimeSpan LaterPatience = TimeSpan.FromSeconds(1);

    private readonly Loop _loop;
    private readonly HoleStore _store;
    private readonly Resolutions _resolutions;
    private readonly QuestionRunner _questions;
    private readonly List<Asking> _asking = [];
    private readonly List<DnsAddress> _found = [];
    private string? _device;
    private IReadOnlyList<IPAddress> _servers = [];

    /// <param name="loop">Where answers arrive, and the clock.</param>
    /// <param name="store">Opens the addresses that are found.</param>
    /// <param name="unanswered">Called for each question without an answer.</param>
    public NameRefresher(Loop loop, HoleStore store, Unanswered unanswered)
    {
        _loop = loop;
        _store = store;
        _questions = new QuestionRunner(loop, unanswered);
        _resolutions = new Resolutions(store.Whitelist, loop.Now);
    }

    /// <summary>When <see cref="Advance"/> has work; never while no link is in use.</summary>
    public TimeSpan NextDeadline =>
        _device is null || _asking.Count >= MaxAtOnce ? TimeSpan.MaxValue : _resolutions.NextDeadline;

    /// <summary>Applies another whitelist.</summary>
    public void Change(Whitelist whitelist) => _resolutions.Change(whitelist, _loop.Now);

    /// <summary>Sets the link to ask over. On another link, names that failed are retried at once.</summary>
    /// <param name="device">The interface name; null if no link is in use, to ask nothing.</param>
    /// <param name="servers">The name servers, in the order of asking.</param>
    public void SetLink(string? device, IReadOnlyList<IPAddress> servers)
    {
        _servers = servers;
        if (device == _device)
        {
            return;
        }
        _device = device;
        if (device is not null)
        {
            _resolutions.Retry(_loop.Now);
        }
    }

    /// <summary>Asks for the names that are due.</summary>
    public void Advance(TimeSpan now)
    {
        while (_device is { } device && _asking.Count < MaxAtOnce && _resolutions.TryTake(now, out int entry))
        {
            Ask(device, _resolutions.Whitelist.NameOf(entry), now);
        }
    }

    private void Ask(string device, in DnsName name, TimeSpan now)
    {
        Asking asking = new(name);
        asking.Deadline = _loop.AddTimer(() => End(asking));
        asking.Deadline.Set(now + Patience);
        _asking.Add(asking);
        string host = name.ToString();
        foreach (bool isIpv6 in (ReadOnlySpan<bool>)[false, true])
        {
            asking.Open++;
            asking.Queries.Add(new NameQuery(
                _loop, device, host, isIpv6, _servers, query => Take(asking, query), _questions));
        }
        foreach (NameQuery query in asking.Queries)
        {
            query.Begin();
        }
    }

    private void Take(Asking asking, NameQuery query)
    {
        if (query.Addresses.Count > 0)
        {
            asking.Ttl = Math.Min(asking.Ttl ?? uint.MaxValue, query.Ttl);
            _found.Clear();
            foreach (IPAddress address in query.Addresses)
            {
                _found.Add(new DnsAddress(address.GetAddressBytes(), query.Ttl));
            }
            _store.LearnAnswer(
                asking.Name, CollectionsMarshal.AsSpan(_found), CollectionsMarshal.AsSpan(query.Aliases),
                isUrgent: false,
                out _);
            asking.Deadline?.Set(_loop.Now + LaterPatience);
        }
        if (--asking.Open == 0)
        {
            End(asking);
        }
    }

    private void End(Asking asking)
    {
        if (!_asking.Remove(asking))
        {
            return;
        }
        asking.Dispose();
        if (asking is { IsAnswered: true, Ttl: { } ttl })
        {
            _resolutions.Answered(asking.Name, Holes.LifetimeOf(ttl), _loop.Now);
        }
        else
        {
            int lifetime = asking.Ttl is { } other ? Holes.LifetimeOf(other) : 0;
            _resolutions.Failed(asking.Name, _loop.Now, lifetime);
        }
    }

    public void Dispose()
    {
        foreach (Asking asking in _asking)
        {
            asking.Dispose();
        }
        _asking.Clear();
    }

    /// <summary>One name, and the questions for its addresses of both families.</summary>
    private sealed class Asking(DnsName name) : IDisposable
    {
        public DnsName Name { get; } = name;

        public List<NameQuery> Queries { get; } = [];

        /// <summary>The number of families whose question has not ended.</summary>
        public int Open { get; set; }

        /// <summary>
        /// True once a server has answered for each family, even if other servers are still being asked.
        /// </summary>
        public bool IsAnswered => Queries.TrueForAll(query => query.IsAnswered);

        public uint? Ttl { get; set; }

        public Deadline? Deadline { get; set; }

        public void Dispose()
        {
            Deadline?.Dispose();
            foreach (NameQuery query in Queries)
            {
                query.Dispose();
            }
        }
    }
}
