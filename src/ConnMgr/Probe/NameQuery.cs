using System.Net;
using System.Net.Sockets;
using ConnMgr.Dns;
using ConnMgr.EventLoop;
using ConnMgr.Native;

namespace ConnMgr.Probe;

/// <summary>
/// Resolves the name of one service over one link. Asks one server after the other until one returns
/// addresses, or all have said that there are none. Asks silent servers again, unless a server has said that
/// there are no addresses: then it asks each remaining server once.
/// </summary>
internal sealed class NameQuery : IDisposable
{
    private const int MaxServers = NameServers.Most;
    private const int MaxAddresses = 8;
    private const int MaxSteps = 8; // steps of a CNAME chain that are kept

    private static readonly TimeSpan Patience = TimeSpan.FromMilliseconds(400);

    private readonly Loop _loop;
    private readonly string _device;
    private readonly DnsQuestion _question;
    private readonly IPAddress[] _servers;
    private readonly bool[] _hasRefused; // the server, or the kernel, has refused to answer
    private readonly bool[] _wasAsked;
    private readonly QuestionRunner _runner;
    private readonly List<QuestionRunner.Asked> _asked = [];
    private readonly Action<NameQuery> _ended;
    private readonly Deadline _nextServer;
    private int _next;
    private bool _isOver;
    private bool _isAnswered; // a server has said that the name or the address does not exist

    /// <param name="loop">The event loop.</param>
    /// <param name="device">The link's interface name.</param>
    /// <param name="host">The host name.</param>
    /// <param name="isIpv6">Ask for AAAA records instead of A.</param>
    /// <param name="servers">The servers, in the order of asking; only the first 16 are used.</param>
    /// <param name="ended">Called once, perhaps from within <see cref="Begin"/>; never after it is
    /// disposed.</param>
    /// <param name="runner">Sends the questions, together with those of other queries; null for sockets of
    /// its own.</param>
    public NameQuery(
        Loop loop, string device, string host, bool isIpv6,
        IReadOnlyList<IPAddress> servers, Action<NameQuery> ended, QuestionRunner? runner = null)
    {
        _runner = runner ?? new QuestionRunner(loop);
        _loop = loop;
        _device = device;
        bool isName = DnsName.TryParse(host, out DnsName name);
        _question = new DnsQuestion(name, isIpv6 ? DnsType.Aaaa : DnsType.A);
        _servers = isName ? [.. servers.Take(MaxServers)] : [];
        _hasRefused = new bool[_servers.Length];
        _wasAsked = new bool[_servers.Length];
        _ended = ended;
        _nextServer = loop.AddTimer(AskNext);
    }

    /// <summary>The addresses found, in the order of the answer.</summary>
    public List<IPAddress> Addresses { get; } = [];

    /// <summary>True once a server has given addresses, or has said that there are none.</summary>
    public bool IsAnswered => _isAnswered || Addresses.Count > 0;

    /// <summary>The CNAME steps from the name to the one that has the addresses.</summary>
    public List<DnsAlias> Aliases { get; } = [];

    /// <summary>The lifetime of the answer in seconds: the smallest TTL of its records.</summary>
    public uint Ttl { get; private set; } = uint.MaxValue;

    /// <summary>The last server's reason for not giving addresses, as a phrase.</summary>
    public string Failure { get; private set; } = "there is no name server";

    /// <summary>The cost in bytes of IP, both directions.</summary>
    public long Bytes { get; private set; }

    /// <summary>Asks the first server; the others follow if it stays silent or refuses.</summary>
    public void Begin() => AskNext();

    /// <summary>
    /// Asks the next server that has not refused. After the last server, starts over with the first, unless a
    /// server has answered. Earlier questions stay open for slow answers.
    /// </summary>
    private void AskNext()
    {
        for (int i = 0; i < _servers.Length; i++)
        {
            int at = _next++ % _servers.Length;
            if (!_hasRefused[at] && !(_isAnswered && _wasAsked[at]) && Ask(at))
            {
                _nextServer.Set(_loop.Now + Patience);
                return;
            }
        }
        End();
    }

    private bool Ask(int at)
    {
        QuestionRunner.Asked? asked = null;
        asked = _runner.Ask(
            _device, _servers[at], _question, (message, in failure) => Receive(asked!, at, message, failure),
            out KernelError error);
        if (asked is null)
        {
            Refuse(at, error.ToString());
            return false;
        }
        _wasAsked[at] = true;
        _asked.Add(asked);
        Bytes += asked.IsSent ? asked.Size + Headers(at) : 0;
        return true;
    }

    private void Receive(QuestionRunner.Asked asked, int at, ReadOnlySpan<byte> message, in KernelError error)
    {
        if (_isOver)
        {
            return; // another query of the socket has ended this one
        }
        if (!error.IsNone)
        {
            Refuse(at, error.ToString());
            AskNext();
            return;
        }

        Bytes += message.Length + Headers(at);
        Span<DnsAddress> addresses = stackalloc DnsAddress[MaxAddresses];
        Span<DnsAlias> aliases = stackalloc DnsAlias[MaxSteps];
        DnsReply reply = DnsReply.Read(message, asked.Id, _question, addresses, aliases);
        if (reply.Outcome == DnsOutcome.NotAnAnswer)
        {
            return;
        }
        if (reply.Count == 0)
        {
            _isAnswered |= reply.Outcome is DnsOutcome.NoSuchName or DnsOutcome.Answer;
            _runner.End(asked);
            Refuse(at, reply.Outcome switch
            {
                DnsOutcome.NoSuchName => "no such name",
                DnsOutcome.Failed => $"rcode {reply.Rcode}",
                _ => "no address",
            });
            AskNext();
            return;
        }
        foreach (DnsAddress address in addresses[..reply.Count])
        {
            Addresses.Add(address.ToIPAddress());
            Ttl = Math.Min(Ttl, address.Ttl);
        }
        Aliases.AddRange(aliases[..reply.AliasCount]);
        End();
    }

    /// <summary>The bytes of the IP and UDP headers.</summary>
    private int Headers(int at) => (_servers[at].AddressFamily == AddressFamily.InterNetworkV6 ? 40 : 20) + 8;

    private void Refuse(int at, string failure)
    {
        _hasRefused[at] = true;
        Failure = $"{_servers[at]}: {failure}";
    }

    private void End()
    {
        Dispose();
        _ended(this);
    }

    public void Dispose()
    {
        _isOver = true;
        _nextServer.Dispose();
        foreach (QuestionRunner.Asked asked in _asked)
        {
            _runner.End(asked);
        }
        _asked.Clear();
    }
}
