using System.Net;
using ConnMgr.Dns;
using ConnMgr.EventLoop;
using ConnMgr.Probe;

namespace ConnMgr.Firewall;

/// <summary>Gets what a name was found to have.</summary>
internal delegate void NameFound(in DnsName name, IReadOnlyList<IPAddress> addresses, uint ttl);

/// <summary>
/// Resolves the exact names of the whitelist over the link in use, a few at a time, so that programs that never ask twice go
/// on working. When is decided by <see cref="Resolutions"/>.
/// </summary>
internal sealed class ExactNames : IDisposable
{
    private const int MaxAtOnce = 32; // a name that does not exist may take all of its time: 8 a second, then
    private static readonly TimeSpan Patience = TimeSpan.FromSeconds(4);

    /// <summary>For the other family, when one has been found: most names have but one.</summary>
    private static readonly TimeSpan LaterPatience = TimeSpan.FromSeconds(1);

    private readonly Loop _loop;
    private readonly NameFound _found;
    private readonly Resolutions _resolutions;
    private readonly List<Asking> _asking = [];
    private string? _device;
    private IReadOnlyList<IPAddress> _servers = [];

    public ExactNames(Loop loop, Whitelist whitelist, NameFound found)
    {
        _loop = loop;
        _found = found;
        _resolutions = new Resolutions(whitelist, loop.Now);
    }

    /// <summary>When there is something to do; never while no link is in use.</summary>
    public TimeSpan NextDeadline =>
        _device is null || _asking.Count >= MaxAtOnce ? TimeSpan.MaxValue : _resolutions.NextDeadline;

    public void Change(Whitelist whitelist) => _resolutions.Change(whitelist, _loop.Now);

    /// <summary>Over which link and whom to ask from now on. Another link: names that failed are asked for at once.</summary>
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

    /// <summary>Asks for what is due.</summary>
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
        EchoService service = new(name.ToString(), 0);
        foreach (bool isIpv6 in (ReadOnlySpan<bool>)[false, true])
        {
            asking.Open++;
            asking.Queries.Add(new NameQuery(
                _loop, device, service, isIpv6, _servers, query => Take(asking, query)));
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
            _found(asking.Name, query.Addresses, query.Ttl);
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
        if (asking.Ttl is { } ttl)
        {
            _resolutions.Answered(asking.Name, Holes.LifetimeOf(ttl), _loop.Now);
        }
        else
        {
            _resolutions.Failed(asking.Name, _loop.Now);
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

        public int Open { get; set; }

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
