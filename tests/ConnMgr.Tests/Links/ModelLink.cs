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
    private TimeSpan _evidenceAt = Never;
    private bool _isPingAnswered;
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

    public int Probes { get; private set; }

    public bool IsInKernelsTable => Ifindex != 0 && IsAdminUp && HasAddress && HasRoute;

    public bool IsConnected => IsInKernelsTable && HasCarrier;

    public TimeSpan NextAt => Min(
        _evidenceAt,
        Min(Min(_probeEndsAt, _attemptAt),
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
        if (isAnswerable && IsConnected && Upstream != Upstream.Dead && Passes(2))
        {
            _evidenceAt = Min(_evidenceAt, now + RoundTrip);
        }
    }

    public void StartProbe(bool isEarly, TimeSpan now)
    {
        Probes++;
        CancelProbe();
        (_hearsEvidence, _hearsOutgoing) = (false, false);
        _probeEndsAt = now + TimeSpan.FromSeconds(isEarly ? 2 : 3);
        _attemptAt = now;
        _pingAt = isEarly ? now : now + TimeSpan.FromSeconds(1);
    }

    public void CancelProbe()
    {
        _probeEndsAt = _attemptAt = _pingAt = _echoArrivesAt = _refusalArrivesAt = _pongArrivesAt = Never;
        (_isPingAnswered, _hasEchoFailed) = (false, false);
    }

    public void Step(TimeSpan now)
    {
        if (now >= _evidenceAt)
        {
            _evidenceAt = Never;
            if (_hearsEvidence && IsConnected)
            {
                (_hearsEvidence, _hearsOutgoing) = (false, false);
                world.Tell(new News(NewsKind.Evidence, now, link));
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
                EndProbe(Upstream == Upstream.Good ? ProbeOutcome.EchoAnswered
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
        }
        if (now >= _probeEndsAt || (_isPingAnswered && _hasEchoFailed))
        {
            EndProbe(_isPingAnswered ? ProbeOutcome.PingOnly : ProbeOutcome.NoAnswer, now);
            return;
        }
        if (now >= _attemptAt)
        {
            _attemptAt = now + TimeSpan.FromMilliseconds(750);
            Attempt(now);
        }
        if (now >= _pingAt)
        {
            _pingAt = now + TimeSpan.FromMilliseconds(200);
            if (IsConnected && Upstream != Upstream.Dead && world.IsPingUp && Passes(2)
                && _pongArrivesAt == Never)
            {
                _pongArrivesAt = now + RoundTrip;
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
            TimeSpan took = Lasts([0, 1000, 3000]) is { } connect && Lasts([0, 200, 600, 1400]) is { } data
                ? connect + data + (2 * RoundTrip) : TimeSpan.FromHours(1);
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
        CancelProbe();
        world.Rules.EndProbe(link, now);
        world.Tell(new News(NewsKind.ProbeEnded, now, link, new ProbeResult(outcome, outcome.ToString())));
    }

    private static TimeSpan Min(TimeSpan a, TimeSpan b) => a < b ? a : b;
}
