using ConnMgr.Netlink;
using ConnMgr.Probe;

namespace ConnMgr.Links;

/// <summary>
/// Makes every decision about links: their states, the choice, when to switch, whether a switch worked, and
/// which link is in use. It does no I/O and reads no clock. <see cref="LinkDriver"/> passes it the news of
/// each wake-up and carries out its effects; the model tests drive the same class in a simulated world.
/// </summary>
internal sealed class ConnectionCore
{
    private Link[] _links;
    private readonly Selector _selector;
    private readonly Crosscheck _crosscheck;
    private readonly SwitchControl _switches;
    private readonly List<CoreEffect> _effects = [];
    private bool[] _hadEvidence; // by link: it gave evidence in this tick
    // The kernel state of the last call.
    private (int Version, bool IsSettled, uint RoutesAsOf) _seen = (-1, false, 0);
    private TimeSpan? _tickedAt; // null before the first news
    private TimeSpan _listenAt = TimeSpan.MaxValue;
    private Link? _inUse;
    private TimeSpan _inUseSince;
    private TimeSpan _chosenAt;
    private bool _isStopping;

    /// <param name="links">All links, most preferred first.</param>
    /// <param name="trust">Records which services have answered correctly.</param>
    /// <param name="startedAt">When the daemon started, in the loop's time.</param>
    public ConnectionCore(IReadOnlyList<Link> links, ServiceTrust trust, TimeSpan startedAt)
    {
        Trust = trust;
        _links = [.. links];
        _hadEvidence = new bool[_links.Length];
        _selector = new Selector(_links, startedAt);
        _crosscheck = new Crosscheck(_links);
        _switches = new SwitchControl(_selector);
        View = new ConnectionView { Links = [.. _links.Select(link => Describe(link))] };
    }

    /// <summary>All links, most preferred first.</summary>
    public IReadOnlyList<Link> Links => _links;

    /// <summary>Records which services have answered correctly.</summary>
    public ServiceTrust Trust { get; }

    /// <summary>The decisions and facts after the last <see cref="Handle"/>.</summary>
    public ConnectionView View { get; private set; }

    /// <summary>When to call <see cref="Handle"/> even without news.</summary>
    public TimeSpan NextDeadline { get; private set; }

    /// <summary>How much longer the link has to stay good before it may replace the choice.</summary>
    public TimeSpan HoldLeft(int index, TimeSpan now) => _selector.HoldLeft(_links[index], now);

    /// <summary>
    /// The number of failures of a link within the last hour, and the time of the last one.
    /// </summary>
    public (int Count, TimeSpan? Last) FailuresOf(int index, TimeSpan now) =>
        (_links[index].Failures.Count(now), _links[index].Failures.Last);

    /// <summary>See <see cref="Link.Patience(TimeSpan)"/>.</summary>
    public TimeSpan PatienceOf(int index, TimeSpan now) => _links[index].Patience(now);

    /// <summary>
    /// Takes other links after a reload. A link that stays keeps its state; that of the others is dropped.
    /// </summary>
    /// <param name="links">All links, most preferred first.</param>
    public void SetLinks(IReadOnlyList<Link> links)
    {
        Link[] old = _links;
        bool[] hadEvidence = _hadEvidence;
        _links = [.. links];
        _hadEvidence = new bool[_links.Length];
        for (int i = 0; i < old.Length; i++)
        {
            int at = Array.IndexOf(_links, old[i]);
            if (at >= 0)
            {
                _hadEvidence[at] = hadEvidence[i];
                continue;
            }
            _switches.Forget(old[i]);
            Trust.Forget(old[i]);
            _inUse = _inUse == old[i] ? null : _inUse;
        }
        _selector.SetLinks(_links);
        _crosscheck.SetLinks(_links);
        _seen.Version = -1; // a new link has not received the kernel's facts yet
        LinkView[] views = Array.ConvertAll(_links, link => Describe(link));
        View = View with { Links = views, InUse = _inUse is { } inUse ? views[inUse.Rank] : null };
    }

    /// <summary>True unless a reload has removed the link.</summary>
    private bool Has(Link link) => link.Rank < _links.Length && _links[link.Rank] == link;

    /// <summary>
    /// Prefers a link by hand while it is good, until the given time; null ends the preference. It takes
    /// effect with the next <see cref="Handle"/>.
    /// </summary>
    public void Prefer(Link? link, TimeSpan until, TimeSpan now)
    {
        _selector.Prefer(link, until, now);
        _seen.Version = -1;
    }

    /// <summary>Processes the news of one wake-up and decides.</summary>
    /// <param name="news">The news, in the order in which it arrived.</param>
    /// <param name="kernel">The kernel's state.</param>
    /// <param name="now">The loop's time.</param>
    /// <returns>The effects to carry out, in order. The next call reuses the list.</returns>
    public IReadOnlyList<CoreEffect> Handle(ReadOnlySpan<News> news, in KernelView kernel, TimeSpan now)
    {
        _effects.Clear();
        if (news.IsEmpty && now < NextDeadline
            && (kernel.State.Version, kernel.IsSettled, kernel.RoutesAsOf) == _seen)
        {
            return _effects; // the wake-up concerns another part, e.g. a DNS reply
        }
        bool isTickAlone = IsTickAlone(news, kernel);
        foreach (ref readonly News item in news)
        {
            Take(item, kernel);
        }
        if (kernel.State.Version != _seen.Version)
        {
            TakeFacts(kernel.State, now);
        }
        _seen = (kernel.State.Version, kernel.IsSettled, kernel.RoutesAsOf);
        foreach (Link link in _links)
        {
            link.Advance(now);
            link.ProbeIdle(now);
            Collect(link);
        }
        if (now >= _listenAt)
        {
            ListenAgain();
        }
        if (isTickAlone && now < NextDeadline && _switches.IsAtRest
            && _effects.TrueForAll(static effect => effect.Kind == CoreEffectKind.Listen))
        {
            return _effects; // most ticks of an idle device
        }
        // A switch that has just ended is judged by the dump that it requests, not by the current routes.
        bool isSettled = kernel.IsSettled && !_switches.WantsRoutes;
        if (!_isStopping)
        {
            Decide(kernel, isSettled, now);
        }
        SetNextDeadline(isSettled);
        View = Describe(kernel, isSettled, now);
        _switches.OnEffectsTaken();
        return _effects;
    }

    /// <summary>
    /// True if a tick has ended in which nothing was heard, and the kernel has reported nothing.
    /// </summary>
    private bool IsTickAlone(ReadOnlySpan<News> news, in KernelView kernel) =>
        news.Length == 1 && news[0].Kind == NewsKind.Tick
            && Array.TrueForAll(_hadEvidence, static had => !had)
            && (kernel.State.Version, kernel.IsSettled, kernel.RoutesAsOf) == _seen;

    private void Take(in News news, in KernelView kernel)
    {
        if (news.Link is { } about && !Has(about) && news.Kind != NewsKind.SwitchEnded)
        {
            return; // a reload has removed the link since
        }
        switch (news.Kind)
        {
            case NewsKind.Tick:
                Tick(news.At);
                break;
            case NewsKind.Evidence:
                _hadEvidence[news.Link!.Rank] = true;
                news.Link.SeeEvidence(news.At);
                ListenInHalfATick(news.At);
                break;
            case NewsKind.Outgoing:
                news.Link!.SeeOutgoing(news.At);
                break;
            case NewsKind.ProbeEnded:
                OnProbeEnded(news.Link!, news.Probe, news.At);
                break;
            case NewsKind.ServersChanged:
                news.Link!.SeeOtherServers(news.At);
                break;
            case NewsKind.FirewallChanged:
                news.Link!.Probe("another program changed the firewall", isEarly: false, news.At);
                break;
            case NewsKind.Budget:
                news.Link!.SetBudget(news.Budget);
                break;
            case NewsKind.SwitchEnded:
                bool isKnown = Has(news.Link!);
                _switches.OnEnded(news.Link!, news.Failure, isKnown, kernel, news.At, _effects);
                break;
            case NewsKind.Stop:
                _isStopping = true;
                break;
        }
    }

    private void OnProbeEnded(Link link, in ProbeResult result, TimeSpan now)
    {
        link.OnProbeEnded(result, now);
        ListenInHalfATick(now);
        if (Trust.Take(link, result, now) is { } warning)
        {
            _effects.Add(new CoreEffect(CoreEffectKind.Warned, link, warning));
        }
    }

    /// <summary>Ends the tick for each link, and rearms the evidence sockets for the next tick.</summary>
    private void Tick(TimeSpan now)
    {
        for (int i = 0; i < _links.Length; i++)
        {
            Link link = _links[i];
            link.Tick(_hadEvidence[i], now);
            _hadEvidence[i] = false;
            if (!link.IsProbing)
            {
                _effects.Add(new CoreEffect(CoreEffectKind.Listen, link, IsForOutgoing: link.WantsOutgoing));
            }
        }
        (_tickedAt, _listenAt) = (now, TimeSpan.MaxValue);
        _switches.AllowRetry();
    }

    /// <summary>
    /// Wakes the core in the middle of the tick. Otherwise the evidence socket of a link that was heard in
    /// the first half would report no outgoing packet for up to 2 s. That includes the time before the first
    /// tick, in which the probe ends that confirms a link. A link without traffic costs no wake-up.
    /// </summary>
    private void ListenInHalfATick(TimeSpan now)
    {
        TimeSpan half = (_tickedAt ??= now) + (Link.TickPeriod / 2);
        _listenAt = now < half ? half : _listenAt;
    }

    /// <summary>Rearms the evidence sockets of the links that can come under suspicion.</summary>
    private void ListenAgain()
    {
        _listenAt = TimeSpan.MaxValue;
        foreach (Link link in _links)
        {
            if (link is { IsProbing: false, State: LinkState.Confirmed })
            {
                _effects.Add(new CoreEffect(CoreEffectKind.Listen, link, IsForOutgoing: link.WantsOutgoing));
            }
        }
    }

    private void TakeFacts(KernelState state, TimeSpan now)
    {
        LinkFacts[] facts = KernelFacts.Of(state, Array.ConvertAll(_links, static link => link.Name));
        for (int i = 0; i < _links.Length; i++)
        {
            _links[i].SetFacts(facts[i], now);
        }
        _switches.AllowRetry();
    }

    /// <summary>
    /// Makes all decisions, in their only order. Once the choice is made, no link changes its state.
    /// </summary>
    private void Decide(in KernelView kernel, bool isSettled, TimeSpan now)
    {
        if (isSettled)
        {
            FindInUse(kernel.State, now);
            _switches.Verify(kernel, _links, now, _effects);
        }
        _crosscheck.Compare(now);
        CollectAll();
        Link? before = _selector.Choice;
        bool hasChosen = false;
        while (_selector.Decide(now))
        {
            hasChosen = true; // repeat: the rules may allow a further link to replace the new choice
        }
        if (hasChosen)
        {
            _chosenAt = now;
            _effects.Add(new CoreEffect(
                CoreEffectKind.Chosen, _selector.Choice, _selector.Reason, Left: before));
        }
        if (isSettled)
        {
            _switches.Begin(kernel, _links, _selector.Choice, now, _effects);
        }
        TellSurroundings();
        _crosscheck.Follow(_selector.Choice, _inUse, now);
        Trust.Arbitrate(_links, now);
        CollectAll();
    }

    private void FindInUse(KernelState state, TimeSpan now)
    {
        Link? inUse = KernelFacts.InUse(state, _links, _selector.Choice);
        if (inUse != _inUse)
        {
            _inUse = inUse;
            _inUseSince = now;
        }
    }

    private void TellSurroundings()
    {
        LinkClass inUse = _inUse is { } used ? Selector.ClassOf(used) : LinkClass.None;
        bool isNothingLeft = Array.TrueForAll(_links, link => Selector.ClassOf(link) > LinkClass.D);
        foreach (Link link in _links)
        {
            link.SetSurroundings(new Surroundings(link == _inUse, inUse, isNothingLeft));
        }
    }

    private void CollectAll()
    {
        foreach (Link link in _links)
        {
            Collect(link);
        }
    }

    private void Collect(Link link)
    {
        foreach (LinkEffect effect in link.Effects)
        {
            CoreEffectKind kind = effect.Kind switch
            {
                LinkEffectKind.StateChanged => CoreEffectKind.StateChanged,
                LinkEffectKind.StartProbe => CoreEffectKind.StartProbe,
                _ => CoreEffectKind.CancelProbe,
            };
            if (kind == CoreEffectKind.StartProbe)
            {
                _hadEvidence[link.Rank] = false; // the packets of a probe are not evidence
            }
            _effects.Add(new CoreEffect(
                kind, link, effect.Reason, effect.From, effect.To, effect.IsEarly, effect.Limit));
        }
        link.ClearEffects();
    }

    private void SetNextDeadline(bool isSettled)
    {
        TimeSpan next = _isStopping ? TimeSpan.MaxValue : Earlier(_selector.NextDeadline, _listenAt);
        foreach (Link link in _links)
        {
            next = Earlier(next, Earlier(link.NextDeadline, link.IdleAt));
        }
        NextDeadline = isSettled && !_isStopping ? Earlier(next, _switches.NextDeadline) : next;
    }

    private ConnectionView Describe(in KernelView kernel, bool isSettled, TimeSpan now)
    {
        LinkView[] links = new LinkView[_links.Length];
        LinkView? inUse = null;
        for (int i = 0; i < links.Length; i++)
        {
            links[i] = Describe(_links[i]);
            inUse = _links[i] == _inUse ? links[i] : inUse;
        }
        Link? placed = isSettled ? KernelFacts.ChoiceInPlace(kernel.State, _selector.Choice) : null;
        return new ConnectionView
        {
            Links = links,
            Choice = _selector.Choice?.Name,
            Reason = _selector.Reason,
            ChosenAt = _chosenAt,
            InUse = inUse,
            InUseSince = _inUseSince,
            InUseIpv4 = isSettled
                ? KernelFacts.InFront(kernel.State, _links, isIpv6: false)?.Name
                : View.InUseIpv4,
            InUseIpv6 = isSettled
                ? KernelFacts.InFront(kernel.State, _links, isIpv6: true)?.Name
                : View.InUseIpv6,
            InPlace = isSettled ? placed?.Name : View.InPlace,
            Preferred = _selector.Preferred(now)?.Name,
            PreferredUntil = _selector.PreferredUntil,
            Switch = _switches.Report,
        };
    }

    private static LinkView Describe(Link link) => new(
        link.Kind, link.Name, link.IsMetered, link.State, link.Words, link.Since, link.UpSince, link.Facts,
        link.IsProbing, link.IsAssumed, link.LastProbe, link.ProbeEndedAt,
        link.ProbeTook, link.Tally, link.Index, link.RoundTrip, link.Budget);

    private static TimeSpan Earlier(TimeSpan a, TimeSpan b) => a < b ? a : b;
}
