using System.Net;
using System.Net.Sockets;
using ConnMgr.EventLoop;
using ConnMgr.Logging;
using ConnMgr.Native;

namespace ConnMgr.Probe;

/// <summary>
/// Runs the probes of one link, one at a time. Carries out the steps of the <see cref="ProbePlan"/>, passes
/// the results to the plan, and reports the outcome.
/// </summary>
internal sealed class ProbeRunner : IDisposable
{
    private const int MaxRemembered = 8;

    private readonly Loop _loop;
    private readonly string _device;
    private readonly ProbeSettings _settings;
    private readonly Action<ProbeResult> _ended;
    private readonly Action<string>? _watch;
    private readonly QuestionRunner _questions;
    private readonly Deadline _nextStep;
    private readonly List<ProbeTarget> _remembered = [];
    private readonly List<NameQuery> _queries = [];
    private readonly List<ConversationSocket> _attempts = [];
    private IReadOnlyList<IPAddress> _nameServers = [];
    private ProbePlan? _plan;
    private PingSocket? _ping;
    private bool _isIpv6;

    /// <param name="loop">The event loop.</param>
    /// <param name="device">The link's interface name.</param>
    /// <param name="settings">What to ask.</param>
    /// <param name="ended">Receives the result; not called for a cancelled probe.</param>
    /// <param name="watch">Receives a description of each step when it is done; null if it is not
    /// needed.</param>
    public ProbeRunner(
        Loop loop, string device, ProbeSettings settings, Action<ProbeResult> ended,
        Action<string>? watch = null)
    {
        _loop = loop;
        _device = device;
        _settings = settings;
        _ended = ended;
        _watch = watch;
        _questions = new QuestionRunner(loop, settings.Unanswered);
        _nextStep = loop.AddTimer(() => Step(_loop.Now));
    }

    /// <summary>The cost of the probes that have ended, in bytes of IP, both directions.</summary>
    public long Bytes { get; private set; }

    /// <summary>Starts a probe, see <see cref="ProbePlan"/>. Cancels a running one.</summary>
    /// <param name="isIpv6">The family that the link is judged by.</param>
    /// <param name="nameServers">The name servers, in the order of asking.</param>
    /// <param name="isEarly">True for a probe that ends within 2 s, and pings from the start.</param>
    /// <param name="limit">The probe fails if it has heard nothing for this time; null for the usual
    /// time.</param>
    /// <param name="now">The loop's time.</param>
    public void Start(
        bool isIpv6, IReadOnlyList<IPAddress> nameServers, bool isEarly, TimeSpan? limit, TimeSpan now)
    {
        Cancel();
        _isIpv6 = isIpv6;
        _nameServers = nameServers;
        _plan = new ProbePlan(
            _settings.Services, _remembered, _settings.Proven, isIpv6, PingTarget is not null, isEarly, now,
            limit);
        Step(now);
    }

    /// <summary>Records a sign of life, so that the probe may take its usual time.</summary>
    public void SeeLife() => _plan?.SeeLife();

    /// <summary>Ends a running probe without a result.</summary>
    public void Cancel()
    {
        _plan = null;
        _nextStep.Clear();
        foreach (NameQuery query in _queries)
        {
            query.Dispose();
            Bytes += query.Bytes;
        }
        _queries.Clear();
        foreach (ConversationSocket attempt in _attempts)
        {
            attempt.Dispose();
            Bytes += attempt.Bytes;
        }
        _attempts.Clear();
        _ping?.Dispose();
        Bytes += _ping?.Bytes ?? 0;
        _ping = null;
    }

    /// <summary>The first ping target of the family; null if there is none.</summary>
    private IPAddress? PingTarget
    {
        get
        {
            AddressFamily family = _isIpv6 ? AddressFamily.InterNetworkV6 : AddressFamily.InterNetwork;
            return _settings.PingTargets.FirstOrDefault(address => address.AddressFamily == family);
        }
    }

    /// <summary>Carries out the steps that are due, and sets the timer for the next.</summary>
    private void Step(TimeSpan now)
    {
        if (_plan is { } connected && now >= connected.EndsAt && _attempts.Exists(each => each.IsConnected))
        {
            connected.SeeLife();
        }
        if (_plan is { } running && now >= running.EndsAt)
        {
            Conclude(running, now);
        }
        // A step may report its result at once, or end the probe: read the field again each time.
        while (_plan is { } plan && plan.TryNext(now, out ProbeStep step))
        {
            switch (step.Kind)
            {
                case ProbeStepKind.Resolve:
                    Resolve(step.Service!);
                    break;
                case ProbeStepKind.Try:
                    Try(plan, step.Target!, now);
                    break;
                case ProbeStepKind.Ping:
                    Ping(plan);
                    break;
                default:
                    End(plan);
                    return;
            }
        }
        if (_plan is { } waiting)
        {
            _nextStep.Set(waiting.NextAt);
        }
    }

    private void Resolve(ProbeUrl service)
    {
        _watch?.Invoke($"resolve {service.Host}: ask {string.Join(", ", _nameServers)}");
        NameQuery query = new(
            _loop, _device, service.Host, _isIpv6, _nameServers, query => TakeAddresses(service, query),
            _questions);
        _queries.Add(query);
        query.Begin();
    }

    private void TakeAddresses(ProbeUrl service, NameQuery query)
    {
        _watch?.Invoke(
            $"resolve {service.Host}: "
            + (query.Addresses.Count > 0 ? string.Join(", ", query.Addresses) : query.Failure));
        TimeSpan now = _loop.Now;
        _plan?.TakeAddresses(service, query.Addresses, query.Failure, now);
        Step(now);
    }

    private void Try(ProbePlan plan, ProbeTarget target, TimeSpan now)
    {
        Span<byte> entropy = stackalloc byte[Conversation.EntropySize];
        Entropy.Fill(entropy);
        _settings.Connecting?.Invoke(target.Peer.Address);
        _watch?.Invoke($"{NameOf(target)}: connect");
        ConversationSocket? attempt = ConversationSocket.Open(
            _loop, _device, target, Conversation.With(target.Service, entropy), now, OnAttemptEnded,
            out KernelError error);
        if (attempt is not null)
        {
            _attempts.Add(attempt);
            return;
        }
        _watch?.Invoke($"{NameOf(target)}: {error.ToString()}");
        plan.TakeVerdict(target, Verdict.NotYet, error.ToString(), TimeSpan.Zero, now);
    }

    private void OnAttemptEnded(ConversationSocket attempt, Verdict verdict)
    {
        TimeSpan now = _loop.Now;
        _attempts.Remove(attempt);
        Bytes += attempt.Bytes;
        if (attempt.Flow is { } flow)
        {
            _settings.Ended?.Invoke(flow, attempt.StartedAt);
        }
        TakeVerdict(attempt, verdict, now);
        Step(now);
    }

    private void TakeVerdict(ConversationSocket attempt, Verdict verdict, TimeSpan now)
    {
        TimeSpan took = now - attempt.StartedAt;
        string words = verdict switch
        {
            Verdict.Content => "correct",
            Verdict.Protocol => "correct, by its protocol alone",
            Verdict.Connection => "connected, which proves as little as a ping",
            _ => "",
        };
        string comma = words.Length > 0 && attempt.Detail.Length > 0 ? ", " : "";
        string bytes = attempt.Bytes > 0 ? $", {attempt.Bytes} bytes" : "";
        _watch?.Invoke(
            $"{NameOf(attempt.Target)}: {words}{comma}{attempt.Detail} "
            + $"(after {Duration.Milliseconds(took)}{bytes})");
        if (verdict is Verdict.Content or Verdict.Protocol)
        {
            Remember(attempt.Target);
        }
        _plan?.TakeVerdict(attempt.Target, verdict, attempt.Detail, took, now);
    }

    /// <summary>
    /// Ends all conversations because the time is up. Bytes that have already arrived may suffice for a
    /// verdict.
    /// </summary>
    private void Conclude(ProbePlan plan, TimeSpan now)
    {
        foreach (ConversationSocket attempt in _attempts)
        {
            Verdict verdict = attempt.Conclude();
            if (verdict != Verdict.NotYet && plan.Result is null)
            {
                TakeVerdict(attempt, verdict, now);
            }
        }
    }

    private void Ping(ProbePlan plan)
    {
        KernelError error = KernelError.None;
        _ping ??= PingSocket.Open(_loop, _device, PingTarget!, TakePing, out error);
        _watch?.Invoke($"ping {PingTarget}{(error.IsNone ? "" : ": ")}{error.ToString()}");
        if (_ping is null)
        {
            plan.LosePing();
            return;
        }
        _ping.Send();
    }

    private void TakePing()
    {
        TimeSpan now = _loop.Now;
        _watch?.Invoke($"ping {PingTarget}: answered");
        _ping?.Dispose();
        _plan?.TakePing(now);
        Step(now);
    }

    private void End(ProbePlan plan)
    {
        ProbeResult result = plan.Result!.Value;
        if (result.Outcome == ProbeOutcome.NoAnswer && _settings.Unanswered is { } unanswered
            && _attempts.Exists(attempt => attempt.IsDroppedHere(unanswered)))
        {
            result = result with
            {
                IsDroppedHere = true,
                Detail = $"{result.Detail}; this device drops the packets",
            };
        }
        Cancel();
        _ended(result);
    }

    /// <inheritdoc/>
    public void Dispose()
    {
        Cancel();
        _nextStep.Dispose(); // otherwise the loop would keep the timer, and this object
    }

    private static string NameOf(ProbeTarget target) => $"{target.Service.Scheme.Name()} {target.Peer}";

    private void Remember(ProbeTarget target)
    {
        _remembered.Remove(target);
        _remembered.Insert(0, target);
        if (_remembered.Count > MaxRemembered)
        {
            _remembered.RemoveAt(MaxRemembered);
        }
    }
}
