using System.Net;
using System.Net.Sockets;
using ConnMgr.Logging;

namespace ConnMgr.Probe;

/// <summary>
/// The plan of one probe: which services to ask, in which order, when, until when, and what the answers
/// prove. Pure: receives events with their times, and returns the steps that are due.
/// <see cref="ProbeRunner"/> carries them out.
/// </summary>
/// <remarks>
/// Each further address of a service is tried 250 ms after the previous one. Each address is tried again with
/// a new conversation every 750 ms, because one lost packet does not mean a dead link. Pings start after 1 s,
/// or as soon as every service has failed; in an early probe they start at once. A probe ends within 3 s, an
/// early one within 2 s. A probe with its own limit ends at that limit if there was no sign of life, and asks
/// more often. A slow first ping extends the probe to four times the ping's round trip, at most 6 s, because
/// the correct answer takes two round trips and a third for the name: a full uplink must not look like a
/// blocked service.
/// </remarks>
internal sealed class ProbePlan
{
    private const int MaxTargets = 8;

    private static readonly TimeSpan Limit = TimeSpan.FromSeconds(3);
    private static readonly TimeSpan EarlyLimit = TimeSpan.FromSeconds(2);
    private static readonly TimeSpan BetweenTargets = TimeSpan.FromMilliseconds(250);
    private static readonly TimeSpan SlowLimit = TimeSpan.FromSeconds(6);
    private static readonly TimeSpan BetweenTries = TimeSpan.FromMilliseconds(750);
    private static readonly TimeSpan BetweenPings = TimeSpan.FromMilliseconds(200);
    private static readonly TimeSpan BeforeMemory = TimeSpan.FromSeconds(1);

    // Names that are not resolved yet. The name servers have been asked for the first _asked of them.
    private readonly List<ProbeUrl> _names = [];
    private readonly List<Planned> _targets = [];
    private readonly IReadOnlyList<ProbeTarget> _remembered;
    private readonly IReadOnlySet<string> _proven;
    private readonly AddressFamily _family;
    private readonly IReadOnlyList<ProbeUrl> _services;
    private readonly string _wanted; // the noun for a correct answer
    private readonly TimeSpan _startedAt;
    private readonly TimeSpan _usual; // the limit once there is a sign of life
    private TimeSpan _limit;
    private int _asked; // the number of names that have been asked for
    private TimeSpan _memoryAt;
    private TimeSpan _nextPing;
    private bool _hasPinged;
    private bool _hasEnded;
    private TimeSpan? _firstPingAt;
    private TimeSpan? _heard; // from the first packet to the first sign of life
    private TimeSpan? _reachedAt;
    private string _reached = "";
    private string _failure = "timed out";
    private string? _suspect; // URL of a service whose wrong answer does not count

    /// <param name="services">The services; a correct answer of any one suffices.</param>
    /// <param name="remembered">Addresses that once answered correctly, used if no name server
    /// answers.</param>
    /// <param name="proven">The URLs of the services that have answered correctly over any link. A wrong
    /// answer of any other blames the service, not the link.</param>
    /// <param name="isIpv6">The address family that the link is judged by: IPv6 or IPv4.</param>
    /// <param name="pings">True if there is an address of that family to ping.</param>
    /// <param name="isEarly">True for a shorter deadline, and pings from the start.</param>
    /// <param name="now">The start, in the loop's time.</param>
    /// <param name="limit">The probe fails if it has heard nothing for this time; null for the usual
    /// time.</param>
    public ProbePlan(
        IReadOnlyList<ProbeUrl> services, IReadOnlyList<ProbeTarget> remembered, IReadOnlySet<string> proven,
        bool isIpv6, bool pings, bool isEarly, TimeSpan now,
        TimeSpan? limit = null)
    {
        _services = services;
        _remembered = remembered;
        _proven = proven;
        _family = isIpv6 ? AddressFamily.InterNetworkV6 : AddressFamily.InterNetwork;
        _startedAt = now;
        TimeSpan usual = isEarly ? EarlyLimit : Limit;
        _limit = limit ?? usual;
        _usual = _limit > usual ? _limit : usual;
        _memoryAt = now + (_limit < _usual ? _limit / 3 : BeforeMemory);
        _nextPing = !pings ? TimeSpan.MaxValue : isEarly ? now : now + (_limit / 3);
        _wanted = services.All(service => service.Scheme == ProbeScheme.Echo) ? "echo" : "correct answer";
        foreach (ProbeUrl service in services)
        {
            if (service.Address is { } literal)
            {
                AddTarget(service, literal, now);
            }
            else
            {
                _names.Add(service);
            }
        }
        PingIfFailed(now); // no service has an address of this family
    }

    /// <summary>The latest time at which the probe ends.</summary>
    public TimeSpan EndsAt => _startedAt + _limit;

    /// <summary>The result; null while the probe runs.</summary>
    public ProbeResult? Result { get; private set; }

    /// <summary>When to call <see cref="TryNext"/> again.</summary>
    public TimeSpan NextAt
    {
        get
        {
            TimeSpan next = EndsAt < _memoryAt ? EndsAt : _memoryAt;
            next = _nextPing < next ? _nextPing : next;
            foreach (Planned target in _targets)
            {
                next = target.NextTry < next ? target.NextTry : next;
            }
            return next;
        }
    }

    /// <summary>
    /// True if no name can be resolved and every conversation has failed. The plan continues its attempts
    /// until a ping decides.
    /// </summary>
    private bool HasFailed => _names.Count == 0 && _targets.TrueForAll(target => target.HasFailed);

    /// <summary>Returns the next step that is due. Call it until it returns false.</summary>
    public bool TryNext(TimeSpan now, out ProbeStep step)
    {
        step = default;
        if (Result is not null)
        {
            return TryEnd(out step);
        }
        if (_asked < _names.Count)
        {
            step = new ProbeStep(ProbeStepKind.Resolve, _names[_asked++]);
            return true;
        }
        if (now >= _memoryAt)
        {
            _memoryAt = TimeSpan.MaxValue;
            foreach (ProbeUrl service in _names)
            {
                UseMemory(service, now);
            }
        }
        if (now >= EndsAt || (HasFailed && _reachedAt is not null))
        {
            Result = Judge(now);
            return TryEnd(out step);
        }
        foreach (Planned target in _targets)
        {
            if (now >= target.NextTry)
            {
                target.FirstTry ??= now;
                target.NextTry = now + (_limit < _usual ? _limit / 4 : BetweenTries);
                step = new ProbeStep(ProbeStepKind.Try, Target: target.Target);
                return true;
            }
        }
        if (now >= _nextPing)
        {
            _nextPing = now + (_limit < _usual && _limit / 12 < BetweenPings ? _limit / 12 : BetweenPings);
            _firstPingAt ??= now;
            _hasPinged = true;
            step = new ProbeStep(ProbeStepKind.Ping);
            return true;
        }
        return false;
    }

    /// <summary>Handles the name servers' answer for a service's name.</summary>
    /// <param name="service">The service.</param>
    /// <param name="addresses">Its addresses; empty if the name cannot be resolved.</param>
    /// <param name="failure">Why the name cannot be resolved.</param>
    /// <param name="now">The loop's time.</param>
    public void TakeAddresses(
        ProbeUrl service, IReadOnlyList<IPAddress> addresses, string failure, TimeSpan now)
    {
        if (_names.Remove(service))
        {
            _asked--;
        }
        foreach (IPAddress address in addresses)
        {
            AddTarget(service, address, now);
        }
        if (addresses.Count == 0)
        {
            _failure = $"'{service.Host}' cannot be resolved: {failure}";
            UseMemory(service, now);
        }
        PingIfFailed(now);
    }

    /// <summary>Handles the end of a conversation.</summary>
    /// <param name="target">The service and address.</param>
    /// <param name="verdict">What the conversation proved; <see cref="Verdict.NotYet"/> if it ended without
    /// an answer.</param>
    /// <param name="detail">The conversation's detail, or the kernel's error.</param>
    /// <param name="roundTrip">The duration from the start of the connection.</param>
    /// <param name="now">The loop's time.</param>
    public void TakeVerdict(
        ProbeTarget target, Verdict verdict, string detail, TimeSpan roundTrip, TimeSpan now)
    {
        if (Result is not null)
        {
            return;
        }
        string scheme = target.Service.Scheme.Name();
        Planned? planned = _targets.Find(other => other.Target == target);
        if (verdict != Verdict.NotYet)
        {
            _heard ??= now - planned?.FirstTry;
            SeeLife();
        }
        switch (verdict)
        {
            case Verdict.Content or Verdict.Protocol:
                ProbeStrength strength = verdict == Verdict.Content
                    ? ProbeStrength.Content
                    : ProbeStrength.Protocol;
                Result = new ProbeResult(
                    ProbeOutcome.ServiceAnswered,
                    $"{scheme} answered by {target.Peer} in {Duration.Milliseconds(roundTrip)}"
                    + (detail.Length > 0 ? $" ({detail})" : ""),
                    roundTrip, scheme, strength.Name(), target.Service.ToString(), Heard: _heard);
                return;
            case Verdict.Connection:
                _reachedAt ??= now;
                _reached = $"{target.Peer} accepted a connection";
                planned?.GiveUp(); // another conversation cannot prove more
                break;
            case Verdict.Wrong when _proven.Contains(target.Service.ToString()):
                Result = new ProbeResult(
                    ProbeOutcome.WrongContent, $"{target.Peer} {detail}", Service: target.Service.ToString(),
                    Heard: _heard);
                return;
            case Verdict.Wrong:
                _failure = $"{target.Peer} {detail}";
                _suspect = target.Service.ToString();
                planned?.GiveUp();
                break;
            default:
                _failure = $"{target.Peer}: {detail}";
                planned?.Fail();
                break;
        }
        PingIfFailed(now);
    }

    /// <summary>Handles the answer to a ping.</summary>
    public void TakePing(TimeSpan now)
    {
        if (_reachedAt is null)
        {
            _reachedAt = now;
            _reached = "ping answered";
        }
        SeeLife();
        if (now - _firstPingAt is { } took)
        {
            _heard ??= took;
            TimeSpan slow = 4 * took < SlowLimit ? 4 * took : SlowLimit;
            _limit = slow > _limit ? slow : _limit;
        }
        _nextPing = TimeSpan.MaxValue;
    }

    /// <summary>
    /// Handles a sign of life. It proves nothing, but the probe may now take its usual time.
    /// </summary>
    public void SeeLife() => _limit = _limit < _usual ? _usual : _limit;

    /// <summary>Handles the kernel's refusal to open a ping socket.</summary>
    public void LosePing() => (_nextPing, _hasPinged) = (TimeSpan.MaxValue, false);

    private void PingIfFailed(TimeSpan now)
    {
        if (HasFailed && !_hasPinged && _nextPing < TimeSpan.MaxValue && now < _nextPing)
        {
            _nextPing = now;
        }
    }

    private bool TryEnd(out ProbeStep step)
    {
        step = new ProbeStep(ProbeStepKind.End);
        bool isFirst = !_hasEnded;
        _hasEnded = true;
        return isFirst;
    }

    /// <summary>
    /// Tries the addresses at which the service has answered before, since no name server answers.
    /// </summary>
    private void UseMemory(ProbeUrl service, TimeSpan now)
    {
        foreach (ProbeTarget known in _remembered)
        {
            if (known.Service == service)
            {
                AddTarget(service, known.Peer.Address, now);
            }
        }
    }

    private void AddTarget(ProbeUrl service, IPAddress address, TimeSpan now)
    {
        ProbeTarget target = new(service, new IPEndPoint(address, service.Port));
        if (address.AddressFamily == _family && IsBeyondDevice(address) && _targets.Count < MaxTargets
            && !_targets.Exists(other => other.Target == target))
        {
            _targets.Add(new Planned(target, now + (BetweenTargets * _targets.Count)));
        }
    }

    /// <summary>
    /// False for an address that is not another host: loopback, multicast, or 0.0.0.0, which some DNS
    /// blockers return and which would connect to this device.
    /// </summary>
    private static bool IsBeyondDevice(IPAddress address)
    {
        Span<byte> bytes = stackalloc byte[16];
        address.TryWriteBytes(bytes, out int size);
        return !IPAddress.IsLoopback(address) && !address.IsIPv6Multicast && !address.IsIPv4MappedToIPv6
            && (size == 4 ? bytes[0] is > 0 and < 224 : bytes.ContainsAnyExcept((byte)0));
    }

    /// <summary>
    /// Returns the result when the time is up, or when every service has failed and the link has shown a sign
    /// of life.
    /// </summary>
    private ProbeResult Judge(TimeSpan now)
    {
        if (_targets.Count == 0 && _names.Count > 0)
        {
            _failure = $"'{_names[0].Host}' cannot be resolved: no name server answers";
        }
        if (_reachedAt is { } reached)
        {
            string after = Duration.Milliseconds(reached - _startedAt);
            return new ProbeResult(
                ProbeOutcome.PingOnly, $"{_reached} {after} after the start, but no {_wanted} ({_failure})",
                Suspect: _suspect, Heard: _heard,
                Unanswered: [.. _services.Where(service => service.Scheme != ProbeScheme.Tcp)
                    .Select(service => service.ToString())]);
        }
        string ping = _hasPinged ? ", no ping answered" : "";
        return new ProbeResult(
            ProbeOutcome.NoAnswer,
            $"no {_wanted} within {Duration.Milliseconds(now - _startedAt)} ({_failure}){ping}",
            Suspect: _suspect);
    }

    /// <summary>A target, and the time of its next try.</summary>
    private sealed class Planned(ProbeTarget target, TimeSpan nextTry)
    {
        public ProbeTarget Target { get; } = target;

        public TimeSpan NextTry { get; set; } = nextTry;

        public TimeSpan? FirstTry { get; set; }

        /// <summary>True once a conversation with it was refused, was cut off, or proved nothing.</summary>
        public bool HasFailed { get; private set; }

        public void Fail() => HasFailed = true;

        /// <summary>Stops trying, because another conversation would end the same way.</summary>
        public void GiveUp() => (HasFailed, NextTry) = (true, TimeSpan.MaxValue);
    }
}
