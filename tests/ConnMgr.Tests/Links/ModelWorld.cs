using ConnMgr.Config;
using ConnMgr.Links;

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

    /// <summary>Somebody asks, and is answered if the link works.</summary>
    Talks,

    /// <summary>Somebody sends to where nobody answers.</summary>
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
/// The daemon's pure core in a simulated world and in simulated time: real Link, Selector, Crosscheck and RouteGuard,
/// driven as Daemon and MonitoredLink drive them.
/// </summary>
internal sealed class ModelWorld
{
    private readonly Selector _selector;
    private readonly Crosscheck _crosscheck;
    private readonly RouteGuard _guard = new();
    private bool _hasChanged = true;
    private TimeSpan _tickAt = Link.TickPeriod;
    private TimeSpan _trafficAt = TimeSpan.Zero;
    private (ModelLink Link, TimeSpan EndsAt, bool Succeeds)? _running;
    private ModelLink? _waiting;
    private Link? _verifying;

    /// <param name="seed">Of losses and of small differences in time.</param>
    /// <param name="wanProbe">When LTE may be probed.</param>
    public ModelWorld(int seed = 1, WanProbe wanProbe = WanProbe.Suspect)
    {
        Random = new Random(seed);
        TimeSpan idle = TimeSpan.FromSeconds(16);
        Eth = new ModelLink(this, new Link(LinkKind.Ethernet, "eth0", idle, wanProbe), 10) { Ifindex = 2 };
        WiFi = new ModelLink(this, new Link(LinkKind.WiFi, "wlan0", idle, wanProbe), 20) { Ifindex = 3 };
        Wan = new ModelLink(this, new Link(LinkKind.Wan, "wwan0", idle, wanProbe), 50) { Ifindex = 4 };
        Links = [Eth, WiFi, Wan];
        Link[] pure = [Eth.Link, WiFi.Link, Wan.Link];
        _selector = new Selector(pure, TimeSpan.Zero);
        _crosscheck = new Crosscheck(pure);
        Rules = new ModelRules(this);
    }

    public Random Random { get; }

    public ModelLink Eth { get; }

    public ModelLink WiFi { get; }

    public ModelLink Wan { get; }

    public ModelLink[] Links { get; }

    public ModelRules Rules { get; }

    public TimeSpan Now { get; private set; }

    public long Steps { get; private set; }

    public EchoService Echo { get; set; }

    public bool IsPingUp { get; set; } = true;

    public Traffic Traffic { get; set; }

    public SwitchScript Script { get; set; }

    public ModelLink? Choice => Links.FirstOrDefault(link => link.Link == _selector.Choice);

    /// <summary>What is reported as in use.</summary>
    public ModelLink? InUse { get; private set; }

    /// <summary>How often another link came into use.</summary>
    public int Switches { get; private set; }

    public bool IsSwitching => _running is not null || _verifying is not null;

    /// <summary>The link over which the kernel's default route in front leads.</summary>
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

    /// <summary>Devices, addresses or routes have changed.</summary>
    public void Change() => _hasChanged = true;

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
        TimeSpan next = Min(_tickAt, Min(_selector.NextDeadline, _guard.NextDeadline));
        next = Min(next, _running?.EndsAt ?? next);
        next = Traffic == Traffic.None ? next : Min(next, _trafficAt);
        foreach (ModelLink link in Links)
        {
            next = Min(next, Min(link.NextAt, link.Link.NextDeadline));
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
            _trafficAt = Now + TimeSpan.FromMilliseconds(Random.Next(200, 1200));
            Front?.Send(Traffic == Traffic.Talks, Now);
        }
        if (_running is var (target, endsAt, succeeds) && Now >= endsAt)
        {
            EndScript(target, succeeds);
        }
        if (Now >= _tickAt)
        {
            _tickAt = Now + Link.TickPeriod;
            foreach (ModelLink link in Links)
            {
                link.Tick(Now);
            }
            _guard.AllowRetry();
        }
    }

    private void Settle()
    {
        Steps++;
        if (_hasChanged)
        {
            _hasChanged = false;
            foreach (ModelLink link in Links)
            {
                link.Link.SetFacts(link.Facts, Now);
            }
            _guard.AllowRetry();
        }
        foreach (ModelLink link in Links)
        {
            link.Link.Advance(Now);
            CarryOut(link);
        }
        Choose();
        foreach (ModelLink link in Links)
        {
            CarryOut(link);
        }
        Rules.Check();
    }

    private void CarryOut(ModelLink link)
    {
        for (int i = 0; i < link.Link.Effects.Count; i++)
        {
            LinkEffect effect = link.Link.Effects[i];
            Rules.Take(link.Link, effect);
            if (effect.Kind == LinkEffectKind.StartProbe)
            {
                link.StartProbe(effect.IsEarly, Now);
            }
            else if (effect.Kind == LinkEffectKind.CancelProbe)
            {
                link.CancelProbe();
            }
        }
        link.Link.ClearEffects();
    }

    private void Choose()
    {
        Link? before = _selector.Choice;
        _selector.Decide(Now);
        Rules.CheckChoice(before, _selector.Choice);
        Verify();
        Switch();

        ModelLink? inUse = Front is { } front && front.Link.State.IsUp() ? front : null;
        if (inUse != InUse)
        {
            Switches += inUse is null ? 0 : 1;
            InUse = inUse;
        }
        LinkClass used = InUse is null ? LinkClass.None : Selector.ClassOf(InUse.Link);
        bool isNothingLeft = Array.TrueForAll(Links, link => Selector.ClassOf(link.Link) > LinkClass.C);
        foreach (ModelLink link in Links)
        {
            link.Link.SetSurroundings(new Surroundings(link == InUse, used, isNothingLeft));
        }
        _crosscheck.Update(_selector.Choice, InUse?.Link, Now);
    }

    private void Verify()
    {
        if (_verifying is { } link)
        {
            _verifying = null;
            EndSwitch(link, IsInPlace(link));
        }
    }

    private void Switch()
    {
        if (_guard.Next(_selector.Choice, _selector.Choice is { } choice && IsInPlace(choice), Now) is not { } link)
        {
            return;
        }
        ModelLink target = Array.Find(Links, candidate => candidate.Link == link)!;
        if (_running is null)
        {
            StartScript(target);
        }
        else
        {
            _waiting = target;
        }
    }

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

    /// <summary>switch_route.sh takes metric 0, and moves others from there to their own.</summary>
    private void EndScript(ModelLink target, bool succeeds)
    {
        _running = null;
        if (succeeds && target.IsInKernelsTable)
        {
            PutInFront(target);
            _verifying = target.Link;
        }
        else
        {
            EndSwitch(target.Link, succeeded: false);
        }
        if (_waiting is { } next)
        {
            _waiting = null;
            StartScript(next);
        }
    }

    public void PutInFront(ModelLink target)
    {
        foreach (ModelLink link in Links)
        {
            link.Metric = link == target ? 0 : link.Metric == 0 ? link.OwnMetric : link.Metric;
        }
        Change();
    }

    private void EndSwitch(Link link, bool succeeded)
    {
        _guard.End(link, succeeded);
        _selector.EndSwitch(link, succeeded, Now);
        Rules.EndSwitch(link, succeeded);
    }

    private bool IsInPlace(Link link) => Front is { Metric: 0 } front && front.Link == link;

    private static TimeSpan Min(TimeSpan a, TimeSpan b) => a < b ? a : b;
}
