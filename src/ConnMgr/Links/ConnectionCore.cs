using ConnMgr.Netlink;
using ConnMgr.Probe;

namespace ConnMgr.Links;

/// <summary>
/// Makes every decision about links: their states, the choice, when to switch, whether a switch worked, and what is in
/// use. It does no I/O and reads no clock. <see cref="LinkDriver"/> tells it the news of each wake-up and carries out
/// the effects; the model tests drive the same class in a simulated world.
/// </summary>
internal sealed class ConnectionCore
{
    private readonly Link[] _links;
    private readonly Selector _selector;
    private readonly Crosscheck _crosscheck;
    private readonly SwitchControl _switches;
    private readonly List<CoreEffect> _effects = [];
    private readonly bool[] _hadEvidence; // in this tick, by link
    private (int Version, bool IsSettled, uint RoutesAsOf) _seen = (-1, false, 0); // of the kernel
    private Link? _inUse;
    private TimeSpan _inUseSince;
    private TimeSpan _chosenAt;
    private bool _isStopping;

    /// <param name="links">All links, in the order of preference.</param>
    /// <param name="trust">Which services have proved right.</param>
    /// <param name="startedAt">When the daemon started.</param>
    public ConnectionCore(IReadOnlyList<Link> links, ServiceTrust trust, TimeSpan startedAt)
    {
        Trust = trust;
        _links = [.. links];
        _hadEvidence = new bool[_links.Length];
        _selector = new Selector(_links, startedAt);
        _crosscheck = new Crosscheck(_links);
        _switches = new SwitchControl(_selector);
        View = new ConnectionView { Links = [.. _links.Select(Describe)] };
    }

    /// <summary>All links, in the order of preference.</summary>
    public IReadOnlyList<Link> Links => _links;

    /// <summary>Which services have proved right.</summary>
    public ServiceTrust Trust { get; }

    /// <summary>What was decided at the last <see cref="Handle"/>.</summary>
    public ConnectionView View { get; private set; }

    /// <summary>When <see cref="Handle"/> has something to do though there is no news.</summary>
    public TimeSpan NextDeadline { get; private set; }

    /// <summary>True while a switch is under way that has to be seen to its end.</summary>
    public bool IsSwitching => _switches.IsRunning;

    /// <summary>How long a link has to stay good, from now on, before the choice is left for it.</summary>
    public TimeSpan HoldLeft(int index, TimeSpan now) => _selector.HoldLeft(_links[index], now);

    /// <summary>Failures of a link within the last hour, and when the last one was.</summary>
    public (int Count, TimeSpan? Last) FailuresOf(int index, TimeSpan now) =>
        (_links[index].Failures.Count(now), _links[index].Failures.Last);

    /// <summary>Puts another link in the place of one. Nothing is remembered of the old one.</summary>
    /// <param name="index">Which link, in <see cref="Links"/>.</param>
    /// <param name="link">The new one.</param>
    public void Replace(int index, Link link)
    {
        Link old = _links[index];
        _links[index] = link;
        _selector.Replace(old, link);
        _crosscheck.Replace(old, link);
        _switches.Forget(old);
        Trust.Forget(old);
        _seen.Version = -1; // the new link has not been told what the kernel has
        if (_inUse == old)
        {
            _inUse = null;
        }
    }

    /// <summary>Takes what one wake-up has brought, and decides.</summary>
    /// <param name="news">In the order in which it was learned.</param>
    /// <param name="kernel">What the kernel has.</param>
    /// <param name="now">The time.</param>
    /// <returns>What is to be done, in order. The list is reused by the next call.</returns>
    public IReadOnlyList<CoreEffect> Handle(ReadOnlySpan<News> news, in KernelView kernel, TimeSpan now)
    {
        _effects.Clear();
        if (news.IsEmpty && now < NextDeadline && (kernel.State.Version, kernel.IsSettled, kernel.RoutesAsOf) == _seen)
        {
            return _effects; // a wake-up that is about something else, e.g. a DNS reply
        }
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
            Collect(link);
        }
        // A switch that has just ended is judged by the dump that it asks for.
        bool isSettled = kernel.IsSettled && !_switches.WantsRoutes;
        if (!_isStopping)
        {
            Decide(kernel, isSettled, now);
        }
        SetNextDeadline(isSettled);
        View = Describe(kernel, isSettled);
        _switches.OnEffectsTaken();
        return _effects;
    }

    private void Take(in News news, in KernelView kernel)
    {
        if (news.Link is { } about && Array.IndexOf(_links, about) < 0 && news.Kind != NewsKind.SwitchEnded)
        {
            return; // a reload has replaced the link since
        }
        switch (news.Kind)
        {
            case NewsKind.Tick:
                Tick(news.At);
                break;
            case NewsKind.Evidence:
                _hadEvidence[Array.IndexOf(_links, news.Link)] = true;
                news.Link!.SeeEvidence(news.At);
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
            case NewsKind.SwitchEnded:
                bool isKnown = Array.IndexOf(_links, news.Link) >= 0;
                _switches.OnEnded(news.Link!, news.Failure, isKnown, kernel, news.At, _effects);
                break;
            case NewsKind.Stop:
                _isStopping = true;
                break;
        }
    }

    private void OnProbeEnded(Link link, in ProbeResult result, TimeSpan now)
    {
        link.EndProbe(result, now);
        if (Trust.Take(link, result, now) is { } warning)
        {
            _effects.Add(new CoreEffect(CoreEffectKind.Warned, link, warning));
        }
    }

    /// <summary>Ends a tick for each link, and lets its evidence socket hear the next one.</summary>
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
        _switches.AllowRetry();
    }

    private void TakeFacts(KernelState state, TimeSpan now)
    {
        foreach (Link link in _links)
        {
            link.SetFacts(KernelFacts.Of(state, link.Name), now);
        }
        _switches.AllowRetry();
    }

    /// <summary>The order of all decisions. After the choice is made, no state of a link changes.</summary>
    private void Decide(in KernelView kernel, bool isSettled, TimeSpan now)
    {
        if (isSettled)
        {
            FindInUse(kernel.State, now);
            _switches.Verify(kernel, _links, now, _effects);
        }
        _crosscheck.Compare(now);
        CollectAll();
        if (_selector.Decide(now))
        {
            _chosenAt = now;
            _effects.Add(new CoreEffect(CoreEffectKind.Chosen, _selector.Choice, _selector.Reason));
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
        bool isNothingLeft = Array.TrueForAll(_links, link => Selector.ClassOf(link) > LinkClass.C);
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
                _hadEvidence[Array.IndexOf(_links, link)] = false; // what a probe brings in is not evidence
            }
            _effects.Add(new CoreEffect(kind, link, effect.Reason, effect.From, effect.To, effect.IsEarly));
        }
        link.ClearEffects();
    }

    private void SetNextDeadline(bool isSettled)
    {
        TimeSpan next = _isStopping ? TimeSpan.MaxValue : _selector.NextDeadline;
        foreach (Link link in _links)
        {
            next = Earlier(next, link.NextDeadline);
        }
        NextDeadline = isSettled && !_isStopping ? Earlier(next, _switches.NextDeadline) : next;
    }

    private ConnectionView Describe(in KernelView kernel, bool isSettled)
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
            InUseIpv4 = isSettled ? KernelFacts.InFront(kernel.State, _links, isIpv6: false)?.Name : View.InUseIpv4,
            InUseIpv6 = isSettled ? KernelFacts.InFront(kernel.State, _links, isIpv6: true)?.Name : View.InUseIpv6,
            InPlace = isSettled ? placed?.Name : View.InPlace,
            Switch = _switches.Report,
        };
    }

    private static LinkView Describe(Link link) => new(
        link.Kind, link.Name, link.IsMetered, link.State, link.Words, link.Since, link.UpSince, link.Facts,
        link.IsProbing, link.IsAssumed, link.LastProbe, link.ProbeEndedAt, link.Tally);

    private static TimeSpan Earlier(TimeSpan a, TimeSpan b) => a < b ? a : b;
}
