using ConnMgr.Links;
using ConnMgr.Probe;
using ConnMgr.Tests.Netlink;

namespace ConnMgr.Tests.Links;

/// <summary>The network behind a simulated link.</summary>
internal enum Upstream
{
    Good,
    Dead,

    /// <summary>Everything works except the echo service.</summary>
    EchoBlocked,

    /// <summary>A captive portal, which answers everything itself.</summary>
    Portal,
}

/// <summary>
/// A simulated link: its device as the kernel sees it, its upstream, its probes with the timing of
/// ProbeRunner, and what EvidenceSocket would hear.
/// </summary>
internal sealed class ModelLink(ModelWorld world, Link link, int ownMetric)
{
    public static readonly TimeSpan RoundTrip = TimeSpan.FromMilliseconds(30);

    private static readonly TimeSpan Never = TimeSpan.MaxValue;

    private TimeSpan _probeEndsAt = Never;
    private TimeSpan _attemptAt = Never;
    private TimeSpan _pingAt = Never;
    private TimeSpan _echoArrivesAt = Never;
    private TimeSpan _refusalArrivesAt = Never;
    private TimeSpan _pongArrivesAt = Never;
    private readonly List<TimeSpan> _evidence = []; // when answers to an application arrive
    private TimeSpan _connectedAt = Never;
    private TimeSpan _namedAt = Never; // when the name server answers
    private TimeSpan _probeStartedAt;
    private TimeSpan _usualLimit;
    private TimeSpan _limit;
    private TimeSpan? _firstTryAt;
    private TimeSpan? _firstPingAt;
    private TimeSpan? _heard;
    private TimeSpan _lastPacketAt;
    private TimeSpan _wakesAt;
    private bool _isPingAnswered;
    private bool _isAccepted; // a connection, by the service
    private bool _hasEchoFailed;
    private bool _hearsEvidence;
    private bool _hearsOutgoing;

    public Link Link => link;

    public int OwnMetric { get; } = ownMetric;

    public int Ifindex { get; set; }

    public bool IsAdminUp { get; set; } = true;

    public bool HasCarrier { get; set; } = true;

    public bool HasAddress { get; set; } = true;

    public bool HasRoute { get; set; } = true;

    /// <summary>Number of the link's address. A new number is a new address.</summary>
    public int Address { get; set; } = 1;

    public int Metric { get; set; } = ownMetric;

    public Upstream Upstream { get; set; }

    public double Loss { get; set; }

    public LinkBudget Budget { get; set; }

    /// <summary>How long a packet waits in the uplink's queue.</summary>
    public TimeSpan Queue { get; set; }

    /// <summary>
    /// How long a sleeping link takes to wake up. It sleeps after <see cref="SleepsAfter"/>.
    /// </summary>
    public TimeSpan Waking { get; set; }

    public TimeSpan SleepsAfter { get; set; } = TimeSpan.MaxValue;

    public int Probes { get; private set; }

    public bool IsInKernelsTable => Ifindex != 0 && IsAdminUp && HasAddress && HasRoute;

    public bool IsConnected => IsInKernelsTable && HasCarrier;

    public TimeSpan NextAt => Min(
        _evidence.Count > 0 ? _evidence.Min() : Never,
        Min(Min(Min(_connectedAt, _namedAt), Min(_probeEndsAt, _attemptAt)),
            Min(Min(_pingAt, _pongArrivesAt), Min(_echoArrivesAt, _refusalArrivesAt))));

    /// <summary>RTM_NEWLINK of the device.</summary>
    public byte[] DeviceRow => Golden.Link(
        Ifindex, link.Name, (IsAdminUp ? Golden.Up : 0) | (HasCarrier ? Golden.Running : 0));

    /// <summary>RTM_NEWADDR.</summary>
    public byte[] AddressRow => Golden.Address(Ifindex, $"198.18.{Subnet}.{10 + Address}", 24);

    /// <summary>RTM_NEWROUTE of its default route.</summary>
    public byte[] RouteRow => Golden.Route($"198.18.{Subnet}.1", Ifindex, (uint)Metric);

    private int Subnet => link.Rank + 1;

    /// <summary>A tick begins. The evidence socket hears the tick's first packet.</summary>
    public void Listen(bool isForOutgoing) => (_hearsEvidence, _hearsOutgoing) = (true, isForOutgoing);

    /// <summary>A segment or question of an application leaves; it is answered if the link works.</summary>
    public void Send(bool isAnswerable, TimeSpan now)
    {
        if (_hearsOutgoing)
        {
            _hearsOutgoing = false;
            world.Tell(new News(NewsKind.Outgoing, now, link));
        }
        if (isAnswerable && IsConnected && Upstream != Upstream.Dead && Delay(now) is var delay && Passes(2))
        {
            _evidence.Add(now + delay);
        }
    }

    /// <summary>How long the answer to a packet takes that leaves now.</summary>
    private TimeSpan Delay(TimeSpan now)
    {
        _wakesAt = SleepsAfter != TimeSpan.MaxValue && now - _lastPacketAt > SleepsAfter
            ? now + Waking
            : _wakesAt;
        _lastPacketAt = now > _wakesAt ? now : _wakesAt;
        return RoundTrip + Queue + (_wakesAt > now ? _wakesAt - now : TimeSpan.Zero);
    }

    public void StartProbe(bool isEarly, TimeSpan? limit, TimeSpan now)
    {
        Probes++;
        CancelProbe();
        (_hearsEvidence, _hearsOutgoing) = (limit is not null, false);
        _probeStartedAt = now;
        _limit = limit ?? TimeSpan.FromSeconds(isEarly ? 2 : 3);
        _usualLimit = TimeSpan.FromSeconds(Math.Max(isEarly ? 2 : 3, _limit.TotalSeconds));
        _probeEndsAt = now + _limit;
        // The service has a name; its address of the last time is used if the answer is late.
        _namedAt = IsConnected && Upstream != Upstream.Dead && Lasts([0, 1000]) is { } asked
            ? now + asked + Delay(now)
            : Never;
        _attemptAt = Min(_namedAt, now + (_limit < _usualLimit ? _limit / 3 : TimeSpan.FromSeconds(1)));
        _pingAt = isEarly ? now : now + (_limit / 3);
    }

    public void CancelProbe()
    {
        _connectedAt = _namedAt = Never;
        _probeEndsAt = _attemptAt = _pingAt = _echoArrivesAt = _refusalArrivesAt = _pongArrivesAt = Never;
        (_isPingAnswered, _hasEchoFailed, _isAccepted) = (false, false, false);
        (_firstTryAt, _firstPingAt, _heard) = (null, null, null);
    }

    private void SeeLife(TimeSpan now, TimeSpan? sentAt)
    {
        _heard ??= now - sentAt;
        _limit = _limit < _usualLimit ? _usualLimit : _limit;
        _probeEndsAt = _probeStartedAt + _limit;
    }

    public void Step(TimeSpan now)
    {
        bool isAnswered = _evidence.RemoveAll(at => now >= at) > 0 && IsConnected;
        if (isAnswered)
        {
            world.Answer();
        }
        if (isAnswered && _hearsEvidence)
        {
            (_hearsEvidence, _hearsOutgoing) = (false, false);
            if (!link.IsProbing)
            {
                world.Tell(new News(NewsKind.Evidence, now, link));
            }
            else if (_probeEndsAt != Never)
            {
                SeeLife(now, null);
            }
        }
        if (_probeEndsAt != Never)
        {
            StepProbe(now);
        }
    }

    private void StepProbe(TimeSpan now)
    {
        if (now >= _echoArrivesAt)
        {
            _echoArrivesAt = Never;
            if (IsConnected && Upstream is Upstream.Good or Upstream.Portal)
            {
                SeeLife(now, _firstTryAt);
                EndProbe(Upstream == Upstream.Good ? ProbeOutcome.ServiceAnswered
                    : ProbeOutcome.WrongContent, now);
                return;
            }
        }
        if (now >= _refusalArrivesAt)
        {
            _refusalArrivesAt = Never;
            _hasEchoFailed = true;
            _pingAt = _isPingAnswered ? Never : Min(_pingAt, now);
        }
        if (now >= _pongArrivesAt)
        {
            (_pongArrivesAt, _pingAt, _isPingAnswered) = (Never, Never, true);
            SeeLife(now, _firstPingAt);
            TimeSpan slow = 4 * (now - _firstPingAt!.Value);
            _limit = slow > _limit ? Min(slow, TimeSpan.FromSeconds(6)) : _limit;
            _probeEndsAt = _probeStartedAt + _limit;
        }
        if (now >= _namedAt)
        {
            _namedAt = Never;
            if (_hearsEvidence)
            {
                SeeLife(now, null); // the socket hears the probe's own packets, too
            }
        }
        if (now >= _connectedAt)
        {
            _connectedAt = Never;
            _isAccepted |= IsConnected && Upstream != Upstream.Dead;
        }
        if (now >= _probeEndsAt && _isAccepted)
        {
            SeeLife(now, null);
        }
        if (now >= _probeEndsAt || (_isPingAnswered && _hasEchoFailed))
        {
            EndProbe(_isPingAnswered ? ProbeOutcome.PingOnly : ProbeOutcome.NoAnswer, now);
            return;
        }
        if (now >= _attemptAt)
        {
            _firstTryAt ??= now;
            _attemptAt = now + (_limit < _usualLimit ? _limit / 4 : TimeSpan.FromMilliseconds(750));
            Attempt(now);
        }
        if (now >= _pingAt)
        {
            _firstPingAt ??= now;
            _pingAt = now + (_limit < _usualLimit
                ? Min(_limit / 12, TimeSpan.FromMilliseconds(200))
                : TimeSpan.FromMilliseconds(200));
            if (IsConnected && Upstream != Upstream.Dead && world.IsPingUp && Passes(2)
                && _pongArrivesAt == Never)
            {
                _pongArrivesAt = now + Delay(now);
            }
        }
    }

    private void Attempt(TimeSpan now)
    {
        if (!IsConnected || Upstream == Upstream.Dead)
        {
            return;
        }
        bool isServed = Upstream == Upstream.Portal
            || (Upstream == Upstream.Good && world.Echo == EchoService.Up);
        if (isServed)
        {
            // Linux sends a SYN after 0, 1, 3 s, and data after 0, 0.2, 0.6, 1.4 s.
            TimeSpan first = Delay(now);
            TimeSpan took = TimeSpan.FromHours(1);
            if (Lasts([0, 1000, 3000]) is { } connect)
            {
                _connectedAt = Min(_connectedAt, now + connect + first);
                took = Lasts([0, 200, 600, 1400]) is { } data
                    ? connect + data + first + RoundTrip + Queue
                    : took;
            }
            _echoArrivesAt = Min(_echoArrivesAt, now + took);
        }
        else if (Upstream == Upstream.Good && world.Echo == EchoService.Refuses && Passes(2))
        {
            _refusalArrivesAt = Min(_refusalArrivesAt, now + RoundTrip);
        }
    }

    /// <summary>
    /// When the first of several attempts gets through in both directions; null if none does.
    /// </summary>
    private TimeSpan? Lasts(int[] attempts)
    {
        foreach (int milliseconds in attempts)
        {
            if (Passes(2))
            {
                return TimeSpan.FromMilliseconds(milliseconds);
            }
        }
        return null;
    }

    private bool Passes(int times) => Loss == 0 || world.Random.NextDouble() < Math.Pow(1 - Loss, times);

    private void EndProbe(ProbeOutcome outcome, TimeSpan now)
    {
        ProbeResult result = new(outcome, outcome.ToString(), Heard: _heard);
        CancelProbe();
        _hearsEvidence = false;
        world.Rules.OnProbeEnded(link, now);
        world.Tell(new News(NewsKind.ProbeEnded, now, link, result));
    }

    private static TimeSpan Min(TimeSpan a, TimeSpan b) => a < b ? a : b;
}
