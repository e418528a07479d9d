using ConnMgr.EventLoop;
using ConnMgr.Logging;
using ConnMgr.Scripts;

namespace ConnMgr.Firewall;

/// <summary>
/// Runs init_firewall.sh: at the start, when asked, and when somebody else has changed the rules. Where it fails, it closes
/// the firewall itself, as well as it can be done without the script.
/// </summary>
internal sealed class FirewallRunner : IDisposable
{
    /// <summary>
    /// What somebody else changed while the script ran cannot be told from what it did itself: so it is run once more after
    /// this time; in a fight again after twice as long, up to four times.
    /// </summary>
    private static readonly TimeSpan SecondLook = TimeSpan.FromSeconds(5);

    private static readonly TimeSpan Retry = TimeSpan.FromSeconds(10);

    private static readonly string[] Hooks = ["INPUT", "FORWARD", "OUTPUT"];

    private readonly Loop _loop;
    private readonly string _script;
    private readonly IReadOnlyList<string> _environment;
    private readonly List<string> _variables = [];
    private readonly Action<string?, LockdownReport> _ended;
    private readonly Action<string> _report;
    private readonly Action<string> _complain;
    private readonly ScriptLane _lane;
    private readonly ScriptLane _closing;
    private readonly RulesetSocket _rules;
    private readonly Deadline _next;
    private readonly MendSchedule _schedule = new();
    private bool _isMending; // it is to be run because others have changed something
    private bool _isChanging;
    private int _looks; // how often it is to be run once more
    private TimeSpan _nextLook;

    /// <param name="loop">Where the script's end arrives.</param>
    /// <param name="script">The path of init_firewall.sh.</param>
    /// <param name="environment">What it gets besides CONNMGR_SETS and CONNMGR_QUEUE.</param>
    /// <param name="ended">Gets why it failed (null: it did not), and what it said.</param>
    /// <param name="report">Gets lines for the log about what others did, and what was done about it.</param>
    /// <param name="complain">Gets lines about what does not work.</param>
    public FirewallRunner(
        Loop loop, string script, IReadOnlyList<string> environment,
        Action<string?, LockdownReport> ended, Action<string> report, Action<string> complain)
    {
        _loop = loop;
        _script = script;
        _environment = environment;
        _ended = ended;
        _report = report;
        _complain = complain;
        _lane = new ScriptLane(loop, _variables);
        _closing = new ScriptLane(loop, environment);
        _rules = new RulesetSocket(loop, Look);
        _next = loop.AddTimer(RunNext);
    }

    /// <summary>The kernel has the address sets.</summary>
    public bool HasSets { get; set; }

    /// <summary>The NFQUEUE that DNS replies are to go through; null: none.</summary>
    public ushort? Queue { get; set; }

    /// <summary>It has been in force, so that what others change is noticed.</summary>
    public bool IsInForce { get; private set; }

    /// <summary>How often it was restored after others had changed something.</summary>
    public int MendCount { get; private set; }

    public bool IsBusy => _lane.IsBusy || _closing.IsBusy;

    /// <summary>Runs the script now, or once more when it has ended.</summary>
    public void Run() => Run(looks: 1);

    private void RunNext()
    {
        if (_isMending)
        {
            Run(looks: 4);
            return;
        }
        _looks--;
        _nextLook *= 2;
        Start();
    }

    private void Run(int looks)
    {
        _looks = looks;
        _nextLook = SecondLook;
        Start();
    }

    private void Start()
    {
        _next.Clear();
        _isMending = false;
        _variables.Clear();
        _variables.AddRange(_environment);
        _variables.Add($"CONNMGR_SETS={(HasSets ? "yes" : "no")}");
        _variables.Add($"CONNMGR_QUEUE={Queue}");
        _lane.Run([_script], End);
    }

    /// <summary>
    /// Looks whether the rules are as they were left, in so far as the kernel does not tell of changes. Cheap; to be called
    /// every few seconds.
    /// </summary>
    public void Look()
    {
        if (IsWatching && (_isChanging ? _rules.HasFrameChanged() : _rules.HasChanged()))
        {
            SeeChange();
        }
    }

    /// <summary>We ourselves are about to change rules of addresses, or have done so.</summary>
    public void SetChanging(bool isChanging)
    {
        Look(); // so that our own change hides nobody else's before it, or beside it
        _isChanging = isChanging;
        if (IsWatching)
        {
            _rules.Remember();
        }
    }

    /// <summary>What changes now is not the script's doing, and not about to be mended anyway.</summary>
    private bool IsWatching => IsInForce && !_lane.IsBusy && !_isMending;

    /// <summary>
    /// Sets the policies of both families to DROP. By the platform's variant of iptables alone: a packet has to get through
    /// both, and one that is not in use otherwise would stay closed for ever.
    /// </summary>
    /// <param name="done">Called once; false if that did not work for a family.</param>
    public void Close(Action<bool> done) =>
        Close("iptables", 0, isIpv4Closed => Close("ip6tables", 0, isIpv6Closed => done(isIpv4Closed && isIpv6Closed)));

    private void Close(string name, int variant, Action<bool> done)
    {
        string[] variants = [name, $"{name}-nft", $"{name}-legacy"];
        if (variant == variants.Length)
        {
            done(false);
        }
        else if (Find(variants[variant]) is { } program)
        {
            SetPolicy(program, 0, isDone =>
            {
                if (isDone)
                {
                    done(true);
                }
                else
                {
                    Close(name, variant + 1, done);
                }
            });
        }
        else
        {
            Close(name, variant + 1, done);
        }
    }

    private void SetPolicy(string program, int hook, Action<bool> done)
    {
        if (hook == Hooks.Length)
        {
            done(true);
            return;
        }
        _closing.Run([program, "-w", "5", "-P", Hooks[hook], "DROP"], exit =>
        {
            if (exit.Failure is null)
            {
                SetPolicy(program, hook + 1, done);
                return;
            }
            _complain($"{program} -P {Hooks[hook]} DROP: {exit.Failure}{Said(exit)}");
            done(false);
        });
    }

    private string? Find(string program)
    {
        foreach (string variable in _environment)
        {
            if (!variable.StartsWith("PATH=", StringComparison.Ordinal))
            {
                continue;
            }
            foreach (string directory in variable[5..].Split(':'))
            {
                string path = Path.Combine(directory, program);
                if (directory.Length > 0 && File.Exists(path))
                {
                    return path;
                }
            }
        }
        return null;
    }

    private void SeeChange()
    {
        TimeSpan now = _loop.Now;
        TimeSpan at = _schedule.Next(now);
        MendCount++;
        _isMending = true;
        if (_schedule.IsFight)
        {
            _complain("somebody else changes the firewall again and again, restoring it at most every 8 s");
        }
        _report("somebody else changed the firewall, restoring it");
        if (at <= now)
        {
            RunNext();
        }
        else
        {
            _next.Set(at);
        }
    }

    private void End(ChildExit exit)
    {
        if (exit.Failure is { } failure)
        {
            _ended($"{Path.GetFileName(_script)}: {failure}{Said(exit)}", default);
            if (IsInForce)
            {
                _isMending = true;
                _next.Set(_loop.Now + Retry);
            }
            return;
        }
        IsInForce = true;
        _rules.Remember();
        if (_looks > 0)
        {
            _next.Set(_loop.Now + _nextLook);
        }
        _ended(null, LockdownReport.Read(exit.Output));
    }

    private static string Said(ChildExit exit)
    {
        string lastLine = exit.Output.TrimEnd().Split('\n')[^1];
        return lastLine.Length > 0 ? $", saying {Log.Quote(lastLine)}" : "";
    }

    public void Dispose()
    {
        _next.Dispose();
        _lane.Dispose();
        _closing.Dispose();
        _rules.Dispose();
    }
}
