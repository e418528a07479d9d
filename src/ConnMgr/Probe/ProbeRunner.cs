using System.Net;
using System.Net.Sockets;
using ConnMgr.EventLoop;
using ConnMgr.Logging;
using ConnMgr.Native;

namespace ConnMgr.Probe;

/// <summary>
/// Runs the probes of one link, one at a time: resolves the echo services, talks to all of their addresses, pings
/// beside it, and says how it ended. The times are those of the contract, section 6.
/// </summary>
internal sealed class ProbeRunner
{
    private const int MaxTargets = 8;
    private const int MaxRemembered = 8;

    private static readonly TimeSpan Limit = TimeSpan.FromSeconds(3);
    private static readonly TimeSpan EarlyLimit = TimeSpan.FromSeconds(2);
    private static readonly TimeSpan BetweenTargets = TimeSpan.FromMilliseconds(250);
    private static readonly TimeSpan BetweenAttempts = TimeSpan.FromMilliseconds(750);
    private static readonly TimeSpan BeforePing = TimeSpan.FromSeconds(1);
    private static readonly TimeSpan BetweenPings = TimeSpan.FromMilliseconds(200);
    private static readonly TimeSpan BeforeMemory = TimeSpan.FromSeconds(1);

    private readonly Loop _loop;
    private readonly string _device;
    private readonly ProbeSettings _settings;
    private readonly Action<ProbeResult> _ended;
    private readonly Deadline _nextStep;
    private readonly List<IPEndPoint> _remembered = [];
    private readonly List<NameQuery> _queries = [];
    private readonly List<Target> _targets = [];
    private readonly List<EchoSocket> _attempts = [];
    private PingSocket? _ping;
    private bool _isIpv6;
    private TimeSpan _startedAt;
    private TimeSpan _endsAt;
    private TimeSpan _nextPing;
    private TimeSpan _memoryAt;
    private TimeSpan? _pingAnswered;
    private string _echoFailure = "";

    /// <param name="loop">Where answers arrive.</param>
    /// <param name="device">The link's interface name.</param>
    /// <param name="settings">What to ask.</param>
    /// <param name="ended">Gets the result; not called for a probe that was cancelled.</param>
    public ProbeRunner(
        Loop loop, string device, ProbeSettings settings, Action<ProbeResult> ended)
    {
        _loop = loop;
        _device = device;
        _settings = settings;
        _ended = ended;
        _nextStep = loop.AddTimer(() => Step(_loop.Now));
    }

    /// <summary>What the probes that have ended have cost, in bytes of IP, both ways.</summary>
    public long Bytes { get; private set; }

    /// <summary>Starts a probe, which ends within 3 s. One that runs is cancelled.</summary>
    /// <param name="isIpv6">The family that the link is judged by.</param>
    /// <param name="nameServers">Whom to ask, in order.</param>
    /// <param name="isEarly">It ends within 2 s, and pings from the start.</param>
    /// <param name="now">The time.</param>
    public void Start(bool isIpv6, IReadOnlyList<IPAddress> nameServers, bool isEarly, TimeSpan now)
    {
        Cancel();
        _isIpv6 = isIpv6;
        _startedAt = now;
        _endsAt = now + (isEarly ? EarlyLimit : Limit);
        _nextPing = isEarly ? now : now + BeforePing;
        _memoryAt = now + BeforeMemory;
        _pingAnswered = null;
        _echoFailure = "timed out";

        foreach (EchoService service in _settings.Services)
        {
            if (service.Address is not { } literal)
            {
                _queries.Add(new NameQuery(
                    _loop, _device, service, isIpv6, nameServers, TakeAddresses));
            }
            else if (literal.AddressFamily == (isIpv6 ? AddressFamily.InterNetworkV6 : AddressFamily.InterNetwork))
            {
                AddTarget(new IPEndPoint(literal, service.Port), now);
            }
        }
        for (int i = 0; i < _queries.Count; i++)
        {
            _queries[i].Begin();
        }
        Step(now);
    }

    /// <summary>Ends a running probe without a result.</summary>
    public void Cancel()
    {
        _nextStep.Clear();
        foreach (NameQuery query in _queries)
        {
            query.Dispose();
            Bytes += query.Bytes;
        }
        _queries.Clear();
        _targets.Clear();
        foreach (EchoSocket attempt in _attempts)
        {
            attempt.Dispose();
            Bytes += attempt.Bytes;
        }
        _attempts.Clear();
        _ping?.Dispose();
        Bytes += _ping?.Bytes ?? 0;
        _ping = null;
    }

    /// <summary>Does what is due, and sets the deadline for what comes next.</summary>
    private void Step(TimeSpan now)
    {
        if (now >= _endsAt)
        {
            End(now);
            return;
        }
        if (now >= _memoryAt)
        {
            _memoryAt = TimeSpan.MaxValue;
            if (_targets.Count == 0)
            {
                UseMemory(now);
            }
        }
        StartAttempts(now);
        if (HasEchoFailed)
        {
            if (_pingAnswered is not null)
            {
                End(now);
                return;
            }
            _nextPing = _ping is null ? Min(_nextPing, now) : _nextPing;
        }
        if (now >= _nextPing && _pingAnswered is null)
        {
            Ping(now);
        }

        TimeSpan next = Min(_endsAt, Min(_memoryAt, _nextPing));
        foreach (Target target in _targets)
        {
            next = Min(next, target.NextAttempt);
        }
        _nextStep.Set(next);
    }

    /// <summary>
    /// Definitely, not only by silence: every name has been refused an answer, every address a connection. The
    /// attempts go on all the same, until the ping has decided.
    /// </summary>
    private bool HasEchoFailed =>
        _queries.TrueForAll(query => query.HasEnded) && _targets.TrueForAll(target => target.HasFailed);

    private void TakeAddresses(NameQuery query)
    {
        TimeSpan now = _loop.Now;
        foreach (IPAddress address in query.Addresses)
        {
            AddTarget(new IPEndPoint(address, query.Service.Port), now);
        }
        if (query.Addresses.Count == 0)
        {
            _echoFailure = $"'{query.Service.Host}' cannot be resolved: {query.Failure}";
            UseMemory(now);
        }
        Step(now);
    }

    /// <summary>No name server answers: the addresses over which an echo once succeeded.</summary>
    private void UseMemory(TimeSpan now)
    {
        foreach (IPEndPoint known in _remembered)
        {
            if (known.AddressFamily == (_isIpv6 ? AddressFamily.InterNetworkV6 : AddressFamily.InterNetwork))
            {
                AddTarget(known, now);
            }
        }
    }

    private void AddTarget(IPEndPoint peer, TimeSpan now)
    {
        if (IsBeyondDevice(peer.Address) && _targets.Count < MaxTargets && !_targets.Exists(target => target.Peer.Equals(peer)))
        {
            _targets.Add(new Target(peer, now + (BetweenTargets * _targets.Count)));
        }
    }

    /// <summary>An answer of 0.0.0.0, as some DNS blockers give, would connect to the device itself.</summary>
    private static bool IsBeyondDevice(IPAddress address)
    {
        Span<byte> bytes = stackalloc byte[16];
        address.TryWriteBytes(bytes, out int size);
        return !IPAddress.IsLoopback(address) && !address.IsIPv6Multicast && !address.IsIPv4MappedToIPv6
            && (size == 4 ? bytes[0] is > 0 and < 224 : bytes.ContainsAnyExcept((byte)0));
    }

    private void StartAttempts(TimeSpan now)
    {
        foreach (Target target in _targets)
        {
            if (now < target.NextAttempt)
            {
                continue;
            }
            target.NextAttempt = now + BetweenAttempts;
            byte probeByte = (byte)Entropy.UInt16();
            EchoSocket? attempt = EchoSocket.Connect(
                _loop, _device, target.Peer, probeByte, now, EndAttempt, out string failure);
            if (attempt is not null)
            {
                _attempts.Add(attempt);
            }
            else
            {
                Fail(target, failure);
            }
        }
    }

    private void EndAttempt(EchoSocket attempt, EchoEnd end)
    {
        TimeSpan now = _loop.Now;
        _attempts.Remove(attempt);
        Bytes += attempt.Bytes;
        switch (end)
        {
            case EchoEnd.Answered:
                Remember(attempt.Peer);
                TimeSpan roundTrip = attempt.Age(now);
                End(ProbeOutcome.EchoAnswered, $"echo answered by {attempt.Peer} in {Duration.Milliseconds(roundTrip)}", roundTrip);
                break;
            case EchoEnd.WrongContent:
                End(ProbeOutcome.WrongContent, $"{attempt.Peer} answered with something else than the echo (a portal?)");
                break;
            default:
                Fail(_targets.Find(target => target.Peer.Equals(attempt.Peer)), attempt.Failure);
                Step(now);
                break;
        }
    }

    private void Fail(Target? target, string failure)
    {
        if (target is not null)
        {
            target.HasFailed = true;
            _echoFailure = $"{target.Peer}: {failure}";
        }
    }

    private void Ping(TimeSpan now)
    {
        _nextPing = now + BetweenPings;
        AddressFamily family = _isIpv6 ? AddressFamily.InterNetworkV6 : AddressFamily.InterNetwork;
        if (_ping is null && _settings.PingTargets.FirstOrDefault(address => address.AddressFamily == family) is { } target)
        {
            _ping = PingSocket.Open(_loop, _device, target, TakePingAnswer, out _);
        }
        if (_ping is null)
        {
            _nextPing = TimeSpan.MaxValue;
            return;
        }
        _ping.Send();
    }

    private void TakePingAnswer()
    {
        TimeSpan now = _loop.Now;
        _pingAnswered = now;
        _nextPing = TimeSpan.MaxValue;
        _ping?.Dispose();
        Step(now);
    }

    /// <summary>The time is up, or the echo has failed and the ping has been answered.</summary>
    private void End(TimeSpan now)
    {
        if (_targets.Count == 0 && _queries.Find(query => !query.HasEnded) is { } unanswered)
        {
            _echoFailure = $"'{unanswered.Service.Host}' cannot be resolved: no name server answers";
        }
        if (_pingAnswered is { } answered)
        {
            End(
                ProbeOutcome.PingOnly,
                $"ping answered {Duration.Milliseconds(answered - _startedAt)} after the start, but no echo ({_echoFailure})");
        }
        else
        {
            string ping = _ping is null ? "" : ", no ping answered";
            End(ProbeOutcome.NoAnswer, $"no echo within {Duration.Milliseconds(now - _startedAt)} ({_echoFailure}){ping}");
        }
    }

    private void End(ProbeOutcome outcome, string detail, TimeSpan? roundTrip = null)
    {
        Cancel();
        _ended(new ProbeResult(outcome, detail, roundTrip));
    }

    private void Remember(IPEndPoint peer)
    {
        _remembered.Remove(peer);
        _remembered.Insert(0, peer);
        if (_remembered.Count > MaxRemembered)
        {
            _remembered.RemoveAt(MaxRemembered);
        }
    }

    private static TimeSpan Min(TimeSpan a, TimeSpan b) => a < b ? a : b;

    /// <summary>One address of a service.</summary>
    private sealed class Target(IPEndPoint peer, TimeSpan nextAttempt)
    {
        public IPEndPoint Peer { get; } = peer;

        public TimeSpan NextAttempt { get; set; } = nextAttempt;

        /// <summary>A connection to it has been refused, reset or closed.</summary>
        public bool HasFailed { get; set; }
    }
}
