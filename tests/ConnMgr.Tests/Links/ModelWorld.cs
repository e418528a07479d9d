using ConnMgr.Config;
using ConnMgr.Links;
using ConnMgr.Netlink;

namespace ConnMgr.Tests.Links;

internal enum EchoService
{
    Up,
    Silent,
    Refuses,
}

internal enum Traffic
{
    None,

    /// <summary>An application asks, and is answered if the link works.</summary>
    Talks,

    /// <summary>
    /// An application sends the next packet after the answer to the last one, and that one again as TCP does.
    /// </summary>
    Asks,

    /// <summary>An application sends to an address that does not answer.</summary>
    Shouts,
}

internal enum SwitchScript
{
    Works,
    IsSlow,
    Fails,
    Hangs,
}

/// <summary>
/// The daemon's own <see cref="ConnectionCore"/> in a simulated world and in simulated time. The world plays
/// the driver: it passes the input of each wake-up and the kernel's state, read from rtnetlink messages, and
/// carries out the effects.
/// </summary>
internal sealed class ModelWorld
{
    /// <summary>When the daemon starts, in the loop's time, which counts from the device's start.</summary>
    public static readonly TimeSpan Start = TimeSpan.FromHours(1);

    private static readonly TimeSpan LeastRetransmission = TimeSpan.FromSeconds(0.2);

    private readonly ConnectionCore _core;
    private readonly KernelState _kernel = new();
    private readonly List<News> _news = [];
    private bool _hasChanged = true;
    private uint _dumps; // how often the kernel's state was read
    private bool _isWoken;
    private TimeSpan _tickAt = Start + Link.TickPeriod;
    private TimeSpan _trafficAt = Start;
    private TimeSpan _askedAt;
    private TimeSpan _retransmission = LeastRetransmission;
    private (ModelLink Link, TimeSpan EndsAt, bool Succeeds)? _running;

    /// <param name="seed">Seed of packet losses and of small differences in time.</param>
    /// <param name="wanProbe">When LTE may be probed.</param>
    /// <param name="names">The links, most preferred first; null for eth0, wlan0, wwan0.</param>
    public ModelWorld(
        int seed = 1, WanProbe wanProbe = WanProbe.Suspect, IReadOnlyList<NamedLink>? names = null)
    {
        Random = new Random(seed);
        TimeSpan idle = TimeSpan.FromSeconds(16);
        Links =
        [
            .. (names ?? NetifNames.Defaults.Links).Select((name, i) => new ModelLink(
                this, new Link(name.Kind, name.Name, idle, wanProbe, name.Index, name.IsMetered),
                (int)RoutePlanner.UsualMetric(name.Kind, name.Index))
            { Ifindex = i + 2 }),
        ];
        _core = new ConnectionCore([.. Links.Select(link => link.Link)], new ServiceTrust(), Start);
        Rules = new ModelRules(this);
    }

    public Random Random { get; }

    public ModelLink Eth => Links[0];

    public ModelLink WiFi => Links[1];

    public ModelLink Wan => Links[2];

    public ModelLink[] Links { get; }

    public ModelRules Rules { get; }

    public TimeSpan Now { get; private set; } = Start;

    public long Steps { get; private set; }

    public EchoService Echo { get; set; }

    public bool IsPingUp { get; set; } = true;

    public Traffic Traffic { get; set; }

    /// <summary>The shortest and the longest time between two packets of the application, in ms.</summary>
    public (int Least, int Most) Pace { get; set; } = (200, 1200);

    public SwitchScript Script { get; set; }

    public ModelLink? Choice => Find(_core.View.Choice);

    /// <summary>The link that is reported as in use.</summary>
    public ModelLink? InUse { get; private set; }

    /// <summary>How often the link in use changed.</summary>
    public int Switches { get; private set; }

    /// <summary>The link of the kernel's preferred default route.</summary>
    public ModelLink? Front
    {
        get
        {
            ModelLink? front = null;
            foreach (ModelLink link in Links)
            {
                front = link.IsInKernelsTable && (front is null || link.Metric < front.Metric) ? link : front;
            }
            return front;
        }
    }

    /// <summary>Tells the core that devices, addresses or routes have changed.</summary>
    public void Change() => _hasChanged = true;

    /// <summary>Adds an input that the driver would pass to the core at the end of this wake-up.</summary>
    public void Tell(in News news) => _news.Add(news);

    /// <summary>The application has an answer.</summary>
    public void Answer()
    {
        if (Traffic == Traffic.Asks)
        {
            TimeSpan twice = 2 * (Now - _askedAt);
            _retransmission = twice > LeastRetransmission ? twice : LeastRetransmission;
            _trafficAt = NextPacketAt;
        }
    }

    private TimeSpan NextPacketAt => Now + TimeSpan.FromMilliseconds(Random.Next(Pace.Least, Pace.Most));

    /// <summary>Lets time pass.</summary>
    public void Run(double seconds)
    {
        TimeSpan end = Now + TimeSpan.FromSeconds(seconds);
        Settle();
        while (NextAt() is var next && next <= end)
        {
            Now = next > Now ? next : Now;
            Step();
            Settle();
        }
        Now = end;
        Settle();
    }

    private TimeSpan NextAt()
    {
        TimeSpan next = _isWoken ? Now : Min(_tickAt, _core.NextDeadline);
        next = Min(next, _running?.EndsAt ?? next);
        next = Traffic == Traffic.None ? next : Min(next, _trafficAt);
        foreach (ModelLink link in Links)
        {
            next = Min(next, link.NextAt);
        }
        return next;
    }

    private void Step()
    {
        foreach (ModelLink link in Links)
        {
            link.Step(Now);
        }
        if (Traffic != Traffic.None && Now >= _trafficAt)
        {
            _trafficAt = NextPacketAt;
            if (Traffic == Traffic.Asks)
            {
                _trafficAt = Now + _retransmission;
                (_askedAt, _retransmission) = (Now, 2 * _retransmission);
            }
            Front?.Send(Traffic != Traffic.Shouts, Now);
        }
        if (_running is var (target, endsAt, succeeds) && Now >= endsAt)
        {
            EndScript(target, succeeds);
        }
        if (Now >= _tickAt)
        {
            _tickAt = Now + Link.TickPeriod;
            Tell(new News(NewsKind.Tick, Now));
        }
    }

    private void Settle()
    {
        Steps++;
        _isWoken = false;
        if (_hasChanged)
        {
            _hasChanged = false;
            ReadKernel();
        }
        News[] news = [.. _news];
        _news.Clear();
        Link? before = Find(_core.View.Choice)?.Link;
        // While a script moves the routes, the view is not settled.
        KernelView kernel = new(_kernel, IsSettled: true, _dumps, _dumps, OwnMetrics: null);
        foreach (CoreEffect effect in _core.Handle(news, kernel, Now))
        {
            Rules.Take(effect);
            CarryOut(effect);
        }
        Rules.CheckChoice(before, Find(_core.View.Choice)?.Link);
        ModelLink? inUse = Find(_core.View.InUse?.Name);
        if (inUse != InUse)
        {
            Switches += inUse is null ? 0 : 1;
            InUse = inUse;
        }
        _isWoken |= _news.Count > 0;
        // Otherwise another wake-up follows at this same moment: the routes after a switch are read first.
        if (!_isWoken)
        {
            Rules.Check();
        }
    }

    /// <summary>Dumps the simulated kernel, as RouteMonitor does.</summary>
    private void ReadKernel()
    {
        _dumps++;
        Dump(RouteMessage.GetLink, link => link.Ifindex != 0, link => link.DeviceRow);
        Dump(RouteMessage.GetAddress, link =>
            link is { HasAddress: true, Ifindex: not 0 }, link => link.AddressRow);
        Dump(RouteMessage.GetRoute, link => link.IsInKernelsTable, link => link.RouteRow);
    }

    private void Dump(ushort type, Func<ModelLink, bool> isThere, Func<ModelLink, byte[]> row)
    {
        _kernel.BeginDump();
        foreach (ModelLink link in Links)
        {
            if (isThere(link))
            {
                NetlinkReader reader = new(row(link));
                Assert.True(reader.TryRead(out NetlinkMessage message));
                _kernel.Apply(message, isDumpRow: true);
            }
        }
        _kernel.OnDumpEnded(type);
    }

    private void CarryOut(in CoreEffect effect)
    {
        ModelLink? link = Find(effect.Link?.Name);
        switch (effect.Kind)
        {
            case CoreEffectKind.Listen:
                link!.Listen(effect.IsForOutgoing);
                break;
            case CoreEffectKind.StartProbe:
                link!.StartProbe(effect.IsEarly, effect.Limit, Now);
                break;
            case CoreEffectKind.CancelProbe:
                link!.CancelProbe();
                break;
            case CoreEffectKind.Switch:
                StartScript(link!);
                break;
            case CoreEffectKind.ReadRoutes:
                Change();
                _isWoken = true;
                break;
        }
    }

    private ModelLink? Find(string? name) => Array.Find(Links, link => link.Link.Name == name);

    private void StartScript(ModelLink target)
    {
        int milliseconds = Script switch
        {
            SwitchScript.IsSlow => 1500,
            SwitchScript.Hangs => 10_000,
            _ => Random.Next(5, 80),
        };
        bool succeeds = Script is SwitchScript.Works or SwitchScript.IsSlow;
        _running = (target, Now + TimeSpan.FromMilliseconds(milliseconds), succeeds);
    }

    /// <summary>
    /// Plays switch_route.sh: gives the link metric 0 and moves the others from there to their own metrics.
    /// </summary>
    private void EndScript(ModelLink target, bool succeeds)
    {
        _running = null;
        bool isDone = succeeds && target.IsInKernelsTable;
        if (isDone)
        {
            PutInFront(target);
        }
        Tell(new News(NewsKind.SwitchEnded, Now, target.Link, Failure: isDone ? null : "the script failed"));
    }

    public void PutInFront(ModelLink target)
    {
        foreach (ModelLink link in Links)
        {
            link.Metric = link == target ? 0 : link.Metric == 0 ? link.OwnMetric : link.Metric;
        }
        Change();
    }

    private static TimeSpan Min(TimeSpan a, TimeSpan b) => a < b ? a : b;
}
